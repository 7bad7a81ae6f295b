#!/usr/bin/env python3
"""The queue's functions in a real Redis, as the keeper calls them: takeover, time, trimming, totals (queue.lua).

    tests/live/functions_keeper_test.py [NAME…]
"""
import sys
import time

from cases import L, M, PAST, T, refused, run, same
from redis_client import Redis, RedisServer, library_load
from shard import FAR, Shard, pack, record_read


def test_fenced(world):
    """Another engine takes over: the old one's finals count, all else of it is stale."""
    s = world.shard()
    s.fill("j", [L] * 6)
    old = s.epoch
    taken = s.lease([(L, 4)])[0]
    same(s.settle([s.done(taken, 0)]), "O")
    reply = s.register(instance="mta2", sure=0)
    same(reply[:2], [b"WAIT", b"mta1"])
    beat = s.call("beat", "mta1", old)
    same(beat[:2], [b"OK", 0])
    refused("ALIVE", s.call, "reap", "mta1", reply[2], 100, "retry", "")
    refused("ALIVE", s.call, "reap", "mta1", str(old), 100, "retry", "")
    refused("SHAPE", s.call, "reap", "mta1", "what", 100, "retry", "")
    same(s.register(instance="mta2", sure=0)[2], beat[2])
    same(s.call("reap", "mta1", beat[2], 100, "retry", ""), [3, 0])
    same(s.call("reap", "mta1", beat[2], 100, "retry", ""), [0, 0], "again")
    refused("FENCED", s.call, "beat", "mta1", old)
    refused("FENCED", s.lease, [(L, 1)], epoch=old)
    same(s.list(L), [1, 2, 3, 4, 5])
    late = [s.done(taken, 1), s.done(taken, 2, "", verb="b"), s.done(taken, 3, "deferred", verb="l")]
    same(s.settle(late, epoch=old), "OSS")
    same(s.broken(), [])
    same(s.counters("j"), {"queued": 4, "delivered": 2})
    same(s.register(instance="mta2", sure=0)[0], b"OK")
    fresh = s.lease([(L, 9)], instance="mta2")[0]
    same([record_read(data).index for _, data in fresh.records], [2, 3, 4, 5], "without the final one")
    same(s.broken(), [])
    same(s.settle([s.done(taken, 3)], epoch=old), "O", "final while another has it leased")
    same(s.settle([s.done(fresh, 1, "deferred", verb="l")], instance="mta2"), "A")
    same(s.settle([s.done(fresh, i) for i in range(4)], instance="mta2"), "OAOO")
    same(world.redis("EXISTS", s.key("strays")), 0)
    return s


def test_fenced_elsewhere(world):
    """A late final finds its record deferred, and held."""
    s = world.shard()
    s.fill("j", [L] * 3)
    taken, old = s.lease([(L, 3)])[0], s.epoch
    s.register()
    s.call("reap", "mta1", old, 100, "retry", "")
    fresh = s.lease([(L, 3)])[0]
    s.settle([s.done(fresh, 0, "deferred", verb="l", delay=1), s.done(fresh, 1, "held", verb="h"),
              s.done(fresh, 2, "deferred", verb="l", delay=1)])
    same(s.settle([s.done(taken, 0), s.done(taken, 1)], epoch=old), "OO")
    same(s.counters("j"), {"deferred": 1, "delivered": 2})
    same(s.broken(), [])
    end, moved = time.monotonic() + 5, 0
    while not moved and time.monotonic() < end:
        moved = s.call("promote", 10)[0]
    same(s.list(L), [2], "the final one was dropped")
    return s


def test_fenced_twice(world):
    """A late final meets its record in another's lease: that one's final does not count, nor is it given back."""
    s = world.shard()
    s.fill("j", [L] * 3)
    taken, first = s.lease([(L, 3)])[0], s.epoch
    s.register()
    s.call("reap", "mta1", first, 100, "retry", "")
    fresh, second = s.lease([(L, 3)])[0], s.epoch
    same(s.settle([s.done(taken, 0), s.done(taken, 1)], epoch=first), "OO")
    same(s.broken(), [])
    same(s.settle([s.done(fresh, 0, "failed")]), "A")
    same(s.broken(), [])
    s.register()
    same(s.call("reap", "mta1", second, 100, "retry", "all"), [2, 0])
    same(s.list(L), [2])
    same(s.types(), ["accepted", "delivered", "delivered", "uncertain"])
    return s


