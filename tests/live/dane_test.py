#!/usr/bin/env python3
"""DANE, end to end (RFC 7672): a zone signed by ldns-signzone, served by NSD, validated by Unbound with an anchor of our
own; and for each case a receiver of its own on loopback, whose certificate is what its TLSA records say, or is not.

What may be delivered is, and says in its event by what it was protected. What may not has not heard one MAIL."""
import base64
import hashlib
import json
import os
import pathlib
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checking import in_folder
from dns_test import NSD, Daemon, free_port, program
from redis_client import Redis, RedisServer
from tls_test import HIKYAKU, RAW, WAIVER, Certificates, Server, first_events

CONF = """hostname = "mta.elsewhere.test"
workers = 1
allow-private-addresses = true
smtp-port = %d
state-dir = "%s/state"
redis { server = "unix:%s" }
dns { servers = { "%s" } }
tls-reports = "tls@elsewhere.test"
domain "*" { connections = 1  messages-per-connection = 1  timeout-ehlo = "3s"  timeout-greeting = "3s" }
"""
HEAD = """$ORIGIN %s.
$TTL 3600
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""
ZONES = NSD + """zone:
  name: test
  zonefile: test
zone:
  name: plain
  zonefile: plain
"""
UNBOUND = """server:
  interface: 127.0.0.1@@PORT@
  port: @PORT@
  directory: "@DIR@"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  num-threads: 1
  do-ip6: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "@DIR@/anchor"
  local-zone: "test." nodefault
  root-hints: ""
remote-control:
  control-enable: no
stub-zone:
  name: "test"
  stub-addr: 127.0.0.1@%d
stub-zone:
  name: "plain"
  stub-addr: 127.0.0.1@%d
