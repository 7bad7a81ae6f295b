#!/usr/bin/env python3
"""Mail goes only to hosts of its own domain, live: domains that have one site's name and different hosts, and a stranger
who names a provider's host beside his own. bench/nameserver has the records; each host is a receiver of a few lines.

Run from the project's root; HIKYAKU names the program, ./hikyaku if it is not set."""
import json
import os
import subprocess
import sys
import time

from checking import Failure, need
from listener import Listener
from programs import stop_program
from redis_client import Redis, RedisServer

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")
NAMESERVER = os.path.join(os.environ.get("BUILD", "build"), "bin/nameserver")
EACH = 25

HOSTS = {  # domain → (its rule, the address where its mail must come)
    "one.test": ("mx 10 mx1.shared.example 127.0.7.1", "127.0.7.1"),
    "two.test": ("mx 10 mx2.shared.example 127.0.7.2", "127.0.7.2"),
    "tenant-a.test": ("mx 10 tenant-a.big.example 127.0.7.3", "127.0.7.3"),
    "tenant-b.test": ("mx 10 tenant-b.big.example 127.0.7.4", "127.0.7.4"),
    "stranger.test": ("mx 10 mx.stranger.example 127.0.7.5, mx 20 tenant-a.big.example", "127.0.7.5"),
    "same.test": ("mx 10 tenant-b.big.example", "127.0.7.4"),
}


class Receiver(Listener):
    """Takes all mail at one address; whose it was."""

    def __init__(self, address, port):
        self.domains, self.connections = {}, 0
        super().__init__(address, port)

    def talk(self, connection, peer):
        self.connections += 1
        stream = connection.makefile("rwb", 0)
        try:
            stream.write(b"220 receiver.test ESMTP\r\n")
            for line in stream:
                verb = line.upper()
                if verb.startswith(b"RCPT"):
                    domain = line.decode().split("@")[1].split(">")[0]
                    self.domains[domain] = self.domains.get(domain, 0) + 1
                elif verb.startswith(b"DATA"):
                    stream.write(b"354 go\r\n")
                    while stream.readline() not in (b".\r\n", b""):
                        pass
                stream.write(b"250-receiver.test\r\n250 PIPELINING\r\n" if verb.startswith(b"EHLO") else
                             b"221 bye\r\n" if verb.startswith(b"QUIT") else b"250 ok\r\n")
        except OSError:
            pass
        connection.close()


def open_receivers():
    """One port at each address."""
    addresses = sorted({address for _, address in HOSTS.values()})
    for _ in range(20):
        receivers = {addresses[0]: Receiver(addresses[0], 0)}
        try:
            for address in addresses[1:]:
                receivers[address] = Receiver(address, receivers[addresses[0]].port)
            return receivers
        except OSError:  # somebody has that port there
            for receiver in receivers.values():
                receiver.close()
    raise Failure("no port is free at all of", addresses)


def wait_for(condition, what, engine, patience_s=20):
    end = time.monotonic() + patience_s
    while not condition():
        need(engine.poll() is None, "the engine ended")
        need(time.monotonic() < end, "no end of waiting for", what)
        time.sleep(0.02)


def test_own_hosts():
    """each domain's mail comes to its own hosts, whichever domain was resolved last"""
    receivers = open_receivers()
    port = next(iter(receivers.values())).port
    rules = [word for domain, (rule, _) in HOSTS.items() for word in ("--rule", "%s %s, ttl 1" % (domain, rule))]
    nameserver = subprocess.Popen([NAMESERVER, "--listen", "127.0.0.1:0", *rules], stdout=subprocess.PIPE)
    server = RedisServer()
    engine = None
    try:
        dns = nameserver.stdout.readline().decode().split()[1]
        conf = os.path.join(server.dir, "hikyaku.conf")
        with open(conf, "w") as file:
            file.write('hostname = "mta.sender.test"\nworkers = 1\nallow-private-addresses = true\nsmtp-port = %d\n'
                       'state-dir = "%s/state"\nredis { server = "unix:%s" }\ndns { servers = { "%s" } }\n'
                       'site "big" { mx = { "*.big.example" }  connections = 2 }\n'
                       % (port, server.dir, server.path, dns))
        os.chmod(conf, 0o600)
        redis = Redis(server.path)
        with open(os.path.join(server.dir, "engine.log"), "wb") as log:
            engine = subprocess.Popen([HIKYAKU, "run", "-c", conf], stdout=log, stderr=log)
        for batch in range(EACH):
            for domain in HOSTS:
                redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(
                    {"from": "news@sender.test", "to": ["u%d@%s" % (batch, domain)],
                     "message": {"headers": {"From": "news@sender.test"}, "subject": "x", "text": "x"}}))
        total = EACH * len(HOSTS)

        def count():
            return sum(sum(receiver.domains.values()) for receiver in receivers.values())
        wait_for(lambda: count() >= total, "all mail", engine)
        for domain, (_, address) in HOSTS.items():
            at = {a: r.domains[domain] for a, r in receivers.items() if domain in r.domains}
            need(at == {address: EACH}, domain, "came to", at, "expected", {address: EACH})
        need(receivers["127.0.7.4"].connections < EACH, "domains with the same hosts share connections:",
             receivers["127.0.7.4"].connections)
    finally:
        for program in (engine, nameserver):
            if program:
                stop_program(program, 10)
        for receiver in receivers.values():
            receiver.close()
        server.close()


def main():
    try:
        test_own_hosts()
    except Failure as failure:
        print("FAIL test_own_hosts (%s): %s" % (test_own_hosts.__doc__, failure))
        print("0 passed, 1 failed")
        return 1
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
