#!/usr/bin/env python3
"""The queue's functions in a real Redis, as intake and workers call them: submit to settle (QUEUE.md, queue.lua).

    tests/live/functions_test.py [NAME…]

Each path, each repetition, each refusal. Every test has a shard of its own and ends with a look inside: whether lists,
leases, bits and counters agree.
"""
import sys
import time

from cases import L, M, PAST, T, refused, run, same
from shard import FAR, head, record_bytes, record_read


def test_version(world):
    same(world.redis("FCALL", "hikyaku_version", 0), 11)
    same(world.redis("FCALL_RO", "hikyaku_version", 0), 11)


def test_submit(world):
    def submit(*words):
        return world.redis("FCALL", "hikyaku_submit", 1, "hikyaku:jobs", *words)
    entry = submit(' \r\n{"id":"a"}')
    raw = submit('{"id":"b"}', b"From: a\r\n\r\n\0\xff")
    entries = world.redis("XRANGE", "hikyaku:jobs", "-", "+")
    same(entries, [[entry, [b"job", b' \r\n{"id":"a"}']],
                   [raw, [b"job", b'{"id":"b"}', b"raw", b"From: a\r\n\r\n\0\xff"]]])
    for words in ([], ["[1]"], [""], ["x{}"], ["{}", "raw", "more"]):
        refused("SHAPE", submit, *words)
    refused("TOOBIG", submit, "{" + " " * (8 << 20))
    refused("TOOBIG", submit, "{}", b"x" * ((26 << 20) + 1))
    same(world.redis("XLEN", "hikyaku:jobs"), 2)


def test_submit_full(world):
    for _ in range(10):
        world.redis.pipeline([("XADD", "hikyaku:full", "*", "job", "{}")] * 10000)
    said = refused("FULL", world.redis, "FCALL", "hikyaku_submit", 1, "hikyaku:full", "{}")
    assert " retry_ms=1000 " in said, said
    same(world.redis("XLEN", "hikyaku:full"), 100000)


def test_begin(world):
    s = world.shard()
    same(s.begin("j", 2, entry="5-1", hash="aa"), [b"NEW", 1, 0])
    same(s.begin("j", 2, entry="5-1", hash="aa"), [b"RESUME", 1, 0])
    s.expand("j", 0, [s.item("j", 0, L)])
    same(s.begin("j", 2, entry="5-1", hash="aa"), [b"RESUME", 1, 1])
    same(s.begin("j", 2, entry="6-1", hash="aa"), [b"DUP", 1, 2])
    same(s.begin("j", 2, entry="6-1", hash="aa"), [b"DUP", 1, 2])
    same(s.begin("j", 2, entry="7-1", hash="bb"), [b"CONFLICT", b"5-1", b"aa"])
    same(s.begin("k", 1), [b"NEW", 2, 0])
    same([(e.type, e.job, e.to, e.data["event"]) for e in s.events()],
         [("accepted", "j", "", "a-j"), ("duplicate", "j", "", "d-j-6-1"), ("accepted", "k", "", "a-k")])
    return s


def test_begin_empty(world):
    s = world.shard()
    same(s.begin("j", 0), [b"NEW", 1, 0])
    same(s.begin("j", 0), [b"RESUME", 1, 0])
    same(s.types(), ["accepted", "finished"])
    return s


def test_expand(world):
    s = world.shard()
    s.begin("j", 5)
    items = [s.item("j", 0, L), s.item("j", 1, T), s.final("rejected", 2)]
    same(s.expand("j", 0, items), 3)
    same(s.expand("j", 0, items), 3, "again")
    same(s.expand("j", 1, items[1:]), 3, "from the middle")
    same(s.expand("j", 3, []), 3, "nothing")
    same(s.broken(), [])
    same(s.expand("j", 3, [s.item("j", 3, L), s.final("suppressed", 4)]), 5)
    same(s.expand("j", 3, [s.item("j", 3, L), s.final("suppressed", 4)]), 5, "again")
    same(s.list(L), [0, 3])
    same(s.list(T), [1])
    same(s.counters("j"), {"queued": 3, "rejected": 1, "suppressed": 1})
    same([(e.type, e.to) for e in s.events()],
         [("accepted", ""), ("rejected", "u2@a.test"), ("suppressed", "u4@a.test")])
    return s


