#!/usr/bin/env python3
"""Protection, end to end: the engine against scripted servers whose TLS is good, bad or absent.

One engine, one domain a case, each with a route to a server of its own on loopback. What may go in clear, what must not,
and what the event says of it. A case that demands protection and does not get it must not hear one MAIL."""
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 is deprecated, and that is why it is here
sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checking import in_folder
from redis_client import Redis, RedisServer

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")
CONF = """hostname = "mta.tls.test"
workers = 1
allow-private-addresses = true
state-dir = "%s/state"
redis { server = "unix:%s" }
domain "*" { connections = 1  timeout-ehlo = "3s"  timeout-greeting = "3s" }
"""
RAW = b"From: a@tls.test\r\nSubject: a letter\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@tls.test>\r\n\r\nhello\r\n"
WAIVER = b"TLS-Required: No\r\n" + RAW  # RFC 8689


class Certificates:
    """An authority and what it signed, made with the openssl command."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = self.make("authority", ["-subj", "/CN=authority", "-days", "10"], None)

    def make(self, name, arguments, san, signer=None, extra=()):
        key, crt = "%s/%s.key" % (self.folder, name), "%s/%s.crt" % (self.folder, name)
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-keyout", key, "-out", crt] + arguments
        if san:
            command += ["-addext", "subjectAltName=" + san, "-addext", "basicConstraints=CA:FALSE"]
        if signer:
            command += ["-CA", "%s/%s.crt" % (self.folder, signer), "-CAkey", "%s/%s.key" % (self.folder, signer)]
        subprocess.run(command + list(extra), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return crt, key

    def leaf(self, name, host, days=10, signer="authority"):
        return self.make(name, ["-subj", "/CN=" + name, "-days", str(days)], "DNS:" + host, signer)

    def expired(self, host):
        """req makes nothing that is over already, x509 does."""
        key, csr, crt = ("%s/expired.%s" % (self.folder, end) for end in ("key", "csr", "crt"))
        quiet = dict(check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", csr, "-subj", "/CN=expired", "-addext",
                        "subjectAltName=DNS:" + host], **quiet)
        subprocess.run(["openssl", "x509", "-req", "-in", csr, "-CA", self.folder + "/authority.crt", "-CAkey",
                        self.folder + "/authority.key", "-out", crt, "-copy_extensions", "copy", "-days", "-1"], **quiet)
        return crt, key


class Server:
    """A receiver of one case. what: "none" offers no TLS, "454" refuses it, "garbage" and "close" break it, "silent"
    says no more; "tls REQUIRETLS" offers that under TLS, "tls early" before it, "none REQUIRETLS" in clear;
    "tls shut" will not have us once it is secured."""
    turns = None  # another certificate, from the 26th handshake on

    def __init__(self, what, certificate=None, most=None, address=("127.0.0.1", 0)):
        self.what, _, self.keyword = what.partition(" ")
        self.commands, self.mails, self.context = [], [], None
        self.resumed, self.names = [], []  # of each handshake: was it short; what name was asked for
        self.hangs = threading.Event()
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
            self.context.sni_callback = lambda connection, name, context: self.names.append(name)
            if most:
                self.context.set_ciphers("DEFAULT@SECLEVEL=0")
                self.context.minimum_version = self.context.maximum_version = most
        self.listener = socket.create_server(address)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            connection.settimeout(10)
            self.talk(connection)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def offers(self, secured):
        yield "mx.tls.test"
        if self.what != "none" and not secured:
            yield "STARTTLS"
        if self.keyword == "early" and not secured or self.keyword == "REQUIRETLS" and (secured or self.what == "none"):
            yield "REQUIRETLS"

    def talk(self, connection):
        secured, lines = False, connection.makefile("rb")
        say = lambda text: connection.sendall(text.encode() + b"\r\n")
        say("220 mx.tls.test ESMTP")
        while True:
            line = lines.readline()
            if not line:
                return
            verb = line.split()[0].upper().decode("latin-1")
            self.commands.append(("tls " if secured else "") + verb)
            if verb == "MAIL":
                self.mails.append(line.decode("latin-1").strip())
            if verb == "EHLO" and secured and self.keyword == "shut":
                say("421 4.3.2 not now")
                return
            elif verb == "EHLO":
                say("\r\n".join("250-" + offer for offer in self.offers(secured)) + "\r\n250 8BITMIME")
            elif verb == "STARTTLS":
                if self.what == "454":
                    say("454 4.7.0 not now")
                    continue
                say("220 go")
                if self.what == "garbage":
                    say("this is not a handshake, and never will be one")
                if self.what == "silent":
                    self.hangs.set()
                    lines.read()
                if self.what in ("garbage", "close", "silent"):
                    return
                if self.turns and len(self.resumed) == 25:
                    self.context.load_cert_chain(*self.turns)
                connection = self.context.wrap_socket(connection, server_side=True)
                self.resumed.append(connection.session_reused)
                secured, lines = True, connection.makefile("rb")
            elif verb == "DATA":
                say("354 go")
                while lines.readline() not in (b".\r\n", b""):
                    pass
                say("250 2.0.0 taken")
            else:
                say("221 bye" if verb == "QUIT" else "250 ok")
                if verb == "QUIT":
                    return


def cases(certificates):
    """name, policy, server; what must come of it; what the event's tls has, or why it was not sent."""
    good = lambda host: certificates.leaf("good-" + host, host)
    itself = certificates.make("itself", ["-subj", "/CN=itself", "-days", "10"], "DNS:self.tls.test")
    old = ssl.TLSVersion.TLSv1
    return [
        ("plain", "opportunistic", Server("none"), "delivered", "none"),
        ("refusing", "opportunistic", Server("454"), "delivered", "none"),
        ("off", "none", Server("tls", itself), "delivered", "none"),
        ("anybody", "opportunistic", Server("tls", itself), "delivered", "unverified"),
        ("known", "opportunistic", Server("tls", good("known.test")), "delivered", "pkix"),
        ("broken", "opportunistic", Server("garbage"), "delivered", "none"),
        ("closing", "opportunistic", Server("close"), "delivered", "none"),
        ("ancient", "opportunistic", Server("tls", itself, old), "delivered", "none"),
        ("demanded", "required", Server("tls", itself), "delivered", "unverified"),
        ("verified", "verified", Server("tls", good("verified.test")), "delivered", "pkix"),
        ("must-plain", "required", Server("none"), "deferred", "does not offer STARTTLS"),
        ("must-refusing", "required", Server("454"), "deferred", "not now"),
        ("must-broken", "required", Server("garbage"), "deferred", "could not be protected"),
        ("must-closing", "required", Server("close"), "deferred", ""),
        ("must-ancient", "required", Server("tls", itself, old), "deferred", "could not be protected"),
        ("wrong-name", "verified", Server("tls", good("else.test")), "deferred", "hostname mismatch"),
        ("expired", "verified", Server("tls", certificates.expired("expired.test")), "deferred", "expired"),
        ("self-signed", "verified", Server("tls", itself), "deferred", "self-signed"),
        ("verified-plain", "verified", Server("none"), "deferred", "does not offer STARTTLS"),
    ]