def test_register(world):
    s = world.shard()
    first = s.epoch
    same(s.register(sure=0)[:2], [b"WAIT", b"mta1"])
    same(s.register(instance="mta2", sure=1)[:2], [b"WAIT", b"mta1"], "sure only of oneself")
    same(s.register(sure=1), [b"OK", first + 1], "no leases, nothing to reap")
    same(world.redis("EXISTS", s.key("open:%d" % first)), 0, "what had no leases leaves nothing")
    same(world.redis("OBJECT", "ENCODING", s.key("open:%d" % (first + 1))), b"hashtable", "leases are found at once")
    s.fill("j", [L])
    s.lease([(L, 1)])
    same(s.register(sure=1), [b"OK", first + 2, b"mta1", str(first + 1).encode()])
    refused("FENCED", s.call, "beat", "mta1", first + 1)
    refused("FENCED", s.call, "beat", "mta9", first + 2)
    world.redis("SET", s.key("control:generation"), 7)
    seen = s.call("beat", "mta1", first + 2)
    same(seen[:2], [b"OK", 7])
    same(s.call("reap", "mta1", first + 1, 100, "retry", ""), [1, 0])
    same(world.redis("HKEYS", s.key("instances")), [str(first + 2).encode()], "the reaped one is forgotten")
    same(world.redis("EXISTS", s.key("open:%d" % (first + 1))), 0, "and what it had open")
    same(s.call("reap", "mta1", seen[2], 100, "retry", ""), [0, 0], "leaves")
    said = refused("FENCED", s.lease, [(L, 1)])
    assert "nobody" in said, said
    same(s.register(instance="mta2", sure=0), [b"OK", first + 3])
    return s


def test_reap_order(world):
    s = world.shard()
    s.fill("j", [L] * 7 + [M] * 5)
    for _ in range(2):
        taken = s.lease([(L, 3), (M, 2)])
    same(s.settle([s.done(taken[0], 1)]), "O")
    old = s.epoch
    s.register()
    done = [s.call("reap", "mta1", old, 4, "retry", "") for _ in range(3)]
    same(done, [[4, 5], [4, 1], [1, 0]])
    same(s.list(L), [0, 1, 2, 3, 5, 6])
    same(s.list(M), [7, 8, 9, 10, 11])
    same(s.types(), ["accepted", "delivered"])
    return s


def test_reap_begun(world):
    s = world.shard()
    extras = pack((b"t", b"r", b"4711"), (b"j", b"t", b'{"own":1}'))
    s.begin("j", 3, tags='{"job":1}')
    s.expand("j", 0, [s.item("j", i, L, extras=extras if i == 0 else b"") for i in range(3)])
    lease, old = s.lease([(L, 3)])[0].lease, s.epoch
    s.register()
    same(s.call("reap", "mta1", old, 100, "retry", "%d:0,%d:2" % (lease, lease)), [3, 0])
    back = [record_read(data) for data in world.redis("LRANGE", s.key("list:" + L), 0, -1)]
    same([(r.index, r.attempt, r.recoveries, r.first > 0) for r in back],
         [(0, 1, 1, True), (1, 0, 0, False), (2, 1, 1, True)])
    events = s.events()[1:]
    same([(e.type, e.to) for e in events], [("uncertain", "u2@a.test"), ("uncertain", "u0@a.test")])
    data = events[1].data
    same([data[k] for k in ("rcpt", "tags", "domain", "attempt", "queued", "stage", "campaign", "tenant", "v")],
         ["4711", {"own": 1}, "a.test", 1, 1795000000000, "eom", "c", "acme", 1])
    same((events[0].data["rcpt"], events[0].data["tags"]), ("2", {"job": 1}))
    same(len({e.data["event"] for e in events}), 2)
    return s


def test_reap_poison(world):
    """Two crashes, then alone; a third, then held."""
    s = world.shard()
    s.fill("j", [L, L, L, M])
    for recoveries in range(1, 4):
        taken = s.lease([(M, 1), (L, 9)] if recoveries == 1 else [(L, 9), (M, 1)])
        if recoveries == 3:
            same([(t.list, t.remaining, len(t.records)) for t in taken], [(L, 2, 1), (M, 1, 0)], "alone")
            assert world.redis("TTL", s.key("alone")) > 86400
        old = s.epoch
        s.register()
        number = taken[0].lease
        begun = "%d:1" % number if recoveries == 1 else "%d:0" % number
        s.call("reap", "mta1", old, 100, "retry", begun)
        same(s.broken(), [])
    same(s.counters("j"), {"queued": 3, "held": 1})
    same(s.types(), ["accepted", "uncertain", "uncertain", "uncertain", "held"])
    same(s.list(L), [1, 2])
    return s


