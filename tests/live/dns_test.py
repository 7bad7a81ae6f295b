#!/usr/bin/env python3
"""The resolver against real packets: our own name server with its faults, NSD serving a zone, Unbound resolving it.

build/tests/live/dns_tool asks and prints what it found; this script starts the servers, each in a directory of its own on
a free port of loopback, and says what must be found. BUILD names the build directory."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from checking import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
TOOL = BUILD / "tests/live/dns_tool"
NAMESERVER = BUILD / "bin/nameserver"

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def expect(what, found, wanted):
    if found != wanted:
        raise AssertionError("%s: expected %r, found %r" % (what, wanted, found))


def expect_in(what, part, whole):
    if part not in whole:
        raise AssertionError("%s: expected %r in %r" % (what, part, whole))


def program(name):
    """Where a server program is: sbin is not on everybody's path."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class NameServer:
    """bench/nameserver with these rules; its counts when it has ended."""

    def __init__(self, *rules):
        self.counts = {}
        command = [str(NAMESERVER), "--listen", "127.0.0.1:0", "--counts"]
        for rule in rules:
            command += ["--rule", rule]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=10)
        expect("exit code of the name server", self.process.returncode, 0)
        self.counts = {name: int(n) for name, n in (line.split() for line in output.splitlines())}


class Answers:
    """What dns_tool printed: per domain (of the last round), and the counts of each round."""

    def __init__(self, output):
        self.domains, self.rounds = {}, []
        for line in output.splitlines():
            found = json.loads(line)
            if "counts" in found:
                self.rounds.append(found)
            else:
                self.domains[found["domain"]] = found
        self.counts = self.rounds[-1]["counts"]

    def __getitem__(self, domain):
        return self.domains[domain]

    def addresses(self, domain):
        return [route["address"] for route in self.domains[domain]["routes"]]


def resolve(servers, *domains, private=True, **options):
    command = [str(TOOL)]
    for server in servers if isinstance(servers, list) else [servers]:
        command += ["--server", server]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    if private:
        command.append("--private")
    done = subprocess.run(command + list(domains), capture_output=True, text=True, timeout=90)
    if done.returncode != 0:
        raise AssertionError("dns_tool ended with %d: %s" % (done.returncode, done.stderr.strip()[-500:]))
    return Answers(done.stdout)


# ---- Our own name server: faults by rule ----

MANY = "*.test mx 10 mx.$ 127.0.%[0-3].%[1-250], mx 20 mx2.$ 127.0.9.9"


@check
def many_domains_spread_over_addresses():
    with NameServer(MANY) as server:
        found = resolve(server.address, domains=500)
        firsts = {found.addresses("d%d.test" % i)[0] for i in range(1, 501)}
        again = resolve(server.address, "d7.test")
    expect("hosts", found["d7.test"]["hosts"], ["mx.d7.test", "mx2.d7.test"])
    expect("the same address each time", again.addresses("d7.test"), found.addresses("d7.test"))
    if not 250 < len(firsts) <= 500:
        raise AssertionError("500 domains should spread over some 390 of 1,000 addresses, found %d" % len(firsts))
    expect("questions", found.counts["sent"], 500 * 5)


@check
def no_mx_means_the_own_address_but_only_then():
    with NameServer("own.test a 127.0.0.5", "fail.test servfail then a 127.0.0.5", "gone.test nxdomain",
                    "refused.test refused", "formerr.test formerr", "mxonly.test mx 10 nowhere.test, a 127.0.0.5",
                    "nowhere.test empty", "null.test nullmx then a 127.0.0.5", "bare.test empty") as server:
        found = resolve(server.address, "own.test", "fail.test", "gone.test", "refused.test", "formerr.test", "mxonly.test",
                        "null.test", "bare.test", "never-heard-of.example")
    expect("own address", found.addresses("own.test"), ["127.0.0.5:25"])
    expect("implicit", found["own.test"]["implicit"], True)
    results = {domain: found[domain]["result"] for domain in found.domains}
    expect("results", results, {
        "own.test": "found", "fail.test": "later", "gone.test": "no domain", "refused.test": "later",
        "formerr.test": "later", "mxonly.test": "no address", "null.test": "null MX", "bare.test": "no address",
        "never-heard-of.example": "no domain"})
    expect("reason", found["refused.test"]["reason"], "MX of refused.test: REFUSED from " + server.address)
    expect("reason", found["gone.test"]["reason"], "NXDOMAIN for gone.test from " + server.address)


