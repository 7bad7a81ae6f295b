#!/usr/bin/env python3
"""MTA-STS, end to end: domains with policies good and bad, their policy hosts, and their MX hosts.

bench/nameserver has the records, one Python server is every domain's policy host, and each MX host is a scripted server
on an address of its own. What a policy in force forbids must not hear one MAIL. Then the engine is started again, with
its policy hosts gone; and again, with another id and another policy. BUILD names the build directory."""
import http.server
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checking import in_folder, summary
from redis_client import Redis, RedisServer
from tls_test import RAW, WAIVER, Certificates, Server, first_events

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")
NAMESERVER = os.path.join(os.environ.get("BUILD", "build"), "bin/nameserver")
CONF = """hostname = "mta.sts.test"
workers = 2
smtp-port = %d
allow-private-addresses = true
state-dir = "%s/state"
redis { server = "unix:%s" }
dns { servers = { "%s" } }
domain "*" { connections = 1  timeout-ehlo = "3s"  timeout-greeting = "3s" }
domain "off.test" { sts = false }
"""
AGE = "max_age: 604800\n"


class Down:
    """Nobody listens there."""
    commands, mails = [], []


class PolicyHost(http.server.BaseHTTPRequestHandler):
    """What each domain's policy host says: files[domain] is a policy, or a word for a fault."""

    files, asked = {}, []
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        domain = self.headers["Host"].split(":")[0].removeprefix("mta-sts.")
        self.asked.append((domain, self.path))
        file = self.files.get(domain, "404")
        if file == "404":
            self.send_error(404)
            return
        if file == "redirect":
            self.send_response(301)
            self.send_header("Location", "https://mta-sts.good.test:%d%s" % (self.server.server_port, self.path))
            self.end_headers()
            return
        if domain == "slow.test":
            time.sleep(0.5)  # the fault at hand; what waits for it is bounded by the engine
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if domain == "type.test" else "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(file.encode())

    def log_message(self, *_):
        pass


class PolicyServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, contexts, other):
        super().__init__(("127.0.0.1", port), PolicyHost)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*other)
        context.sni_callback = lambda connection, name, _: setattr(connection, "context",
                                                                   contexts.get(name, context))
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *_):
        pass  # an engine that will not have our certificate


def policy(mode, *mx):
    return "version: STSv1\nmode: %s\n%s%s" % (mode, "".join("mx: %s\n" % m for m in mx), AGE)


# domain: its policy, its MX hosts (by preference), what must come of it, what the event's tls or reply has
CASES = {
    "good": (policy("enforce", "mx.good.test"), ["good"], "delivered", "pkix"),
    "wild": (policy("enforce", "*.wild.test"), ["good"], "delivered", "pkix"),
    "selfsigned": (policy("enforce", "mx.selfsigned.test"), ["self"], "deferred", "self-signed"),
    "wrongname": (policy("enforce", "mx.wrongname.test"), ["else"], "deferred", "mismatch"),
    "unnamed": (policy("enforce", "mx.good.test", "*.mx.unnamed.test"), ["good"], "deferred", "none of them"),
    "plain": (policy("enforce", "mx.plain.test"), ["none"], "deferred", "does not offer STARTTLS"),
    "garbage": (policy("enforce", "mx.garbage.test"), ["garbage"], "deferred", "MTA-STS"),
    "second": (policy("enforce", "mx.second.test", "mx2.second.test"), ["self", "good"], "delivered", "pkix"),
    "slow": (policy("enforce", "mx.slow.test"), ["none"], "deferred", "does not offer STARTTLS"),
    "testing": (policy("testing", "mx.other.test"), ["none"], "delivered", "none"),
    "nothing": (policy("none"), ["none"], "delivered", "none"),
    "fallback": (policy("none"), ["garbage"], "delivered", "none"),
    "missing": ("404", ["none"], "delivered", "none"),
    "redirect": ("redirect", ["none"], "delivered", "none"),
    "type": (policy("enforce", "mx.else.test"), ["none"], "delivered", "none"),
    "huge": (policy("enforce", "mx.else.test") + "x: y\n" * 20000, ["none"], "delivered", "none"),
    "broken": ("version: STSv2\nmode: enforce\nmx: mx.else.test\n" + AGE, ["none"], "delivered", "none"),
    "untrusted": (policy("enforce", "mx.else.test"), ["none"], "delivered", "none"),
    "off": (policy("enforce", "mx.else.test"), ["none"], "delivered", "none"),
    "silent": (policy("enforce", "mx.else.test"), ["none"], "delivered", "none"),  # it has no TXT record
}


