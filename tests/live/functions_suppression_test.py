#!/usr/bin/env python3
"""The suppression list inside Redis: what verdicts and people put there, what leasing makes of it, how it is forgotten.

    tests/live/functions_suppression_test.py [NAME…]
"""
import sys

from cases import L, run, same
from shard import TENANT, record_read

DAY, KEEP = 86400, 180 * 86400


def verdict(domain, field, category, need=1, apart=0, keep=KEEP, window=30 * DAY):
    return [domain, field, category, need, apart, keep, window]


def value(s, domain, field):
    text = s.redis("HGET", s.key("suppressed:" + domain), field)
    return text and text.decode()


def backdate(s, domain, field, seconds):
    """As if what was counted had happened so many seconds earlier."""
    words = value(s, domain, field).split(" ")
    words[2:4] = [str(int(word) - seconds) for word in words[2:4]]
    s.redis("HSET", s.key("suppressed:" + domain), field, " ".join(words))


def test_leased_no_more(world):
    """Who is on the list when a record is leased gets nothing, and one final event; others do."""
    s = world.shard()
    s.fill("j", [L] * 4)
    same(s.call("suppress", *verdict("a.test", TENANT + ":u1", "invalid-recipient")), [1])
    same(s.call("suppression_put", "alice", "unsubscribed by hand", 0, "a.test", ":u3"), 1)
    s.events()
    taken = s.lease([(L, 10)])[0]
    same([record_read(data).index for _, data in taken.records], [0, 2])
    same([position for position, _ in taken.records], [0, 1])
    same(taken.remaining, 0)
    told = [event for event in s.events() if event.type == "suppressed"]
    same([event.to for event in told], ["u1@a.test", "u3@a.test"])
    first, second = [event.data for event in told]
    same([first[name] for name in ("category", "rule", "stage", "scope", "rcpt")],
         ["invalid-recipient", "suppression", "queue", "recipient", "1"])
    same(second.get("category"), None)
    same(second["reply"], "on the suppression list: unsubscribed by hand, by alice")
    same(s.counters("j"), {"queued": 2, "suppressed": 2})
    same(s.settle([s.done(taken, 0), s.done(taken, 1)]), "OO")
    same([event.type for event in s.events()][-1], "finished")
    return s


def test_letters_and_tenants(world):
    """The local part in any case; a tenant's entry is for its mail only."""
    s = world.shard()
    s.begin("j", 2)
    s.expand("j", 0, [s.item("j", 0, L, address="Ann.B@a.test"), s.item("j", 1, L, address="bob@a.test")])
    s.call("suppression_put", "x", "r", 0, "a.test", TENANT + ":ann.b", "a.test", "other:bob")
    same([record_read(data).index for _, data in s.lease([(L, 10)])[0].records], [1])
    return s


def test_all_of_a_list(world):
    """A list of nobody else is empty then, and its job finished."""
    s = world.shard()
    s.fill("j", [L] * 3)
    for n in range(3):
        s.call("suppression_put", "x", "r", 0, "a.test", ":u%d" % n)
    taken = s.lease([(L, 2)])[0]
    same([len(taken.records), taken.remaining], [0, 1])
    taken = s.lease([(L, 2)])[0]
    same([len(taken.records), taken.remaining], [0, 0])
    same(s.changed(), [])
    same([event.type for event in s.events()][-1], "finished")
    return s


def test_later_comes_back(world):
    """What was deferred is looked at again when it is leased again; what is already final is not told twice."""
    s = world.shard()
    s.fill("j", [L] * 2)
    taken = s.lease([(L, 2)])[0]
    s.settle([s.done(taken, 0, "deferred", verb="l", delay=0), s.done(taken, 1, "", verb="b")])
    s.call("suppression_put", "x", "r", 0, "a.test", ":u0", "a.test", ":u1")
    s.call("promote", 10)
    s.settle([s.done(taken, 1)])  # the lease is over, but who delivers it has delivered it
    same(s.lease([(L, 9)])[0].records, [])
    same(sorted(event.type for event in s.events() if event.to), ["deferred", "delivered", "suppressed"])
    return s


def test_thresholds(world):
    """Two verdicts a day apart; three over three days; one of another category begins anew."""
    s = world.shard()
    inactive = verdict("a.test", "t:x", "inactive-mailbox", 2, DAY)
    same(s.call("suppress", *inactive), [0])
    same(s.call("suppress", *inactive), [0], "at once")
    backdate(s, "a.test", "t:x", DAY + 1)
    same(s.call("suppress", *inactive), [1])
    same(value(s, "a.test", "t:x").split(" ")[2:], ["verdict", "inactive-mailbox"])
    bad = verdict("a.test", "t:y", "bad-domain", 3, 3 * DAY)
    same(s.call("suppress", *bad), [0])
    backdate(s, "a.test", "t:y", 3 * DAY + 1)
    same(s.call("suppress", *bad), [0], "the second")
    same(s.call("suppress", *verdict("a.test", "t:y", "inactive-mailbox", 2, DAY)), [0], "another category")
    same(s.call("suppress", *bad), [0], "and anew")
    for _ in range(2):
        backdate(s, "a.test", "t:y", 2 * DAY)
        last = s.call("suppress", *bad)
    same(last, [1])
    same(s.call("suppress", *verdict("b.test", ":z", "invalid-recipient"), *verdict("b.test", ":w", "bad-domain", 3, 5)),
         [1, 0], "two in a call")
    same(s.call("suppression_drop", "a.test", "t:y", "b.test", ":w"), 1, "what is only counted was not suppressed")
    same(value(s, "b.test", ":w"), None)


def test_over(world):
    """An entry whose time is up does not hold, and is swept away; a long list in pieces."""
    s = world.shard()
    s.fill("j", [L])
    names = [word for n in range(1200) for word in ("big.test", ":n%d" % n)]
    for first in range(0, len(names), 1000):
        s.call("suppression_put", "x", "r", 100, *names[first:first + 1000])
    s.call("suppression_put", "x", "r", 0, "big.test", ":stays", "a.test", ":u0")
    for n in range(1200):
        s.redis("HSET", s.key("suppressed:big.test"), ":n%d" % n, "1000 900 x r")
    s.redis("HSET", s.key("suppressed:a.test"), ":u0", "1000 900 x r")
    for domain in ("big.test", "a.test"):
        s.redis("ZADD", s.key("suppressed"), 1000, domain)
    same(len(s.lease([(L, 1)])[0].records), 1)
    calls = 0
    while s.redis("EXISTS", s.key("suppressed:a.test")) or s.redis("HLEN", s.key("suppressed:big.test")) > 1:
        s.call("sweep", 256)
        calls += 1
        if calls > 40:
            raise AssertionError("not swept in %d calls" % calls)
    s.call("sweep", 256)
    same(calls > 4, True, "in pieces")
    same(s.redis("ZRANGE", s.key("suppressed"), 0, -1, "WITHSCORES"), [b"big.test", b"inf"])
    same(s.redis("EXISTS", s.key("sweep:suppressed")), 0)
    same(s.call("suppression_drop", "big.test", ":stays"), 1)
    same(s.redis("EXISTS", s.key("suppressed")), 0)
    return s


if __name__ == "__main__":
    sys.exit(run(globals()))
