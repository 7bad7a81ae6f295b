#!/usr/bin/env python3
"""The queue's functions in a real Redis, as operators use them: pause, resume, cancel, retry (lua/6_controls.lua).

    tests/live/functions_controls_test.py [NAME…]
"""
import json
import sys
import time

from cases import L, M, T, refused, run, same

X = "b:b.test:acme:x"


def order(s, what, keys, entry="", for_ms=0, by="alice", ref="", hold=""):
    return s.call("control", entry, what, json.dumps(keys), for_ms, by, ref, hold)


def work(s, most=256, applied=10**9, id="", counted=0):
    """Steps until nothing is left to be gone through; the answers by reference, and how many steps it took."""
    for n in range(1, 2000):
        reply = s.call("control_step", most, applied, id, counted)
        id = reply[2]
        assert reply[1] <= most + 128, "looked at %d of %d" % (reply[1], most)
        if not reply[2]:
            return {k.decode(): json.loads(v) for k, v in zip(reply[3::2], reply[4::2])}, n
    raise AssertionError("no end")


def in_force(s):
    return [json.loads(text) for text in s.call("controls", -1)[2::2]]


def test_cancel_lists(world):
    """All of a campaign, in pieces: others stay where they are, what is submitted later is not meant."""
    s = world.shard()
    s.fill("j", [L, X] * 400)
    s.fill("k", [L] * 100)
    s.fill("now", [T] * 3)
    same(order(s, "cancel", {"campaign": "c", "class": "bulk"}, ref="R")[1], 1)
    same(s.counters("j"), {"queued": 800}, "the work is done in steps")
    s.begin("late", 2, entry="2-1")
    s.accepts["late"] = int(s.job("late")["accept"])
    answers, steps = work(s, 100)
    same((answers["R"]["count"], answers["R"]["do"], answers["R"]["by"]), (500, "cancel", "alice"))
    assert steps >= 5, steps
    same((s.counters("j"), s.counters("k"), s.counters("now")),
         ({"queued": 400, "cancelled": 400}, {"cancelled": 100}, {"queued": 3}))
    same(s.names("list:*"), [X, T])
    event = next(e for e in s.events() if e.type == "cancelled")
    same([event.data[k] for k in ("reply", "stage", "tenant", "domain")], ["cancelled by alice", "queue", "acme", "a.test"])
    same([(c["what"], c["count"]) for c in in_force(s)], [("cancel", 500)], "it goes on to hold for engines")
    same(s.call("control_answered", "R"), 1)
    same(work(s)[0], {})
    order(s, "cancel", {"class": "transactional"})
    work(s)
    same(s.counters("now"), {"cancelled": 3})
    return s


def test_cancel_time(world):
    """Meant is what was accepted, or submitted, before."""
    s = world.shard()
    s.fill("j", [L] * 4)  # queued long ago, by its records
    order(s, "cancel", {"job": "*"})
    s.begin("next", 2)
    far = [s.item("next", i, L) for i in range(2)]
    for item in far:  # submitted an hour from now
        item[4] = item[4][:12] + int((time.time() + 3600) * 1000).to_bytes(8, "little") + item[4][20:]
    s.expand("next", 0, far)
    work(s)
    same((s.counters("j"), s.counters("next")), ({"cancelled": 4}, {"queued": 2}))
    return s


def test_cancel_mixed(world):
    """One job of two in a list: the other's records keep their order; the dead between them are dropped by leasing."""
    s = world.shard()
    s.begin("j", 60)
    s.begin("k", 60)
    for i in range(60):
        s.expand("j", i, [s.item("j", i, L)])
        s.expand("k", i, [s.item("k", i, L)])
    order(s, "cancel", {"job": "j"})
    work(s, 16)
    same(s.broken(), [])
    same((s.counters("j"), s.counters("k")), ({"cancelled": 60}, {"queued": 60}))
    same([s.redis("LLEN", s.key("list:" + L)) < 120], [True], "what can be taken out is")
    got = s.lease_all()
    same([d[4] for _, _, _, d in got], list(range(60)), "in order")
    same(s.redis("EXISTS", s.key("strays")), 0)
    return s