class NameServer:
    def __init__(self, rules, listen="127.0.0.1:0"):
        command = [NAMESERVER, "--listen", listen]
        for rule in rules:
            command += ["--rule", rule]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.process.stdout.close()


class World:
    def __init__(self, folder, redis_path, cases=CASES):
        self.folder, self.failed, self.passed, self.cases = folder, 0, 0, cases
        self.redis = Redis(redis_path)
        self.certificates = Certificates(folder)
        self.receivers, self.rules = {}, []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.smtp_port = free.getsockname()[1]
        self.certificate_self = self.certificates.make("itself", ["-subj", "/CN=itself", "-days", "10"], "DNS:self.test")
        self.receive()
        self.contexts = {}
        hosts = ["mta-sts.%s.test" % name for name in cases if name != "untrusted"]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificates.leaf("policies", ",DNS:".join(hosts)))
        self.contexts = {host: context for host in hosts}
        PolicyHost.files = {"%s.test" % name: case[0] for name, case in cases.items()}
        self.policies = PolicyServer(0, self.contexts, self.certificate_self)
        self.policy_port = self.policies.server_port
        self.names = NameServer(self.texts("1") + self.rules)
        pathlib.Path(folder, "hikyaku.conf").write_text(
            CONF % (self.smtp_port, folder, redis_path, self.names.address))

    def receive(self):
        """A receiver for each MX host, each on an address of its own, all on one port; and the rules that say so."""
        good = self.certificates.leaf("good", ",DNS:".join(
            "%s.%s.test" % (mx, name) for name, case in self.cases.items() for mx in ("mx", "mx2", "mx3")))
        kinds = {"good": ("tls", good), "self": ("tls", self.certificate_self), "none": ("none", None),
                 "else": ("tls", self.certificates.leaf("else", "else.test")), "garbage": ("garbage", None), "chain": ("tls REQUIRETLS", good), "early": ("tls early", good),
                 "clear": ("none REQUIRETLS", None), "self-chain": ("tls REQUIRETLS", self.certificate_self)}
        number = 0
        for name, (_, hosts, _, _) in self.cases.items():
            items = []
            for i, kind in enumerate(hosts):
                number += 1
                ip = "127.0.7.%d" % number
                self.receivers.setdefault(name, []).append(Server(*kinds[kind], address=(ip, self.smtp_port)) if kind != "down" else Down())
                items.append("mx %d mx%s.$ %s" % (10 * i + 10, i + 1 if i else "", ip))
            self.rules.append("%s.test %s" % (name, ", ".join(items)))

    def texts(self, number):
        records = ["_mta-sts.%s.test txt v=STSv1; id=%s;" % (name, number) for name in self.cases if name != "silent"]
        return records + ["mta-sts.* a 127.0.0.1"]

    def run(self, jobs, waived=(), members=None):
        """One life of the engine: these jobs, until each has an event. members: what else some of them say."""
        for job, name in jobs.items():
            order = {"id": job, "from": "b@sts.test", "to": ["a@" + (name if "." in name else name + ".test")], **(members or {}).get(job, {})}
            self.redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(order), "raw",
                       WAIVER if job in waived else RAW)
        with open(self.folder + "/engine.log", "ab") as log:
            engine = subprocess.Popen([HIKYAKU, "run", "-c", self.folder + "/hikyaku.conf"], stdout=log, stderr=log,
                                      env=self.env())
        end = time.monotonic() + 20
        while time.monotonic() < end and not set(jobs) <= set(first_events(self.redis)) and engine.poll() is None:
            time.sleep(0.05)
        engine.terminate()
        self.check("the engine's end", "" if engine.wait(20) == 0 else "it ended with %d" % engine.returncode)

    def env(self):
        return dict(os.environ, SSL_CERT_FILE=self.certificates.authority[0], HIKYAKU_STS_PORT=str(self.policy_port))

    def command(self, *words):
        """What a command says, as JSON."""
        done = subprocess.run([HIKYAKU, *words, "--json", "-c", self.folder + "/hikyaku.conf"], capture_output=True,
                              env=self.env(), text=True, timeout=30)
        return json.loads(done.stdout or '{"error": %s}' % json.dumps(done.stderr))

    def check(self, what, wrong):
        self.failed += bool(wrong)
        self.passed += not wrong
        if wrong:
            print("%s: %s" % (what, wrong))

    def expect(self, job, name, outcome, about):
        found = first_events(self.redis)
        if job not in found:
            return self.check(job, "nothing came of it")
        kind, event = found[job]
        if kind != outcome:
            return self.check(job, "expected %s, found %s: %s %s" % (outcome, kind, event.get("reply"), event.get("tls")))
        where = event["tls"] if outcome == "delivered" else event["reply"]
        if about not in where:
            return self.check(job, "expected \"%s\", found \"%s\"" % (about, where))
        heard = [r.commands for r in self.receivers[name] if any(c.endswith(("MAIL", "DATA")) for c in r.commands)]
        silent = self.receivers[name] if outcome == "deferred" else self.receivers[name][:-1]
        loud = [r.commands for r in silent if any(c.endswith(("MAIL", "DATA")) for c in r.commands)]
        return self.check(job, "mail was said where the policy forbids it: %s" % loud if loud else
                          "nobody heard it" if outcome == "delivered" and not heard else "")

    def asked(self, name):
        return [path for domain, path in PolicyHost.asked if domain == name + ".test"]

    def stop(self):
        self.names.stop()


