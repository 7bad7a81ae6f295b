#!/usr/bin/env python3
"""Engine and Redis killed at random under load: the invariants of the queue hold, whatever was under way.

A real redis-server (fsync always), the real engine, a sink that refuses, greylists and hangs up after the dot. Jobs come in
while processes die; some are submitted twice. Then everything is read back: Redis key by key (shard.py), the events, and
what the sink holds. SEED=n repeats a run; --long kills each twenty times."""
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checking import run, tests_of, until
from redis_client import ROOT, Redis, RedisError, RedisServer
from shard import FINALS, TENANT, Shard

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")
SINK = os.path.join(ROOT, os.environ.get("BUILD", "build"), "bin/sink")
LONG = "--long" in sys.argv
RAW = b"From: a@crash.test\r\nSubject: crash\r\n\r\n" + b"A line of the message that must arrive once.\r\n" * 40
CONF = """hostname = "mta.crash.test"
workers = 2
allow-private-addresses = true
state-dir = "%(dir)s/state"
redis { server = "unix:%(redis)s" }
queue { retry = { "1s" } }
domain "*" { route = { "127.0.0.1:%(port)d" }  connections = 20 }
"""


class World:
    def __init__(self, *rules):
        self.redis, self.dir = RedisServer(fsync="always"), tempfile.mkdtemp(prefix="hikyaku-crash.")
        self.sink = subprocess.Popen([SINK, "--listen", "127.0.0.1:0", "--remember", "--report", self.dir + "/sink.jsonl", "--delay", "3",
                                      *[word for rule in rules for word in ("--rule", rule)]], stdout=subprocess.PIPE)
        port = int(self.sink.stdout.readline().decode().rsplit(":", 1)[1])
        self.conf = self.dir + "/hikyaku.conf"
        pathlib.Path(self.conf).write_text(CONF % dict(dir=self.dir, redis=self.redis.path, port=port))
        self.engine, self.submitted, self.started = None, {}, 0
        self.start_engine()

    def start_engine(self):
        with open(self.dir + "/engine.log", "ab") as log:
            self.engine = subprocess.Popen([HIKYAKU, "run", "-c", self.conf], stdout=log, stderr=log)
        self.started += 1

    def end_engine(self, number):
        self.engine.send_signal(number)
        return self.engine.wait(45)

    def submit(self, job, to, **more):
        """Puts a job in, however often Redis has to be asked; the same id and content may come twice."""
        text = json.dumps({"id": job, "tenant": TENANT, "from": "b@crash.test", "to": to, **more})
        self.submitted[job] = to
        until(lambda: self.attempt(lambda redis: redis("XADD", "hikyaku:jobs", "*", "job", text, "raw", RAW)), 20, "submitting")

    def attempt(self, ask):
        try:
            redis = Redis(self.redis.path)
            try:
                return ask(redis)
            finally:
                redis.close()
        except (OSError, RedisError):
            return None

    def finals(self):
        """How many recipients are final, by the jobs' own counters, or held: in dialogue at three crashes, they wait for a person."""
        def count(redis):
            keys = ["hikyaku:{0}:job:%s:%s" % (TENANT, job) for job in self.submitted]
            hashes = redis.pipeline([("HMGET", key, *FINALS) for key in keys])
            held = redis("HLEN", "hikyaku:{0}:held")
            return held + sum(int(n or 0) for row in hashes if isinstance(row, list) for n in row)
        return self.attempt(count) or 0

    def copies(self):
        self.sink.send_signal(signal.SIGTERM)
        self.sink.stdout.read()
        self.sink.wait(10)
        return {row["to"]: row["copies"] for row in map(json.loads, open(self.dir + "/sink.jsonl")) if row["copies"]}

    def close(self):
        for process in (self.engine, self.sink):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        self.redis.close()
        subprocess.run(["rm", "-rf", self.dir])


def people(job, n):
    return ["%s-%d@d%d.test" % (job, i, i % 23) for i in range(n)]


def total(world):
    return sum(len(to) for to in world.submitted.values())