def test_lease_alone_later(world):
    """What must be alone and is not the first is left for a lease of its own, with those behind it."""
    s = world.shard()
    s.begin("j", 4)
    s.expand("j", 0, [s.item("j", 0, L), s.item("j", 1, L, recoveries=2), s.item("j", 2, L), s.item("j", 3, M)])
    world.redis("SET", s.key("alone"), 1)  # as reaping the second does
    same([(t.remaining, len(t.records)) for t in s.lease([(L, 9), (M, 9)])], [(2, 1), (1, 0)])
    same(s.list(L), [1, 2])
    same([(t.remaining, len(t.records)) for t in s.lease([(L, 9), (M, 9)])], [(1, 1), (1, 0)])
    same([(t.remaining, len(t.records)) for t in s.lease([(L, 9), (M, 9)])], [(0, 1), (0, 1)])
    return s


def test_reap_policies(world):
    s = world.shard()
    s.fill("j", [L] * 4)
    for policy, counters in (("hold", {"queued": 2, "held": 2}), ("assume-delivered", {"delivered": 2, "held": 2})):
        s.lease([(L, 2)])
        old = s.epoch
        s.register()
        same(s.call("reap", "mta1", old, 100, policy, "all"), [2, 0])
        same(s.counters("j"), counters)
        same(s.broken(), [])
    events = s.events()
    same([e.type for e in events], ["accepted"] + ["uncertain", "held"] * 2 + ["uncertain", "delivered"] * 2)
    same(events[-1].data["origin"], "assumed")
    return s


def test_sweep_list(world):
    """A whole list that has expired goes; one with some expired keeps the others, in order."""
    s = world.shard()
    s.begin("j", 12)
    said = pack((b"t", b"e", b'450 "busy" \xc3\xa4'))
    s.expand("j", 0, [s.item("j", i, L, expires=PAST, extras=said) for i in range(5)] +
             [s.item("j", 5 + i, M, expires=PAST if i in (0, 2, 3, 6) else FAR) for i in range(7)])
    looks = []
    while s.call("sweep", 4)[0] or len(looks) < 8:
        looks.append(s.broken())
    same(looks, [[]] * len(looks))
    same(s.counters("j"), {"queued": 3, "expired": 9})
    same(s.changed(), [M])
    same(float(world.redis("ZSCORE", s.key("expiry"), M)), FAR * 1000.0)
    events = [e for e in s.events() if e.type == "expired"]
    same(len(events), 9)
    data = next(e for e in events if e.to == "u0@a.test").data
    same([data[k] for k in ("stage", "origin", "category", "enhanced", "reply", "domain", "attempt", "rcpt")],
         ["queue", "local", "expired", "4.4.7", '450 "busy" \\xc3\\xa4', "a.test", 0, "0"])
    taken = s.lease([(M, 9)])[0]
    same([record_read(data).index for _, data in taken.records], [6, 9, 10])
    same(world.redis("EXISTS", s.key("strays")), 0)
    same(s.settle([s.done(taken, i) for i in range(3)]), "OOO")
    same(s.types(), ["delivered"] * 3 + ["finished"])
    return s


def test_sweep_whole(world):
    """As many as one call looks at: the list is empty then, and no longer in the index."""
    s = world.shard()
    s.fill("j", [L] * 4, expires=PAST)
    same(s.call("sweep", 4)[0], 4)
    same(s.broken(), [])
    same(s.changed(), [])
    return s


def test_sweep_literal(world):
    s = world.shard()
    s.fill("j", ["t:[IPv6:2001:db8::1]:acme:c"], expires=PAST)
    same(s.call("sweep", 10), [1, 1])
    same([e.data["domain"] for e in s.events() if e.type == "expired"], ["[IPv6:2001:db8::1]"])
    return s