def first_life(world):
    world.run({name: name for name in CASES})
    for name, (_, _, outcome, about) in CASES.items():
        world.expect(name, name, outcome, about)
        asked = world.asked(name)
        wanted = [] if name in ("off", "silent", "untrusted") else ["/.well-known/mta-sts.txt"]
        world.check("asking for the policy of " + name, "" if asked == wanted else "found %s" % asked)
    kept = dict(zip(*[iter(world.redis("HGETALL", "hikyaku:{0}:sts"))] * 2))
    wanted = {b"good.test", b"wild.test", b"selfsigned.test", b"wrongname.test", b"unnamed.test", b"plain.test",
              b"garbage.test", b"second.test", b"slow.test", b"testing.test", b"nothing.test", b"fallback.test"}
    world.check("what Redis keeps", "" if set(kept) == wanted else "found %s" % sorted(kept))


def resolve(world, name, mode, source, about, plan):
    found = world.command("resolve", name + ".test")
    sts, tls = found.get("sts", {}), found.get("hosts", [{}])[0].get("tls", "")
    right = (sts.get("mode"), sts.get("from")) == (mode, source) and about in sts.get("why", "") and tls.startswith(plan)
    world.check("resolve " + name, "" if right else "found %s, and tls %s" % (sts, tls))


def try_address(world, name, accepted, about, *more):
    """about: the end of tls where it is accepted, else part of the reply."""
    found = world.command("try", "a@%s.test" % name, *more)
    where = found.get("tls", "none").endswith(about) if accepted else about in found.get("reply", "")
    world.check("try " + name, "" if found.get("accepted") == accepted and where else "found %s" % found)