@check
def cnames_are_followed_and_loops_end():
    rules = ["c0.test cname d1.test", "l1.test cname l2.test", "l2.test cname l1.test", "s.test cname s.test"]
    rules += ["n%d.test cname n%d.test" % (i, i + 1) for i in range(12)]
    with NameServer(*rules, MANY) as server:
        found = resolve(server.address, "c0.test", "l1.test", "s.test", "n0.test", "n5.test")
    expect("through a CNAME", found["c0.test"]["hosts"], ["mx.d1.test", "mx2.d1.test"])
    for domain in ("l1.test", "s.test", "n0.test"):
        expect(domain, found[domain]["result"], "loop")
    expect("seven CNAMEs", found["n5.test"]["hosts"], ["mx.n12.test", "mx2.n12.test"])


@check
def private_addresses_are_refused_by_default():
    with NameServer("mixed.test mx 10 a.mixed.test 127.0.0.1 10.0.0.1 ::1, mx 20 b.mixed.test 8.0.0.1", MANY) as server:
        found = resolve(server.address, "mixed.test", "d1.test", private=False)
    expect("the public one is left", found.addresses("mixed.test"), ["8.0.0.1:25"])
    expect("only private ones", found["d1.test"]["result"], "forbidden")


@check
def ourselves_in_the_list():
    with NameServer("backup.test mx 10 mx1.test 127.0.0.1, mx 20 us.test 127.0.0.2, mx 30 mx3.test 127.0.0.3",
                    "loop.test mx 10 us.test 127.0.0.2, mx 20 mx3.test 127.0.0.3") as server:
        found = resolve(server.address, "backup.test", "loop.test", own_name="us.test")
    expect("better ones are left", found["backup.test"]["hosts"], ["mx1.test"])
    expect("we are the best", found["loop.test"]["result"], "loop")


@check
def forged_and_broken_answers_change_nothing():
    with NameServer("id.test wrong-id then mx 1 evil.test 127.6.6.6", "q.test wrong-question then mx 1 evil.test 127.6.6.6",
                    "g.test garbage", "drop.test drop") as server:
        found = resolve(server.address, "id.test", "q.test", "g.test", "drop.test", patience=100)
    for domain in found.domains:
        expect(domain, found[domain]["result"], "later")
    expect("each of four tries was answered badly, but for the silent one", found.counts["bad_answers"], 12)
    expect("tries", (found.counts["sent"], found.counts["resent"]), (4, 12))
    expect("what the server did not answer", server.counts["dropped"], 4)


@check
def a_good_server_answers_for_a_bad_one():
    with NameServer("* servfail") as failing, NameServer("* wrong-id") as forged, NameServer(MANY) as good:
        found = resolve([failing.address, good.address], "d1.test")
        expect("after SERVFAIL", found["d1.test"]["result"], "found")
        found = resolve([forged.address, good.address], domains=20, patience=400)
        expect("after forged ones", found.rounds[0]["found"], 20)
    if forged.counts["questions"] > 60:
        raise AssertionError("a server that never answers well was asked %d times" % forged.counts["questions"])


@check
def lost_packets_do_not_matter():
    with NameServer("*.test lose 30, mx 10 mx.$ 127.0.0.1") as server:
        found = resolve(server.address, domains=200, patience=150)
    if found.rounds[0]["found"] < 190:
        raise AssertionError("of 200 domains only %d were found" % found.rounds[0]["found"])
    if found.counts["resent"] < 100:
        raise AssertionError("only %d questions were repeated" % found.counts["resent"])


@check
def one_lame_mx_does_not_spoil_the_other():
    with NameServer("two.test mx 10 lame.test, mx 20 good.test", "lame.test servfail", "good.test a 127.0.0.4",
                    "one.test mx 10 lame.test") as server:
        found = resolve(server.address, "two.test", "one.test")
    expect("the other", found.addresses("two.test"), ["127.0.0.4:25"])
    expect("all lame", found["one.test"]["result"], "later")
    expect("reason", found["one.test"]["reason"], "address of lame.test: SERVFAIL from " + server.address)


@check
def hostile_sizes_are_bounded():
    with NameServer("mx500.test times 500 mx 10 h#.$ 127.0.0.%[1-250]",
                    "host.test times 1000 a 127.%[1-250].%[0-255].%[1-250]", "fat.test mx 10 host.test",
                    "huge.test times 4000 mx 10 h#.a-rather-long-name-to-fill-sixty-four-kilobytes.example") as server:
        found = resolve(server.address, "mx500.test", "fat.test", "huge.test")
    expect("of 500 MX ten are looked up", len(found["mx500.test"]["hosts"]), 10)
    expect("of 1,000 addresses", len(found["fat.test"]["routes"]), 32)
    expect("64 KB over TCP: ten hosts without addresses, others left", found["huge.test"]["result"], "later")
    expect("over TCP", server.counts["tcp"], 3)