def run_engine(folder, authority, redis, wanted):
    """One life: until wanted() says that all is there."""
    with open(folder + "/engine.log", "ab") as log:
        engine = subprocess.Popen([HIKYAKU, "run", "-c", folder + "/hikyaku.conf"], stdout=log, stderr=log,
                                  env=dict(os.environ, SSL_CERT_FILE=authority))
    end = time.monotonic() + 20
    while time.monotonic() < end and not wanted() and engine.poll() is None:
        time.sleep(0.05)
    return engine


def submit(redis, name, n):
    for number in range(n):
        job = {"id": "%s-%d" % (name, number), "from": "b@tls.test", "to": ["a@%s.test" % name.rstrip("+")]}
        redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", RAW)


def changed_store(folder, certificates, redis, port):
    """The machine is updated and the engine started again: an authority is gone, and with it what was verified till now."""
    submit(redis, "steady+", 25)
    told = lambda: [alarm for alarm in alarms(redis) if alarm.get("site") == "127.0.0.1:%d" % port]
    engine = run_engine(folder, certificates.make("stranger", ["-subj", "/CN=stranger", "-days", "10"], None)[0], redis,
                        told)
    engine.terminate()
    engine.wait(20)
    return "" if len(told()) == 1 else "expected an alarm of certificates after the trust store changed; found %s" % alarms(redis)


def turning(certificates):
    """Its certificate is good for 25 connections, then it is nobody's; sessions are not kept."""
    server = Server("tls", certificates.leaf("turning", "turning.test"))
    server.turns = certificates.make("turned", ["-subj", "/CN=turned", "-days", "10"], "DNS:turning.test")
    server.context.options |= ssl.OP_NO_TICKET
    server.context.num_tickets = 0
    return server


def alarms(redis):
    rows = [dict(zip(fields[::2], fields[1::2])) for _, fields in redis("XRANGE", "hikyaku:{0}:events", "-", "+") or []]
    return [json.loads(row[b"data"]) for row in rows if row[b"type"] == b"alarm"]


