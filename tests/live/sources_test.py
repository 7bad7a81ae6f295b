#!/usr/bin/env python3
"""Sources, pools, warm-up and reload, live: an engine that sends from several addresses of the loopback to a receiver of a
few lines, which notes who came and under which name.

Run from the project's root; HIKYAKU names the program, ./hikyaku if it is not set."""
import json
import os
import signal
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

from checking import need, run, tests_of, until
from listener import Listener
from programs import start_engine, stop_program
from redis_client import Redis, RedisServer

PATIENCE_S = 15


class Receiver(Listener):
    """Takes all mail; remembers for each recipient from which address it came, and under which EHLO name."""

    take_s = 0  # so long it takes for each message
    too_much = 0  # so many of the next it would not have

    def __init__(self):
        self.lock = threading.Lock()
        self.taken, self.names, self.open, self.most_open = {}, {}, 0, 0
        self.carried = []  # by each connection: how many recipients each of its messages had
        super().__init__()

    def talk(self, connection, peer):
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        stream = connection.makefile("rb")  # an unbuffered one asks the kernel for each byte
        try:
            quits = self.converse(stream, connection.sendall, peer)
        except OSError:
            quits = False
        with self.lock:
            self.open -= 1  # before it is told: the next connection may come at once
        if quits:
            connection.sendall(b"221 bye\r\n")
        stream.close()
        connection.close()

    def converse(self, stream, say, peer):
        say(b"220 receiver.test ESMTP\r\n")
        recipients, carried = [], []
        self.carried.append(carried)
        for line in stream:
            text = line.decode("latin1").strip()
            verb = text.upper()
            answer = b"250 ok\r\n"
            if verb.startswith("EHLO"):
                self.names[peer] = text[5:]
                answer = b"250-receiver.test\r\n250 PIPELINING\r\n"
            elif verb.startswith("RCPT"):
                recipient = text[text.index("<") + 1:text.index(">")]
                if recipient.startswith("never-"):
                    answer = b"450 4.2.1 come again\r\n"
                elif self.is_too_much():
                    answer = b"450 4.7.1 too many messages, slow down\r\n"
                else:
                    recipients.append(recipient)
            elif verb == "DATA":
                say(b"354 go\r\n")
                while stream.readline() not in (b".\r\n", b""):
                    pass
                time.sleep(self.take_s)
                with self.lock:
                    for recipient in recipients:
                        self.taken.setdefault(recipient, []).append(peer)
                    carried.append(len(recipients))
                recipients = []
            elif verb == "QUIT":
                return True
            say(answer)
        return False

    def is_too_much(self):
        with self.lock:
            is_too_much = self.too_much > 0
            self.too_much -= is_too_much
            return is_too_much

    def by_address(self, prefix=""):
        counts = {}
        with self.lock:
            for recipient, peers in self.taken.items():
                if recipient.startswith(prefix):
                    for peer in peers:
                        counts[peer] = counts.get(peer, 0) + 1
        return counts


SOURCES = ('source "ip2" { address = "127.0.0.2"  helo = "two.sender.test" }\n'
           'source "ip3" { address = "127.0.0.3"  helo = "three.sender.test" }\n')
POOLS = ('pool "both" { source "ip2" { weight = 3 }  source "ip3" { weight = 1 } }\n'
         'pool "three" { source "ip3" {} }\n')


