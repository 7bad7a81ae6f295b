"""Scenarios with receivers that say nothing any more: what a connection that is merely held costs, and what others suffer."""
import os, resource, time

from kinds import Transactional
from measure import Sampler, kernel_mb
from stage import EVENTS, Stage
from world import BUILD

NEVER_MS = 3600000
DECAY_S = 12  # jemalloc keeps for ten what was freed last: buffers of handshakes that are over are no cost of what is idle


class Silent(Stage):
    """Has sinks of its own for the silent: one a group, each at addresses and for domains of its own."""
    GROUPS = {"slow": range(51, 75), "other": range(75, 99)}

    def start_silent(self, group, *options, processes=1):
        """As several processes where one may not have as many files; each has a part of the addresses."""
        for part in range(processes):
            listen = [a for n in self.GROUPS[group][part::processes] for a in ("--listen", "127.0.0.%d:%d" % (n, self.port))]
            self.world.start(self.part(group, part), BUILD + "/bin/sink", *listen, *options, wait_for=len(listen) // 2)
        self.processes = {**self.processes, group: processes}

    processes = {}

    @staticmethod
    def part(group, number):
        return group + str(number) if number else group

    def hosts(self):
        return [rule for name, at in self.GROUPS.items() for rule in (
            "--rule", "mx.%s*.test a 127.0.0.%%[%d-%d]" % (name, at[0], at[-1]), "--rule", "%s*.test mx 10 mx.$" % name)] + super().hosts()

    def submit_silent(self, group, recipients, domains):
        """Jobs of a few, so that intake takes others' between them."""
        return self.load(recipients, "--domain", group + "%lu.test", "--domains", str(domains), "--per-job", "1000")

    def held(self, group, what="open"):
        """How many connections there are now."""
        return sum(self.counts_of_sink(self.part(group, n))[what] for n in range(self.processes[group]))

    def all_held(self, group, wanted):
        """How many there are once all are there or three seconds have brought no more."""
        looks, end = [self.held(group)], time.monotonic() + 120
        while time.monotonic() < end and looks[-1] < wanted and not (len(looks) > 3 and looks[-1] and looks[-1] == looks[-4]):
            time.sleep(1)
            looks.append(self.held(group))
        if not looks[-1]:
            self.fail("no silent connection was opened")
        return looks[-1]

    def fill(self):
        return 0

    def costs(self):
        """Megabytes of the engine and of the kernel, both ends of all connections, now."""
        return self.meter.memory_mb("engine"), kernel_mb()

    def deliver_beside(self, redis):
        """The newsletter to those that do speak."""
        s, sampler, before = self.scenario, Sampler(self.meter), redis("XLEN", EVENTS)
        sampler.start()
        self.load()
        self.wait_for(lambda: redis("XLEN", EVENTS) >= before + s["recipients"], s["limit_s"], "the newsletter was not delivered")
        return sampler.finish(), sampler.samples


class Clocked(Silent, Transactional):
    """Single mails by the clock, in phases that are held against each other."""

    def __init__(self, scenario):
        super().__init__({"reply_ms": 0, **scenario})

    def phase(self, redis, name):
        """When each was to be sent, and its figures."""
        self.clock_name = name
        entries = redis("XREVRANGE", EVENTS, "+", "-", "COUNT", 1)
        sent = self.clock(redis)
        found, _ = self.finished(redis, sent, "(" + entries[0][0].decode() if entries else "-")
        return sent, self.figures(sent, found)

    @staticmethod
    def at(times, share, part="all"):
        return times[part][min(len(times[part]) - 1, int(len(times[part]) * share))]


class Slow(Clocked):
    """Receivers that are silent after RCPT hold scenario["slow"] connections, a thousand each. A newsletter and single mails to
    others go before them and beside them; between the two the engine is started anew, so that what it grows by is theirs."""
    EACH, A_SINK, WARM = 1000, 12000, 20000

    def configure_slow(self, sites):
        """One ring has as many sockets as a process may have files, and a site is of one worker: room for twice as many."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        workers = max(os.cpu_count(), -(-2 * self.scenario["slow"] // files))
        self.scenario["conf"] = "workers = %d\n" % workers + "".join(
            'domain "slow%d.test" { connections = %d  reserved-connections = 0  learning = "false"  timeout-rcpt = "1h" }\n'
            % (n, self.EACH) for n in range(sites))
        self.extra["workers"] = workers

    def warm_up(self, redis):
        """Over 200 connections: what any engine that works has of memory is none of the slow connections'."""
        before = redis("XLEN", EVENTS)
        self.load(self.WARM, "--domains", "20")
        self.wait_for(lambda: redis("XLEN", EVENTS) >= before + self.WARM, 60, "the first mail was not delivered")

    def newsletter(self, redis, name):
        """Seconds, CPU, samples."""
        start = time.monotonic()
        used, samples = self.deliver_beside(redis)
        took = time.monotonic() - start
        self.extra["%s_newsletter_a_second" % name] = self.scenario["recipients"] / took
        return took, used, samples

    def mails(self, redis, name):
        """How many, and their times. Afterwards the memory that was let go is back with the system."""
        sent, figures = self.phase(redis, name)
        self.extra.update({"%s_p%g_ms" % (name, 100 * share): self.at(figures, share) for share in (0.5, 0.99, 1)})
        return len(sent), figures

    def hold(self, sites):
        """How many slow connections there are."""
        if self.submit_silent("slow", self.scenario["slow"] * 3 // 2, sites).wait():
            self.fail("submitting did not work")
        held = self.all_held("slow", self.scenario["slow"])
        self.extra.update(slow_connections_allowed=self.scenario["slow"], slow_connections=held)
        return held

    def deliver(self):
        s = self.scenario
        sites = s["slow"] // self.EACH
        self.configure_slow(sites)
        self.start_redis()
        self.start_nameserver()
        self.start_sink()
        self.start_silent("slow", "--rule", "* rcpt delay %d" % NEVER_MS, processes=-(-s["slow"] // self.A_SINK))
        self.newsletter(self.start_engine(), "alone")
        self.world.end("engine")
        redis = self.start_engine()
        self.warm_up(redis)
        alone, _ = self.mails(redis, "alone")
        engine, kernel = self.costs()
        held = self.hold(sites)
        beside, figures = self.mails(redis, "beside")
        engine_now, kernel_now = self.costs()
        took, used, samples = self.newsletter(redis, "beside")
        self.extra.update(engine_kb_each=(engine_now - engine) * 1000 / held, kernel_kb_each_both_ends=(kernel_now - kernel) * 1000 / held,
                          slow_connections_at_the_end=self.held("slow"), samples=alone + beside)
        sent = 2 * s["recipients"] + self.WARM + alone + beside
        if self.counted() != sent:
            self.fail("the sink counted %d messages, not %d" % (self.counted(), sent))
        latency = [[share, self.at(figures, share)] for share in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1)]
        return dict(seconds=took, delivered=s["recipients"], used=used, samples=samples, bare=None, extra=self.extra,
                    events=dict(seconds=[], latency=latency, dialogue=[]), figures=figures)


class Idle(Silent):
    """Connections on which nothing happens, scenario["idle"] in clear and then as many under TLS, their handshakes done: what
    TLS costs the engine each. Each is at a site of its own and waits for the reply to MAIL."""

    def deliver(self):
        count = self.scenario["idle"]
        self.start_nameserver()
        self.start_sink()
        self.start_silent("slow", "--rule", "* mail delay %d" % NEVER_MS)
        self.start_silent("other", "--rule", "* mail delay %d" % NEVER_MS, *self.certificate())
        redis, each = self.start_engine(), {}
        for group in self.GROUPS:
            engine, kernel = self.costs()
            self.submit_silent(group, count, count).wait()
            held = self.all_held(group, count)
            self.wait_for(lambda: group == "slow" or self.held(group, "handshakes") >= held, 60, "not every handshake came to its end")
            time.sleep(DECAY_S)
            engine_now, kernel_now = self.costs()
            each[group] = (engine_now - engine) * 1000 / held, (kernel_now - kernel) * 1000 / held
        self.extra.update(connections_each_way=held, engine_kb_each_clear=each["slow"][0], engine_kb_each_tls=each["other"][0],
                          tls_kb_each=each["other"][0] - each["slow"][0], kernel_kb_each_both_ends=each["other"][1])
        used, samples = self.deliver_beside(redis)
        return self.result(used, samples)


class Storm(Clocked):
    """Single mails by the clock, first alone, then while handshakes begin at scenario["storm"] sites, which stall in the midst
    of theirs. The clock runs from before the first of them."""

    def deliver(self):
        count = self.scenario["storm"]
        self.start_nameserver()
        self.start_sink()
        self.start_silent("slow", "--stall-tls")
        redis, sampler = self.start_engine(), Sampler(self.meter)
        sent, calm = self.phase(redis, "calm")
        sampler.start()
        start, engine = time.monotonic(), self.meter.memory_mb("engine")
        loader = self.submit_silent("slow", count, count)
        more, storm = self.phase(redis, "storm")
        took = time.monotonic() - start
        stalled = self.held("slow", "stalled")
        used = sampler.finish()
        if loader.wait():
            self.fail("submitting did not work")
        at = self.at
        self.extra.update(stalled_handshakes=stalled, calm_p99_ms=at(calm, 0.99), storm_p99_ms=at(storm, 0.99), calm_worst_ms=at(calm, 1),
                          storm_worst_ms=at(storm, 1),
                          **{"storm_%s_p99_ms" % part: at(storm, 0.99, part) for part in ("accept", "wait", "send", "redis")}, samples=len(sent) + len(more),
                          engine_kb_each=(self.meter.memory_mb("engine") - engine) * 1000 / max(stalled, 1))
        latency = [[share, at(storm, share)] for share in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1)]
        return dict(seconds=took, delivered=len(more), used=used, samples=sampler.samples, bare=None, extra=self.extra,
                    events=dict(seconds=[], latency=latency, dialogue=[]), figures=storm)