@check
def equal_questions_are_asked_once_until_their_time_is_over():
    with NameServer("*.test ttl 1, mx 10 shared.example 127.0.0.1", "shared.example a 127.0.0.1") as server:
        found = resolve(server.address, *["d%d.test" % i for i in range(50)], *["d1.test"] * 50, rounds=3, pause=100,
                        ttl_min=1)
        first, second, third = (r["counts"] for r in found.rounds)
        expect("50 domains and the two families of one host", first["sent"], 52)
        expect("50 asks joined, and 49 twice for the host", first["coalesced"], 50 + 2 * 49)
        expect("all from the cache", second["sent"], 52)
        expect("asks from the cache", third["cached"], 200)
        found = resolve(server.address, "d1.test", rounds=2, pause=1300, ttl_min=1)
        expect("asked again after a second", found.counts["sent"], 6)


@check
def questions_in_flight_are_bounded():
    with NameServer("*.test delay 20, mx 10 mx.$ 127.0.0.1") as server:
        found = resolve(server.address, domains=100, in_flight=8, patience=2000)
    expect("found", found.rounds[0]["found"], 100)
    if found.rounds[0]["took_ms"] < 100 * 3 / 8 * 20 * 0.8:
        raise AssertionError("300 questions, 8 at a time, 20 ms each, took only %d ms" % found.rounds[0]["took_ms"])


# ---- Others' software: NSD serves the zone, Unbound resolves it ----

ZONE = """$ORIGIN world.test.
$TTL 3600
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
plain 2 MX 20 mx2
plain 2 MX 10 mx1
plain 2 MX 10 mx1b
mx1 A 127.1.0.1
mx1 A 127.1.0.2
mx1 AAAA fd00::1
mx1b A 127.1.0.3
mx2 A 127.1.0.4
alias CNAME plain
alias2 CNAME alias
away CNAME plain.other.test.
ring1 CNAME ring2
ring2 CNAME ring1
null MX 0 .
own A 127.2.0.1
own AAAA fd00::2
text TXT "neither MX nor address"
target MX 10 target-alias
target-alias CNAME mx1
broken MX 10 nowhere
literal MX 10 192.0.2.1.
Upper MX 10 MX1
lame NS ns.lame
ns.lame A 127.0.0.1
*.wild MX 10 mx2
"""

OTHER = """$ORIGIN other.test.
$TTL 3600
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
plain MX 10 mx.world.test.
plain MX 5 mx1.world.test.
"""


def free_port():
    """A port that is free for UDP and TCP at this moment."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]
    raise OSError("no port is free for both UDP and TCP")


def wait_for(address):
    """Until it answers a question at all, ten seconds at most."""
    host, port = address.split(":")
    question = b"\0\1\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1"
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.settimeout(0.1)
            udp.connect((host, int(port)))
            try:
                udp.send(question)
                if udp.recv(4096):
                    return
            except OSError:
                time.sleep(0.02)
    raise AssertionError("%s did not answer within ten seconds" % address)


class Daemon:
    """A server in the foreground with its configuration in a directory of its own."""

    def __init__(self, name, arguments, files):
        self.port = free_port()
        self.address = "127.0.0.1:%d" % self.port
        self.dir = tempfile.mkdtemp(prefix="hikyaku-%s-" % name)
        os.chmod(self.dir, 0o755)
        for file, text in files.items():
            pathlib.Path(self.dir, file).write_text(text.replace("@DIR@", self.dir).replace("@PORT@", str(self.port)))
        self.log = open(os.path.join(self.dir, "log"), "w+")
        command = [program(name)] + [a.replace("@DIR@", self.dir) for a in arguments]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)

    def __enter__(self):
        try:
            wait_for(self.address)
        except AssertionError as late:
            self.log.seek(0)
            text = self.log.read()[-2000:]
            self.__exit__()
            raise AssertionError("%s\n%s" % (late, text))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


NSD = """server:
  ip-address: 127.0.0.1@@PORT@
  zonesdir: "@DIR@"
  database: ""
  username: ""
  chroot: ""
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "@DIR@/zone.list"
  xfrdir: "@DIR@"
  server-count: 1
remote-control:
  control-enable: no
"""


def nsd():
    many = ZONE + "".join("many MX %d h%03d\nh%03d A 127.3.0.%d\n" % (i % 3, i, i, i % 250 + 1) for i in range(100))
    files = {"world": many, "other": OTHER, "nsd.conf": NSD + """zone:
  name: world.test
  zonefile: world
zone:
  name: other.test
  zonefile: other
"""}
    return Daemon("nsd", ["-d", "-c", "@DIR@/nsd.conf"], files)


def unbound(nsd_port):
    files = {"unbound.conf": """