def test_expand_more(world):
    s = world.shard()
    s.begin("j", 8)
    one, waits = s.item("j", 0, L), s.item("j", 4, M, delay=60000)
    items = [one, s.more("j", 1), s.item("j", 2, M), s.more("j", 3), waits, s.more("j", 5), s.final("rejected", 6),
             s.item("j", 7, T)]
    same(s.expand("j", 0, items), 8)
    same((s.list(L), s.list(M), s.list(T)), ([0, 1], [2, 3], [7]))
    same(s.counters("j"), {"queued": 5, "deferred": 2, "rejected": 1})
    same(s.broken(), [])
    s.begin("k", 3)
    for bad in ([s.more("k", 0)], [s.final("rejected", 0), s.more("k", 1)], [one, ["+", b"short"]], [one, ["+"]]):
        refused("SHAPE", s.expand, "k", 0, bad)
    refused("SHAPE", s.call, "expand", "acme", "k", 0, 1, *one, *s.more("k", 1))
    return s


def test_expand_refused(world):
    s = world.shard()
    s.begin("j", 3)
    item, final = s.item("j", 0, L), s.final("rejected", 0)
    refused("NOJOB", s.expand, "k", 0, [item])
    refused("SHAPE", s.expand, "j", 0, [item] * 4)
    refused("SHAPE", s.call, "expand", "acme", "j", 0, 2, *item)
    refused("SHAPE", s.expand, "j", 0, [["x"] + item[1:]])
    refused("SHAPE", s.expand, "j", 0, [final, ["deferred"] + final[1:]])
    refused("SHAPE", s.expand, "j", 0, [final[:2] + ["1x"] + final[3:]])
    refused("SHAPE", s.expand, "j", 0, [final[:2] + ["123456789"] + final[3:]])
    refused("SHAPE", s.expand, "j", 0, [item[:4] + [b"short"]])
    refused("SHAPE", s.expand, "j", 0, [item, item[:4] + [record_bytes("j", 1 << 31, 1)]])
    same(s.types(), ["accepted"])
    return s


def test_all_rejected(world):
    s = world.shard()
    s.begin("j", 2, tags='{"k":[]}')
    s.expand("j", 0, [s.final("rejected", 0), s.final("rejected", 1)])
    s.expand("j", 0, [s.final("rejected", 0), s.final("rejected", 1)])
    event = s.events()[-1]
    same((event.type, event.to, event.data["rejected"], event.data["total"], event.data["delivered"]),
         ("finished", "", 2, 2, 0))
    same([event.data[k] for k in ("tags", "campaign", "class", "v")], [{"k": []}, "c", "bulk", 1])
    assert abs(event.data["time"] / 1000 - time.time()) < 5
    return s


def test_changed(world):
    s = world.shard()
    names = ["b:d%02d.test:acme:c" % i for i in range(20)]
    s.fill("j", names[:10] + ["t:x.test:acme:c"] + names[10:])
    same(s.changed(), ["t:x.test:acme:c"] + names)
    since, seen = [0, 0], []
    for _ in range(9):
        reply = s.call("changed", *since, 5)
        since, seen = reply[:2], seen + [name.decode() for name in reply[2:]]
    same(sorted(seen), sorted(names + ["t:x.test:acme:c"]), "in pieces")
    same(s.call("changed", *since, 5), since)
    s.fill("k", [names[0]])
    same(s.call("changed", *since, 5), since, "was not empty")
    s.lease([(names[1], 5)])
    s.fill("l", [names[1]])
    same([n.decode() for n in s.call("changed", *since, 5)[2:]], [names[1]])
    s.fill("m", ["t:y.test:acme:c"])
    same([n.decode() for n in s.call("changed", 0, since[1], 1)[2:]], ["t:y.test:acme:c", names[0]], "waits for no bulk")
    return s