"""
SELECTORS = [(selector, matching) for selector in (0, 1) for matching in (0, 1, 2)]
LEAF_NAMES = ["real", "first", "shared", "must-without"] + ["%su2%d%d" % (w, *kind) for w in ("", "w") for kind in SELECTORS]
BOGUS = "b0" * 32  # a record with this is changed after it was signed


def key_of(crt):
    """The public key of a certificate as TLSA has it."""
    pem = subprocess.run(["openssl", "x509", "-in", crt, "-noout", "-pubkey"], check=True, capture_output=True).stdout
    return base64.b64decode(b"".join(pem.strip().split(b"\n")[1:-1]))


def tlsa(usage, selector, matching, crt, wrong=False):
    """The record that describes a certificate, or one that differs in its last byte."""
    data = key_of(crt) if selector else ssl.PEM_cert_to_DER_cert(pathlib.Path(crt).read_text())
    data = [data, hashlib.sha256(data).digest(), hashlib.sha512(data).digest()][matching]
    if wrong:
        data = data[:-1] + bytes([data[-1] ^ 1])
    return "%d %d %d %s" % (usage, selector, matching, data.hex())


class World:
    """Zones that grow with each case: `test` is signed, `plain` is not. Each domain has hosts of its own, and each host an
    address of its own, because the port is one for all."""

    def __init__(self, folder):
        self.port, self.zones, self.next, self.cases = free_port(), {"test": [], "plain": []}, 0, []
        self.folder, self.certificates, self.conf = folder, Certificates(folder), ""
        self.authority = self.certificates.authority
        self.itself = self.certificates.make("itself", ["-subj", "/CN=itself", "-days", "10"], "DNS:self.test")
        self.leaf = self.signed("leaf", *["mx.%s.test" % name for name in LEAF_NAMES])
        self.right, self.wrong = tlsa(3, 1, 1, self.itself[0]), tlsa(3, 1, 1, self.itself[0], True)
        self.anchor = tlsa(2, 0, 1, self.authority[0])

    def signed(self, name, *hosts):
        return self.chained(self.certificates.leaf(name, ",DNS:".join(hosts)))

    def chained(self, certificate):
        """The authority goes with it, as records of usage 2 want it."""
        path = pathlib.Path(certificate[0])
        alone = path.read_text()
        pathlib.Path(certificate[0] + ".alone").write_text(alone)
        path.write_text(alone + pathlib.Path(self.authority[0]).read_text())
        return certificate

    def add(self, name, rest):
        self.zones[name.rsplit(".")[-1]].append("%s. %s" % (name, rest))

    def records(self, host, records, port=None):
        for record in records:
            self.add("_%d._tcp.%s" % (port or self.port, host), "TLSA " + record)

    def host(self, name, server, records=()):
        """A host with a server and TLSA records; server: the arguments of Server."""
        self.next += 1
        address = "127.77.%d.%d" % divmod(self.next, 250)
        self.add(name, "A " + address)
        self.records(name, records)
        return Server(*server, address=(address, self.port))

    def case(self, domain, server, records, outcome, about, policy=None, waived=None):
        """A domain with one host: what is to come of its mail, and what the event has as tls or as reply. waived: what
        it has as tls where the message waives it (RFC 8689)."""
        self.add(domain, "MX 10 mx.%s." % domain)
        self.expect(domain, [self.host("mx." + domain, server, records)], outcome, about, policy, waived=waived)

    def expect(self, domain, servers, outcome, about, policy=None, mx=None, waived=None, required=False):
        self.cases.append(dict(domain=domain, servers=servers, outcome=outcome, about=about, policy=policy, mx=mx,
                               waived=waived, required=required))

    def zone_files(self):
        """The zones as NSD reads them, and the anchor for Unbound."""
        for zone, lines in self.zones.items():
            pathlib.Path(self.folder, zone).write_text(HEAD % zone + "\n".join(lines) + "\n")
        quiet = dict(check=True, capture_output=True, text=True, cwd=self.folder)
        key = subprocess.run(["ldns-keygen", "-r", "/dev/urandom", "-k", "-a", "ECDSAP256SHA256", "test"],
                             **quiet).stdout.strip()
        subprocess.run(["ldns-signzone", "-f", "signed", "test", key], **quiet)
        signed = pathlib.Path(self.folder, "signed").read_text()
        if BOGUS not in signed:
            raise RuntimeError("the zone has no record to spoil")
        files = {"test": signed.replace(BOGUS, "b1" * 32), "plain": pathlib.Path(self.folder, "plain").read_text(),
                 "nsd.conf": ZONES}
        return files, pathlib.Path(self.folder, key + ".ds").read_text()


def usages(world):
    """Usage x selector x matching: right, and of somebody else."""
    stranger = world.certificates.make("stranger", ["-subj", "/CN=stranger", "-days", "10"], "DNS:else.test")
    for selector, matching in SELECTORS:
        for usage, certificate, described in ((2, world.leaf, world.authority), (3, world.itself, world.itself)):
            kind = (usage, selector, matching)
            name = "u%d%d%d.test" % kind
            world.case(name, ("tls", certificate), [tlsa(*kind, described[0])], "delivered", "dane")
            world.case("w" + name, ("tls", certificate), [tlsa(*kind, stranger[0])], "deferred", "DANE TLSA records")


def certificates_gone_bad(world):
    other = world.signed("other", "else.test")
    expired = world.chained(world.certificates.expired("mx.expired2.test"))
    alone = (world.leaf[0] + ".alone", world.leaf[1])
    world.case("expired3.test", ("tls", expired), [tlsa(3, 1, 1, expired[0])], "delivered", "dane")  # DANE-4
    world.case("expired2.test", ("tls", expired), [world.anchor], "deferred", "expired")
    world.case("name3.test", ("tls", other), [tlsa(3, 1, 1, other[0])], "delivered", "dane")
    world.case("name2.test", ("tls", other), [world.anchor], "deferred", "mismatch")  # DANE-5
    world.case("unsent.test", ("tls", alone), [world.anchor], "deferred", "TLSA")
    world.case("one-of-two.test", ("tls", world.itself), [tlsa(3, 1, 1, other[0]), world.right], "delivered", "dane")
    agile = [world.right, tlsa(3, 1, 2, world.itself[0], True)]
    world.case("weaker-digest.test", ("tls", world.itself), agile, "deferred", "TLSA")  # DANE-11: the strongest counts


def tls_must_be(world):
    pkix, short = tlsa(1, 1, 1, world.itself[0]), "3 1 1 " + "ab" * 31
    old, unprotected = ssl.TLSVersion.TLSv1, "could not be protected"
    world.case("unusable.test", ("tls", world.itself), [pkix, short, "3 1 0 abcd"], "delivered", "unverified")
    world.case("unusable-plain.test", ("none",), [pkix], "deferred", "STARTTLS")
    world.case("unusable-broken.test", ("garbage",), [pkix], "deferred", unprotected)
    world.case("plain.test", ("none",), [world.right], "deferred", "STARTTLS")
    world.case("refusing.test", ("454",), [world.right], "deferred", "not now")
    world.case("broken.test", ("garbage",), [world.right], "deferred", unprotected)
    world.case("ancient.test", ("tls", world.itself, old), [world.right], "deferred", unprotected)


def dns_says(world):
    itself = ("tls", world.itself)
    world.add("_smtp._tls.bogus.test", "TXT \"v=TLSRPTv1; rua=mailto:a@bogus.test\"")
    world.case("bogus.test", itself, [world.right, "3 1 1 " + BOGUS], "deferred", "TLSA of mx.bogus.test: SERVFAIL")
    world.case("unsigned.plain", itself, [world.wrong], "delivered", "unverified")
    world.case("unsigned-clear.plain", ("none",), [world.wrong], "delivered", "none")
    world.case("no-records.test", ("none",), [], "delivered", "none")
    world.case("port.test", itself, [world.right], "delivered", "dane")  # DANE-10
    world.records("mx.port.test", [world.wrong], 25)
    world.case("other-port.test", ("none",), [], "delivered", "none")
    world.records("mx.other-port.test", [world.wrong], 25)
    world.expect("implicit.test", [world.host("implicit.test", itself, [world.right])], "delivered", "dane")
    for name, record, outcome, about in (("right", world.right, "delivered", "dane-host"),
                                         ("wrong", world.wrong, "deferred", "TLSA")):  # DANE-8
        world.add(name + "-host.plain", "MX 10 mx.%s-host.test." % name)
        world.expect(name + "-host.plain", [world.host("mx.%s-host.test" % name, itself, [record])], outcome, about)


def aliases(world):
    world.add("alias.test", "MX 10 mx.alias.test.")
    world.add("mx.alias.test", "CNAME mx.real.test.")
    world.expect("alias.test", [world.host("mx.real.test", ("tls", world.leaf), [world.anchor])], "delivered", "dane")
    world.add("first.test", "MX 10 mx.first.test.")
    world.add("mx.first.test", "CNAME bare.first.test.")
    world.records("mx.first.test", [world.anchor])
    world.expect("first.test", [world.host("bare.first.test", ("tls", world.leaf))], "delivered", "dane")
    world.add("leaves.test", "MX 10 mx.leaves.test.")
    world.add("mx.leaves.test", "CNAME mx.leaves.plain.")
    world.records("mx.leaves.test", [world.wrong])
    world.expect("leaves.test", [world.host("mx.leaves.plain", ("tls", world.itself))], "deferred", "TLSA")
    world.add("shared.test", "MX 10 mx.shared.test.")
    world.add("_%d._tcp.mx.shared.test" % world.port, "CNAME common.test.")
    world.add("common.test", "TLSA " + world.anchor)
    world.expect("shared.test", [world.host("mx.shared.test", ("tls", world.leaf))], "delivered", "dane")


def names_of_domains(world):
    """A certificate for the domain instead of its host will do with a trust anchor (RFC 7672 3.2.2), if the MX is signed."""
    world.case("own.test", ("tls", world.signed("own", "own.test")), [world.anchor], "delivered", "dane")
    expanded = world.signed("expanded", "expanded.test")
    world.add("nickname.test", "CNAME expanded.test.")
    world.add("expanded.test", "MX 10 mx.expanded.test.")
    world.expect("nickname.test", [world.host("mx.expanded.test", ("tls", expanded), [world.anchor])], "delivered", "dane")
    world.add("own.plain", "MX 10 mx.own-plain.test.")
    own_plain = world.signed("own-plain", "own.plain")
    world.expect("own.plain", [world.host("mx.own-plain.test", ("tls", own_plain), [world.anchor])], "deferred", "mismatch")


def several_hosts(world):
    clear, good, bad = (("none",),), (("tls", world.itself), [world.right]), (("tls", world.itself), [world.wrong])

    def two(domain, first, second, outcome, about, mx=None, policy=None):
        for number, host in ((1, first), (2, second)):
            world.add(domain, "MX %d0 mx%d.%s." % (number, number, domain))
        servers = [world.host("mx%d.%s" % (number, domain), *host) for number, host in ((1, first), (2, second))]
        world.expect(domain, servers, outcome, about, policy, mx and "%s.%s" % (mx, domain))

    two("order.test", clear, good, "delivered", "none", "mx1")  # DANE-7
    two("next.test", bad, good, "delivered", "dane", "mx2")
    two("next-clear.test", bad, clear, "delivered", "none", "mx2")
    two("lost.test", (("tls", world.itself), ["3 1 1 " + BOGUS]), clear, "delivered", "none", "mx2")
    two("both-bad.test", bad, bad, "deferred", "TLSA")
    two("demanded.test", clear, good, "delivered", "dane", "mx2", "dane")


def policies(world):
    itself, leaf, demands = ("tls", world.itself), ("tls", world.leaf), "tls = \"dane\""
    world.case("must.test", itself, [world.right], "delivered", "dane", "dane")
    world.case("must-not.test", itself, [world.wrong], "deferred", "TLSA", "dane")
    world.case("must-without.test", leaf, [], "deferred", demands, "dane")
    world.case("must-unusable.test", itself, [tlsa(1, 1, 1, world.itself[0])], "deferred", demands, "dane")
    world.case("must-unsigned.plain", leaf, [world.right], "deferred", demands, "dane")
    world.add("must-host.plain", "MX 10 mx.must-host.test.")
    world.expect("must-host.plain", [world.host("mx.must-host.test", itself, [world.right])], "deferred", "MX is not signed",
                 "dane")
    world.case("verified.test", itself, [world.right], "delivered", "dane", "verified")
    world.case("required.test", itself, [world.wrong], "deferred", "TLSA", "required")
    world.case("off.test", itself, [world.wrong], "delivered", "none", "none")


def relays(world):
    """A host that the configuration names, with its port: the records for that port say who it is."""
    itself, demands = ("tls", world.itself), "tls = \"dane\""

    def relay(domain, host, records, outcome, about, port=None):
        server = Server(*itself)
        world.add(host, "A 127.0.0.1")
        world.records(host, records, port or server.port)
        world.conf += 'relay "%s" { host = "%s:%d"  tls = "dane" }\n' % (domain, host, server.port)
        world.conf += 'domain "%s" { relay = "%s" }\n' % (domain, domain)
        world.expect(domain, [server], outcome, about)

    relay("relayed.example", "smtp.relayed.test", [world.right], "delivered", "dane")
    relay("relayed-wrong.example", "smtp.relayed-wrong.test", [world.wrong], "deferred", "TLSA")
    relay("relayed-elsewhere.example", "smtp.relayed-elsewhere.test", [world.right], "deferred", demands, world.port)
    relay("relayed-unsigned.example", "smtp.relayed.plain", [world.right], "deferred", demands)


def waivers(world):
    """A message that waives TLS, and behind it one that does not: what lets the first go lets nothing else."""
    itself = ("tls", world.itself)
    world.case("waived.test", itself, [world.wrong], "deferred", "TLSA", waived="unverified")
    world.add("both.test", "MX 10 mx.both.test.")
    world.both = world.host("mx.both.test", itself, [world.wrong])
    world.case("waived-plain.test", ("none",), [world.right], "deferred", "STARTTLS", waived="none")
    world.case("waived-broken.test", ("garbage",), [world.right], "deferred", "could not be protected", waived="none")
    world.case("waived-good.test", itself, [world.right], "delivered", "dane", waived="dane")
    world.case("waived-in-vain.test", ("none",), [], "deferred", "does not offer STARTTLS", "required", waived="")


def requirements(world):
    """REQUIRETLS (RFC 8689 4.2.1): a signed MX says which host, TLSA records who it is."""
    asks = ("tls REQUIRETLS", world.itself)
    world.add("require.test", "MX 10 mx.require.test.")
    world.expect("require.test", [world.host("mx.require.test", asks, [world.right])], "delivered", "dane", required=True)
    world.add("require.plain", "MX 10 mx.require-host.test.")
    world.expect("require.plain", [world.host("mx.require-host.test", asks, [world.right])], "failed", "MX is not signed",
                 required=True)
    world.add("require-wrong.test", "MX 10 mx.require-wrong.test.")
    world.expect("require-wrong.test", [world.host("mx.require-wrong.test", asks, [world.wrong])], "failed",
                 "does not speak TLS", required=True)


def waiver_behind(world, redis, commands):
    """One job for two at one domain, the second with the header: he gets his mail, and she no word on that connection."""
    to = [{"address": "ann@both.test"}, {"address": "bob@both.test", "headers": {"TLS-Required": "No"}}]
    message = {"headers": {"From": "b@elsewhere.test"}, "subject": "both", "text": "hello"}
    job = {"id": "both", "from": "b@elsewhere.test", "to": to, "message": message}
    redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job))
    end, found = time.monotonic() + 10, {}
    while time.monotonic() < end and len(found) < 2:
        time.sleep(0.05)
        for _, fields in redis("XRANGE", "hikyaku:{0}:events", "-", "+"):
            row = dict(zip(fields[::2], fields[1::2]))
            if row[b"job"] == b"both" and row[b"to"]:
                found.setdefault(row[b"to"].decode(), row[b"type"].decode())
    heard = [verb for verb in world.both.commands if verb.endswith(("MAIL", "RCPT"))]
    commands.expect("both", (found, heard), ({"ann@both.test": "deferred", "bob@both.test": "delivered"},
                                             ["tls MAIL", "tls RCPT"]))


def judge_waiver(case, found):
    kind, event = found.get("waived-" + case["domain"], ("nothing", {}))
    if case["waived"] and (kind, event.get("tls", "").split(" ")[-1]) != ("delivered", case["waived"]):
        return "expected the waiver to be delivered, tls %s, found %s %s" % (case["waived"], kind, event)
    commands = [verb.split(" ")[-1] for heard in case["heard"] for verb in heard]
    wanted = bool(case["waived"]) + (case["outcome"] == "delivered")
    return "" if commands.count("MAIL") == wanted else "expected MAIL %d times, found %s" % (wanted, commands)


def judge(case, found):
    heard = [server.commands for server in case["servers"]]
    if case["domain"] not in found:
        return "nothing came of it; the servers heard %s" % heard
    kind, event = found[case["domain"]]
    if kind != case["outcome"]:
        return "expected %s, found %s: %s, tls %s" % (case["outcome"], kind, event.get("reply"), event.get("tls"))
    if kind == "delivered":
        if case["mx"] and event["mx"] != case["mx"]:
            return "expected mx %s, found %s" % (case["mx"], event["mx"])
        return "" if event["tls"].endswith(case["about"]) else "expected tls %s, found %s" % (case["about"], event["tls"])
    if not case["waived"] and [verb for commands in heard for verb in commands if verb.endswith(("MAIL", "RCPT", "DATA"))]:
        return "it heard mail without what was demanded: %s" % heard
    if event["category"] not in ("tls", "network") or event.get("scope") == "recipient":
        return "expected category tls, found %s, scope %s" % (event["category"], event.get("scope"))
    return "" if case["about"] in event["reply"] else "expected %r in the reply, found %r" % (case["about"], event["reply"])


class Commands:
    """What people are shown: a list of what is wrong with it."""

    def __init__(self, folder, authority):
        self.folder, self.env, self.wrong, self.asked = folder, dict(os.environ, SSL_CERT_FILE=authority), [], 0

    def run(self, *arguments):
        done = subprocess.run([HIKYAKU, *arguments, "--json", "-c", self.folder + "/hikyaku.conf"], capture_output=True,
                              env=self.env, text=True, timeout=30)
        return json.loads(done.stdout)

    def expect(self, what, found, wanted):
        self.asked += 1
        if found != wanted:
            self.wrong.append("%s: expected %r, found %r" % (what, wanted, found))

    def resolve(self, domain, *wanted):
        """dnssec of its host, the beginning of its plan, and whether the MX is signed."""
        found = self.run("resolve", domain)
        host = found["hosts"][0]
        self.expect("resolve " + domain, (host["dnssec"], host["tls"][:len(wanted[1])], found["mx_signed"]), wanted)
        return host

    def try_address(self, domain, accepted, tls):
        found = self.run("try", "a@" + domain, "--send", self.folder + "/message")
        self.expect("try " + domain, (found["accepted"], found.get("tls", "").split(" ")[-1]), (accepted, tls))


def send_again(world, redis, commands):
    """A second message: its session is the first one's, but where only the name of a domain was proved."""
    wanted = {"u311.test": True, "u211.test": True, "own.test": False}
    for domain in wanted:
        job = {"id": "again-" + domain, "from": "b@elsewhere.test", "to": ["a@" + domain]}
        redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", RAW)
    end = time.monotonic() + 10
    while time.monotonic() < end and not all("again-" + domain in first_events(redis) for domain in wanted):
        time.sleep(0.05)
    found = first_events(redis)
    for case in world.cases:
        if case["domain"] in wanted:
            tls = found.get("again-" + case["domain"], ("", {}))[1].get("tls", "nothing")
            commands.expect("again " + case["domain"], (tls.split(" ")[-1], case["servers"][0].resumed[-1]),
                            ("dane", wanted[case["domain"]]))