def test_sweep_interrupted(world):
    """Between two calls over one list records are taken from it, given back and added."""
    s = world.shard()
    s.begin("j", 24)
    s.expand("j", 0, [s.item("j", i, L, expires=PAST if i in (3, 11, 12, 19) else FAR - i) for i in range(20)])
    s.call("sweep", 4)
    taken = s.lease([(L, 3)])[0]
    s.call("sweep", 4)
    s.expand("j", 20, [s.item("j", 20 + i, L, expires=PAST if i == 1 else FAR) for i in range(4)])
    s.call("sweep", 4)
    s.settle([s.done(taken, i, "", verb="b") for i in range(3)])
    for _ in range(30):
        s.call("sweep", 4)
    same(s.counters("j"), {"queued": 19, "expired": 5})
    same(s.list(L)[:4], [0, 1, 2, 3])
    return s


def test_dead_of_forgotten_job(world):
    """A dead record outlives its job: it is never sent, also not when the job's id is used again."""
    s = world.shard()
    s.fill("j", [L, L, M])
    taken, old = s.lease([(L, 2), (M, 1)]), s.epoch
    s.register()
    s.call("reap", "mta1", old, 100, "retry", "")
    s.settle([s.done(taken[0], 0), s.done(taken[0], 1), s.done(taken[1], 0)], epoch=old)
    same(s.types()[-1], "finished")
    world.redis("DEL", s.key("job:acme:j"), s.key("bits:acme:j"), s.key("waits:acme:j"))  # as 72 hours would
    same(s.lease([(M, 9)])[0].records, [])
    s.fill("j", [L])
    same([record_read(data).accept for _, data in s.lease([(L, 9)])[0].records], [2])
    same(world.redis("EXISTS", s.key("strays")), 0)
    return None


def test_dirty(world):
    s = world.shard()
    s.begin("j", 2)
    def dirty():
        flat = [value.decode() for value in s.call("dirty", 10)]
        return [tuple(flat[i:i + 16]) for i in range(0, len(flat), 16)]
    created = s.job("j")["created"]
    (tenant, job, seq, *values), = dirty()
    same((tenant, job, values), ("acme", "j", ["accepted", "2"] + ["0"] * 9 + [created, ""]))
    s.expand("j", 0, [s.item("j", 0, L), s.item("j", 1, M)])
    same(s.call("clean", "acme:j", seq), 0, "it has changed since")
    (_, _, seq, *values), = dirty()
    same(values[:3], ["running", "2", "2"])
    same(s.call("clean", "acme:j", seq), 1)
    same(dirty(), [])
    taken = s.lease([(L, 1), (M, 1)])
    s.settle([s.done(taken[0], 0), s.done(taken[1], 0, "failed")])
    (_, _, _, *values), = dirty()
    same(values, ["finished", "2", "0", "0", "0", "1", "1", "0", "0", "0", "0", created, s.job("j")["finished"]])
    s.fill("k", [L])
    s.fill("l", [M])
    for told in dirty():
        same(s.call("clean", "acme:" + told[1], told[2]), 1)
    taken = s.lease([(L, 1), (M, 1)])
    s.settle([s.done(taken[0], 0), s.done(taken[1], 0)])
    same(sorted(told[1] for told in dirty()), ["k", "l"], "of one batch")
    s.begin("m", 1)
    world.redis("DEL", s.key("job:acme:m"), s.key("jobs"))
    same(sorted(told[1] for told in dirty()), ["k", "l"])
    same(world.redis("SISMEMBER", s.key("dirty"), "acme:m"), 0, "forgotten with its job")
    return s


def test_trim(world):
    s = world.shard()
    events = s.key("events")
    same(s.call("trim", 0, 1000, "platform"), [0, b"", 0, b"ok"], "makes the group")
    s.fill("j", [L] * 300)
    items = [s.done(t, i) for t in [s.lease([(L, 200)])[0]] for i in range(200)]
    s.settle(items)
    length = world.redis("XLEN", events)
    first = world.redis("XRANGE", events, "-", "+", "COUNT", 1)[0][0]
    same(s.call("trim", 100, 0, "platform"), [length, first, 0, b"full"])
    same(s.call("trim", 240, 0, "platform")[3], b"high")
    read = world.redis("XREADGROUP", "GROUP", "platform", "c", "COUNT", 150, "STREAMS", events, ">")[0][1]
    same(s.call("trim", 0, 0, "platform"), [length, first, 0, b"ok"], "read and not acknowledged")
    ids = [entry for entry, _ in read]
    world.redis("XACK", events, "platform", *ids[:3], *ids[4:])
    same(s.call("trim", 0, 0, "platform"), [length - 3, ids[3], 3, b"ok"], "up to the oldest one pending")
    world.redis("XACK", events, "platform", ids[3])
    for _ in range(2):
        same(s.call("trim", 0, 0, "platform", "second")[2], 0, "a new group has read nothing")
    same(s.call("trim", 0, 0, "platform")[2], 147)
    world.redis("XREADGROUP", "GROUP", "platform", "c", "NOACK", "COUNT", 1000, "STREAMS", events, ">")
    same(s.call("trim", 0, 0, "platform"), [0, b"", length - 150, b"ok"])
    return None