def test_lease(world):
    s = world.shard()
    s.fill("j", [L, L, L, M])
    taken = s.lease([(L, 2), ("b:none.test::", 4), (M, 5)])
    same([(t.list, t.remaining, [p for p, _ in t.records]) for t in taken],
         [(L, 1, [0, 1]), ("b:none.test::", 0, []), (M, 0, [2])])
    same([record_read(data).index for t in taken for _, data in t.records], [0, 1, 3])
    same(s.changed(), [L])
    same(s.counters("j"), {"queued": 4})
    same(s.broken(), [])
    same(s.lease([(L, 2), (M, 5)], number=taken[0].lease)[0].records, taken[0].records, "again")
    same(s.list(L), [2])
    s.settle([s.done(taken[0], 0)])
    again = s.lease([(L, 2), (M, 5), ("b:other.test::", 1)], number=taken[0].lease)
    same([(t.list, t.remaining, [p for p, _ in t.records]) for t in again],
         [(L, 1, [1]), (M, 0, [2]), ("b:other.test::", 0, [])], "what is not settled")
    s.settle([s.done(taken[0], 1), s.done(taken[2], 0)])
    same([(t.list, t.records) for t in s.lease([(L, 2)], number=taken[0].lease)], [(L, [])], "a lease that is over")
    same(s.list(L), [2])
    return s


def test_lease_limits(world):
    s = world.shard()
    s.fill("j", [L] * 200 + [M] * 200)
    taken = s.lease([(L, 300), (M, 300)])
    same([(len(t.records), t.remaining) for t in taken], [(200, 0), (56, 144)])
    same(len(s.lease([("b:%d.test::" % i, 1) for i in range(70)])), 64)
    items = [s.done(t, i) for t in taken for i in range(len(t.records))]
    same(s.settle(items), "O" * 256)
    refused("SHAPE", s.settle, items + items[:1])
    return s


def test_settle_final(world):
    s = world.shard()
    s.fill("j", [L] * 3)
    taken = s.lease([(L, 3)])[0]
    items = [s.done(taken, 0), s.done(taken, 1, "failed", before=("uncertain", '{"event":"u"}')), s.done(taken, 0)]
    same(s.settle(items), "OOA")
    same(s.settle(items), "AAA", "again")
    same(s.counters("j"), {"queued": 1, "delivered": 1, "failed": 1})
    same(s.broken(), [])
    same(s.settle([s.done(taken, 2, "expired")]), "O")
    same(s.settle([s.done(taken, 2, "delivered")]), "A", "otherwise")
    same([(e.type, e.to) for e in s.events()], [
        ("accepted", ""), ("delivered", "u0@a.test"), ("uncertain", "u1@a.test"), ("failed", "u1@a.test"),
        ("expired", "u2@a.test"), ("finished", "")])
    same(s.job("j")["finished"] != "", True)
    same(s.names("lease:*"), ["%d:%d" % (s.epoch, taken.lease)])
    assert 0 < world.redis("TTL", s.key("lease:%d:%d" % (s.epoch, taken.lease))) <= 20
    same(72 * 3600 - world.redis("TTL", s.key("bits:acme:j")) < 5, True)
    return s


def test_settle_late(world):
    """Three that were leased again when their settlement came: the second one is none, though they are open in a lease."""
    s = world.shard()
    s.fill("j", [L] * 4)
    taken, old = s.lease([(L, 3)])[0], s.epoch
    s.register()
    s.call("reap", "mta1", old, 100, "retry", "")
    again = s.lease([(L, 3)])[0]
    same(s.settle([s.done(taken, i) for i in range(3)], epoch=old), "OOO")
    same(s.settle([s.done(again, i) for i in range(3)]), "AAA")
    same(s.types(), ["accepted"] + ["delivered"] * 3)
    return s


def test_settle_refused(world):
    s = world.shard()
    s.fill("j", [L])
    taken = s.lease([(L, 1)])[0]
    good = s.done(taken, 0)
    later = s.done(taken, 0, "deferred", verb="l")

    def wrong(item, *heads):
        return [item[:3] + [word] + item[4:] for word in heads]

    at = good[3][2:]
    for bad in (*wrong(good, b"xd" + at, b"Fd" + at, b"fl" + at, b"fx" + at, b"h-" + at, b"f", b"fd", b"fd\0", b""),
                good[:-1], later[:-1] + [b"short"], later[:-1], good[3:],
                good[:4] + ["1x"] + good[5:], good[:4] + [""] + good[5:], good[:4] + ["123456789"] + good[5:],
                later[:4] + ["x"] + later[5:], good[:2], ["j"]):
        refused("SHAPE", s.call, "settle", s.instance, s.epoch, *bad)
    refused("SHAPE", s.call, "settle", s.instance, s.epoch, *good, "more")
    same(s.settle([]), "")
    same(s.settle([good[:3]]), "", "a job without items")
    same(s.counters("j"), {"queued": 1}, "nothing was done")
    for position in (9, 255):
        same(s.settle([s.settle_item("b", taken.lease, position, L, taken.records[0][1])]), "A", "no such position")
    unknown = good[:2] + ["nosuch"] + good[3:]
    same(s.settle([unknown[:3] + [head("f", "delivered", 0, 7)] + unknown[4:]]), "A", "no such job")
    same(s.settle([good[:3] + [head("f", "delivered", 0, 7)] + good[4:]]), "O", "another lease: a fact all the same")
    return s