def look(world, folder, redis):
    pathlib.Path(folder, "message").write_bytes(RAW)
    commands = Commands(folder, world.authority[0])
    send_again(world, redis, commands)
    waiver_behind(world, redis, commands)
    host = commands.resolve("u311.test", "tlsa", "TLS with a certificate that its TLSA", True)
    commands.expect("records", (host["tlsa_base"], host["tlsa_records"], host["tlsa_usable"]), ("mx.u311.test", 1, 1))
    commands.resolve("unusable.test", "tlsa", "TLS, whoever is at the other end", True)
    commands.resolve("bogus.test", "tlsa-lost", "left alone", True)
    commands.resolve("no-records.test", "no-tlsa", "TLS if it is offered", True)
    commands.resolve("unsigned.plain", "unsigned", "TLS if it is offered", False)
    commands.resolve("right-host.plain", "tlsa", "TLS with a certificate that", False)
    commands.resolve("must-host.plain", "tlsa", "mail waits: its MX is not signed", False)
    commands.resolve("must-without.test", "no-tlsa", "passed over", True)
    commands.resolve("off.test", "tlsa", "in clear", True)
    commands.try_address("u311.test", True, "dane")
    commands.try_address("wu311.test", False, "")
    commands.try_address("plain.test", False, "")
    commands.try_address("must-without.test", False, "pkix")
    commands.try_address("unsigned.plain", True, "unverified")
    commands.try_address("no-records.test", True, "none")
    pathlib.Path(folder, "message").write_bytes(WAIVER)
    commands.try_address("waived.test", True, "unverified")
    commands.try_address("waived-broken.test", True, "none")
    commands.try_address("waived-in-vain.test", False, "")
    judge_tally(redis, commands)
    counts = commands.run("status")
    for name in ("tls_none", "tls_encrypted", "tls_dane", "tls_failed"):
        commands.expect("%s in status" % name, status_count(counts, name) > 0, True)
    return commands