def test_trim_without_groups(world):
    s = world.shard()
    s.fill("j", [L])
    world.redis.pipeline([("XADD", s.key("events"), "*", "type", "t", "job", "", "to", "", "data", "{}")] * 9500)
    same(s.call("trim", 0, 3600000), [9501, b"", 0, b"ok"])
    length, _, trimmed, state = s.call("trim", 500, 3600000)
    assert 0 < trimmed <= 4100 and length == 9501 - trimmed and state == b"ok", (length, trimmed, state)
    for _ in range(3):
        reply = s.call("trim", 500, 3600000)
    same(reply[0], 500)
    end = time.monotonic() + 5
    while s.call("trim", 500, 1)[0] and time.monotonic() < end:
        pass
    same(world.redis("XLEN", s.key("events")), 0)
    return None


def test_counts(world):
    s = world.shard()
    same(s.call("counts"), [0, 0, 0, 0, 0, 0, 0])
    s.begin("j", 6)
    s.expand("j", 0, [s.item("j", i, [L, M, T][i % 3]) for i in range(5)] + [s.item("j", 5, L, delay=9000)])
    taken = s.lease([(L, 2), (M, 1)])
    s.settle([s.done(taken[0], 0, "held", verb="h")])
    same(s.call("counts"), [2, 2, 1, 1, 2, 2, int(s.job("j")["created"])])
    return s


def test_oom(world):
    """Out of memory nothing new comes in; what is here drains."""
    s = world.shard()
    s.fill("j", [L] * 3)
    taken = s.lease([(L, 1)])[0]
    world.redis("CONFIG", "SET", "maxmemory", "1mb")
    try:
        refused("OOM", world.redis, "FCALL", "hikyaku_submit", 1, "hikyaku:jobs", "{}")
        refused("OOM", s.begin, "k", 1)
        refused("OOM", s.expand, "j", 3, [])
        same(s.settle([s.done(taken, 0)]), "O")
        taken = s.lease([(L, 2)])[0]
        same(s.settle([s.done(taken, 0, "deferred", verb="l", delay=1), s.done(taken, 1, "", verb="b")]), "OO")
        s.call("promote", 10), s.call("sweep", 10), s.call("beat", s.instance, s.epoch), s.call("counts")
        s.call("dirty", 10), s.call("clean", "acme:j", 0), s.call("changed", 0, 0, 10), s.call("trim", 0, 0, "g")
        old = s.epoch
        s.lease([(L, 1)])
        s.register()
        same(s.call("reap", "mta1", old, 100, "retry", "all"), [1, 0])
    finally:
        world.redis("CONFIG", "SET", "maxmemory", 0)
    return s


def test_redis_crash(world):
    """What was answered is there after kill -9 (fsync always), and the functions with it."""
    with RedisServer(fsync="always") as server:
        s = Shard(Redis(server.path))
        library_load(s.redis)
        s.register()
        s.fill("j", [L] * 5)
        taken = s.lease([(L, 4)])[0]
        s.settle([s.done(taken, 0), s.done(taken, 1, "deferred", verb="l", delay=100000),
                  s.done(taken, 2, "held", verb="h")])
        before = sorted(s.everything(), key=str)
        server.kill()
        server.start()
        s.redis = Redis(server.path)
        same(sorted(s.everything(), key=str), before)
        same(s.broken() + s.broken_events(), [])
        same([p for t in s.lease([(L, 4)], number=taken.lease) for p, _ in t.records], [3])
        same(s.settle([s.done(taken, 0), s.done(taken, 3)]), "AO")
        same(s.broken() + s.broken_events(), [])


def test_keys(world):
    """All keys of all tests begin with their shard's name, so that a cluster has them in one slot."""
    known = b"hikyaku:{", b"hikyaku:jobs", b"hikyaku:full"
    same([key for key in world.redis("KEYS", "*") if not key.startswith(known)], [])
    same(all(b"}:" in k for k in world.redis("KEYS", "hikyaku:{*")), True)


if __name__ == "__main__":
    sys.exit(run(globals()))
