"""One scenario played once: an engine, its Redis, a nameserver, a sink, and in the same breath the bare client."""
import json, math, resource, signal, subprocess, time

from measure import Meter, Sampler
from resp import Redis
from world import BUILD, World, free_port

CONF = """hostname = "mta1.bench.test"
smtp-port = %(port)d
allow-private-addresses = true
state-dir = "%(dir)s/state"
redis { server = "%(server)s"  fsync = "%(fsync)s" }
dns { servers = { "%(dns)s" } }
queue { retry = { "5s", "10s" } }
events { groups = { "bench" } }
domain "*" {
	connections = %(connections)d  messages-per-connection = %(per_connection)d  window = %(window)d
	learning = "%(learning)s"  tls = "%(protect)s"  sts = "false"
}
%(conf)s"""
ADDRESSES = 50  # the sink's, 127.0.0.1 and so on
EVENTS = "hikyaku:{0}:events"


class Broken(Exception):
    """A run that says nothing: why, and the logs with it."""


class Stage:
    def __init__(self, scenario):
        self.scenario, self.world, self.meter = scenario, World("bench"), Meter()
        self.world.meter, self.world.fail = self.meter, self.fail
        self.port, self.nameserver, self.server = free_port(), None, "embedded"
        self.sink_port = free_port() if scenario["distance_ms"] else self.port
        self.addresses = ["127.0.0.%d" % n for n in range(1, 2 if scenario["one_site"] else ADDRESSES + 1)]
        self.extra, self.loader = {}, None

    def fail(self, why):
        raise Broken("%s\n%s" % (why, self.world.logs()))

    # What is started.

    def start_sink(self, rules=()):
        listen = [a for ip in self.addresses for a in ("--listen", "%s:%d" % (ip, self.sink_port))]
        tls = self.certificate() if self.scenario["tls"] else ()
        self.world.start("sink", BUILD + "/bin/sink", *listen, "--rule", "window-probe-* rcpt 550 5.1.1 no such user",
                         *self.scenario["sink"], *rules, *tls, wait_for=len(self.addresses))
        if self.scenario["distance_ms"]:
            pairs = [a for ip in self.addresses for a in ("--from", "%s:%d" % (ip, self.port), "--to", "%s:%d" % (ip, self.sink_port))]
            self.world.start("delay", BUILD + "/bin/delay", "--round-trip", str(self.scenario["distance_ms"]), *pairs,
                             wait_for=len(self.addresses))

    def certificate(self):
        crt, key = self.world.dir + "/sink.crt", self.world.dir + "/sink.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                        "-out", crt, "-subj", "/CN=sink.test", "-days", "10"], check=True, stderr=subprocess.DEVNULL)
        return ("--tls", crt, key) + (("--no-tickets",) if self.scenario["tls"] == "new" else ())

    def hosts(self):
        """The rules of the nameserver."""
        if self.scenario["one_site"]:
            return ["--rule", "mx.hub.test a 127.0.0.1", "--rule", "d*.test mx 10 mx.hub.test"]
        return ["--rule", "mx.d*.test a 127.0.0.%%[1-%d]" % ADDRESSES, "--rule", "d*.test mx 10 mx.$"]

    def start_nameserver(self):
        listening = self.world.start("nameserver", BUILD + "/bin/nameserver", "--listen", "127.0.0.1:%s" % (self.nameserver or "0"),
                                     *self.hosts(), wait_for=1)
        self.nameserver = listening[0].split(":")[1]

    def start_engine(self):
        self.world.configure(CONF % dict(self.scenario, port=self.port, dir=self.world.dir, dns="127.0.0.1:" + self.nameserver,
                                         server=self.server, protect="required" if self.scenario["tls"] else "opportunistic"))
        self.world.start_engine()
        redis = self.redis()
        self.meter.place("redis", int(redis.info("process_id")))
        return redis

    def start_redis(self):
        """One that outlives the engine, set up as the embedded one is."""
        path = self.world.dir + "/redis.sock"
        self.server = "unix:" + path
        self.world.start("redis", "redis-server", "--port", "0", "--unixsocket", path, "--dir", self.world.dir, "--save", "",
                         "--appendonly", "yes", "--appendfsync", self.scenario["fsync"], "--latency-tracking", "no",
                         "--auto-aof-rewrite-min-size", "1gb")
        self.wait_for(self.redis_answers, 10, "Redis did not start")

    def redis_answers(self):
        try:
            return self.redis()("PING") == "PONG"
        except OSError:
            return False

    @property
    def socket(self):
        return self.server[5:] if self.server.startswith("unix:") else self.world.dir + "/state/redis.sock"

    def redis(self):
        return Redis(self.socket)

    def load(self, recipients=None, *more):
        s = self.scenario
        command = [BUILD + "/bin/load", "--redis", "unix:" + self.socket, "--recipients", recipients or s["recipients"], "--domains",
                   s["domains"], "--body", s["body"], "--vars", s["vars"], "--per-job", s["per_job"], "--pipeline", s["pipeline"],
                   *(["--unique"] if s["unique"] else []), *more]
        return self.world.start("load", *map(str, command))

    # What is waited for.

    def wait_for(self, done, limit_s, why):
        end = time.monotonic() + limit_s
        while not done():
            if time.monotonic() > end:
                self.fail(why)
            time.sleep(0.02)

    @staticmethod
    def counts(redis):
        names = ("lists", "ready", "deferred", "held", "leased", "events", "oldest")
        return dict(zip(names, map(int, redis("FCALL", "hikyaku_counts", 1, "hikyaku:{0}"))))

    def waiting(self, redis):
        counts = self.counts(redis)
        return sum(counts[name] for name in ("ready", "deferred", "held", "leased"))

    def is_over(self, redis, wanted):
        """Redis is what is measured: as long as there are not even so many events, it is asked no more than that."""
        if redis("XLEN", EVENTS) < wanted:
            return False
        return bool(self.scenario["measure"]) or (self.is_submitted(redis) and self.waiting(redis) == 0)

    def is_submitted(self, redis):
        """All jobs are in the queue: a job has events of its own, so that their number alone does not tell."""
        return (not self.loader or self.loader.poll() is not None) and redis("XLEN", "hikyaku:jobs") == 0

    def fill(self):
        """The queue is full and nothing is sent yet, since all domains are paused. Returns Redis's CPU."""
        self.start_nameserver()
        redis = self.start_engine()
        self.order("pause")
        before = self.meter.cpu("redis")
        loader = self.load()
        self.wait_for(lambda: self.waiting(redis) >= self.scenario["recipients"] or loader.poll(), self.scenario["limit_s"],
                      "the queue was not filled")
        if loader.wait():
            self.fail("submitting did not work")
        self.extra["queue_bytes"] = redis.info("used_memory")
        spent = self.meter.cpu("redis") - before
        self.world.end("engine")
        self.world.end("nameserver")
        return spent

    def order(self, what):
        done = self.world.hikyaku(what, "domain=*", capture_output=True, text=True)
        if done.returncode:
            self.fail("hikyaku %s: %s" % (what, done.stderr))

    # What is measured.

    def counts_of_sink(self, name="sink"):
        """What it has counted so far."""
        sink = self.world.process(name)
        sink.send_signal(signal.SIGUSR1)
        return json.loads(sink.stdout.readline())

    def counted(self):
        """Messages at the sink by now."""
        return self.counts_of_sink()["messages"]

    def deliver(self):
        wanted = self.scenario["measure"] or self.scenario["recipients"]
        self.start_nameserver()
        self.start_sink()
        redis, sampler = self.start_engine(), Sampler(self.meter)
        sampler.start()
        if not self.scenario["submit"]:
            self.order("resume")
        self.loader = self.load() if self.scenario["submit"] else None
        self.wait_for(lambda: self.is_over(redis, wanted), self.scenario["limit_s"], "not everything was delivered")
        used = sampler.finish()
        if self.loader and self.loader.wait():
            self.fail("submitting did not work")
        return self.result(used, sampler.samples)

    def events(self):
        done = subprocess.run([BUILD + "/bin/reader", "--redis", "unix:" + self.socket], capture_output=True, text=True, timeout=300)
        if done.returncode:
            self.fail("reading the events: " + done.stderr)
        return json.loads(done.stdout)

    def result(self, used, samples, events=None):
        """Figures of a run, and the proof: the sink counted what the events say."""
        stopped = self.scenario["measure"]
        if stopped:
            self.world.end("engine")  # in the midst of it: what is in dialogue is finished, and Redis stays
        bare, events = self.bare(), events or self.events()
        alone = self.alone() if self.scenario["unique"] and self.scenario["submit"] else None
        if not stopped:
            self.world.end("engine")
        if self.scenario["distance_ms"]:
            self.extra["delay_line_late_us_at_most"] = json.loads(self.world.end("delay").splitlines()[-1])["late_us_most"]
        sink = json.loads(self.world.end("sink").splitlines()[-1])
        if self.scenario["submit"] and len(samples) >= 8:  # does it grow?
            mb = [sample["memory_mb"].get("engine", 0) for sample in samples]
            self.extra.update(engine_mb_second_quarter=max(mb[len(mb) // 4:len(mb) // 2]), engine_mb_last_quarter=max(mb[-(len(mb) // 4):]))
        delivered, counted = events.get("delivered", 0), sink["messages"] - bare["messages"]
        if sink["breaches"] or counted != delivered:
            self.fail("the sink counted %d messages, the events say %d; %s" % (counted, delivered, sink))
        start = events["accepted_ms"] if self.scenario["submit"] else events["first_ms"]
        if alone:
            self.extra.update(redis_alone_per_second=alone["rate"], redis_alone_client_us=alone["cpu_us"],
                              share_of_redis_alone=delivered / (events["last_ms"] - start) * 1000 / alone["rate"])
        return dict(seconds=(events["last_ms"] - start) / 1000, delivered=delivered, used=used, samples=samples, events=events,
                    bare=bare, sink=sink, extra=self.extra)

    def bare(self):
        """The bare client, with as many connections as there were at most, so far, and as few messages on each; its rate and CPU are a
        recipient's, as all figures are."""
        s, each, sink = self.scenario, self.scenario["to_each"], self.counts_of_sink()
        connections, mean = s["bare_connections"] or sink["most_open"], sink["messages"] / max(sink["connections"], 1)
        self.extra.update(connections_at_most=connections, messages_a_connection=mean)
        to = [a for ip in self.addresses for a in ("--to", "%s:%d" % (ip, self.port))]
        count = min(s["recipients"], 20000 if s["distance_ms"] else 100000) // each
        command = [BUILD + "/bin/bare", *to, "--connections", connections, "--messages", count, "--per-connection",
                   min(s["per_connection"], math.ceil(mean)) or 1, "--bytes", s["body"] + 660, "--recipients", each,
                   *(["--window", s["window"]] if s["window"] > 1 else []), *(["--lock-step", 1] if s["lock_step"] else [])]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
        if done.returncode:
            self.fail("the bare client: " + done.stderr)
        told = json.loads(done.stdout)
        return dict(told, rate=told["rate"] * each, cpu_us=told["cpu_us"] / each)

    def alone(self):
        """What the same Redis takes in and gives back of such messages without an engine (bench/alone.c)."""
        s = self.scenario
        command = [BUILD + "/bin/alone", "--redis", "unix:" + self.socket, "--messages", min(s["recipients"], 20000), "--body", s["body"]]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
        if done.returncode:
            self.fail("Redis alone: " + done.stderr)
        return json.loads(done.stdout)

    def run(self):
        try:
            if self.scenario["measure"]:
                self.start_redis()
            filled = 0 if self.scenario["submit"] else self.fill()
            result = self.deliver()
            result["redis_fill"] = filled
            return result
        finally:
            self.close()

    def close(self):
        self.world.close()


def more_files():
    """As many descriptors as one may have: the sink needs one a connection."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (200000, most):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, most)))
            return
        except (ValueError, OSError):
            continue
