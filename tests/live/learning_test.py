#!/usr/bin/env python3
"""Hidden limits, live: the engine finds out what a receiver takes, and remembers it over a restart.

A real redis-server, the engine, the sink with a rule nobody tells the engine: so many messages in a window from one
address of ours to one of its, then 450; or so many connections at a time, then 421. What is counted is the sink's.
Refused attempts per delivery and the time it took are printed and not judged: the windows are short, so the test is, and a
busy machine moves the clocks at both ends. Hours are lived, and judged, in tests/sim/allowance_test.c and crowd_test.c."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checking import need, run, tests_of, until
from programs import HIKYAKU, start_engine, stop_program
from redis_client import ROOT, Redis, RedisServer

SINK = os.path.join(ROOT, os.environ.get("BUILD", "build"), "bin/sink")
RAW = b"From: a@learning.test\r\nSubject: learning\r\n\r\nA line.\r\n"
CONF = """hostname = "mta.learning.test"
workers = 1
allow-private-addresses = true
state-dir = "%(dir)s/state"
redis { server = "unix:%(redis)s" }
site "hidden" { domains = { "hidden.test" } }
domain "*" { route = { %(routes)s }  connections = 50  recipients-per-message = 1 }
"""


class World:
    """The sink listens at two addresses: two MX of one preference would be so too, a route has them one after the other."""

    def __init__(self, *rule):
        self.server = RedisServer()
        self.redis, self.dir = Redis(self.server.path), self.server.dir
        self.sink = subprocess.Popen([SINK, "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", *rule], stdout=subprocess.PIPE)
        places = [self.sink.stdout.readline().decode().split()[1] for _ in range(2)]
        self.conf = self.dir + "/hikyaku.conf"
        pathlib.Path(self.conf).write_text(CONF % dict(dir=self.dir, redis=self.server.path,
                                                       routes=", ".join('"%s"' % place for place in places)))
        self.start()

    def start(self):
        self.engine = start_engine(self.conf, self.dir + "/engine.log")
        self.started_ms = time.time() * 1000

    def stop(self):
        self.engine.send_signal(signal.SIGTERM)
        need(self.engine.wait(30) == 0, "drained")

    def status(self):
        done = subprocess.run([HIKYAKU, "status", "--json", "-c", self.conf], capture_output=True, text=True, timeout=20)
        return json.loads(done.stdout)

    def exchangers(self):
        """As this engine sees them: what the one before has left is still there for a while."""
        workers = [worker for worker in self.status()["workers"] if worker["time"] > self.started_ms]
        return [exchanger for worker in workers for site in worker["sites"] for lane in site["lanes"]
                for exchanger in lane["exchangers"]]

    def learned(self):
        return [exchanger for exchanger in self.exchangers() if exchanger.get("messages_learned") and exchanger["window_learned"]]

    def send(self, job, n, seconds):
        """How long it took until all were delivered."""
        begun = time.monotonic()
        text = json.dumps({"id": job, "from": "b@learning.test", "to": ["u%d@hidden.test" % i for i in range(n)]})
        self.redis("XADD", "hikyaku:jobs", "*", "job", text, "raw", RAW)
        until(lambda: self.redis("HGET", "hikyaku:job::" + job, "delivered") == b"%d" % n, seconds, "%d are delivered" % n)
        return time.monotonic() - begun

    def counts(self):
        self.sink.send_signal(signal.SIGUSR1)
        return json.loads(self.sink.stdout.readline())

    def close(self):
        for process in (self.engine, self.sink):
            stop_program(process, 15)
        self.server.close()


def test_allowance():
    """40 messages in a second at each of two addresses: it is met, learned, written down, and known after a restart before
    anything is refused."""
    world = World("--messages", "40/1000 sliding counted")
    try:
        took = world.send("cold", 240, 60)
        cold = world.counts()
        need(cold["refused"] > 0, "the rule was met:", cold)
        print("figure: live-allowance-refused-cold %.3f, %.1f s" % (cold["refused"] / 240, took))
        until(world.learned, 20, "status shows it")
        world.stop()
        kept = world.redis("HGETALL", "hikyaku:{0}:learned")
        need(len(kept) >= 2 and kept[0].startswith(b"hidden|any|127.0.0.1:"), "written down:", kept)
        time.sleep(1.1)  # the receiver has forgotten what it counted
        world.start()
        world.send("first", 1, 60)
        need(world.counts()["refused"] == cold["refused"], "one mail is not too many:", world.counts())
        until(world.learned, 20, "what was written down is known again")
        took = world.send("warm", 160, 60)
        warm = world.counts()
        print("figure: live-allowance-refused-remembered %.3f, %.1f s" % ((warm["refused"] - cold["refused"]) / 160, took))
        need(warm["messages"] == 401, "all are there, once:", warm)
    finally:
        world.close()


def test_crowd():
    """Three connections at a time at each address."""
    world = World("--connections", "3", "--delay", "20")
    try:
        world.send("crowd", 400, 30)
        counts = world.counts()
        need(counts["turned_away"] > 0, "the rule was met:", counts)
        print("figure: live-crowd-refused %.3f" % (counts["turned_away"] / (400 + counts["turned_away"])))
        edges = until(lambda: [e for e in world.exchangers() if e.get("connections_learned")], 20, "status shows it")
        need(all(e["connections_learned"] <= 3 for e in edges), edges)
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(run(tests_of(globals()), sys.argv[1:]))
