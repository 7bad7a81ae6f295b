#!/usr/bin/env python3
"""Mail servers that are not ours: Postfix and Exim as Debian ships them, with TLS 1.3 and with 1.2, and OpenSMTPD, whose
6.8 breaks off every handshake with the OpenSSL of Debian 12, that of openssl s_client too: it gets its mail in clear.

They cannot be installed beside each other, so they are unpacked (tests/deps unpack) and each sees its files, its users and
empty spools in a mount namespace of its own, where nothing of this machine is changed. Root is needed for that, as the
servers themselves need it. Three messages to each, one a connection: the later two offer the session of the first."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/live"))
from checking import Failure, in_folder, need, until
from dns_test import free_port
from programs import stop_program
from redis_client import Redis, RedisServer
from tls_test import HIKYAKU, RAW, Certificates

PEERS = ROOT / "build/peers"
MESSAGES = 3
ADDRESS = "127.0.0.78"  # no connection of anybody's begins at it, so none takes a port that was free
USERS = {"postfix": 901, "Debian-exim": 902, "opensmtpd": 903, "opensmtpq": 904, "letters": 905}
GROUPS = dict(USERS, postdrop=906)
NAMESPACE = """set -e
mount -t overlay -o lowerdir=%(usr)s:/usr overlay /usr
mount -t overlay -o lowerdir=%(folder)s/etc:/etc overlay /etc
for folder in /var/spool /var/lib /var/mail; do mount -t tmpfs none $folder; done
%(prepare)s
exec %(daemon)s
"""
MAIN = """compatibility_level = 3.6
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = /dev/stdout
myhostname = mx.postfix.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
mydestination = postfix13.test postfix12.test
local_recipient_maps =
local_transport = discard:
smtpd_tls_security_level = may
smtpd_tls_cert_file = %(crt)s
smtpd_tls_key_file = %(key)s
smtpd_tls_protocols = %(versions)s
smtpd_tls_loglevel = 1
smtpd_relay_restrictions = reject_unauth_destination
alias_maps =
"""
MASTER = """%(address)s:%(port)d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
local unix - n n - - local
postlog unix-dgram n - n - 1 postlogd
"""
EXIM = """primary_hostname = mx.exim.test
local_interfaces = %(address)s
daemon_smtp_ports = %(port)d
log_file_path = %(folder)s/exim-%%slog
spool_directory = /var/spool/exim4
tls_advertise_hosts = *
tls_certificate = %(crt)s
tls_privatekey = %(key)s
tls_require_ciphers = %(versions)s
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
drop:
  driver = redirect
  data = :blackhole:
"""
SMTPD = """pki mx.opensmtpd.test cert "%(crt)s"
pki mx.opensmtpd.test key "%(key)s"
listen on %(address)s port %(port)d hostname mx.opensmtpd.test tls pki mx.opensmtpd.test
action "drop" mda "/bin/cat >/dev/null" virtual { "@" = "letters" }
match from any for any action "drop"
"""


class Receiver:
    """A server of somebody else. Its files are below folder/etc, which lies over /etc in its namespace."""

    def __init__(self, name, version, folder, certificate):
        self.name, self.version, self.port = name, version, free_port()
        self.domain = "%s%s.test" % (name, version.replace(".", ""))
        self.folder = pathlib.Path(folder, self.domain)
        (self.folder / "etc").mkdir(parents=True)
        self.folder.chmod(0o755)
        self.values = dict(folder=self.folder, address=ADDRESS, port=self.port, crt=certificate[0], key=certificate[1])
        self.users()
        self.start(*getattr(self, name)())

    def file(self, path, content, **more):
        target = self.folder / "etc" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content % dict(self.values, **more))

    def users(self):
        passwd = pathlib.Path("/etc/passwd").read_text()
        group = pathlib.Path("/etc/group").read_text()
        self.file("passwd", "%(text)s", text=passwd + "".join("%s:x:%d:%d::/:/bin/sh\n" % (name, number, number)
                                                               for name, number in USERS.items()))
        self.file("group", "%(text)s", text=group + "".join("%s:x:%d:\n" % pair for pair in GROUPS.items()))

    def postfix(self):
        self.file("postfix/main.cf", MAIN, versions=">=TLSv%s, <=TLSv%s" % (self.version, self.version))
        self.file("postfix/master.cf", MASTER)
        prepare = ["mkdir -p /var/spool/postfix /var/lib/postfix", "chown postfix /var/lib/postfix",
                   "cd /var/spool/postfix", "mkdir active bounce corrupt defer deferred flush hold incoming private trace saved",
                   "chown postfix active bounce corrupt defer deferred flush hold incoming private trace saved",
                   "mkdir pid maildrop public", "chown postfix maildrop public", "chgrp postdrop maildrop public",
                   "chmod 730 maildrop", "chmod 710 public"]
        return prepare, "/usr/lib/postfix/sbin/master -d -c /etc/postfix"

    def exim(self):
        versions = {"1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3", "1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2"}[self.version]
        own = shutil.copy(self.values["key"], self.folder)
        os.chown(own, USERS["Debian-exim"], 0)  # it reads the key when it is nobody special any more
        self.file("exim.conf", EXIM, versions=versions, key=own)
        prepare = ["mkdir -p /var/spool/exim4", "chown Debian-exim /var/spool/exim4 %s" % self.folder]
        return prepare, "/usr/sbin/exim4 -bdf -q1h -C /etc/exim.conf"

    def opensmtpd(self):
        self.file("smtpd.conf", SMTPD)
        prepare = ["mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd", "chmod 711 /var/spool/smtpd"]
        return prepare, "/usr/sbin/smtpd -d -f /etc/smtpd.conf"

    def start(self, prepare, daemon):
        usr = ":".join(str(path / "usr") for path in sorted(PEERS.iterdir()) if (path / "usr").is_dir())
        script = NAMESPACE % dict(usr=usr, folder=self.folder, prepare="\n".join(prepare), daemon=daemon)
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "sh", "-c", script],
                                        stdout=self.log, stderr=self.log, start_new_session=True)

    def greets(self):
        try:
            with socket.create_connection((ADDRESS, self.port), 1) as connection:
                return connection.recv(3) == b"220"
        except OSError:
            return False

    def wait(self):
        until(lambda: self.process.poll() is not None or self.greets(), 60, lambda: "%s did not greet:\n%s" % (self.domain, self.text()))
        need(self.process.poll() is None, self.domain, "has ended:\n", self.text())

    def text(self):
        return "".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*log"))

    def stop(self):
        """The first process of its namespace goes, and all others with it. One that has ended has told why by its log."""
        children = pathlib.Path("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid))
        for child in children.read_text().split() if self.process.poll() is None else ():
            os.kill(int(child), signal.SIGKILL)
        self.process.wait(60)
        self.log.close()


def deliver(folder, redis, path, receivers, authority):
    conf = """hostname = "mta.elsewhere.test"
