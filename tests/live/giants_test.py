#!/usr/bin/env python3
"""Giants, live: one site that two workers serve at the same time, through all that may happen to it meanwhile. Whatever
does, its limits hold for both together, and each recipient's mail is taken once.

The receiver is that of sources_test.py. Run from the project's root; HIKYAKU names the program, ./hikyaku if it is not
set."""
import json
import subprocess
import sys
import time

import sources_test
from checking import need, run, tests_of
from programs import HIKYAKU

MOST = 5  # connections


class World(sources_test.World):
    """Two workers, and all mail for big.test, which is the site "giant"."""

    workers = 2

    def __init__(self, limits="connections = %d" % MOST, take_s=0.012):
        super().__init__(self.giant(limits), "recipients-per-message = 1")
        self.receiver.take_s = take_s

    def giant(self, limits, parts=2):
        return 'site "giant" { domains = { "big.test" }  parts = %d  messages-per-connection = unlimited  %s }\n' \
               % (parts, limits)

    def change(self, limits, parts=2):
        self.configure(self.giant(limits, parts), "recipients-per-message = 1")
        self.reload()

    def split(self):
        """Until both workers serve it: with the first mail, its owner looks at it."""
        self.submit("first", 1, domain="big.test")
        self.told(2)

    def told(self, workers, times=1):
        text = b"site giant: served by %d worker" % workers
        self.until(lambda: self.said().count(text) >= times, "%d workers" % workers)

    def taken(self, prefix):
        return sum(self.receiver.by_address(prefix).values())

    def parts(self):
        """How many recipients each worker has delivered, and how many connections it has there."""
        found = []
        for worker in range(self.workers):
            text = self.redis("GET", "hikyaku:status:%s:%d" % (self.instance(), worker))
            lanes = [lane for site in json.loads(text or '{"sites": []}')["sites"] if site["site"] == "giant"
                     for lane in site["lanes"]]
            found.append((sum(lane["delivered"] for lane in lanes), sum(lane["connections"] for lane in lanes)))
        return found

    def status(self):
        return subprocess.run([HIKYAKU, "status", "-c", self.conf], capture_output=True, text=True, timeout=20).stdout

    def both_send(self):
        return all(delivered > 20 for delivered, _ in self.parts())

    def each_once(self, prefix, count):
        """And has one final event that says so."""
        self.until(lambda: self.taken(prefix) >= count, "the end of " + prefix, 60)
        expected = {"%s-%d@big.test" % (prefix, i) for i in range(count)}

        def final():
            return sorted(to for kind, to in self.events() if kind == "delivered" and to.startswith(prefix + "-"))
        self.until(lambda: len(final()) >= count, "the events of " + prefix)
        need(final() == sorted(expected), "final events", len(final()), "of", count)
        copies = {to: len(peers) for to, peers in self.receiver.taken.items() if to.startswith(prefix + "-")}
        need(set(copies) == expected and set(copies.values()) == {1},
             "copies", {to: n for to, n in copies.items() if n != 1}, "recipients", len(copies), "of", count)


def test_two_workers_serve_one_list():
    """of one list of one domain both workers send, with no more connections together than one may have"""
    world = World()
    try:
        world.split()
        world.submit("one", 2500, domain="big.test")
        world.until(world.both_send, "mail by both")
        world.until(lambda: min(n for _, n in world.parts()) >= MOST // 2, "a share of the connections for each")
        lines = [line for line in world.status().splitlines() if line.startswith("giant ")]
        need(len(lines) == 1 and " of %d " % MOST in lines[0], "one line of what both have", lines)
        need(MOST // 2 * 2 <= int(lines[0].split(" of ")[0].split()[-1]) <= MOST, lines)
        world.each_once("one", 2500)
        need(world.receiver.most_open <= MOST, "connections", world.receiver.most_open)
    finally:
        world.close()


def test_a_rate_holds_for_both():
    """two workers need as long for it as the rate allows to one"""
    world = World("connections = 8  rate = 300/s", 0)
    try:
        world.split()
        began = time.monotonic()
        world.submit("rate", 1200, domain="big.test")
        world.each_once("rate", 1200)
        took_s = time.monotonic() - began
        parts = world.parts()
        need(all(delivered for delivered, _ in parts), parts)
        need(1200 <= 300 + 300 * took_s, "1200 in %.2f s" % took_s)
    finally:
        world.close()


def test_total_connections_are_shared():
    """where the total over all sources is what binds, each worker has its share of that"""
    sources = "".join('source "ip%d" { address = "127.0.0.%d" }\n' % (i, i) for i in (2, 3))
    world = World()
    try:
        world.stop()
        world.configure(world.giant("connections = 4  total-connections = 4") + sources, "recipients-per-message = 1")
        world.start()
        world.split()
        world.submit("total", 2500, domain="big.test")
        world.until(world.both_send, "mail by both")
        world.each_once("total", 2500)
        need(world.receiver.most_open <= 4, "connections", world.receiver.most_open)
    finally:
        world.close()


def test_reload_while_split():
    """fewer connections, then one worker, then two again: nothing is lost, and nothing taken twice"""
    world = World("connections = 8")
    try:
        world.split()
        world.submit("reload", 5000, domain="big.test")
        world.until(world.both_send, "mail by both")
        world.change("connections = 4")
        world.until(lambda: world.receiver.open <= 4, "fewer connections")
        world.receiver.most_open = 0
        world.change("connections = 4", parts=1)
        world.told(1)
        world.until(lambda: 0 in [n for _, n in world.parts()], "one worker alone")
        alone = world.taken("reload")
        world.until(lambda: world.taken("reload") > alone + 200, "it goes on")
        world.change("connections = 4")
        world.told(2, times=2)
        world.until(lambda: all(n for _, n in world.parts()), "both again")
        world.each_once("reload", 5000)
        need(world.receiver.most_open <= 4, "connections", world.receiver.most_open)
    finally:
        world.close()


def test_drain_while_split():
    """an engine that ends gives back what both had; the next one sends the rest"""
    world = World()
    try:
        world.split()
        world.submit("drain", 3000, domain="big.test")
        world.until(world.both_send, "mail by both")
        world.stop()
        need(world.engine is None and 0 < world.taken("drain") < 3000, world.taken("drain"))
        world.start()
        world.each_once("drain", 3000)
        need(world.receiver.most_open <= MOST, "connections", world.receiver.most_open)
    finally:
        world.close()


def test_a_choosy_receiver_has_one_worker():
    """one that says "too much" is served by one worker from then on"""
    world = World("connections = 8")
    try:
        world.split()
        world.submit("much", 2500, domain="big.test")
        world.until(world.both_send, "mail by both")
        world.receiver.too_much = 2
        world.told(1)
        world.until(lambda: 0 in [n for _, n in world.parts()], "one worker alone")
        alone = world.taken("much")
        world.until(lambda: world.taken("much") >= min(alone + 50, 2500), "it goes on")
        need(world.said().count(b"served by 2 workers") == 1, world.said())
        need(all(len(peers) == 1 for peers in world.receiver.taken.values()), "nobody has two copies")
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(run(tests_of(globals()), sys.argv[1:], at_once=6))