def test_cancel_places(world):
    """Deferred and held, one final event each; a state narrows it; what is leased is the engine's."""
    s = world.shard()
    s.fill("j", [L] * 6)
    taken = s.lease([(L, 4)])[0]
    s.settle([s.done(taken, 0, "deferred", verb="l", delay=3600000), s.done(taken, 1, "held", verb="h")])
    order(s, "cancel", {"job": "j", "state": "held"}, ref="H")
    same(work(s)[0]["H"]["count"], 1)
    same(s.counters("j"), {"queued": 4, "deferred": 1, "cancelled": 1})
    same(in_force(s), [], "only what was held then")
    s.fill("k", [M] * 2)
    order(s, "cancel", {"job": "k", "state": "queued"})
    work(s)
    same((s.counters("k"), in_force(s)), ({"cancelled": 2}, []), "only what was queued then")
    id, _ = order(s, "cancel", {"job": "j"}, ref="J")
    reply = s.call("control_step", 256, id - 1, "", 0)
    same(reply[2], str(id).encode(), "waits until the engines have it in force")
    same(s.settle([s.done(taken, 2, "cancelled"), s.done(taken, 3, "delivered")]), "OO")
    same(work(s, applied=id, id=str(id), counted=1)[0]["J"]["count"], 4)
    same(s.counters("j"), {"cancelled": 5, "delivered": 1})
    same(s.types().count("finished"), 2)
    return s


def test_retry(world):
    """Deferred ones are due now, held ones go back with a clean slate; both count."""
    s = world.shard()
    s.fill("j", [L, L, M, M])
    taken = s.lease([(L, 2), (M, 2)])
    s.settle([s.done(t, i, "deferred", verb="l", delay=3600000) for t, i in ((taken[0], 0), (taken[1], 0))])
    worn = b"\1\3" + taken[0].records[1][1][2:]
    s.settle([s.done(taken[0], 1, "held", verb="h", record=worn), s.done(taken[1], 1, "held", verb="h")])
    order(s, "retry", {"domain": "a.*", "state": "deferred"}, ref="A")
    same(work(s)[0]["A"]["count"], 1)
    same(s.counters("j"), {"queued": 1, "deferred": 1, "held": 2})
    order(s, "retry", {"domain": "?.test"}, ref="B")
    same(work(s)[0]["B"]["count"], 3)
    same(s.counters("j"), {"queued": 4})
    same({d[1] for _, _, _, d in s.lease_all()}, {0}, "recoveries are forgotten")
    return s


def test_pause_job(world):
    """A job's records are put aside by leasing while others of their list go; resume brings them back."""
    s = world.shard()
    s.fill("j", [L] * 5)
    s.fill("k", [L] * 5)
    tried = s.lease([(L, 1)])[0]
    s.settle([s.done(tried, 0, "deferred", verb="l", delay=3600000)])
    order(s, "pause", {"job": "j"})
    same([c["what"] for c in in_force(s)], ["pause"])
    got = s.lease_all()
    same(len(got), 5)
    same((s.counters("j"), s.counters("k")), ({"deferred": 5}, {"queued": 5}))
    same(s.broken(), [])
    same(order(s, "resume", {"job": "k"})[1], 0, "another's")
    same(order(s, "resume", {"job": "j*"})[1], 1)
    work(s)
    same((s.counters("j"), in_force(s)), ({"queued": 4, "deferred": 1}, []), "the one that was tried waits on")
    same(len(s.lease_all()), 4)
    return s


def test_pause_for(world):
    """A pause ends by itself, with an event; the same pause again replaces the first."""
    s = world.shard()
    order(s, "pause", {"campaign": "nov"}, for_ms=3600000)
    order(s, "pause", {"campaign": "nov"}, for_ms=20)
    same(len(in_force(s)), 1)
    end = time.monotonic() + 5
    while in_force(s) and time.monotonic() < end:
        work(s)
    same(in_force(s), [])
    same([(e.data["do"], e.data["by"]) for e in s.events()],
         [("pause", "alice"), ("pause", "alice"), ("resume", "its end")])
    return s


def test_hold_expiry(world):
    """Under hold-expiry nothing expires, and what was held back has that much longer."""
    s = world.shard()
    soon = int(time.time()) + 2  # a second at least, for what comes before
    s.fill("j", [L] * 2 + [M], expires=soon)
    taken = s.lease([(L, 1)])[0]
    s.settle([s.done(taken, 0, "held", verb="h")])
    order(s, "pause", {"domain": "a.test"}, hold="1")
    end = time.monotonic() + 5
    while s.counters("j").get("expired", 0) < 1 and time.monotonic() < end:
        s.call("sweep", 256)
    same(s.counters("j"), {"queued": 1, "held": 1, "expired": 1})
    order(s, "resume", {"domain": "*"})
    s.call("sweep", 256)
    same(s.counters("j"), {"queued": 1, "held": 1, "expired": 1}, "time passed since its pause began, and is given back")
    same([c["what"] for c in in_force(s)], ["grace"])
    while s.counters("j").get("expired", 0) < 3 and time.monotonic() < end + 5:
        s.call("sweep", 256)
    same(s.counters("j"), {"expired": 3})
    return s


