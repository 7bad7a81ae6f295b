#!/usr/bin/env python3
"""A tenant's limits over everything, live: an engine of two workers, three sites at a sink that is slow to take a message
and counts for how many connections each sender has at work at a time.

Run from the project's root; HIKYAKU names the program, ./hikyaku if it is not set, BUILD where the sink is."""
import json
import os
import signal
import subprocess
import sys

from checking import need, run, tests_of, until
from programs import HIKYAKU, start_engine, stop_program
from redis_client import Redis, RedisServer

SINK = os.path.join(os.environ.get("BUILD", "build"), "bin/sink")
DOMAINS = ("a.test", "b.test", "c.test")
PATIENCE_S = 30
SLOW = ("--rule", "*.test eom delay 50")


class World:
    def __init__(self, tenants, sink=SLOW, domain=""):
        self.server = RedisServer()
        self.redis = Redis(self.server.path)
        self.conf = os.path.join(self.server.dir, "hikyaku.conf")
        self.log = os.path.join(self.server.dir, "engine.log")
        self.engine = None
        listen = [word for _ in DOMAINS for word in ("--listen", "127.0.0.1:0")]
        self.sink = subprocess.Popen([SINK, *listen, *sink], stdout=subprocess.PIPE)
        self.ports = [int(self.sink.stdout.readline().decode().rsplit(":", 1)[1]) for _ in DOMAINS]
        self.domain = domain
        self.configure(tenants)
        self.engine = start_engine(self.conf, self.log)

    def configure(self, tenants):
        routes = "".join('domain "%s" { route = { "127.0.0.1:%d" } }\n' % pair for pair in zip(DOMAINS, self.ports))
        with open(self.conf, "w") as file:
            file.write('hostname = "mta.sender.test"\nworkers = 2\nallow-private-addresses = true\n'
                       'state-dir = "%s/state"\nredis { server = "unix:%s" }\n'
                       'domain "*" { recipients-per-message = 1  %s }\n%s%s'
                       % (self.server.dir, self.server.path, self.domain, routes, tenants))
        os.chmod(self.conf, 0o600)

    def said(self):
        with open(self.log, "rb") as file:
            return file.read()

    def reload(self, tenants):
        before = self.said().count(b"was read again")
        self.configure(tenants)
        self.engine.send_signal(signal.SIGHUP)
        self.until(lambda: self.said().count(b"was read again") > before, "the reload")

    def submit(self, tenant, count, domains=DOMAINS, **more):
        job = {"from": "news@%s.test" % tenant, "tenant": tenant,
               "to": ["%s-%d@%s" % (tenant, i, domains[i % len(domains)]) for i in range(count)],
               "message": {"headers": {"From": "news@%s.test" % tenant}, "subject": "x {{hk.rcpt}}", "text": "x"}, **more}
        self.redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job))

    def delivered(self):
        """The tenants of what was delivered, in order."""
        events = [dict(zip(fields[::2], fields[1::2])) for _, fields in
                  self.redis("XRANGE", "hikyaku:{0}:events", "-", "+")]
        return [event[b"to"].decode().split("-")[0] for event in events if event[b"type"] == b"delivered"]

    def lanes(self):
        found = {}
        for key in self.redis("KEYS", "hikyaku:status:*"):
            for site in json.loads(self.redis("GET", key) or "{}").get("sites", []):
                for lane in site["lanes"]:
                    found[site["site"], site.get("hosts", "")] = lane
        return found

    def queue(self):
        return subprocess.run([HIKYAKU, "queue", "-c", self.conf], stdout=subprocess.PIPE).stdout.decode()

    def counts(self):
        self.sink.send_signal(signal.SIGUSR1)
        return json.loads(self.sink.stdout.readline())

    def until(self, condition, what, patience_s=PATIENCE_S):
        return until(condition, patience_s, meanwhile=self.must_run,
                     what=lambda: "%s; delivered %d; lanes %s; the log: %s"
                     % (what, len(self.delivered()), self.lanes(), self.said()[-400:].decode("utf-8", "replace")))

    def must_run(self):
        need(self.engine is None or self.engine.poll() is None, "the engine ended:", self.said()[-600:])

    def close(self):
        if self.engine:
            stop_program(self.engine, 10)
        stop_program(self.sink, 10)
        self.sink.stdout.close()
        self.server.close()


def test_connections():
    """a tenant has at most its connections at work, over sites and workers, while another has all it can use"""
    world = World('tenant "few" { connections = 2 }\ntenant "many" { }\n')
    try:
        world.submit("few", 150)
        world.submit("many", 150)
        order = world.until(lambda: len(world.delivered()) == 300 and world.delivered(), "all mail")
        senders = world.counts()["senders"]
        need(senders["few.test"] == 2, "connections at work for the limited tenant", senders)
        need(senders["many.test"] > 6, "connections at work for the other", senders)
        need("few" in order[len(order) - order[::-1].index("many"):], "the other one is not done before", order[-40:])
    finally:
        world.close()


def test_transactional():
    """a limited tenant's transactional mail overtakes its own bulk, at another site too"""
    world = World('tenant "few" { connections = 1 }\n')
    try:
        world.submit("few", 100, ("a.test", "b.test"))
        world.until(lambda: len(world.delivered()) > 10, "its bulk to flow")
        world.submit("few", 3, ("c.test",), id="now", **{"class": "transactional"})
        world.until(lambda: world.redis("HGET", "hikyaku:{0}:job:few:now", "delivered") == b"3"
                    or world.redis("HGET", "hikyaku:job:few:now", "delivered") == b"3", "the transactional mail")
        need(len(world.delivered()) < 80, "bulk came before it", len(world.delivered()))
        world.until(lambda: len(world.delivered()) == 103, "all mail")
        need(world.counts()["senders"]["few.test"] == 1, world.counts())
    finally:
        world.close()


def test_connection_rate():
    """what may open no connection rides on those that are there, whoever they were opened for"""
    tenants = 'tenant "few" { %s }\ntenant "many" { }\n'
    world = World(tenants % 'connection-rate = "1/h"', sink=())
    try:
        world.submit("few", 100, ("a.test",))
        world.until(lambda: len(world.delivered()) == 100, "all that goes by the one connection")
        need(world.counts()["connections"] == 1, "connections opened for it", world.counts())
        world.submit("few", 5, ("b.test",))
        world.until(lambda: any(lane["waits"] == "tenant" for lane in world.lanes().values()), "the second site to wait")
        need("tenant: mail of a tenant waits for a limit of that tenant" in world.queue(), "what queue says", world.queue())
        need(world.counts()["connections"] == 1, "connections opened for it", world.counts())
        world.submit("many", 1, ("b.test",))
        world.until(lambda: len(world.delivered()) == 106, "the ride on another tenant's connection")
        need(world.counts()["connections"] == 2, "connections in all", world.counts())
        world.submit("few", 5, ("c.test",))
        world.until(lambda: any(lane["waits"] == "tenant" for lane in world.lanes().values()), "the third site to wait")
        world.reload(tenants % "")
        world.until(lambda: len(world.delivered()) == 111, "what waited, once there is no limit")
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(run(tests_of(globals()), sys.argv[1:]))