def judge_alarms(found):
    told = [alarm for alarm in found if alarm["alarm"] == "certificates"]
    if [alarm["mx"] for alarm in told] != ["127.0.0.1"] or "self-signed" not in told[0]["text"]:
        return "expected one alarm of certificates, about self-signed ones; found %s" % found
    return ""


def first_events(redis):
    found = {}
    for _, fields in redis("XRANGE", "hikyaku:{0}:events", "-", "+") or []:
        row = dict(zip(fields[::2], fields[1::2]))
        if row[b"to"]:
            found.setdefault(row[b"job"].decode(), (row[b"type"].decode(), json.loads(row[b"data"])))
    return found


def judge(case, found):
    name, policy, server, outcome, about = case
    if name not in found:
        return "nothing came of it; the server heard %s" % server.commands
    kind, event = found[name]
    if kind != outcome:
        return "expected %s, found %s: %s" % (outcome, kind, event.get("reply"))
    if outcome == "delivered":
        return "" if about in event["tls"] else "expected tls to have \"%s\", found \"%s\"" % (about, event["tls"])
    if [verb for verb in server.commands if verb.endswith(("MAIL", "RCPT", "DATA"))]:
        return "it heard mail without what was demanded: %s" % server.commands
    if event["category"] not in ("tls", "network") or event.get("scope") == "recipient":
        return "expected category tls, found %s, scope %s" % (event["category"], event.get("scope"))
    return "" if about in event["reply"] else "expected \"%s\" in the reply, found \"%s\"" % (about, event["reply"])


def run(folder):
    certificates = Certificates(folder)
    all_cases, turner = cases(certificates), turning(certificates)
    shut = Server("tls shut", turner.turns)
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead_port = free.getsockname()[1]
    steady = Server("tls", certificates.leaf("steady", "steady.test"))
    with RedisServer() as server:
        conf = CONF % (folder, server.path)
        silent = Server("silent")
        conf += 'domain "silent.test" { route = { "[127.0.0.1]:%d" }  timeout-ehlo = "60s" }\n' % silent.port
        conf += 'domain "shut.test" { route = { "[127.0.0.1]:%d" } }\n' % shut.port
        conf += 'domain "dead.test" { route = { "[127.0.0.1]:%d" } }\n' % dead_port
        conf += 'domain "steady.test" { route = { "[127.0.0.1]:%d" }  messages-per-connection = 1 }\n' % steady.port
        conf += 'domain "turning.test" { route = { "[127.0.0.1]:%d" }  messages-per-connection = 1 }\n' % turner.port
        for name, policy, receiver, _, _ in all_cases:
            conf += 'domain "%s.test" { route = { "[127.0.0.1]:%d" }  tls = "%s" }\n' % (name, receiver.port, policy)
        pathlib.Path(folder, "hikyaku.conf").write_text(conf)
        redis = Redis(server.path)
        submit(redis, "turning", 50)
        submit(redis, "steady", 25)
        for name in ["silent", "shut", "dead"] + [case[0] for case in all_cases]:
            job = {"id": name, "from": "b@tls.test", "to": ["a@%s.test" % name]}
            redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", RAW)
        engine = run_engine(folder, certificates.authority[0], redis,
                            lambda: len(first_events(redis)) >= len(all_cases) + 77 and alarms(redis))
        wrong_alarms = judge_alarms(alarms(redis))
        silent.hangs.wait(20)
        found = first_events(redis)
        engine.terminate()
        status = engine.wait(20)  # less than the grace of a drain: a handshake that hangs is not waited for
        wrong_alarms = wrong_alarms or changed_store(folder, certificates, redis, steady.port)
    failed = 0
    for case in all_cases:
        wrong = judge(case, found)
        failed += bool(wrong)
        if wrong:
            print("%s (%s): %s" % (case[0], case[1], wrong))
    refused = {name: found.get(name, ("", {}))[1] for name in ("shut", "dead")}
    if not refused["shut"].get("tls", "").endswith("unverified") or "tls" in refused["dead"] or not refused["dead"]:
        failed += 1
        print("expected the events of refused connections to say what TLS there was, if any; found %s" % refused)
    if wrong_alarms:
        failed += 1
        print(wrong_alarms)
    if status:
        failed += 1
        print("the engine ended with %d:\n%s" % (status, open(folder + "/engine.log").read()[-1500:]))
    print("%d passed, %d failed" % (len(all_cases) + 3 - failed, failed))
    return 1 if failed else 0


def main():
    return in_folder("tls", run)


if __name__ == "__main__":
    sys.exit(main())
