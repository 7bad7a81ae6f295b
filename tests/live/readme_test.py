#!/usr/bin/env python3
"""The README's snippets, run as they stand but for the port: each submits a job, and each job's mail is accounted for."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from redis_client import ROOT, Redis, RedisServer

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")
RUN = {  # language: (its program, how the port is put into the snippet)
    "sh": (["sh"], ("redis-cli", "redis-cli -p %d")),
    "python": (["/usr/bin/python3"], ("redis.Redis()", "redis.Redis(port=%d)")),
    "php": (["php"], ('connect("127.0.0.1")', 'connect("127.0.0.1", %d)')),
    "ruby": (["ruby"], ("Redis.new", "Redis.new(port: %d)")),
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def snippets():
    text = pathlib.Path(ROOT, "README.md").read_text()
    return {lang: code for lang, code in re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S)}


def wait_for(done, limit_s=20):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.05)
    return False


def check(language, code, port, redis):
    program, (plain, ported) = RUN[language]
    assert plain in code, "the %s snippet does not say %s" % (language, plain)
    done = subprocess.run(program, input=code.replace(plain, ported % port), capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, "%s: %s" % (language, done.stderr)
    job = re.search(r"hello-\w+", code).group()
    assert wait_for(lambda: redis("HGET", "hikyaku:job::" + job, "delivered") == b"1"), "%s: %s was not delivered" % (language, job)


def main():
    port, passed, failed = free_port(), 0, 0
    folder = tempfile.mkdtemp(prefix="hikyaku-readme.")
    with RedisServer("--port", port, "--bind", "127.0.0.1") as server:
        conf = folder + "/hikyaku.conf"
        pathlib.Path(conf).write_text('hostname = "mta1.sender.example"\nstate-dir = "%s/state"\ndivert = "discard"\nworkers = 1\n'
                                      'redis { server = "127.0.0.1:%d" }\n' % (folder, port))
        log = open(folder + "/engine.log", "wb")
        engine = subprocess.Popen([HIKYAKU, "run", "-c", conf], stdout=log, stderr=log)
        redis = Redis(server.path)
        try:
            found = snippets()
            assert set(found) == set(RUN), "snippets in the README: %s, expected %s" % (sorted(found), sorted(RUN))
            wait_for(lambda: b"hikyaku" in repr(redis("FUNCTION", "LIST")).encode())
            for language, code in found.items():
                try:
                    check(language, code, port, redis)
                    passed += 1
                except Exception as error:
                    failed += 1
                    print("%s failed\n  %s" % (language, error))
        finally:
            engine.terminate()
            engine.wait(40)
            shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