def test_later(world):
    s = world.shard()
    s.fill("j", [L, L, L])
    taken = s.lease([(L, 3)])[0]
    changed = s.record("j", 0, attempt=1)
    items = [s.done(taken, 0, "deferred", verb="l", delay=30, record=changed),
             s.done(taken, 1, "deferred", verb="l", delay=3600000),
             s.done(taken, 2, "", verb="l", delay=3600000, record=s.record("j", 2, expires=PAST))]
    same(s.settle(items), "OOO")
    same(s.settle(items), "AAA", "again")
    same(s.counters("j"), {"deferred": 3})
    same(s.broken(), [])
    same(s.types(), ["accepted", "deferred", "deferred"])
    end, moved = time.monotonic() + 5, 0
    while not moved and time.monotonic() < end:
        moved, wait = s.call("promote", 100)
        same(s.counters("j").get("expired"), 1, "due at its expiry")
    same(moved, 1)
    assert 3590000 < wait <= 3600000, wait
    again = s.lease([(L, 9)])[0]
    same([data for _, data in again.records], [changed])
    same(s.types(), ["expired"])
    same(s.settle([s.done(again, 0)]), "O")
    return s


def test_promote_order(world):
    s = world.shard()
    s.fill("j", [L])
    s.begin("k", 4)
    s.expand("k", 0, [s.item("k", i, [L, L, M, L][i], delay=1 + i) for i in range(4)])
    same(s.counters("k"), {"deferred": 4})
    same(s.broken(), [])
    end, moved = time.monotonic() + 5, []
    while sum(moved) < 4 and time.monotonic() < end:
        moved.append(s.call("promote", 2)[0])
    same(max(moved) <= 2, True)
    same([(r.job, r.index) for r in map(record_read, world.redis("LRANGE", s.key("list:" + L), 0, -1))],
         [("j", 0), ("k", 0), ("k", 1), ("k", 3)])
    same(s.call("promote", 2), [0, -1])
    same(s.counters("k"), {"queued": 4})
    return s


def test_back(world):
    s = world.shard()
    s.fill("j", [L] * 4 + [M] * 2 + [T])
    taken = s.lease([(L, 3), (M, 2), (T, 1)])
    same(s.changed(), [L])
    changed = s.record("j", 4, attempt=1)
    items = [s.done(taken[0], 0, "", verb="b"), s.done(taken[1], 0, "deferred", verb="b", record=changed),
             s.done(taken[0], 1, "", verb="b"), s.done(taken[1], 1, "", verb="b"), s.done(taken[2], 0, "", verb="b")]
    same(s.settle(items), "OOOOO")
    same(s.settle(items), "AAAAA", "again")
    same(s.list(L), [0, 1, 3])
    same(s.list(M), [4, 5])
    same(world.redis("LINDEX", s.key("list:" + M), 0), changed)
    same(s.changed(), [T, L, M])
    same(s.broken(), [])
    same(s.settle([s.done(taken[0], 2, "", verb="b")]), "O")
    same(s.list(L), [2, 0, 1, 3])
    same(s.types(), ["accepted", "deferred"])
    return s


def test_hold(world):
    s = world.shard()
    s.fill("j", [L, L])
    taken = s.lease([(L, 2)])[0]
    item = s.done(taken, 0, "held", verb="h", record=s.record("j", 0, expires=PAST))
    same(s.settle([item, s.done(taken, 1, "held", verb="h")]), "OO")
    same(s.settle([item]), "A")
    same(s.counters("j"), {"held": 2})
    same(s.broken(), [])
    same(s.call("sweep", 10)[0], 1, "the one that expired")
    same(s.counters("j"), {"held": 1, "expired": 1})
    same(s.settle([s.done(taken, 1)]), "O", "known later after all")
    same(world.redis("EXISTS", s.key("held")), 0)
    same(s.types(), ["accepted", "held", "held", "expired", "delivered", "finished"])
    return s


if __name__ == "__main__":
    sys.exit(run(globals()))
