#!/usr/bin/env python3
"""Relays, end to end: the engine logs in to scripted servers that let it in, do not, or are not who they should be.

One engine, a relay and a domain a case; bench/nameserver knows where relays are. A relay that does not let us in gets
no mail and loses none; one that has not proved who it is hears no password; and no password is seen anywhere."""
import base64
import hashlib
import hmac
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
from checking import in_folder
from programs import stop_program
from redis_client import Redis, RedisServer
from tls_test import HIKYAKU, RAW, Certificates, alarms, first_events

NAMESERVER = os.path.join(os.environ.get("BUILD", "build"), "bin/nameserver")
USER, PASSWORD, OLD = "letters@sender.test", "a secret of ours", "the old secret"
CONF = """hostname = "mta.relay.test"
workers = 1
allow-private-addresses = false
state-dir = "%s/state"
dns { servers = { "%s" } }
redis { server = "unix:%s" }
domain "*" { relay = "fallback"  connections = 1  timeout-ehlo = "3s"  timeout-greeting = "3s" }
"""


def secrets():
    """The passwords, in every form in which they are said."""
    for word in (PASSWORD, OLD):
        yield word.encode()
        yield base64.b64encode(word.encode())
        yield base64.b64encode(("\0%s\0%s" % (USER, word)).encode())


class Relay:
    """auth: what it offers under TLS; clear: in clear. says: its replies to AUTH and what follows, instead of the right
    ones."""

    vain = False  # lets everybody in by SCRAM, and proves nothing

    def __init__(self, certificate=None, auth="PLAIN LOGIN", clear="", implicit=False, says=None):
        self.auth, self.clear, self.implicit, self.says = auth, clear, implicit, says
        self.heard, self.certificate, self.context = [], certificate, None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            connection.settimeout(10)
            if self.implicit:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.talk(connection, self.implicit)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def talk(self, connection, secured):
        lines, say = connection.makefile("rb"), lambda text: connection.sendall(text.encode() + b"\r\n")
        if not secured or self.implicit:
            say("220 smtp.relay.test ESMTP")
        for line in iter(lines.readline, b""):
            line = line.decode().rstrip("\r\n")
            verb = line.split(" ")[0].upper()
            self.heard.append(("tls " if secured else "") + line)
            if verb == "EHLO":
                offers = ["smtp.relay.test"] + (["STARTTLS"] if self.context and not secured else [])
                mechanisms = self.auth if secured else self.clear
                offers += ["AUTH " + mechanisms] if mechanisms else []
                say("\r\n".join("250-" + offer for offer in offers) + "\r\n250 8BITMIME")
            elif verb == "STARTTLS":
                say("220 go")
                self.talk(self.context.wrap_socket(connection, server_side=True), True)
                return
            elif not self.answer(verb, line, say, lines):
                return

    def answer(self, verb, line, say, lines):
        if verb == "AUTH":
            self.log_in(line, say, lines)
        elif verb == "DATA":
            say("354 go")
            while lines.readline() not in (b".\r\n", b""):
                pass
            say("250 2.0.0 taken")
        else:
            say("221 bye" if verb == "QUIT" else "250 ok")
        return verb != "QUIT"

    def log_in(self, line, say, lines):
        words = line.split(" ")
        if self.says:
            for reply in self.says:
                say(reply)
                if reply.startswith("334"):
                    self.heard.append("tls " + lines.readline().decode().rstrip("\r\n"))
            return
        if words[1] == "SCRAM-SHA-256":
            self.scram(words[2], say, lines)
            return
        if words[1] == "PLAIN":
            _, user, password = base64.b64decode(words[2]).decode().split("\0")
        else:
            say("334 " + base64.b64encode(b"Username:").decode())
            user = base64.b64decode(lines.readline()).decode()
            say("334 " + base64.b64encode(b"Password:").decode())
            password = base64.b64decode(lines.readline()).decode()
        say("235 2.7.0 welcome" if (user, password) == (USER, PASSWORD) else "535 5.7.8 bad user or password")

    def scram(self, first, say, lines):
        """RFC 5802 and 7677, the server's end."""
        hear = lambda: base64.b64decode(lines.readline()).decode()
        tell = lambda text: say("334 " + base64.b64encode(text.encode()).decode())
        mac = lambda key, text: hmac.digest(key, text.encode(), "sha256")
        bare = base64.b64decode(first).decode().removeprefix("n,,")
        nonce, salt = bare.split(",r=")[1] + "theirs", base64.b64encode(b"a salt").decode()
        challenge = "r=%s,s=%s,i=4096" % (nonce, salt)
        tell(challenge)
        final, _, proof = hear().rpartition(",p=")
        salted, said = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"a salt", 4096), ",".join((bare, challenge, final))
        client = mac(salted, "Client Key")
        signature = mac(hashlib.sha256(client).digest(), said)
        right = base64.b64decode(proof) == bytes(a ^ b for a, b in zip(client, signature)) and bare.startswith("n=" + USER)
        if self.vain:
            say("235 2.7.0 welcome, whoever you are")
        elif right:
            tell("v=" + base64.b64encode(mac(mac(salted, "Server Key"), said)).decode())
            say("235 2.7.0 welcome" if hear() == "" else "501 5.5.2 what?")
        else:
            say("535 5.7.8 bad user or password")

    def verbs(self):
        return [line.split(" ")[1] if line.startswith("tls ") else line.split(" ")[0] for line in self.heard]