server:
  interface: 127.0.0.1@@PORT@
  port: @PORT@
  directory: "@DIR@"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 1
  num-threads: 1
  do-ip6: no
  do-not-query-localhost: no
  module-config: "iterator"
  local-zone: "test." nodefault
  root-hints: ""
remote-control:
  control-enable: no
stub-zone:
  name: "world.test"
  stub-addr: 127.0.0.1@NSD@
stub-zone:
  name: "other.test"
  stub-addr: 127.0.0.1@NSD@
stub-zone:
  name: "lame.test"
  stub-addr: 127.0.0.1@NSD@
""".replace("@NSD@", "@" + str(nsd_port))}
    return Daemon("unbound", ["-d", "-c", "@DIR@/unbound.conf"], files)


def expect_world(found, server):
    """What the zone says, whoever answers."""
    plain = found["plain.world.test"]
    expect("equal MX first, in any order", sorted(plain["hosts"][:2]), ["mx1.world.test", "mx1b.world.test"])
    expect("the worse one last", plain["hosts"][2], "mx2.world.test")
    expect("addresses", sorted(found.addresses("plain.world.test")),
           ["127.1.0.1:25", "127.1.0.2:25", "127.1.0.3:25", "127.1.0.4:25", "[fd00::1]:25"])
    families = [a.startswith("[") for a in found.addresses("plain.world.test") if a.startswith(("127.1.0.1:", "127.1.0.2:", "["))]
    expect("families take turns", families, [False, True, False])
    for alias in ("alias.world.test", "alias2.world.test"):
        expect(alias, sorted(found[alias]["hosts"]), sorted(plain["hosts"]))
    expect("a CNAME into another zone", found["away.world.test"]["hosts"][0], "mx1.world.test")
    expect("CNAME circle", found["ring1.world.test"]["result"], server.ring)
    expect("null MX", found["null.world.test"]["result"], "null MX")
    expect("own address", found.addresses("own.world.test"), ["127.2.0.1:25", "[fd00::2]:25"])
    expect("nothing there", found["text.world.test"]["result"], "no address")
    expect("NXDOMAIN", found["none.world.test"]["result"], "no domain")
    expect("for how long: by the SOA", found["none.world.test"]["expires_in_ms"] <= 60000, True)
    expect("CNAME at an MX target", len(found.addresses("target.world.test")), 3)
    expect("MX to nowhere", found["broken.world.test"]["result"], "no address")
    expect("MX to a literal", found["literal.world.test"]["result"], "no address")
    expect("capitals", found["upper.world.test"]["hosts"], ["mx1.world.test"])
    expect("wild card", found["a.b.wild.world.test"]["hosts"], ["mx2.world.test"])
    expect("ten of a hundred MX", len(found["many.world.test"]["hosts"]), 10)
    expect("delegated to a server that does not know it", found["lame.test"]["result"], "later")
    expect("truncated, so over TCP", found.counts["over_tcp"] >= 1, True)


NAMES = "plain alias alias2 away ring1 null own text none target broken literal upper many a.b.wild".split()
NAMES = [name + ".world.test" for name in NAMES] + ["lame.test"]


@check
def nsd_serves_a_zone():
    with nsd() as server:
        server.ring = "loop"
        found = resolve(server.address, *NAMES, "lame.world.test")
        expect_world(found, server)
        expect_in("lame", "REFUSED", found["lame.test"]["reason"])
        expect_in("a delegation is no answer", "referral", found["lame.world.test"]["reason"])
        many = resolve(server.address, *["many.world.test"] * 3)
        expect("asked once, MX and ten hosts twice", many.counts["sent"], 1 + 20)


@check
def unbound_resolves_it():
    with nsd() as authority, unbound(authority.port) as server:
        server.ring = "later"  # Unbound says SERVFAIL to a circle
        found = resolve(server.address, *NAMES, patience=3000)
        expect_world(found, server)
        expect_in("lame", "SERVFAIL", found["lame.test"]["reason"])


@check
def unbound_lets_a_ttl_of_two_seconds_run_out():
    with nsd() as authority, unbound(authority.port) as server:
        found = resolve(server.address, *["plain.world.test"] * 20, rounds=3, pause=1200, ttl_min=1)
        counts = [r["counts"] for r in found.rounds]
        expect("one MX and six address questions for twenty asks", (counts[0]["sent"], counts[0]["coalesced"]), (7, 19))
        expect("a second later: the same or the MX again", counts[1]["sent"] in (7, 8), True)
        expect("after 2.4 s the MX was asked again, its hosts not", counts[2]["sent"], 8)


if __name__ == "__main__":
    sys.exit(run(CHECKS, sys.argv[1:]))
