#!/usr/bin/env python3
"""What the engine keeps of messages that nobody will ask for again: thousands with a text of their own, one after the
other, leave no more behind than a few.

A real redis-server and the real engine, which discards instead of sending. Run from the project's root; HIKYAKU names the
program, ./hikyaku if it is not set."""
import os
import re
import shutil
import sys
import tempfile
import time

from checking import need, run
from programs import start_engine, stop_program
from redis_client import Redis, RedisServer

MESSAGES, BYTES = 2500, 32768
KEPT_BYTES_MAX = 140 << 20  # all of them take 82 MB as they are stored, and twice that compiled
# Of a sanitized program, memory that is freed would count, too.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4")

CHECKS = []
CONF = """hostname = "mta.memory.test"
state-dir = "%(dir)s/state"
divert = "discard"
workers = 1
redis { server = "unix:%(redis)s" }
"""


def check(function):
    CHECKS.append(function)
    return function


def memory(process):
    with open("/proc/%d/status" % process.pid) as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


def submit(redis, first, n):
    """Jobs of one recipient each, with a text that no other has."""
    for i in range(first, first + n):
        text = ("From: a@memory.test\r\nSubject: %d\r\n\r\n" % i + ("%08d " % i * 7 + "\r\n") * (BYTES // 65)).encode()
        job = '{"id":"m%d","from":"a@memory.test","to":["u%d@d%d.test"]}' % (i, i, i % 50)
        redis("XADD", "hikyaku:jobs", "*", "job", job, "raw", text)


@check
def messages_of_their_own_are_not_kept():
    "after thousands of different messages the engine is not larger by all of them"
    folder, server = tempfile.mkdtemp(prefix="hikyaku-memory."), RedisServer()
    engine, redis = None, Redis(server.path)
    try:
        with open(folder + "/hikyaku.conf", "w") as conf:
            conf.write(CONF % dict(dir=folder, redis=server.path))
        engine = start_engine(folder + "/hikyaku.conf", folder + "/engine.log", env=ENVIRONMENT)
        before = memory(engine)
        end = time.monotonic() + 60
        for first in range(0, MESSAGES, 100):
            submit(redis, first, 100)
            while redis("XLEN", "hikyaku:jobs") > 200 and time.monotonic() < end:
                time.sleep(0.005)
        # Each has two events more: that it was accepted, and that its job is over.
        while redis("XLEN", "hikyaku:{0}:events") < 3 * MESSAGES and time.monotonic() < end:
            time.sleep(0.02)
        need(redis("ZCARD", "hikyaku:{0}:jobs") == 0, "jobs that are not over:", redis("ZCARD", "hikyaku:{0}:jobs"))
        kept = memory(engine) - before
        need(kept < KEPT_BYTES_MAX, "%.0f MB more than before" % (kept / 1e6))
        print("    %.0f MB more than before" % (kept / 1e6))
    finally:
        if engine:
            stop_program(engine, 20)
        redis.close()
        server.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(run(CHECKS, sys.argv[1:]))
