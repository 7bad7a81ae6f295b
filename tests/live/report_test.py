#!/usr/bin/env python3
"""TLS reports, end to end (RFC 8460): domains whose TLS is good, bad and absent, with MTA-STS and without, and the mail
that tells them so a day later. A day has two seconds here; what falls on both sides of midnight comes in two reports.

bench/nameserver has the records; MX hosts are scripted servers on addresses of their own; the reports go, as mail of the
engine itself or posted, to one that keeps what it gets. They are turned on by a reload."""
import base64
import email
import gzip
import http.server
import json
import os
import pathlib
import signal
import socket
import ssl
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checking import Failure, in_folder, until
from dns_test import free_port
from programs import start_engine, stop_program
from redis_client import Redis, RedisServer
from sts_test import NameServer, policy
from tls_test import RAW, Certificates, Server

DAY_S = 2
CONF = """hostname = "mta.report.test"
workers = 1
smtp-port = %d
allow-private-addresses = true
state-dir = "%s/state"
redis { server = "unix:%s" }
dns { servers = { "%s" } }
%s
relay "own" { host = "mx.relayed.test:%d"  tls = "required" }
domain "relayed.test" { relay = "own" }
domain "*" { connections = 1  messages-per-connection = 1  timeout-ehlo = "3s" }
"""
STS = policy("enforce", "mx.sts.test")
# domain: its address, what its server does, its messages; the policy, sessions that were good, how others failed
CASES = {
    "fine": ("127.0.0.11", "tls", 3, "no-policy-found", 3, {}),
    "plain": ("127.0.0.12", "none", 2, "no-policy-found", 0, {"starttls-not-supported": 2}),
    "broken": ("127.0.0.13", "garbage", 2, "no-policy-found", 0, {"validation-failure": 1}),  # then it is left in clear
    "sts": ("127.0.0.14", "tls", 1, "sts", 0, {"certificate-not-trusted": 1}),
    "gone": ("127.0.0.19", "tls", 1, "sts", 0, {"sts-policy-fetch-error": 1}),
    "untrusted": ("127.0.0.20", "tls", 1, "sts", 0, {"sts-webpki-invalid": 1}),
    "odd": ("127.0.0.21", "tls", 1, "sts", 0, {"sts-policy-invalid": 1}),
    "quiet": ("127.0.0.15", "tls", 1, None, 0, {}),  # it wants no reports
    "relayed": ("127.0.0.18", "tls", 1, None, 0, {}),  # the host is our relay, not its own
    "https": ("127.0.0.16", "tls", 1, "no-policy-found", 1, {}),  # it wants them posted, and does not take the first
}


class Collector:
    """The mail server that reports go to."""

    def __init__(self, address):
        self.mails, self.recipients = [], []
        self.listener = socket.create_server(address)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        say = lambda text: connection.sendall(text + b"\r\n")
        lines = connection.makefile("rb")
        say(b"220 mx.collector.test")
        for line in iter(lines.readline, b""):
            verb = line.split()[0].upper()
            if verb == b"DATA":
                say(b"354 go")
                mail = []
                for part in iter(lines.readline, b".\r\n"):
                    mail.append(part[1:] if part.startswith(b".") else part)
                self.mails.append(b"".join(mail))
            if verb == b"RCPT":
                self.recipients.append(line.strip().decode())
            say(b"221 bye" if verb == b"QUIT" else b"250 mx.collector.test")