def judge_tally(redis, commands):
    """A host that is left alone because of its DNS is a failure to be reported (RFC 8460 4.3.2.1)."""
    wanted, found, end = b"c bogus.test tlsa dnssec-invalid - mx.bogus.test - TLSA of mx.bogus.test: SERVFAIL", [], time.monotonic() + 5
    while time.monotonic() < end and not found:
        fields = [name for key in redis("KEYS", "hikyaku:{0}:tlsrpt:*") for name in redis("HKEYS", key)]
        found = [name for name in fields if name.startswith(wanted)]
        time.sleep(0.05)
    commands.expect("the failure to report", bool(found), True)


def status_count(status, name):
    """A counter, wherever it is in the document."""
    if isinstance(status, dict):
        return status.get(name) or sum(status_count(value, name) for value in status.values())
    return sum(status_count(value, name) for value in status) if isinstance(status, list) else 0


def wait_for_events(redis, engine, wanted):
    end = time.monotonic() + 30
    while time.monotonic() < end and not wanted <= set(first_events(redis)) and engine.poll() is None:
        time.sleep(0.05)


def deliver(world, folder, redis, resolver, path):
    """One message to each domain; the first event of each, what people are shown, and with what the engine ended."""
    conf = CONF % (world.port, folder, path, resolver.address) + world.conf
    conf += 'domain "both.test" { messages-per-connection = 10 }\n'
    for case in world.cases:
        if case["policy"]:
            conf += 'domain "%s" { tls = "%s" }\n' % (case["domain"], case["policy"])
        job = {"id": case["domain"], "from": "b@elsewhere.test", "to": ["a@" + case["domain"]]}
        if case["required"]:
            job["require_tls"] = True
        if case["waived"] is None:
            redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", RAW)
        else:
            redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(dict(job, id="waived-" + job["id"])), "raw", WAIVER)
    pathlib.Path(folder, "hikyaku.conf").write_text(conf)
    with open(folder + "/engine.log", "wb") as log:
        engine = subprocess.Popen([HIKYAKU, "run", "-c", folder + "/hikyaku.conf"], stdout=log, stderr=log,
                                  env=dict(os.environ, SSL_CERT_FILE=world.certificates.authority[0]))
    waived = [case["domain"] for case in world.cases if case["waived"]]
    wait_for_events(redis, engine, {"waived-" + domain for domain in waived})
    for domain in waived:  # while the connections of those before are still there
        job = {"id": domain, "from": "b@elsewhere.test", "to": ["a@" + domain]}
        redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", RAW)
    wait_for_events(redis, engine, {case["domain"] for case in world.cases if case["waived"] != ""})
    found = first_events(redis)
    for case in world.cases:  # before `try` says more
        case["heard"] = [list(server.commands) for server in case["servers"]]
    seen = look(world, folder, redis)
    engine.terminate()
    return found, seen, engine.wait(20)


