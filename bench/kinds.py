"""Scenarios that are played otherwise than Stage plays them."""
import json, random, time

from measure import Sampler
from stage import EVENTS, Stage
from world import BUILD, HIKYAKU


class Production(Stage):
    """All at once, for scenario["seconds"] and a little more: submitting so that about 50,000 wait, those of jobs that are not
    in the queue yet among them, a consumer group that reads and acknowledges every event, and half-way Redis rewrites its
    file. The first ten seconds, in which the connections are opened, do not count."""
    WAITING, BATCH, WARM_S = 50000, 10000, 10

    def feed(self, redis, submitted):
        """One more batch, if few wait; returns how many were submitted in all."""
        counts, jobs = self.counts(redis), redis("XLEN", "hikyaku:jobs")
        if counts["ready"] + counts["leased"] + jobs * self.BATCH >= self.WAITING or (self.loader and self.loader.poll() is None):
            return submitted
        self.loader = self.load(self.BATCH, "--first", str(submitted))
        return submitted + self.BATCH

    def deliver(self):
        self.start_nameserver()
        self.start_sink()
        redis, sampler, self.loader, submitted = self.start_engine(), Sampler(self.meter), None, 0
        reader = self.world.start("reader", BUILD + "/bin/reader", "--redis", "unix:" + self.socket, "--group", "bench", wait_for=0)
        while self.events_added(redis) < 1000:
            submitted = self.feed(redis, submitted)
            time.sleep(0.02)
        start, rewritten = time.monotonic(), False
        sampler.start()
        while time.monotonic() < start + self.scenario["seconds"] + 2 * self.WARM_S:
            submitted = self.feed(redis, submitted)
            if not rewritten and time.monotonic() > start + self.scenario["seconds"] / 2:
                rewritten = bool(redis("BGREWRITEAOF"))
            time.sleep(0.02)
        used = sampler.finish()
        self.wait_for(lambda: not any(self.counts(redis)[n] for n in ("ready", "deferred", "held", "leased")), self.scenario["limit_s"],
                      "not everything came to its end")
        events = self.until_read(redis, reader)
        seconds = events["seconds"][self.WARM_S:][:self.scenario["seconds"]]
        self.extra.update(slowest_second=min(seconds), deferred=events.get("deferred", 0), failed=events.get("failed", 0),
                          latency_p99_ms=dict(events["latency"])[0.99])
        result = self.result(used, sampler.samples, events)
        measured = sum(events["seconds"][:round(sampler.samples[-1]["at"])])
        factor = measured / result["delivered"]
        result.update(seconds=len(seconds) * result["delivered"] / sum(seconds), submitted=submitted)
        result["used"] = {k: v if k == "foreign" else v / factor for k, v in used.items()}
        return result

    @staticmethod
    def events_added(redis):
        """How many there ever were: those that are acknowledged go."""
        stream = redis("XINFO", "STREAM", EVENTS) if redis("EXISTS", EVENTS) else [b"entries-added", 0]
        return stream[stream.index(b"entries-added") + 1]

    def until_read(self, redis, reader):
        def all_read():
            group = redis("XINFO", "GROUPS", EVENTS)[0]
            fields = dict(zip(group[::2], group[1::2]))
            return not fields[b"lag"] and not fields[b"pending"]
        self.wait_for(all_read, 60, "the reader did not come to the end of the events")
        return json.loads(self.world.end("reader"))


class Start(Stage):
    """From the command to the first message at the sink, with everything queued before and Redis up. An engine that lifts
    the pause and is ended at once goes before."""

    def deliver(self):
        s = self.scenario
        self.start_nameserver()
        self.start_sink()
        redis, sampler = self.start_engine(), Sampler(self.meter)
        self.order("resume")
        self.world.end("engine")
        before, start = self.counted(), time.monotonic()
        self.world.start("engine", HIKYAKU, "run", "-c", self.world.dir + "/hikyaku.conf")
        sampler.start()
        self.wait_for(lambda: self.counted() > before, 60, "the engine started on a full queue sent nothing")
        self.extra.update(first_message_ms=(time.monotonic() - start) * 1000, sent_before=before)
        self.wait_for(lambda: self.is_over(redis, s["measure"]), s["limit_s"], "not everything was delivered")
        return self.result(sampler.finish(), sampler.samples)