class World:
    """A Redis, a receiver, an engine whose configuration leads every domain to it."""

    workers = 1

    def __init__(self, more, domain="", start=True):
        self.server = RedisServer()
        self.redis = Redis(self.server.path)
        self.receiver = Receiver()
        self.conf = os.path.join(self.server.dir, "hikyaku.conf")
        self.jobs = 0
        self.engine = None
        self.configure(more, domain)
        if start:
            self.start()

    def configure(self, more, domain=""):
        with open(self.conf, "w") as file:
            file.write('hostname = "mta.sender.test"\nworkers = %d\nallow-private-addresses = true\n'
                       'state-dir = "%s/state"\nredis { server = "unix:%s" }\n'
                       'domain "*" { route = { "127.0.0.1:%d" }  %s }\n%s'
                       % (self.workers, self.server.dir, self.server.path, self.receiver.port, domain, more))
        os.chmod(self.conf, 0o600)

    def start(self):
        self.engine = start_engine(self.conf, os.path.join(self.server.dir, "engine.log"))

    def instance(self):
        keys = self.redis("KEYS", "hikyaku:status:*:0")
        return keys[0].decode().split(":")[2] if keys else ""

    def reload(self):
        before = self.said().count(b"was read again")
        self.engine.send_signal(signal.SIGHUP)
        self.until(lambda: self.said().count(b"was read again") > before, "the reload")

    def said(self):
        with open(os.path.join(self.server.dir, "engine.log"), "rb") as file:
            return file.read()

    def until(self, condition, what, patience_s=PATIENCE_S):
        return until(condition, patience_s, meanwhile=self.must_run,
                     what=lambda: "%s; taken %s; the log: %s"
                     % (what, self.receiver.by_address(), self.said()[-400:].decode("utf-8", "replace")))

    def must_run(self):
        need(self.engine is None or self.engine.poll() is None, "the engine ended:", self.said()[-600:])

    def submit(self, prefix, count, domain="a.test", **more):
        self.jobs += 1
        job = {"from": "news@sender.test", "id": "job-%d" % self.jobs,
               "to": ["%s-%d@%s" % (prefix, i, domain) for i in range(count)],
               "message": {"headers": {"From": "news@sender.test"}, "subject": "x {{hk.rcpt}}", "text": "x"}, **more}
        self.redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job))

    def send(self, prefix, count, **more):
        """Submits and waits until all is taken; how many came from which address."""
        self.submit(prefix, count, **more)
        self.until(lambda: sum(self.receiver.by_address(prefix).values()) >= count, prefix)
        return self.receiver.by_address(prefix)

    def lanes(self):
        text = self.redis("GET", "hikyaku:status:%s:0" % self.instance()) if self.instance() else None
        status = json.loads(text) if text else {"sites": []}
        return {lane["source"]: lane for site in status["sites"] for lane in site["lanes"]}

    def events(self):
        return [(dict(zip(fields[::2], fields[1::2]))[b"type"].decode(), dict(zip(fields[::2], fields[1::2]))[b"to"].decode())
                for _, fields in self.redis("XRANGE", "hikyaku:{0}:events", "-", "+")]

    def stop(self):
        if self.engine:
            stop_program(self.engine, 10)
        self.engine = None

    def close(self):
        self.stop()
        self.receiver.close()
        self.server.close()


def test_weights():
    """a pool shares by weight, and each source has its name"""
    world = World(SOURCES + POOLS, 'pool = "both"  recipients-per-message = 1')
    try:
        counts = world.send("w", 400)
        need(set(counts) == {"127.0.0.2", "127.0.0.3"}, counts)
        share = counts["127.0.0.2"] / 400
        print("figure: weights-3-1 %.2f (0.75 +- 0.10)" % share)
        need(0.65 <= share <= 0.85, "share of the heavier source", share, counts)
        need(world.receiver.names == {"127.0.0.2": "two.sender.test", "127.0.0.3": "three.sender.test"},
             world.receiver.names)
    finally:
        world.close()


def test_pools():
    """a job's pool comes before its tenant's, that before the domain's; without any, all sources send"""
    world = World(SOURCES + POOLS + 'pool "two" { source "ip2" {} }\n'
                  'tenant "acme" { pool = { "two", "three" } }\ntenant "free" { }\n'
                  'domain "b.test" { route = { "127.0.0.1:1" }  pool = "three" }\n')
    try:
        world.configure(SOURCES + POOLS + 'pool "two" { source "ip2" {} }\n'
                        'tenant "acme" { pool = { "two", "three" } }\ntenant "free" { }\n'
                        'domain "b.test" { route = { "127.0.0.1:%d" }  pool = "three" }\n' % world.receiver.port)
        world.reload()
        need(set(world.send("domain", 40, domain="b.test")) == {"127.0.0.3"}, world.receiver.by_address("domain"))
        need(set(world.send("tenant", 40, domain="b.test", tenant="acme")) == {"127.0.0.2"},
             world.receiver.by_address("tenant"))
        need(set(world.send("job", 40, tenant="acme", pool="three")) == {"127.0.0.3"},
             world.receiver.by_address("job"))
        need(set(world.send("other", 40, domain="b.test", tenant="free", pool="two")) == {"127.0.0.2"},
             world.receiver.by_address("other"))
        need(set(world.send("any", 150, tenant="free")) == {"127.0.0.2", "127.0.0.3"},
             world.receiver.by_address("any"))
        world.submit("no", 1, tenant="acme", pool="both")
        world.submit("no", 1, pool="slow")
        world.until(lambda: world.redis("XLEN", "hikyaku:rejected") == 2, "two rejections")
        told = str(world.redis("XRANGE", "hikyaku:rejected", "-", "+"))
        need('may not use pool "both"' in told.replace("\\", "") and '"two", "three"' in told.replace("\\", ""), told)
        need('no pool "slow"' in told.replace("\\", "") and '"both", "three", "two"' in told.replace("\\", ""), told)
    finally:
        world.close()


