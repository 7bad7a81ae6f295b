#!/usr/bin/env python3
"""What the queue's functions cost in Redis: CPU per recipient at each step, memory per queued recipient.

    tests/live/functions_cost.py [RECIPIENTS [DOMAINS]]        100000 in 500

Prints figures and judges nothing. CPU is user + system time of redis-server (AOF everysec, its writing included; it
has the options of the embedded one): a newsletter in jobs of 10,000 with 200 bytes of variables, expanded 256 at a
time in the order of domains, leased 4 from each of 64 lists, settled 64 at a time with an event of 400 bytes each,
several calls under way at a time as an engine has them.
"""
import random
import struct
import sys

from redis_client import Redis, RedisServer, library_load
from shard import head

B = "hikyaku:{0}"
JOB = 10000
SHARED = '"tenant":"acme","campaign":"nov","class":"bulk"'
META = '{"from":"b+{{hk.verp}}@news.example","campaign":"nov","class":"bulk","body":"%064x","tags":{}}' % 7


def pack(name, value):
    return b"t" + struct.pack("<BI", len(name), len(value)) + name + value


def record(index, job, address, accept, variables=200):
    values = pack(b"name", b"x" * (variables - 10))
    tenant, job, address = b"acme", job.encode(), address.encode()
    front = struct.pack("<BBHIIQQIBBH", 1, 0, 0, index, 2000000000, 1795000000000, accept, 0, len(tenant), len(job),
                        len(address))
    return front + tenant + job + address + pack(b"v", values)


class Meter:
    """Seconds of CPU that Redis used in a step."""

    def __init__(self, redis):
        self.redis = redis

    def cpu(self):
        text = self.redis("INFO", "cpu").decode()
        values = dict(line.split(":") for line in text.split() if ":" in line)
        return float(values["used_cpu_user"]) + float(values["used_cpu_sys"])

    def __enter__(self):
        self.before = self.cpu()
        return self

    def __exit__(self, *_):
        self.spent = self.cpu() - self.before


def used_memory(redis):
    text = redis("INFO", "memory").decode()
    return int(dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)["used_memory"])


def in_turns(redis, commands, depth=8):
    """Replies, `depth` commands under way at a time."""
    replies, commands = [], list(commands)
    for at in range(0, len(commands), depth):
        got = redis.pipeline(commands[at:at + depth])
        for reply in got:
            if isinstance(reply, Exception):
                raise reply
        replies.extend(got)
    return replies


def fcall(name, *arguments):
    return ("FCALL", "hikyaku_" + name, 1, B, *arguments)


def begin(redis, job, total):
    reply = redis(*fcall("begin", "acme", job, "1-" + job[3:], "hash", total, "{}", "{}", META, SHARED, ""))
    return reply[1]


def fill(redis, recipients, lists, job_size=JOB):
    """All expand calls of jobs with so many recipients."""
    commands, chooser = [], random.Random(1)
    for first in range(0, recipients, job_size):
        job, size = "nov%d" % (first // job_size), min(job_size, recipients - first)
        accept = begin(redis, job, size)
        domains = ["d%d.example" % chooser.randrange(lists) for _ in range(size)]
        order = sorted(range(size), key=lambda index: domains[index])
        for at in range(0, size, 256):
            to = min(size, at + 256)
            items, last = [], None
            for index in order[at:to]:
                domain = domains[index]
                data = record(index, job, "u%d@%s" % (first + index, domain), accept)
                items += ["+", data] if domain == last else ["q", "b:%s:acme:nov" % domain, 0, 2000000000000, data]
                last = domain
            commands.append(fcall("expand", "acme", job, at, to, *items))
    return commands


def drain(redis, epoch, recipients):
    """Leases until nothing is left: the settle items, in the order in which they were leased."""
    items, number, pending = [], 0, []
    answer = redis(*fcall("changed", 0, 0, 1000000))
    pending = answer[2:]
    while pending:
        number += 1
        lists, pending = pending[:64], pending[64:]
        wants = [word for name in lists for word in (name, 4)]
        reply = redis(*fcall("lease", "mta1", epoch, number, *wants))
        at = 0
        while at < len(reply):
            name, remaining, got = reply[at:at + 3]
            at += 3
            for _ in range(got):
                items.append((number, reply[at], name, reply[at + 1]))
                at += 2
            if remaining:
                pending.append(name)
    assert len(items) == recipients, (len(items), recipients)
    return items


def settlements(epoch, items):
    commands = []
    event = "x" * 390
    for at in range(0, len(items), 64):
        words, named = [], None
        for lease, position, name, bytes_ in items[at:at + 64]:
            index = struct.unpack_from("<I", bytes_, 4)[0]
            tenant, job, address = bytes_[32], bytes_[33], struct.unpack_from("<H", bytes_, 34)[0]
            ends = 36 + tenant, 36 + tenant + job, 36 + tenant + job + address
            whose = ["j", bytes_[36:ends[0]], bytes_[ends[0]:ends[1]]]
            words += whose if whose != named else []
            named = whose
            words += [head("f", "delivered", position, lease), index, bytes_[ends[1]:ends[2]],
                      '{"v":1,"' + event + '"}']
        commands.append(fcall("settle", "mta1", epoch, *words))
    return commands


def shuffled_nearby(items, reach=512):
    """As an engine settles: what was leased together ends at about the same time."""
    chooser = random.Random(2)
    return [item for _, item in sorted((at + chooser.random() * reach, item) for at, item in enumerate(items))]


def cost_once(recipients, domains):
    """Microseconds of each step."""
    with RedisServer("--latency-tracking", "no") as server:
        redis = Redis(server.path)
        library_load(redis)
        epoch = redis(*fcall("register", "mta1", 1))[1]
        commands = fill(redis, recipients, domains)
        with Meter(redis) as expanding:
            in_turns(redis, commands)
        with Meter(redis) as leasing:
            items = drain(redis, epoch, recipients)
        commands = settlements(epoch, shuffled_nearby(items))
        with Meter(redis) as settling:
            replies = in_turns(redis, commands)
        assert all(set(reply) == {ord("O")} for reply in replies)
        return [meter.spent / recipients * 1e6 for meter in (expanding, leasing, settling)]


def cost(recipients, domains, rounds=3):
    """The best of some rounds for each step: others use the machine, too."""
    steps = [min(step) for step in zip(*(cost_once(recipients, domains) for _ in range(rounds)))]
    for name, spent in zip(("expand", "lease", "settle"), steps):
        print("%-16s %6.2f us" % (name, spent))
    print("%-16s %6.2f us  (at most 11)" % ("lease to settle", steps[1] + steps[2]))
    print("%-16s %6.2f us  (at most 16)" % ("submit to settle", sum(steps)))


def memory(recipients, lists, bound):
    with RedisServer("--latency-tracking", "no") as server:
        redis = Redis(server.path)
        library_load(redis)
        redis(*fcall("register", "mta1", 1))
        before = used_memory(redis)
        in_turns(redis, fill(redis, recipients, lists))
        # What the connection's buffers hold is not the queue's.
        redis.close()
        redis = Redis(server.path)
        size = len(record(1, "nov0", "u1000@d100.example", 1))
        print("%-16s %6.0f bytes  (at most %d), %.0f records a list of about %d bytes each" % (
            "memory", (used_memory(redis) - before) / recipients, bound, recipients / lists, size))


def main():
    recipients = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    domains = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    print("%d recipients in %d domains" % (recipients, domains))
    cost(recipients, domains)
    memory(recipients, recipients // 100, 300)
    memory(recipients, recipients // 2, 520)


if __name__ == "__main__":
    main()
