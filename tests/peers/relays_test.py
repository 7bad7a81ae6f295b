#!/usr/bin/env python3
"""Relays that are not ours: Exim and Dovecot as Debian ships them, as submission servers. Exim wants to know us by AUTH
PLAIN, by AUTH LOGIN, and on a port where TLS comes before the greeting; Dovecot by SCRAM-SHA-256 only. To whom they do not
know they are no relays. One letter through each, and two with a wrong password, which must wait. They run as
receivers_test.py says."""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from receivers_test import PEERS, ROOT, USERS, Receiver, events
from checking import in_folder
from dns_test import free_port
from redis_client import Redis, RedisServer
from relay_test import NAMESERVER
from tls_test import HIKYAKU, RAW, Certificates, Server, alarms

EXIM = """primary_hostname = smtp.exim.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = %(port)d : %(implicit)d
tls_on_connect_ports = %(implicit)d
log_file_path = %(folder)s/exim-%%slog
spool_directory = /var/spool/exim4
tls_advertise_hosts = *
tls_certificate = %(crt)s
tls_privatekey = %(key)s
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = accept authenticated = *
acl_smtp_data = accept
begin routers
drop:
  driver = redirect
  data = :blackhole:
begin authenticators
one:
  driver = plaintext
  public_name = %(mechanism)s
  server_prompts = %(prompts)s
  server_condition = ${if and{{eq{%(user)s}{letters}}{eq{%(password)s}{a secret}}}}
"""
DOVECOT = """base_dir = /var/lib/dovecot
log_path = /dev/stderr
protocols = submission
listen = 127.0.0.1
hostname = smtp.exim.test
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = daemon
auth_mechanisms = scram-sha-256
ssl = required
ssl_cert = <%(crt)s
ssl_key = <%(key)s
submission_relay_host = 127.0.0.1
submission_relay_port = %(behind)d
submission_relay_trusted = yes
mail_location = mbox:/var/mail/%%u
passdb {
  driver = passwd-file
  args = username_format=%%u /etc/dovecot.users
}
userdb {
  driver = static
  args = uid=letters gid=letters home=/var/mail/%%u
}
service submission-login {
  chroot =
  inet_listener submission {
    port = %(port)d
  }
}
service auth {
  unix_listener auth-userdb {
    mode = 0666
  }
}
service anvil {
  chroot =
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
"""
MECHANISMS = {"PLAIN": ("", "$auth2", "$auth3"), "LOGIN": ("User Name:: : Password::", "$auth1", "$auth2")}


class Relay(Receiver):
    """name is what the configuration calls it; version is its mechanism."""

    def submission(self):
        own = shutil.copy(self.values["key"], self.folder)
        os.chown(own, USERS["Debian-exim"], 0)
        prompts, user, password = MECHANISMS[self.version]
        self.implicit = free_port()
        self.file("exim.conf", EXIM, key=own, implicit=self.implicit, mechanism=self.version, prompts=prompts, user=user,
                  password=password)
        return (["mkdir -p /var/spool/exim4", "chown Debian-exim /var/spool/exim4 %s" % self.folder],
                "/usr/sbin/exim4 -bdf -q1h -C /etc/exim.conf")


    def dovecot(self):
        """The letters go on to a server of ours, for Dovecot itself delivers nothing."""
        self.behind = Server("none")
        salt, mac = os.urandom(16), lambda key, text: hmac.digest(key, text, "sha256")
        salted = hashlib.pbkdf2_hmac("sha256", b"a secret", salt, 4096)
        keys = (salt, hashlib.sha256(mac(salted, b"Client Key")).digest(), mac(salted, b"Server Key"))
        self.file("dovecot.users", "letters:{SCRAM-SHA-256}4096,%(keys)s\n",
                  keys=",".join(base64.b64encode(key).decode() for key in keys))
        self.file("dovecot.conf", DOVECOT, behind=self.behind.port)
        libraries = [str(path) for path in PEERS.glob("*/lib/*") if path.is_dir()] + ["/usr/lib/dovecot"]
        return (["mkdir -p /var/lib/dovecot", "chown letters /var/mail", "export LD_LIBRARY_PATH=" + ":".join(libraries)],
                "/usr/sbin/dovecot -F -c /etc/dovecot.conf")