def test_reload():
    """limits, pools and sources change while mail flows; a source that is gone sends no more, a new one does"""
    slow = 'source "ip2" { address = "127.0.0.2"  rate = 20/s  burst = 1 }\n'
    world = World(slow, "recipients-per-message = 1")
    try:
        world.submit("r", 300)
        world.until(lambda: sum(world.receiver.by_address("r").values()) >= 10, "the first ten")
        need(sum(world.receiver.by_address("r").values()) < 200, "the rate of a source holds",
             world.receiver.by_address("r"))
        world.configure('source "ip3" { address = "127.0.0.3" }\n', "recipients-per-message = 1")
        world.reload()
        world.until(lambda: sum(world.receiver.by_address("r").values()) >= 300, "the rest")
        counts = world.receiver.by_address("r")
        need(counts.get("127.0.0.3", 0) > 200, "the new source takes over", counts)
        need(set(world.send("s", 50)) == {"127.0.0.3"}, world.receiver.by_address("s"))
        world.configure('source "ip3" { address = "127.0.0.3"  conections = 3 }\n')
        world.engine.send_signal(signal.SIGHUP)
        world.until(lambda: b"the one in force stays" in world.said(), "an error")
        need(set(world.send("t", 50)) == {"127.0.0.3"}, world.receiver.by_address("t"))
    finally:
        world.close()


def test_away():
    """a source whose address is not on this machine rests with a reason that names it; its mail goes by the others"""
    away = 'source "gone" { address = "192.0.2.1" }\n'
    world = World(SOURCES + away + 'pool "mixed" { source "gone" { weight = 5 }  source "ip3" {} }\n'
                  'pool "alone" { source "gone" {} }\n', 'pool = "mixed"')
    try:
        need(set(world.send("m", 60)) == {"127.0.0.3"}, world.receiver.by_address("m"))
        world.submit("alone", 3, pool="alone")
        lane = world.until(lambda: world.lanes().get("gone", {}).get("waits") == "rest" and world.lanes()["gone"],
                           "the lane of the source rests")
        need("source gone: 192.0.2.1 is not an address of this machine" in lane["why"], lane)
        need(b"source gone: 192.0.2.1 is not an address" in world.said(), world.said()[-400:])
        need(not world.receiver.by_address("alone"), "a pool of its own waits")
        events = [kind for kind, _ in world.events() if kind in ("deferred", "failed")]
        need(not events, "an own fault is no attempt", events)
        world.configure(SOURCES + 'source "gone" { address = "127.0.0.9" }\npool "alone" { source "gone" {} }\n')
        world.reload()
        world.until(lambda: world.receiver.by_address("alone").get("127.0.0.9") == 3, "it comes back", 40)
    finally:
        world.close()


