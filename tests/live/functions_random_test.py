#!/usr/bin/env python3
"""Thousands of calls at random, with crashes and repetitions, against the promises of the queue (QUEUE.md, invariants).

    tests/live/functions_random_test.py [SEED…] [-n OPERATIONS]

Engines come, lease, settle, die with leases in hand, are reaped, and settle again from the grave; any call may be made
twice, as after a lost reply. After each hundred operations every accepted recipient must be in exactly one place, the
counters must agree with the places, and in the end each recipient has exactly one final event.
"""
import random
import sys

from cases import PAST, same
from redis_client import Redis, RedisError, RedisServer, library_load
from shard import FAR, FINALS, Shard, record_read

LISTS = ["%s:d%d.test:acme:c%d" % (kind, i, i % 2) for kind in "tb" for i in range(4)]
BEGUN = ("", "all", "some")
POLICIES = ("retry", "retry", "hold", "assume-delivered")


class Trial:
    """One shard, and what its engines believe."""

    def __init__(self, redis, seed):
        self.random = random.Random(seed)
        self.shard = Shard(redis, seed)
        self.shard.register()
        self.jobs = {}      # job → [total, cursor]
        self.taken = []     # (epoch, lease item) not settled yet, of living and dead engines
        self.wants = []     # leases asked for, to ask again
        self.calls = []     # to be made again
        self.dead = []      # epochs to be reaped
        self.numbers = 0

    def make(self, *arguments):
        """A call that may be repeated later."""
        self.calls.append(arguments)
        del self.calls[:-40]
        return self.shard.call(*arguments)

    def begin(self):
        if len(self.jobs) > 25:
            return
        job, total = "j%d" % len(self.jobs), self.random.choice((0, 1, 3, 40, 120))
        self.shard.begin(job, total, entry="%d-1" % len(self.jobs))
        self.jobs[job] = [total, 0]

    def begin_again(self):
        if self.jobs:
            job = self.random.choice(list(self.jobs))
            reply = self.shard.begin(job, self.jobs[job][0], entry="%s-1" % job[1:])
            same(reply[0], b"RESUME")
            same(reply[2], self.jobs[job][1])

    def expand(self):
        open_jobs = [job for job, (total, cursor) in self.jobs.items() if cursor < total]
        if not open_jobs:
            return self.begin()
        job = self.random.choice(open_jobs)
        total, cursor = self.jobs[job]
        items = []
        for index in range(cursor, min(total, cursor + self.random.randint(1, 30))):
            if self.random.random() < 0.1:
                items.append(self.shard.final(self.random.choice(("rejected", "suppressed")), index))
            else:
                items.append(self.shard.item(job, index, self.random.choice(LISTS),
                                             delay=self.random.choice((0, 0, 0, 1, 5)),
                                             expires=self.random.choice((FAR, FAR, FAR, PAST))))
        self.jobs[job][1] = self.make("expand", "acme", job, cursor, cursor + len(items),
                                      *[word for item in items for word in item])

    def lease(self):
        self.numbers += 1
        wants = [(name, self.random.randint(1, 12)) for name in self.random.sample(LISTS, self.random.randint(1, 5))]
        self.wants.append((self.shard.epoch, self.numbers, wants))
        lost = self.random.random() < 0.2  # the reply; it is asked for again below
        self.take(self.shard.lease(wants, number=self.numbers), lost)

    def take(self, taken, lost=False):
        for t in taken:
            for i in range(0 if not lost else len(t.records), len(t.records)):
                self.taken.append((self.shard.epoch, t, i))

    def lease_again(self):
        """The same lease: what comes is not settled, and nothing of it is missing."""
        live = [want for want in self.wants if want[0] == self.shard.epoch]
        if live:
            _, number, wants = self.random.choice(live[-5:])
            mine = {(t.lease, t.records[i][0]) for epoch, t, i in self.taken if epoch == self.shard.epoch}
            for t in self.shard.lease(wants, number=number):
                for i, (position, _) in enumerate(t.records):
                    if (t.lease, position) not in mine:
                        self.taken.append((self.shard.epoch, t, i))

    def settle_items(self, chosen):
        items = []
        for _, t, i in chosen:
            verb, data = self.random.choice("ffffflbh"), t.records[i][1]
            read = record_read(data)
            type = {"f": self.random.choice(FINALS), "l": "deferred", "b": "", "h": "held"}[verb]
            record = b"" if verb in "fb" else self.shard.record(
                read.job, read.index, address=read.address, expires=read.expires, attempt=read.attempt + 1,
                recoveries=read.recoveries)
            items.append(self.shard.done(t, i, type, verb=verb, delay=self.random.choice((0, 2, 10)), record=record,
                                         before=self.random.choice((("", ""), ("uncertain", "{}")))))
        return items

    def settle(self):
        """Some of what one engine has, alive or not; the dead one's later, back and hold are stale."""
        if not self.taken:
            return
        epoch = self.random.choice(self.taken)[0]
        chosen = [one for one in self.taken if one[0] == epoch]
        chosen = self.random.sample(chosen, min(len(chosen), self.random.randint(1, 32)))
        self.taken = [one for one in self.taken if one not in chosen]
        items = self.settle_items(chosen)
        letters = self.make("settle", self.shard.instance, epoch, *[word for item in items for word in item]).decode()
        for letter, item in zip(letters, items):
            if epoch != self.shard.epoch and item[3][:1] not in b"fF" and letter != "S":
                raise AssertionError("a fenced engine's %s was answered %s" % (item[3], letter))

    def again(self):
        if self.calls:
            self.shard.call(*self.random.choice(self.calls))

    def crash(self):
        """The engine dies and comes back. Its older self may still settle what it had."""
        old = self.shard.epoch
        self.shard.register()
        self.dead.append(old)
        self.reap()

    def reap(self):
        if not self.dead:
            return
        old, begun = self.dead[0], self.random.choice(BEGUN)
        if begun == "some":
            begun = ",".join("%d:%d" % (t.lease, t.records[i][0]) for epoch, t, i in self.taken
                             if epoch == old and self.random.random() < 0.3)
        done, left = self.shard.call("reap", self.shard.instance, old, self.random.randint(1, 100),
                                     self.random.choice(POLICIES), begun)
        if left == 0:
            del self.dead[0]

    def tend(self):
        self.shard.call("promote", self.random.randint(1, 30))
        self.shard.call("sweep", self.random.randint(1, 30))
        for name in self.shard.changed():
            assert name in LISTS, name

    def step(self):
        weights = {self.begin: 2, self.begin_again: 1, self.expand: 8, self.lease: 12, self.lease_again: 3,
                   self.settle: 20, self.again: 6, self.crash: 2, self.reap: 3, self.tend: 6}
        self.random.choices(list(weights), list(weights.values()))[0]()

    def finish(self):
        """Everything is brought to its end, as an engine without faults would."""
        shard = self.shard
        while self.dead:
            self.reap()
        shard.register()
        for epoch in self.shard.redis("HKEYS", shard.key("instances")):
            while int(epoch) != shard.epoch and shard.call("reap", shard.instance, epoch, 100, "retry", "")[1]:
                pass
        while any(cursor < total for total, cursor in self.jobs.values()):
            self.expand()
        for _ in range(10000):
            shard.call("promote", 256), shard.call("sweep", 256)
            got = shard.lease_all()
            for lease, position, name, data in got:
                shard.settle([shard.settle_item("f", lease, position, name, data, type="delivered")])
            if not got and not shard.redis("EXISTS", shard.key("deferred"), shard.key("sweep")):
                break
        for member in shard.redis("HVALS", shard.key("held")):  # as a person would
            name, data = member.split(b"\0", 1)
            shard.settle([shard.settle_item("f", 0, 0, name.decode(), data, type="cancelled")])