def run(folder):
    world = World(folder)
    for part in (usages, certificates_gone_bad, tls_must_be, dns_says, aliases, names_of_domains, several_hosts, policies,
                 relays, waivers, requirements):
        part(world)
    files, anchor = world.zone_files()
    with RedisServer() as server, Daemon("nsd", ["-d", "-c", "@DIR@/nsd.conf"], files) as nsd:
        conf = {"unbound.conf": UNBOUND % (nsd.port, nsd.port), "anchor": anchor}
        with Daemon("unbound", ["-d", "-c", "@DIR@/unbound.conf"], conf) as resolver:
            found, seen, status = deliver(world, folder, Redis(server.path), resolver, server.path)
    failed = 0
    found["waived-in-vain.test"] = found.get("waived-waived-in-vain.test", ("nothing", {}))  # the operator's demand
    for case in world.cases:
        wrong = judge(case, found) or (judge_waiver(case, found) if case["waived"] is not None else "")
        failed += bool(wrong)
        if wrong:
            print("%s: %s" % (case["domain"], wrong))
    failed += len(seen.wrong)
    print("\n".join(seen.wrong), end="\n" if seen.wrong else "")
    if status:
        failed += 1
        print("the engine ended with %d:\n%s" % (status, open(folder + "/engine.log").read()[-1500:]))
    print("%d passed, %d failed" % (len(world.cases) + seen.asked + 1 - failed, failed))
    return 1 if failed else 0


def main():
    if not program("ldns-signzone"):
        print("ldns-signzone is missing: run `make deps`\n0 passed, 1 failed")
        return 1
    return in_folder("dane", run)


if __name__ == "__main__":
    sys.exit(main())