def check_everything(world, duplicates_allowed):
    """Every invariant of QUEUE.md that can be seen from outside the engine."""
    shard = Shard(Redis(world.redis.path))
    until(lambda: shard.redis("HGET", shard.key("counts"), "queued") in (b"0", None), 10, "records leave their leases")
    wrong = shard.broken() + shard.broken_events()
    events = shard.events(all=True)
    final = collections.Counter((e.job, e.to) for e in events if e.type in FINALS)
    wanted = {(job, to) for job, tos in world.submitted.items() for to in tos}
    held = {(e.job, e.to) for e in events if e.type == "held"} - set(final)
    if len(held) != shard.redis("HLEN", shard.key("held")):
        wrong.append("%d events held, %s records held" % (len(held), shard.redis("HLEN", shard.key("held"))))
    if set(final) | held != wanted or max(final.values()) != 1:
        wrong.append("%d final events for %d recipients of %d" % (sum(final.values()), len(final), len(wanted)))
    copies = world.copies()
    delivered = {e.to for e in events if e.type == "delivered"}
    extra = sum(copies.values()) - len(copies)
    uncertain = sum(1 for e in events if e.type == "uncertain")
    if extra > (uncertain if duplicates_allowed else 0):
        wrong.append("%d copies too many, %d reported uncertain" % (extra, uncertain))
    if not delivered <= set(copies):
        wrong.append("%d delivered that the sink never got" % len(delivered - set(copies)))
    if not set(copies) <= {to for _, to in wanted}:
        wrong.append("mail for people nobody submitted: %s" % sorted(set(copies) - {to for _, to in wanted})[:3])
    assert not wrong, "\n".join(wrong[:10])
    return extra, uncertain


def kill_under_load(kill, kills, duplicates_allowed, *rules):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    dice = random.Random(seed)
    world = World(*rules)
    try:
        for number in range(kills):
            for i in range(6):
                job = "k%d-%d" % (number, i)
                to = people(job, dice.choice((1, 7, 150)))
                campaign = dice.choice("ab")
                world.submit(job, to, campaign=campaign)
                if dice.random() < 0.3:
                    world.submit(job, to, campaign=campaign)  # the same again changes nothing
            before, more = world.finals(), dice.randrange(1, 200)
            until(lambda: world.finals() >= min(before + more, total(world)), 40, "seed %d: some are final" % seed)
            kill(world, dice)
        until(lambda: world.finals() >= total(world), 60, "seed %d: all are final (%d of %d)" % (seed, world.finals(), total(world)))
        print("    seed %d: %d recipients, %d kills, %d copies too many, %d uncertain"
              % (seed, total(world), kills, *check_everything(world, duplicates_allowed)))
    except BaseException:
        print("    seed %d; the engine's last words:\n%s" % (seed, "".join(open(world.dir + "/engine.log").readlines()[-12:])))
        raise
    finally:
        world.close()


def kill_engine(world, dice):
    world.end_engine(signal.SIGKILL)
    world.start_engine()


def kill_redis(world, dice):
    if dice.random() < 0.3:
        world.attempt(lambda redis: redis("BGREWRITEAOF"))
    world.redis.kill()
    world.redis.start()


def kill_both(world, dice):
    (kill_engine if dice.random() < 0.5 else kill_redis)(world, dice)


def drain_engine(world, dice):
    assert world.end_engine(signal.SIGTERM) == 0, "a drain ends with exit status 0"
    world.start_engine()


REFUSALS = ("*-3@* rcpt 550 5.1.1 no such user", "*-5@* rcpt first 1 450 4.7.1 greylisted")


def test_engine_killed():
    """kill -9 of the engine: nothing lost, what may have gone twice was reported"""
    kill_under_load(kill_engine, 20 if LONG else 3, True, *REFUSALS)


def test_redis_killed():
    """kill -9 of Redis: nothing lost, nothing twice"""
    kill_under_load(kill_redis, 20 if LONG else 2, False, *REFUSALS)


def test_either_killed():
    """either of them, and a receiver that hangs up after the dot now and then"""
    kill_under_load(kill_both, 20 if LONG else 2, True, *REFUSALS, "*-7@* eom first 1 drop")


def test_drained():
    """SIGTERM under load: exit 0, nothing lost, nothing twice"""
    kill_under_load(drain_engine, 10 if LONG else 2, False, *REFUSALS)


if __name__ == "__main__":
    sys.exit(run(tests_of(globals()), at_once=1 if LONG else 2))