def test_warm_up():
    """a young source sends its part of the day, the overflow pool the rest; the count outlives a restart"""
    today = datetime.now(timezone.utc)
    if today.hour == 23 and today.minute > 50:
        return  # the day would end in the middle of it
    start = (today - timedelta(days=1)).strftime("%Y-%m-%d")
    young = ('source "ip2" { address = "127.0.0.2"\n'
             '  warm-up { start = "%s"  daily = { 3, 12, 100000 }  overflow = "three" } }\n'
             'source "ip3" { address = "127.0.0.3" }\npool "three" { source "ip3" {} }\n'
             'pool "young" { source "ip2" {} }\n' % start)
    world = World(young, 'pool = "young"  recipients-per-message = 1')
    try:
        elapsed = today.hour * 60 + today.minute
        most = -(-12 * (elapsed + 60 + 3) // 1440)  # three minutes for the test itself
        counts = world.send("w", 100)
        need(1 <= counts.get("127.0.0.2", 0) <= min(most, 12), counts, most)
        need(counts["127.0.0.3"] >= 100 - min(most, 12), counts)
        sent = counts["127.0.0.2"]
        world.stop()
        kept = world.redis("HGETALL", "hikyaku:{0}:warm")
        need(len(kept) == 2 and kept[0].startswith(b"ip2|") and kept[1].split()[1] == b"%d" % sent, kept, sent)
        world.start()
        counts = world.send("x", 50)
        need(sent + counts.get("127.0.0.2", 0) <= min(most, 12), "over the day", sent, counts, most)
        world.configure(young.replace("  overflow = \"three\"", ""), 'pool = "young"  recipients-per-message = 1')
        world.reload()
        world.submit("y", 30)
        lane = world.until(lambda: world.lanes().get("ip2", {}).get("waits") == "warm-up" and world.lanes()["ip2"],
                           "the young source waits")
        need(lane["until"] > time.time() * 1000, lane)
        need("127.0.0.3" not in world.receiver.by_address("y"), world.receiver.by_address("y"))
    finally:
        world.close()


def test_limits():
    """a source's limits hold over sites, a site's totals over sources; a domain says how long its mail is tried"""
    two = ('source "ip2" { address = "127.0.0.2"  connections = 3 }\nsource "ip3" { address = "127.0.0.3"  connections = 3 }\n')
    world = World(two, "recipients-per-message = 1")
    try:
        def aim(total):
            return ('domain "a.test" { route = { "127.0.0.1:%d" }  connections = 20 }\n'
                    'domain "b.test" { route = { "[::1]:1", "127.0.0.1:%d" }  connections = 20 }\n'
                    'domain "c.test" { route = { "127.0.0.1:%d" }  expires-after = "2s"  retry = { "1s" } }\n'
                    % ((world.receiver.port,) * 3)) + total

        world.configure(two + aim(""), "recipients-per-message = 1")
        world.reload()
        world.submit("l", 100)
        world.submit("l2", 100, domain="b.test")
        world.until(lambda: sum(world.receiver.by_address("l").values()) >= 200, "both sites")
        need(world.receiver.most_open <= 6, "connections of two sources", world.receiver.most_open)
        world.until(lambda: world.receiver.open == 0, "idle connections are closed")
        world.receiver.most_open = 0
        world.configure(two.replace("  connections = 3", "") + aim(""),
                        "recipients-per-message = 1  total-connections = 4")
        world.reload()
        world.submit("t", 150)
        world.until(lambda: sum(world.receiver.by_address("t").values()) >= 150, "a total")
        need(world.receiver.most_open <= 4, "connections of all sources", world.receiver.most_open)
        world.submit("never", 2, domain="c.test")
        world.until(lambda: sorted(to for kind, to in world.events() if kind == "expired") ==
                    ["never-0@c.test", "never-1@c.test"], "the end of what cannot be delivered")
    finally:
        world.close()


def test_domain():
    """a domain's own limits at a site are for it alone: it keeps to them, and the site's others do not have to"""
    rate = 'site "big" { domains = { "a.test", "x.test" }  rate = "40/s"  burst = 1 }\ndomain "x.test" { rate = "5/s"  burst = 1 }\n'
    world = World(rate, "recipients-per-message = 1")
    try:
        world.submit("x", 40, domain="x.test")
        world.until(lambda: world.receiver.by_address("x"), "the one begins")
        start, before = time.monotonic(), sum(world.receiver.by_address("x").values())
        world.send("a", 60)
        took_s, own = time.monotonic() - start, sum(world.receiver.by_address("x").values()) - before
        need(took_s < 6, "the others are not held to 5/s:", took_s)
        need(took_s > 1.4, "but to the site's rate:", took_s)
        need(own <= took_s * 5 + 2, "the domain is held to its own:", own, took_s)
    finally:
        world.close()


def test_messages_of_several():
    """a message to several recipients is one of those that a connection may carry"""
    world = World("", "connections = 1  recipients-per-message = 5  messages-per-connection = 2")
    try:
        world.send("m", 30, message={
            "headers": {"From": "news@sender.test", "To": "all@sender.test"}, "subject": "x", "text": "the same for all"})
        carried = [messages for messages in world.receiver.carried if messages]
        need(sum(map(sum, carried)) == 30 and max(map(max, carried)) == 5, carried)
        need(max(map(len, carried)) == 2, "messages of a connection", carried)
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(run(tests_of(globals()), sys.argv[1:]))