workers = 1
allow-private-addresses = true
state-dir = "%s/state"
redis { server = "unix:%s" }
domain "*" { connections = 1  messages-per-connection = 1 }
""" % (folder, path)
    for receiver in receivers:
        policy = "verified" if receiver.version else "opportunistic"
        conf += 'domain "%s" { route = { "[%s]:%d" }  tls = "%s" }\n' % (receiver.domain, ADDRESS, receiver.port, policy)
        for number in range(MESSAGES):
            job = {"id": "%s-%d" % (receiver.domain, number), "from": "b@elsewhere.test", "to": ["letters@" + receiver.domain]}
            redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", RAW)
    pathlib.Path(folder, "hikyaku.conf").write_text(conf)
    with open(folder + "/engine.log", "wb") as log:
        engine = subprocess.Popen([HIKYAKU, "run", "-c", folder + "/hikyaku.conf"], stdout=log, stderr=log,
                                  env=dict(os.environ, SSL_CERT_FILE=authority))
    try:
        until(lambda: engine.poll() is not None or len(events(redis)) == MESSAGES * len(receivers), 120)
    except Failure:
        pass  # what did not come is told of each message
    stop_program(engine, 60)
    return events(redis)


def events(redis):
    rows = [dict(zip(fields[::2], fields[1::2])) for _, fields in redis("XRANGE", "hikyaku:{0}:events", "-", "+") or []]
    return {row[b"job"].decode(): (row[b"type"].decode(), json.loads(row[b"data"])) for row in rows if row[b"to"]}


def judge(receiver, found):
    """What is wrong, of each message."""
    for number in range(MESSAGES):
        kind, event = found.get("%s-%d" % (receiver.domain, number), ("nothing", {}))
        tls = event.get("tls", "")
        if kind != "delivered":
            yield "%s: %s, %s\n%s" % (receiver.domain, kind, event.get("reply"), receiver.text())
        elif receiver.version and not (tls.startswith("TLSv%s " % receiver.version) and tls.endswith(" pkix")):
            yield "%s: expected TLSv%s and pkix, found %s" % (receiver.domain, receiver.version, tls)
        elif not receiver.version and tls != "none":
            yield "%s: expected none, found %s; can its TLS be used now?" % (receiver.domain, tls)


def run(folder):
    os.chmod(folder, 0o755)
    certificates = Certificates(folder)
    kinds = [("postfix", "1.3"), ("postfix", "1.2"), ("exim", "1.3"), ("exim", "1.2"), ("opensmtpd", "")]
    names = ",DNS:".join("%s%s.test" % (name, version.replace(".", "")) for name, version in kinds)
    certificate = certificates.leaf("receivers", names)
    receivers = []
    try:
        for name, version in kinds:
            receivers.append(Receiver(name, version, folder, certificate))
        for receiver in receivers:
            receiver.wait()
        with RedisServer() as server:
            found = deliver(folder, Redis(server.path), server.path, receivers, certificates.authority[0])
        wrong = [text for receiver in receivers for text in judge(receiver, found)]
    finally:
        for receiver in receivers:
            receiver.stop()
    print("\n".join(wrong), end="\n" if wrong else "")
    print("%d passed, %d failed" % (MESSAGES * len(kinds) - len(wrong), len(wrong)))
    return 1 if wrong else 0


def main():
    subprocess.run(["tests/deps", "unpack", str(PEERS)], check=True, cwd=ROOT)
    return in_folder("receivers", run)


if __name__ == "__main__":
    sys.exit(main())