def test_sites(world):
    """A site is known by what engines told of its domains."""
    s = world.shard()
    s.fill("j", [L, M, M])
    s.call("sites", "a.test", "google", "b.test", "other")
    order(s, "cancel", {"site": "goo*"}, ref="S")
    same(work(s)[0]["S"]["count"], 1)
    same(s.counters("j"), {"queued": 2, "cancelled": 1})
    return s


def test_once(world):
    """An entry of the control stream is executed once; refusals are told too."""
    s = world.shard()
    first = order(s, "pause", {"tenant": "acme"}, entry="5-1", ref="R")
    same(order(s, "pause", {"tenant": "acme"}, entry="5-1", ref="R"), [0, 0])
    same(len(s.events()), 1)
    same(s.call("control_answer", "5-2", "pause", "", "bob", "E", ',"error":"no such key"'), 1)
    same(s.call("control_answer", "5-2", "pause", "", "bob", "E", ',"error":"no such key"'), 0)
    same(s.events()[0].data["error"], "no such key")
    same(work(s)[0]["E"]["ref"], "E")
    same(s.call("controls", first[0]), [first[0]], "nothing new")
    refused("SHAPE", s.call, "control", "", "stop", "{}", 0, "", "", "")
    return s


def test_glob(world):
    """A pattern that a backtracking matcher would never come back from."""
    s = world.shard()
    name = "b:a.test:acme:" + "a" * 200
    s.fill("j", [name] * 2)
    began = time.monotonic()
    order(s, "cancel", {"campaign": "*a" * 100 + "b"}, ref="N")
    order(s, "cancel", {"campaign": "a*a?*a"}, ref="Y")
    answers, _ = work(s)
    same((answers["N"]["count"], answers["Y"]["count"]), (0, 2))
    assert time.monotonic() - began < 2
    return s


GLOBS = (("a*c", "abbc", 1), ("*b?d*", "aabbcd", 1), ("?b", "b", 0), ("*ab", "aab", 1), ("a*b*c", "acb", 0), ("**", "", 1),
         ("[a]", "a", 0), ("*aab", "aaab", 1), ("%a", "a", 0))


def test_globs(world):
    """The same globs as those of match_test.c."""
    for glob, text, fits in GLOBS:
        s = world.shard()
        s.fill("j", ["b:a.test:acme:" + text])
        order(s, "cancel", {"campaign": glob}, ref="R")
        same((glob, text, work(s)[0]["R"]["count"]), (glob, text, fits))


def test_room(world):
    """Cancels that are done make room for new orders; pauses do not."""
    s = world.shard()
    order(s, "cancel", {"job": "first"})
    work(s)
    text = world.redis("HGET", s.key("controls"), 1)
    world.redis.pipeline([("HSET", s.key("controls"), i, text) for i in range(1002, 3001)] +
                         [("ZADD", s.key("control:ends"), 10**15 + i, i) for i in range(1002, 3001)])
    order(s, "pause", {"job": "x"})
    same((world.redis("HLEN", s.key("controls")), world.redis("HEXISTS", s.key("controls"), 1)), (2000, 0))
    world.redis("DEL", s.key("control:ends"))
    assert "resume some" in refused("FULL", order, s, "pause", {"job": "y"})
    same(order(s, "resume", {"job": "x"})[1], 1, "resume is never refused")


def test_turns(world):
    """Orders take turns, so that a small one does not wait for the end of a large one."""
    s = world.shard()
    s.fill("j", [L] * 900)
    s.fill("k", [X] * 3)
    order(s, "cancel", {"job": "j"}, ref="J")
    id, _ = order(s, "cancel", {"job": "k"}, ref="K")
    done, at = [], ""
    for _ in range(60):
        reply = s.call("control_step", 100, id, at, 0)
        at = reply[2].decode()
        done += [ref.decode() for ref in reply[3::2] if ref.decode() not in done]
    same(done, ["K", "J"])
    return s


if __name__ == "__main__":
    sys.exit(run(globals()))