class Transactional(Stage):
    """Single mails by a Poisson clock beside jobs of 10,000 recipients each that keep every lane busy: each domain takes all
    the connections it may have, and its server thinks about each message before it answers. The mails have bodies of their
    own and go to hikyaku:jobs:now, to the same domains. Times count from the intended submission (an open loop)."""
    BULK, DOMAINS, RATE, REPLY_MS = 5000000, 20, 100, 50

    def __init__(self, scenario):
        self.clock_name = "tx"
        super().__init__({"bulk": self.BULK, "rate": self.RATE, "reply_ms": self.REPLY_MS, "mail_domains": self.DOMAINS, **scenario})
        self.trips = []

    def job(self, number):
        """Its name begins with clock_name: a scenario may have the clock run several times."""
        to = "t%d@d%d.test" % (number, number * 7 % self.scenario["mail_domains"])
        return json.dumps({"id": "%s-%d" % (self.clock_name, number), "from": "shop@bench.test", "to": [to],
                           "message": {"headers": {"From": "Shop <shop@bench.test>"}, "subject": "Order %d" % number,
                                       "text": "Your order %d is on its way.\n" % number * 20}})

    def clock(self, redis):
        """Sends by the clock; returns when each was to be sent."""
        chance, sent, at = random.Random(1), {}, time.monotonic()
        offset, end = time.time() - at, at + self.scenario["seconds"]
        while at < end:
            pause = at - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            name, asked = "%s-%d" % (self.clock_name, len(sent)), time.monotonic()
            sent[name] = (at + offset) * 1000
            redis("XADD", "hikyaku:jobs:now", "*", "job", self.job(len(sent) - 1))
            self.trips.append((time.monotonic() - asked) * 1000)
            at += chance.expovariate(self.scenario["rate"])
        return sent

    def finished(self, redis, sent, last):
        """The events of the mails sent, once all of them are there; and how many others were delivered meanwhile."""
        found, others, end = {}, 0, time.monotonic() + 60
        while len(found) < len(sent) and time.monotonic() < end:
            for entry, fields in redis("XRANGE", EVENTS, last, "+", "COUNT", 2000):
                last = "(" + entry.decode()
                if fields[fields.index(b"type") + 1] != b"delivered":
                    continue
                name = fields[fields.index(b"job") + 1].decode()
                if name in sent:
                    found[name] = json.loads(fields[fields.index(b"data") + 1])
                others += name not in sent
        if len(found) < len(sent):
            self.fail("%d of %d transactional mails were delivered" % (len(found), len(sent)))
        return found, others

    def figures(self, sent, found):
        """Milliseconds: all of it, less the time the server thinks; and its parts."""
        think = self.scenario["reply_ms"]
        parts = dict(all=lambda n, e: e["time"] - think - sent[n], accept=lambda n, e: e["queued"] - sent[n],
                     wait=lambda n, e: e["time"] - e["took_ms"] - e["queued"], send=lambda n, e: e["took_ms"] - think)
        made = {name: sorted(part(n, e) for n, e in found.items()) for name, part in parts.items()}
        made["redis"] = sorted(self.trips)
        return made

    def deliver(self):
        s = self.scenario
        self.start_nameserver()
        self.start_sink(["--rule", "* eom delay %d" % s["reply_ms"]] if s["reply_ms"] else ())
        redis = self.start_engine()
        loader = self.load(s["bulk"], "--domains", str(s["mail_domains"]), "--per-job", "10000", "--vars", "16")
        self.wait_for(lambda: loader.poll() is not None, 240, "the bulk jobs were not submitted")
        self.wait_for(lambda: redis("XLEN", EVENTS) >= 20000, 120, "the newsletter does not flow")
        waiting = redis("XLEN", "hikyaku:jobs") * 10000
        last = "(" + redis("XREVRANGE", EVENTS, "+", "-", "COUNT", 1)[0][0].decode()
        sampler, start = Sampler(self.meter), time.monotonic()
        sampler.start()
        sent = self.clock(redis)
        took, used = time.monotonic() - start, sampler.finish()
        found, others = self.finished(redis, sent, last)
        figures = self.figures(sent, found)
        at = lambda share: figures["all"][min(len(sent) - 1, int(len(sent) * share))]
        self.extra.update(p50_ms=at(0.5), p99_ms=at(0.99), worst_ms=at(1), samples=len(sent), not_expanded=waiting)
        latency = [[share, at(share)] for share in (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1)]
        return dict(seconds=took, delivered=others + len(sent), used=used, samples=sampler.samples, bare=None, extra=self.extra,
                    events=dict(seconds=[], latency=latency, dialogue=[]), figures=figures)

    def fill(self):
        return 0