class Case:
    """A relay with this configuration, and what must become of one letter through it."""

    def __init__(self, name, relay, conf, outcome, about, says=(), never=("MAIL",)):
        self.name, self.relay, self.outcome, self.about, self.says, self.never = name, relay, outcome, about, says, never
        self.conf = conf

    def section(self, port):
        return 'relay "%s" { %s }\n' % (self.name, self.conf.replace("PORT", str(port)))

    def judge(self, found):
        heard = self.relay.heard if self.relay else []
        if self.name not in found:
            return "nothing came of it; the relay heard %s" % heard
        kind, event = found[self.name]
        if kind != self.outcome:
            return "expected %s, found %s: %s" % (self.outcome, kind, event.get("reply"))
        if self.about not in event["reply"] + " " + event.get("tls", ""):
            return "expected \"%s\" in the event, found %s" % (self.about, event)
        if kind == "delivered" and event["site"] != "relay " + self.name:
            return "expected the site \"relay %s\", found \"%s\"" % (self.name, event["site"])
        for verb in self.never if kind == "deferred" else ():
            if verb in self.relay.verbs() if self.relay else False:
                return "it may never have heard %s, and did: %s" % (verb, heard)
        missing = [line for line in self.says if line not in heard]
        return "it has not heard %s but %s" % (missing, heard) if missing else ""


def in_vain(certificate):
    relay = Relay(certificate, auth="SCRAM-SHA-256")
    relay.vain = True
    return relay


def cases(certificates, folder):
    named = certificates.leaf("relays", ",DNS:".join(name + ".relay.test" for name in ("good", "login", "first", "wrong", "busy",
                                                                                    "odd", "plain", "tidy", "fallback", "scram")))
    stranger = certificates.leaf("stranger", "else.test")
    login = 'user = "%s"  password-file = "%s/password"' % (USER, folder)
    old = 'user = "%s"  password-file = "%s/old"' % (USER, folder)
    host = lambda name: 'host = "%s.relay.test:PORT"  ' % name
    plain = "tls AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (USER, PASSWORD)).encode()).decode()
    return [
        Case("good", Relay(named), host("good") + login, "delivered", "pkix", [plain]),
        Case("login", Relay(named, auth="GSSAPI LOGIN"), host("login") + login, "delivered", "pkix", ["tls AUTH LOGIN"]),
        Case("scram", Relay(named, auth="PLAIN LOGIN SCRAM-SHA-256"), host("scram") + login, "delivered", "pkix"),
        Case("scram-wrong", Relay(named, auth="PLAIN SCRAM-SHA-256"), host("scram") + old, "deferred", "bad user or password"),
        Case("scram-vain", in_vain(named), host("scram") + login, "deferred", "without having proved that it knows",
             ["tls QUIT"]),
        Case("first", Relay(named, implicit=True), host("first") + login + "  implicit-tls = true", "delivered", "pkix",
             ["tls EHLO mta.relay.test", plain]),
        Case("open", Relay(), 'host = "127.0.0.1:PORT"  tls = "opportunistic"', "delivered", "none"),
        Case("fallback", Relay(named), host("fallback"), "delivered", "pkix"),
        Case("wrong", Relay(named), host("wrong") + old, "deferred", "bad user or password", ["tls QUIT"]),
        Case("busy", Relay(named, says=["454 4.7.0 too busy to look"]), host("busy") + login, "deferred", "too busy"),
        Case("odd", Relay(named, auth="LOGIN", says=["334 !!!", "501 5.5.2 cancelled"]), host("odd") + login, "deferred",
             "none that AUTH LOGIN has", ["tls *", "tls QUIT"]),
        Case("tidy", Relay(named, auth=""), host("tidy") + login, "deferred", "neither AUTH PLAIN nor LOGIN", ["tls QUIT"]),
        Case("plain", Relay(clear="PLAIN LOGIN"), host("plain") + login, "deferred", "does not offer STARTTLS",
             never=("AUTH", "MAIL")),
        Case("stranger", Relay(stranger), host("stranger") + login, "deferred", "hostname mismatch", never=("AUTH", "MAIL")),
        Case("stranger-first", Relay(stranger, implicit=True), host("stranger") + login + "  implicit-tls = true",
             "deferred", "hostname mismatch", never=("EHLO", "AUTH", "MAIL")),
        Case("nowhere", None, 'host = "nowhere.example:PORT"', "deferred", "no address"),
    ]