def configure(folder, path, names, plain, login, scram):
    conf = """hostname = "mta.elsewhere.test"
workers = 1
state-dir = "%s/state"
dns { servers = { "%s" } }
redis { server = "unix:%s" }
domain "*" { connections = 1 }
""" % (folder, names, path)
    relays = [("plain", plain.port, "right"), ("login", login.port, "right"), ("first", plain.implicit, "right"),
              ("wrong", plain.port, "wrong"), ("scram", scram.port, "right"), ("scram-wrong", scram.port, "wrong")]
    for name, password in (("right", "a secret\n"), ("wrong", "another\n")):
        pathlib.Path(folder, name).write_text(password)
        pathlib.Path(folder, name).chmod(0o600)
    for name, port, password in relays:
        conf += 'relay "%s" { host = "smtp.exim.test:%d"  user = "letters"  password-file = "%s/%s"  implicit-tls = %s }\n' % (
            name, port, folder, password, "true" if name == "first" else "false")
        conf += 'domain "%s.test" { relay = "%s" }\n' % (name, name)
    pathlib.Path(folder, "hikyaku.conf").write_text(conf)
    return [name for name, _, _ in relays]


def deliver(folder, redis, names, authority):
    for name in names:
        job = {"id": name, "from": "b@elsewhere.test", "to": ["letters@%s.test" % name]}
        redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", RAW)
    with open(folder + "/engine.log", "wb") as log:
        engine = subprocess.Popen([HIKYAKU, "run", "-c", folder + "/hikyaku.conf"], stdout=log, stderr=log,
                                  env=dict(os.environ, SSL_CERT_FILE=authority))
    end = time.monotonic() + 60
    while time.monotonic() < end and engine.poll() is None and not (len(events(redis)) == len(names) and len(alarms(redis)) > 1):
        time.sleep(0.1)
    engine.terminate()
    engine.wait(20)
    return events(redis), [alarm.get("site") for alarm in alarms(redis)]


def judge(names, found, alarmed, relays):
    for name in names:
        kind, event = found.get(name, ("nothing", {}))
        wrong = name.endswith("wrong")
        good = event.get("code") == 535 if wrong else event.get("tls", "").endswith(" pkix")
        if kind != ("deferred" if wrong else "delivered") or not good:
            yield "%s: %s, %s\n%s" % (name, kind, event, "".join(relay.text() for relay in relays))
    if sorted(alarmed) != ["relay scram-wrong", "relay wrong"]:
        yield "expected an alarm for each relay with a wrong password; found %s" % alarmed
    if relays[-1].behind.commands.count("DATA") != 1:
        yield "Dovecot has sent on %s" % relays[-1].behind.commands


def run(folder):
    os.chmod(folder, 0o755)
    certificates, relays = Certificates(folder), []
    certificate = certificates.leaf("relay", "smtp.exim.test")
    names = subprocess.Popen([NAMESERVER, "--listen", "127.0.0.1:0", "--rule", "smtp.exim.test a 127.0.0.1"],
                             stdout=subprocess.PIPE)
    try:
        for mechanism in MECHANISMS:
            relays.append(Relay("submission", mechanism, folder, certificate))
        relays.append(Relay("dovecot", "", folder, certificate))
        for relay in relays:
            relay.wait()
        with RedisServer() as server:
            domains = configure(folder, server.path, names.stdout.readline().split()[-1].decode(), *relays)
            wrong = list(judge(domains, *deliver(folder, Redis(server.path), domains, certificates.authority[0]), relays))
    finally:
        for relay in relays:
            relay.stop()
        names.terminate()
        names.wait(5)
    print("\n".join(wrong), end="\n" if wrong else "")
    print("%d passed, %d failed" % (len(domains) + 2 - len(wrong), len(wrong)))
    return 1 if wrong else 0


def main():
    subprocess.run(["tests/deps", "unpack", str(PEERS)], check=True, cwd=ROOT)
    return in_folder("relays", run)


if __name__ == "__main__":
    sys.exit(main())