class Posts(http.server.BaseHTTPRequestHandler):
    """Takes what is posted, but for the first of one domain."""
    taken, refused, wrong = [], [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if (self.path, self.headers["Content-Type"]) != ("/v1?a=b", "application/tlsrpt+gzip"):
            self.wrong.append("a post to %s of type %s" % (self.path, self.headers["Content-Type"]))
        report = json.loads(gzip.decompress(body))
        refused = not self.refused and domain_of(report) == "https.test"
        (self.refused if refused else self.taken).append(report)
        self.send_response(500 if refused else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Policy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        domain = self.headers["Host"].split(":")[0]
        self.send_response(404 if domain == "mta-sts.gone.test" else 200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(STS.encode() if domain == "mta-sts.sts.test" else b"version: STSv7\n")

    def log_message(self, *_):
        pass


def serve_https(handler, certificate):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def rules(port):
    place = "https://reports.collector.test:%d/v1?a=b" % port
    yield "_smtp._tls.quiet.test nxdomain"
    yield "_smtp._tls.https.test txt v=TLSRPTv1; rua=" + place
    yield "reports.collector.test a 127.0.0.1"
    yield "_smtp._tls.*.test txt v=TLSRPTv1; rua=mailto:one@collector.test"
    for name in ("sts", "gone", "untrusted", "odd"):
        yield "_mta-sts.%s.test txt v=STSv1; id=1" % name
        yield "mta-sts.%s.test a 127.0.0.1" % name
    yield "_mta-sts.* nxdomain"
    yield "collector.test mx 10 mx.collector.test 127.0.0.17"
    for name, case in CASES.items():
        yield "%s.test mx 10 mx.%s.test %s" % (name, name, case[0])


def read_report(mail, wrong):
    """The JSON of one; what is not as RFC 8460 5.3 has it is added to wrong."""
    letter = email.message_from_bytes(mail)
    domain = letter["TLS-Report-Domain"]
    text, packed = letter.get_payload()
    report = json.loads(gzip.decompress(packed.get_payload(decode=True)))
    expected = {"type": (letter.get_content_type(), "multipart/report"),
                "report-type": (letter.get_param("report-type"), "tlsrpt"),
                "submitter": (letter["TLS-Report-Submitter"], "sender.test"), "from": (letter["From"], "tls@sender.test"),
                "despite failures": (letter["TLS-Required"], "No"),
                "subject": (" ".join(letter["Subject"].split()),
                            "Report Domain: %s Submitter: sender.test Report-ID: <%s>" % (domain, report["report-id"])),
                "text": (text.get_content_type(), "text/plain"),
                "part": (packed.get_content_type(), "application/tlsrpt+gzip"),
                "name": (packed.get_filename().split("!")[:2], ["sender.test", domain]),
                "contact": (report["contact-info"], "tls@sender.test"),
                "organization": (report["organization-name"], "sender.test"),
                "keys": (sorted(report), ["contact-info", "date-range", "organization-name", "policies", "report-id"]),
                "range": (sorted(report["date-range"]), ["end-datetime", "start-datetime"])}
    wrong += ["%s: %s: expected %s, found %s" % (domain, what, want, found)
              for what, (found, want) in expected.items() if found != want]
    return domain, report


def domain_of(report):
    return report["policies"][0]["policy"]["policy-domain"]


def add_up(mails):
    """By domain: policy, good sessions, failures by kind, of all its reports; and what is wrong with them."""
    sums, wrong, ids = {}, [], set()
    reports = [read_report(mail, wrong) for mail in list(mails)]
    reports += [(domain_of(report), report) for report in list(Posts.taken) if domain_of(report) != "both.test"]
    for domain, report in reports:
        if report["report-id"] in ids:
            wrong.append("%s: two reports are called %s" % (domain, report["report-id"]))
        ids.add(report["report-id"])
        for part in report["policies"]:
            seen = sums.setdefault(domain.removesuffix(".test"), [part["policy"], 0, {}, []])
            seen[1] += part["summary"]["total-successful-session-count"]
            details = part.get("failure-details", [])
            if part["summary"]["total-failure-session-count"] != sum(one["failed-session-count"] for one in details):
                wrong.append("%s: the failures are not their sum: %s" % (domain, part))
            for one in details:
                seen[2][one["result-type"]] = seen[2].get(one["result-type"], 0) + one["failed-session-count"]
                seen[3].append(one)
    return sums, wrong


def judge(name, sums):
    address, _, _, kind, good, failures = CASES[name]
    if kind is None:
        return "" if name not in sums else "it wanted no report, and was told %s" % sums[name]
    if name not in sums:
        return "no report came"
    applied, found_good, found, details = sums[name]
    if name == "sts" and found:  # it is tried again and again, and each time is a session
        found = {result: 1 for result in found}
    if (applied["policy-type"], applied["policy-domain"], found_good, found) != (kind, name + ".test", good, failures):
        return "expected %s %s, found %s %d %s" % (kind, (good, failures), applied, found_good, found)
    if name == "sts" and (applied["mx-host"], applied["policy-string"]) != (["mx.sts.test"], STS.split("\n")[:-1]):
        return "its policy is %s" % applied
    for one in details:
        if (one["receiving-mx-hostname"], one["receiving-ip"]) != ("mx.%s.test" % name, address):
            return "another host than its own failed: %s" % one
    return ""


def posted(name):
    return [report for report in Posts.taken if domain_of(report) == name + ".test"]


def both(redis, port):
    """A day of before, of a domain that wants its report in both ways."""
    places = "https://reports.collector.test:%d/v1?a=b one@collector.test" % port
    redis("HSET", "hikyaku:{0}:tlsrpt:%d" % (time.time() / DAY_S - 3), "r both.test", places, "c both.test no-policy-found", 7)


def reload(engine, log):
    """Reports are turned on in an engine that runs."""
    engine.send_signal(signal.SIGHUP)
    until(lambda: "was read again" in open(log).read(), 30, "the configuration read again")


def days_left(redis):
    """The days before yesterday that nobody has reported and let go of."""
    yesterday = int(time.time() / DAY_S) - 1
    return [key for key in redis("KEYS", "hikyaku:{0}:tlsrpt:*") if int(key.split(b":")[-1]) < yesterday]


def run(folder):
    certificates, port = Certificates(folder), free_port()
    good = certificates.leaf("good", "mx.fine.test")
    itself = certificates.make("itself", ["-subj", "/CN=itself", "-days", "10"], "DNS:mx.sts.test")
    for name, case in CASES.items():
        Server(case[1], None if case[1] == "none" else itself if name == "sts" else good, address=(case[0], port))
    hosts = "mta-sts.sts.test,DNS:mta-sts.gone.test,DNS:mta-sts.odd.test,DNS:reports.collector.test"
    policies = serve_https(Policy, certificates.leaf("policies", hosts))
    posts = serve_https(Posts, (folder + "/policies.crt", folder + "/policies.key"))
    collector, names = Collector(("127.0.0.17", port)), NameServer(rules(posts.server_port))
    wanted = {name for name, case in CASES.items() if case[3]}
    with RedisServer() as server:
        conf = folder + "/hikyaku.conf"
        write = lambda reports: pathlib.Path(conf).write_text(
            CONF % (port, folder, server.path, names.address, reports, port))
        redis = Redis(server.path)
        both(redis, posts.server_port)
        write("")
        engine = start_engine(conf, folder + "/engine.log", env=dict(
            os.environ, SSL_CERT_FILE=certificates.authority[0], HIKYAKU_REPORT_DAY_S=str(DAY_S),
            HIKYAKU_STS_PORT=str(policies.server_port)))
        write('tls-reports = "tls@sender.test"')
        reload(engine, folder + "/engine.log")
        for name, case in CASES.items():
            for number in range(case[2]):
                job = {"id": "%s-%d" % (name, number), "from": "b@sender.test", "to": ["a@%s.test" % name]}
                redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", RAW)
        def all_is_told():
            sums = add_up(collector.mails)[0]
            told = posted("both") and "both" in sums and all(not judge(name, sums) for name in wanted)
            return engine.poll() is not None or (told and not days_left(redis))
        try:
            until(all_is_told, 60)
        except Failure:
            pass  # what is missing is said below
        left = days_left(redis)
        stop_program(engine, 60)
    names.stop()
    sums, wrong = add_up(collector.mails)
    failures = ["%s: %s" % (name, text) for name in CASES for text in [judge(name, sums)] if text]
    failures += (wrong + Posts.wrong)[:5]
    if (len(posted("both")), len([mail for mail in collector.mails if b"Domain: both.test" in mail])) != (1, 1):
        failures.append("both: expected one report mailed and one posted, found %s" % posted("both"))
    if not Posts.refused:
        failures.append("nothing was posted that could be refused")
    if left:
        failures.append("days that were reported are still there: %s" % left)
    if engine.returncode:
        failures.append("the engine ended with %d:\n%s" % (engine.returncode, open(folder + "/engine.log").read()[-1500:]))
    print("\n".join(failures), end="\n" if failures else "")
    print("%d passed, %d failed" % (len(CASES) + 4 - len(failures), len(failures)))
    return 1 if failures else 0


def main():
    return in_folder("report", run)


if __name__ == "__main__":
    sys.exit(main())