def shown(world):
    """What people are shown, while no engine runs: the policy that it keeps, or that is fetched; and `try` obeys it."""
    waiver = world.folder + "/waiver.eml"
    pathlib.Path(waiver).write_bytes(WAIVER)
    world.redis("HDEL", "hikyaku:{0}:sts", "wild.test")
    resolve(world, "good", "enforce", "memory", "", "TLS with a certificate for its name, as the MTA-STS policy demands")
    resolve(world, "wild", "enforce", "host", "", "TLS with a certificate for its name, as the MTA-STS policy demands")
    resolve(world, "unnamed", "enforce", "memory", "", "passed over: the MTA-STS policy does not name it")
    resolve(world, "testing", "testing", "memory", "", "TLS if it is offered")
    resolve(world, "missing", None, None, "expected status 200, found 404", "TLS if it is offered")
    resolve(world, "broken", None, None, "reading it from mta-sts.broken.test", "TLS if it is offered")
    resolve(world, "silent", None, None, "_mta-sts.silent.test has no record", "TLS if it is offered")
    resolve(world, "off", None, None, "the domain is not asked", "TLS if it is offered")
    try_address(world, "good", True, "pkix")
    try_address(world, "second", True, "pkix")
    try_address(world, "plain", False, "does not offer STARTTLS")
    try_address(world, "selfsigned", False, "self-signed")
    try_address(world, "garbage", False, "does not offer STARTTLS")
    try_address(world, "fallback", True, "none")
    try_address(world, "plain", True, "none", "--send", waiver)
    try_address(world, "selfsigned", True, "unverified", "--send", waiver)
    for receivers in world.receivers.values():
        for receiver in receivers:
            receiver.commands.clear()


def without_policy_hosts(world):
    """A restart, and nobody to ask: what was known goes on to hold."""
    world.policies.shutdown()
    world.policies.server_close()
    PolicyHost.asked.clear()
    world.run({"plain-2": "plain", "good-2": "good"})
    world.expect("plain-2", "plain", "deferred", "does not offer STARTTLS")
    world.expect("good-2", "good", "delivered", "pkix")


def waived(world):
    """TLS-Required: No is for that message alone: the policy goes on to hold for the one behind it (RFC 8689 4.2.2)."""
    world.run({"plain-w": "plain", "plain-4": "plain", "selfsigned-w": "selfsigned", "selfsigned-4": "selfsigned"},
              waived=("plain-w", "selfsigned-w"))
    found = first_events(world.redis)
    for name, tls, verb in (("plain", "none", "MAIL"), ("selfsigned", "unverified", "tls MAIL")):
        world.expect(name + "-w", name, "delivered", tls)
        heard = (found.get(name + "-4", [""])[0], [server.commands.count(verb) for server in world.receivers[name]])
        world.check(name + "-4", "" if heard == ("deferred", [1]) else "expected one MAIL, found %s" % (heard,))


def with_another_id(world):
    """Another id is another policy: it is fetched, and holds. One that cannot be had leaves the old one in force."""
    PolicyHost.files["plain.test"] = policy("none")
    PolicyHost.files["unnamed.test"] = "404"
    world.policies = PolicyServer(world.policy_port, world.contexts, world.certificate_self)
    listen = world.names.address
    world.names.stop()
    world.names = NameServer(world.texts("2") + world.rules, listen)
    world.run({"unnamed-3": "unnamed", "plain-3": "plain"})
    world.expect("plain-3", "plain", "delivered", "none")
    world.expect("unnamed-3", "unnamed", "deferred", "none of them")
    asked = (len(world.asked("plain")), len(world.asked("unnamed")))
    world.check("asking anew", "" if asked == (1, 1) else "expected once for each, found %s" % (asked,))


def run(folder):
    with RedisServer() as server:
        world = World(folder, server.path)
        try:
            first_life(world)
            shown(world)
            without_policy_hosts(world)
            waived(world)
            with_another_id(world)
        finally:
            world.stop()
        return summary(world, folder + "/engine.log")


def main():
    return in_folder("sts", run)


if __name__ == "__main__":
    sys.exit(main())