class World:
    def __init__(self, folder, path):
        self.folder, self.failures, self.passed = pathlib.Path(folder), [], 0
        (self.folder / "password").write_text(PASSWORD + "\n")
        (self.folder / "old").write_text(OLD + "\n")
        for name in ("password", "old"):
            (self.folder / name).chmod(0o600)
        self.certificates = Certificates(folder)
        self.cases = cases(self.certificates, folder)
        self.names = subprocess.Popen([NAMESERVER, "--listen", "127.0.0.1:0", "--rule", "*.relay.test a 127.0.0.1"],
                                      stdout=subprocess.PIPE)
        servers = self.names.stdout.readline().split()[-1].decode()
        conf = CONF % (folder, servers, path)
        conf += 'domain "direct.test" { route = { "[127.0.0.1]:%d" } }\n' % self.named("open").relay.port
        for case in self.cases:
            conf += case.section(case.relay.port if case.relay else 25)
            conf += 'domain "%s.test" { relay = "%s" }\n' % (case.name, case.name)
        (self.folder / "hikyaku.conf").write_text(conf)
        self.redis = Redis(path)
        self.env = dict(os.environ, SSL_CERT_FILE=self.certificates.authority[0])

    def named(self, name):
        return next(case for case in self.cases if case.name == name)

    def start(self):
        with open(self.folder / "engine.log", "wb") as log:
            self.engine = subprocess.Popen([HIKYAKU, "run", "-c", str(self.folder / "hikyaku.conf")], stdout=log, stderr=log,
                                           env=self.env)

    def submit(self, name, domain):
        job = {"id": name, "from": "b@sender.test", "to": ["a@%s.test" % domain]}
        self.redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", RAW)

    def events(self):
        return first_events(self.redis)

    def wait(self, what):
        end = time.monotonic() + 20
        while time.monotonic() < end and self.engine.poll() is None:
            if what():
                return True
            time.sleep(0.03)
        return what()

    def check(self, what, wrong):
        self.passed += not wrong
        if wrong:
            self.failures.append(what)
            print("%s: %s" % (what, wrong))

    def run(self, *words):
        return subprocess.run([HIKYAKU, *words, "-c", str(self.folder / "hikyaku.conf")], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    def stop(self):
        stop_program(self.engine, 20)
        stop_program(self.names, 5)


def deliver(world):
    """A letter a case; three for the relay with the wrong password; two more that "*" and a route take."""
    for case in world.cases:
        world.submit(case.name, case.name)
    for name, domain in (("wrong-2", "wrong"), ("wrong-3", "wrong"), ("star", "whatever"), ("direct", "direct")):
        world.submit(name, domain)
    world.start()
    world.wait(lambda: len(world.events()) >= len(world.cases) + 2 and len(alarms(world.redis)) >= 5)
    found = world.events()
    for case in world.cases:
        world.check(case.name, case.judge(found))
    heard = "\n".join(world.named("scram").relay.heard)
    said = [secret for secret in secrets() if secret.decode() in heard]
    world.check("SCRAM says no password", "" if "AUTH SCRAM-SHA-256" in heard and not said else heard)
    for name, site in (("star", "relay fallback"), ("direct", "127.0.0.1:%d" % world.named("open").relay.port)):
        kind, event = found.get(name, ("nothing", {}))
        world.check(name, "" if (kind, event.get("site")) == ("delivered", site) else "%s %s" % (kind, event))


def rest(world):
    """The one that refused our password is left alone, and lets us in as soon as we have the right one."""
    wrong = next(case for case in world.cases if case.name == "wrong")
    told = sorted(alarm["site"] for alarm in alarms(world.redis) if alarm["alarm"] == "relay-login")
    world.check("one alarm for each that did not let us in",
                "" if told == ["relay odd", "relay scram-vain", "relay scram-wrong", "relay tidy", "relay wrong"] else "found %s" % told)
    asked = wrong.relay.verbs().count("AUTH")
    world.check("a password that was refused is not tried again", "" if asked == 1 else "it heard AUTH %d times" % asked)
    kinds = {name: kind for name, (kind, _) in world.events().items() if name.startswith("wrong")}
    world.check("of three letters one bears the refusal", "" if list(kinds.values()) == ["deferred"] else "found %s" % kinds)
    (world.folder / "old").write_text(PASSWORD + "\n")
    world.engine.send_signal(signal.SIGHUP)
    done = lambda: [kind for name, (kind, _) in world.events().items() if name.startswith("wrong")].count("delivered") == 2
    world.check("the right password after a reload", "" if world.wait(done) else "found %s" % world.events())


def move(world):
    """A relay has another host and another password in the configuration: the old host does not hear that one."""
    old, conf = world.cases[0].relay, world.folder / "hikyaku.conf"
    new = Relay(old.certificate)
    heard, words = len(old.heard), conf.read_text()
    conf.write_text(words.replace("good.relay.test:%d" % old.port, "login.relay.test:%d" % new.port))
    world.engine.send_signal(signal.SIGHUP)
    told = lambda: (world.folder / "engine.log").read_text().count("the configuration was read again") == 2
    world.check("it reads the configuration again", "" if world.wait(told) else "it did not")
    world.submit("moved", "good")
    world.wait(lambda: "moved" in world.events())
    late = [line for line in old.heard[heard:] if line != "tls QUIT"]
    good = world.events().get("moved", ("nothing",))[0] == "delivered" and "AUTH" in new.verbs() and not late
    world.check("a relay that moved", "" if good else "%s; the old host heard %s, the new one %s" % (
        world.events().get("moved"), late, new.heard))


def show(world):
    """What people are shown, and that nobody is shown a password."""
    shown = world.run("try", "a@good.test")
    for words in ("AUTH PLAIN ****", "235 2.7.0 welcome", "the server takes mail"):
        world.check("try shows " + words, "" if words in shown else shown)
    shown += world.run("try", "a@first.test", "--json") + world.run("try", "a@login.test")
    world.check("try shows each answer masked", "" if shown.count("****") == 4 else shown)
    told = world.run("try", "a@stranger.test")
    world.check("try says no password to a stranger", told if "AUTH" in told or "mismatch" not in told else "")
    shown += told + world.run("resolve", "good.test")
    for words in ("relay     good: good.relay.test port", "we log in as " + USER, "site      relay good",
                  "TLS with a certificate for its name", 'built-in of relay "good"'):
        world.check("resolve shows " + words, "" if words in shown else shown)
    shown += json.dumps(world.redis("XRANGE", "hikyaku:{0}:events", "-", "+"), default=lambda text: text.decode("latin-1"))
    shown += world.run("check") + world.run("status") + (world.folder / "engine.log").read_text()
    seen = [secret for secret in secrets() if secret.decode() in shown]
    world.check("no password is seen", "" if not seen else "found %s" % seen)


def run(folder):
    with RedisServer() as server:
        world = World(folder, server.path)
        try:
            deliver(world)
            rest(world)
            show(world)
            move(world)
        finally:
            world.stop()
        if world.engine.returncode:
            world.failures.append("engine")
            print("the engine ended with %d:\n%s" % (world.engine.returncode, (world.folder / "engine.log").read_text()))
    print("%d passed, %d failed" % (world.passed, len(world.failures)))
    return 1 if world.failures else 0


def main():
    return in_folder("relay", run)


if __name__ == "__main__":
    sys.exit(main())