def trial(redis, seed, operations):
    t = Trial(redis, seed)
    for n in range(operations):
        t.step()
        if n % 100 == 99:
            same(t.shard.broken(), [], "after %d operations" % (n + 1))
    t.finish()
    same(t.shard.broken(), [], "in the end")
    same(t.shard.broken_events(), [], "in the end")
    unfinished = {job: t.shard.counters(job) for job in t.jobs if "finished" not in t.shard.job(job)}
    same(unfinished, {}, "unfinished")
    same(redis("EXISTS", *[t.shard.key(k) for k in ("strays", "jobs", "index", "index:now", "expiry", "held")]), 0)
    ids = [e.data["event"] for e in t.shard.events(all=True) if e.data.get("event", "").startswith("%d-" % seed)]
    same(len(set(ids)), len(ids), "event ids")


def main():
    words = sys.argv[1:]
    operations = int(words[words.index("-n") + 1]) if "-n" in words else 1500
    seeds = [int(word) for i, word in enumerate(words) if word.isdigit() and words[i - 1:i] != ["-n"]] or [1, 2, 3]
    passed, failed = 0, 0
    with RedisServer() as server:
        redis = Redis(server.path)
        library_load(redis)
        for seed in seeds:
            try:
                trial(redis, seed, operations)
                passed += 1
            except (AssertionError, RedisError) as error:
                failed += 1
                print("FAIL seed %d: %s" % (seed, str(error)[:2000]))
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
