#!/usr/bin/env python3
"""Operators at work: pause, resume, cancel, retry, queue, find, against the real engine under load.

A real redis-server, the engine, the sink. Orders come from the command line and through hikyaku:control; what was sent is
read from the events and the jobs' own counters. Nothing is judged by the clock but what has to hold within a second.
--long: a hundred thousand are cancelled."""
import collections
import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checking import need, run, until
from programs import HIKYAKU, start_engine, stop_program
from redis_client import ROOT, Redis, RedisServer
from shard import FINALS, Shard

SINK = os.path.join(ROOT, os.environ.get("BUILD", "build"), "bin/sink")
LONG = "--long" in sys.argv
RAW = b"From: a@controls.test\r\nSubject: controls\r\n\r\nA line.\r\n"
CONF = """hostname = "mta.controls.test"
workers = 2
allow-private-addresses = true
state-dir = "%(dir)s/state"
redis { server = "unix:%(redis)s" }
queue { retry = { "1h" } }
source "one" { address = "127.0.0.1" }
site "slow" { domains = { "slow.test" } }
domain "*" { route = { "127.0.0.1:%(port)d" }  connections = 4  rate = "%(rate)s" }
"""


class World:
    def __init__(self, rate="400/s", rules=()):
        self.server = RedisServer()
        self.redis, self.dir = Redis(self.server.path), self.server.dir
        self.shard = Shard(self.redis)
        words = [word for rule in rules for word in ("--rule", rule)]
        self.sink = subprocess.Popen([SINK, "--listen", "127.0.0.1:0", *words], stdout=subprocess.PIPE)
        port = int(self.sink.stdout.readline().decode().rsplit(":", 1)[1])
        self.conf = self.dir + "/hikyaku.conf"
        pathlib.Path(self.conf).write_text(CONF % dict(dir=self.dir, redis=self.server.path, port=port, rate=rate))
        self.engine, self.refs = None, 0
        self.start()

    def start(self):
        self.engine = start_engine(self.conf, self.dir + "/engine.log")

    def stop(self):
        self.engine.send_signal(signal.SIGTERM)
        need(self.engine.wait(30) == 0, "drained")

    def run(self, *words, timeout=60):
        return subprocess.run([HIKYAKU, words[0], "-c", self.conf, *words[1:]], text=True, capture_output=True,
                              timeout=timeout, stdin=subprocess.DEVNULL)

    def submit(self, job, to, campaign="", **more):
        for part in range(0, len(to), 10000):
            text = json.dumps({"id": "%s%s" % (job, part // 10000 or ""), "tenant": "acme", "campaign": campaign,
                               "from": "b@controls.test", "to": to[part:part + 10000], **more})
            self.redis("XADD", "hikyaku:jobs", "*", "job", text, "raw", RAW)

    def count(self, job, name="delivered"):
        return int(self.redis("HGET", self.shard.key("job:acme:" + job), name) or 0)

    def order(self, what, keys, **more):
        """Through the control stream; the answer."""
        self.refs += 1
        ref = "r%d" % self.refs
        match = keys if isinstance(keys, str) else json.dumps(keys)
        self.redis("XADD", "hikyaku:control", "*", "do", what, "match", match, "by", "alice", "ref", ref,
                   *[word for pair in more.items() for word in pair])
        answer = until(lambda: self.redis("GET", "hikyaku:control:" + ref), 20, "an answer to " + what)
        need(0 < self.redis("TTL", "hikyaku:control:" + ref) <= 3600, "for an hour")
        return json.loads(answer)

    def finals(self, job):
        """Final events of each recipient of jobs whose name begins so."""
        found, first = collections.defaultdict(list), "-"
        while True:
            entries = self.redis("XRANGE", self.shard.key("events"), first, "+", "COUNT", 10000)
            for _, (_, type, _, name, _, to, *_) in entries:
                if type.decode() in FINALS and name.startswith(job.encode()):
                    found[name, to].append(type.decode())
            if len(entries) < 10000:
                return found
            first = "(" + entries[-1][0].decode()

    def close(self):
        for process in (self.engine, self.sink):
            stop_program(process, 15)
        self.server.close()


def people(n, domain, first=0):
    return ["u%d@%s" % (i, domain) for i in range(first, first + n)]


def test_pause(world):
    """A campaign is paused under load: nothing more of it within a second, others go on; kept over a restart; resumed."""
    world.submit("nov", people(1000, "a.test") + people(200, "b.test"), "nov")
    world.submit("dec", people(900, "a.test"), "dec")
    world.submit("alone", people(300, "a.test", 5000), "mixed")
    world.submit("other", people(300, "a.test", 7000), "mixed")
    until(lambda: world.count("nov") > 20 and world.count("dec") > 20, 20, "mail flows")
    answer = world.order("pause", {"campaign": "nov"})
    need((answer["do"], answer["count"], answer["by"]) == ("pause", 1, "alice"), answer)
    need(world.order("pause", {"job": "alone"})["count"] == 1, "a job")
    end = time.monotonic() + 1
    until(lambda: time.monotonic() > end, 3)  # it is in force within a second
    stands, alone = world.count("nov"), world.count("alone")
    world.submit("after", people(40, "a.test", 9000), "dec")
    until(lambda: world.count("after") == 40, 10, "another campaign goes on")
    need(world.count("nov") == stands, "nothing more of it:", stands, world.count("nov"))
    need(stands < 1200, "it was paused in time:", stands)
    world.stop()
    need(world.shard.broken() == [], world.shard.broken())
    lines = world.run("status").stdout
    need("paused   campaign=nov by alice" in lines and "engine   none runs" in lines, lines)
    world.start()
    until(lambda: world.count("dec") == 900 and world.count("other") == 300, 20, "the others are done")
    need((world.count("nov"), world.count("alone")) == (stands, alone), "still paused")
    rows = [json.loads(line) for line in world.run("queue", "campaign=nov", "--json").stdout.splitlines()]
    need(sum(row["count"] for row in rows) == 1200 - stands, rows)
    need(any(row["waits_for"].startswith("paused: campaign=nov by alice") for row in rows), rows)
    wrong = world.run("resume", "campaign=oct")
    need(wrong.returncode == 1 and "campaign=nov by alice" in wrong.stderr, wrong.stderr)
    done = world.run("resume", "campaign=n*", "--json")
    need(done.returncode == 0 and json.loads(done.stdout)["count"] == 1, done.stdout, done.stderr)
    need(world.order("resume", {"job": "alone"})["count"] == 1, "the job")
    until(lambda: world.count("nov") == 1200 and world.count("alone") == 300, 20, "all of it arrives")
    need(world.run("status").stdout.find("paused ") < 0, "nothing is paused")


def test_lanes(world):
    """A source and a site are paused: their lanes do nothing, and say so."""
    need(world.run("pause", "site=slow", "--for", "1h").returncode == 0, "a site")
    world.submit("slow", people(5, "slow.test"))
    world.submit("fast", people(5, "fast.test"))
    until(lambda: world.count("fast") == 5, 10, "another site goes on")
    need(world.count("slow") == 0, "the site waits")
    need(world.order("pause", {"source": "one"})["count"] == 1, "a source")
    need(world.run("resume", "site=slow").returncode == 0, "the site again")
    world.submit("fast2", people(5, "fast.test"))
    waits = until(lambda: [lane["waits"] for worker in json.loads(world.run("status", "--json").stdout)["workers"]
                           for site in worker["sites"] for lane in site["lanes"] if lane["waits"] == "paused"], 5, "shown")
    need(waits and world.count("slow") == 0 and world.count("fast2") == 0, "the source waits")
    need(world.order("resume", {"source": "one"})["count"] == 1, "the source again")
    until(lambda: world.count("slow") == 5 and world.count("fast2") == 5, 10, "all of it arrives")


def test_cancel(world):
    """Very many cancelled while another campaign flows; each has one event; the next job of its name is sent."""
    parts = 10 if LONG else 2
    jobs = ["big%d" % part for part in range(parts)]
    world.submit("flow", people(12000, "a.test"), "flow")
    for job in jobs:
        world.submit(job, people(10000, job + ".test"), "big")
    until(lambda: world.redis("XLEN", "hikyaku:jobs") == 0, 60, "all of it is queued")
    until(lambda: world.count(jobs[-1], "queued") > 0 and world.count("flow") > 0, 30, "mail flows")
    counted = world.run("cancel", "campaign=big", "--dry-run", "--json")
    need(json.loads(counted.stdout)["count"] > 5000 * parts, counted.stdout, counted.stderr)
    refused = world.run("cancel", "campaign=big")
    need(refused.returncode == 2 and "--yes" in refused.stderr, refused.stderr)
    asked = subprocess.Popen([HIKYAKU, "cancel", "-c", world.conf, "campaign=big", "--yes", "--json"], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen = []
    while asked.poll() is None:
        cancelled = sum(world.count(job, "cancelled") for job in jobs)
        seen.append((cancelled, world.count("flow")))
        time.sleep(0.05)
    output, errors = asked.communicate()
    need(asked.returncode == 0, errors)
    going = [flow for cancelled, flow in seen if 0 < cancelled < 9900 * parts]
    need(len(going) >= 3 and going[-1] > going[0], "the other flows meanwhile:", seen)
    until(lambda: all(world.count(job, "queued") == 0 for job in jobs), 10, "what was in hand, too")
    delivered = sum(map(world.count, jobs))
    need(json.loads(output)["count"] + delivered >= 10000 * parts - 100, output, delivered)
    finals = world.finals("big")
    need(len(finals) == 10000 * parts and all(len(types) == 1 for types in finals.values()), "one final event each")
    need(sum(types == ["cancelled"] for types in finals.values()) == 10000 * parts - delivered, "the rest is cancelled")
    world.submit("later", people(5, "a.test"), "big")
    until(lambda: world.count("later") == 5, 20, "the next of its name is sent")
    need(world.run("pause", "domain=still.test").returncode == 0, "so that some of it is there yet")
    world.submit("still", people(50, "still.test"), "flow")
    until(lambda: world.count("still", "queued") == 50, 20, "it is queued")
    need(world.order("cancel", {"campaign": "flow"})["count"] >= 50, "through the stream")
    until(lambda: sum(world.count(job, "queued") for job in ("flow", "flow1", "still")) == 0, 10, "it ends")
    need(world.count("still", "cancelled") == 50, "all that was not sent")
    world.stop()
    need(world.shard.broken() == [], world.shard.broken())


def test_retry(world):
    """Deferred for an hour and tried now; held ones released, or ended; found by their address."""
    world.submit("grey", people(30, "grey.test"), "oct")
    until(lambda: world.count("grey", "deferred") == 30, 10, "deferred")
    site = "127.0.0.1:%d" % port(world)
    row = until(lambda: next((row for row in map(json.loads, world.run("queue", "domain=grey.test", "--json").stdout
                                                  .splitlines()) if row["site"] == site), None), 5, "its site is known")
    need((row["count"], row["state"], row["reply_count"]) == (30, "deferred", 30), row)
    need("451 4.7.1 greylisted" in row["reply"] and row["next"] > time.time() * 1000, row)
    text = world.run("queue", "domain=*.test").stdout
    need("30 recipients wait" in text and "451 4.7.1 greylisted" in text, text)
    rows = world.run("queue", "job=grey", "--limit", "3", "--json").stdout.splitlines()
    need(len(rows) == 3 and json.loads(rows[0])["attempt"] == 1, rows)
    found = world.run("find", "U7@grey.test")
    need(found.returncode == 0 and "u7@grey.test is deferred" in found.stdout and "deferred " in found.stdout and
         "451 4.7.1 greylisted" in found.stdout, found.stdout, found.stderr)
    need(json.loads(world.run("retry", "state=deferred", "job=gr?y", "--yes", "--json").stdout)["count"] == 30, "retry")
    until(lambda: world.count("grey") == 30, 10, "now taken")
    need(world.run("find", "nobody@grey.test").returncode == 1, "nobody")

    need(world.run("pause", "domain=held.test").returncode == 0, "so that its body can be taken away")
    world.submit("held", people(4, "held.test"))
    until(lambda: world.count("held", "queued") == 4, 10, "queued")
    key = next(key for key in world.redis("KEYS", "hikyaku:body:*"))
    body = world.redis("GET", key)
    world.stop()
    world.redis("DEL", key)
    world.start()
    world.run("resume", "domain=held.test")
    until(lambda: world.count("held", "held") == 4, 10, "held")
    need("u1@held.test is held" in world.run("find", "u1@held.test").stdout, "found")
    world.redis("SET", key, body)
    need(world.order("retry", {"state": "held", "domain": "held.test"})["count"] == 4, "retry")
    until(lambda: world.count("held") == 4, 10, "released")


def test_back(world):
    """A receiver that was down is back, and an operator says so: its rest is over at once. Another's is not."""
    sinks, free = [], []
    for _ in range(2):  # where nobody listens: no connection of anybody's begins at this address, so none takes the port
        with socket.create_server(("127.0.0.77", 0)) as listener:
            free.append("127.0.0.77:%d" % listener.getsockname()[1])
    world.stop()
    with open(world.conf, "a") as file:
        for name, place in zip(("down", "gone"), free):
            file.write('domain "%s.test" { route = { "%s" } }\n' % (name, place))
    world.start()
    for name in ("down", "gone"):
        world.submit(name, people(3, name + ".test"))
        until(lambda: world.count(name, "deferred") >= 1, 30, "nobody is there")
    try:
        sinks = [subprocess.Popen([SINK, "--listen", place], stdout=subprocess.PIPE) for place in free]
        for sink in sinks:
            need(sink.stdout.readline(), "the sink listens")
        need(json.loads(world.run("retry", "domain=down.test", "--yes", "--json").stdout)["count"] >= 1, "retry")
        until(lambda: world.count("down") == 3, 30, "taken before its rest of a minute is over")
        need(world.count("gone") == 0, "the other still rests")
    finally:
        for sink in sinks:
            stop_program(sink, 10)


def test_source(world):
    """What a source tried and could not bring is retried, and cancelled; what another tried, or nobody yet, stays."""
    world.stop()
    with open(world.conf, "a") as file:
        file.write('source "two" { address = "127.0.0.2" }\npool "one" { source "one" {} }\npool "two" { source "two" {} }\n')
    world.start()
    for source in ("one", "two"):
        world.submit("by-" + source, people(20, "grey.test", ord(source[0]) * 100), pool=source)
        world.submit("full-" + source, people(20, "full.test", ord(source[0]) * 100), pool=source)
    until(lambda: all(world.count("%s-%s" % pair, "deferred") == 20 for pair in
                      (("by", "one"), ("by", "two"), ("full", "one"), ("full", "two"))), 10, "deferred")
    need(world.order("pause", {"domain": "new.test"})["count"] == 1, "so that it is not tried")
    world.submit("new", people(5, "new.test"), pool="two")
    until(lambda: world.count("new", "queued") == 5, 10, "queued")
    rows = [json.loads(line) for line in world.run("queue", "source=two", "--limit", "99", "--json").stdout.splitlines()]
    need(len(rows) == 40 and {row["job"] for row in rows} == {"by-two", "full-two"}, rows)
    need({row["source"] for row in rows} == {"two"}, rows)
    done = world.run("retry", "source=two", "domain=grey.test", "--yes", "--json")
    need(json.loads(done.stdout)["count"] == 20, done.stdout, done.stderr)
    until(lambda: world.count("by-two") == 20, 10, "now taken")
    need(world.count("by-one", "deferred") == 20, "another source's waits")
    need(world.order("retry", {"source": "two"})["count"] == 20, "through the stream")
    until(lambda: world.count("full-two", "deferred") == 20, 10, "tried again, and refused again")
    world.submit("wait", [{"address": to, "from": to} for to in people(40, "wait.test")], pool="two")
    until(lambda: world.count("wait") > 0, 10, "the rest of it is in the engine's hands")
    need(world.order("cancel", {"source": "t?o"})["count"] == 20, "cancelled")
    need([world.count(job, "cancelled") for job in ("full-two", "full-one", "by-one", "new")] == [20, 0, 0, 0], "only its")
    until(lambda: world.count("wait") == 40, 10, "what would go by it for the first time goes")
    need(world.order("resume", {"domain": "new.test"})["count"] == 1, "now it is tried")
    until(lambda: world.count("new", "deferred") == 5, 10, "and deferred")
    need(world.order("retry", {"source": "*"})["count"] == 45, "the rest")
    until(lambda: world.count("new") == 5 and world.count("by-one") == 20, 10, "a cancel means none that comes by it later")
    need(world.shard.broken() == [], world.shard.broken())


def test_expiry(world):
    """Expiry goes on under a pause; under one that holds it, nothing expires, and resumed mail is sent."""
    need(world.run("pause", "domain=gone.test").returncode == 0, "a pause")
    need(world.run("pause", "domain=kept.test", "--hold-expiry", "--for", "1h").returncode == 0, "another")
    soon = int(time.time() * 1000) + 1500
    world.submit("gone", people(3, "gone.test"), expires=soon)
    world.submit("kept", people(3, "kept.test"), expires=soon)
    until(lambda: world.count("gone", "expired") == 3, 10, "one expires")
    need(world.count("kept", "queued") == 3, "the other does not")
    need(world.order("resume", {"domain": "kept.test"})["count"] == 1, "resumed")
    until(lambda: world.count("kept") == 3, 10, "and sent")


def port(world):
    return int(pathlib.Path(world.conf).read_text().split("127.0.0.1:")[1].split('"')[0])


def test_refused(world):
    """What cannot be meant is refused, with the nearest name; without an engine orders hold all the same."""
    for words, says in ((("pause",), "at least one KEY=VALUE"), (("cancel", "campain=x", "--yes"), '"campaign"'),
                        (("retry", "state=helt", "--yes"), '"held"'), (("pause", "nov"), "expected KEY=VALUE"),
                        (("pause", "job=x", "--for", "soon"), "expected a duration"),
                        (("pause", "state=held"), "in any state"),
                        (("pause", "source=one", "job=x"), "source"), (("queue", "jop=x"), '"job"'),
                        (("find", "nobody"), "has no @")):
        run = world.run(*words)
        need(run.returncode == 2 and says in run.stderr and not run.stdout, words, run.returncode, run.stderr)
    for what, keys, says in (("pause", {"campain": "x"}, '"campaign"'), ("pause", {}, "at least one"),
                             ("pawse", {"job": "x"}, '"pause"'), ("cancel", "{", "JSON object")):
        error = world.order(what, keys)["error"]
        need(says in error, what, keys, error)
    need("expected a duration" in world.order("pause", {"job": "x"}, **{"for": "2w"})["error"], "for")
    until(lambda: world.redis("XLEN", "hikyaku:control") == 0, 5, "entries are deleted")
    world.stop()
    world.submit("never", people(40, "a.test"))
    world.start()
    until(lambda: world.count("never") == 40, 10)
    need(world.run("pause", "tenant=acme").returncode == 0)
    world.submit("idle", people(40, "a.test"))
    until(lambda: world.count("idle", "queued") == 40, 10)
    world.stop()
    done = world.run("cancel", "tenant=acme", "--yes", "--json")
    need(json.loads(done.stdout)["count"] == 40, "with no engine:", done.stdout, done.stderr)
    need(world.count("idle", "cancelled") == 40 and world.shard.broken() == [], world.shard.broken())


TESTS = ((test_cancel, {"rate": "500/s"}), (test_pause, {"rate": "700/s"}), (test_lanes, {}),
         (test_retry, {"rules": ["*@grey.test rcpt first 1 451 4.7.1 greylisted, come again"]}), (test_expiry, {}),
         (test_back, {}), (test_refused, {}),
         (test_source, {"rules": ["*@grey.test rcpt first 1 451 4.7.1 greylisted, come again",
                                  "*@new.test rcpt first 1 451 4.7.1 greylisted, come again",
                                  "*@wait.test rcpt delay 100", "*@full.test rcpt 452 4.2.2 mailbox full"]}))


def in_a_world(test, more):
    """The test with a world of its own; when it fails, the engine's last words are printed, too."""
    @functools.wraps(test)
    def alone():
        world = World(**more)
        try:
            test(world)
        except Exception:
            print(pathlib.Path(world.dir, "engine.log").read_text(errors="replace")[-1500:])
            raise
        finally:
            world.close()
    return alone


if __name__ == "__main__":
    sys.exit(run([in_a_world(*pair) for pair in TESTS], [word for word in sys.argv[1:] if word != "--long"]))
