#!/usr/bin/env python3
"""The queue between a worker and a real redis-server that is killed, stopped, frozen or emptied of its functions.

The worker is queue_tool (queue_tool.c), which leases and settles without mail; what became of each recipient is read
from the events. With --long: twenty kills, and a standby that takes over. BUILD names the build directory."""
import collections
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from checking import run, tests_of, until
from programs import start_engine, stop_program
from redis_client import Redis, RedisError, RedisServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = str(ROOT / os.environ.get("BUILD", "build") / "tests/live/queue_tool")
LONG = "--long" in sys.argv
RECORDS, LISTS, LATER = 8000 if LONG else 5000, 40, 10
BASE = "hikyaku:{0}"


class Tool:
    """A queue_tool that runs; its lines are kept as objects."""

    def __init__(self, *words, **environment):
        env = dict(os.environ, **environment)
        self.log = tempfile.TemporaryFile()  # a pipe that nobody reads would stop it
        # SIGTERM is blocked as in the engine, whose main thread waits for signals: what it starts must not inherit that.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self.process = subprocess.Popen([TOOL, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, env=env)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.lines = []

    def line(self):
        """The next one; None at the end."""
        text = self.process.stdout.readline()
        if not text:
            return None
        self.lines.append(json.loads(text))
        return self.lines[-1]

    def wait(self, expected=0):
        """The last line, after the program has ended by itself."""
        while self.line():
            pass
        status = self.process.wait(30)
        self.log.seek(0)
        self.errors = self.log.read().decode()
        assert status == expected, "expected exit %d, found %d: %s" % (expected, status, self.errors[-500:])
        return self.lines[-1] if self.lines else None

    def end(self):
        self.process.stdin.close()
        return self.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.log):
            pipe.close()


def place(server):
    return "unix:" + server.path


def fill(server, records=RECORDS):
    tool = Tool("fill", place(server), records, LISTS)
    assert tool.wait()["filled"] == records


def events(redis):
    """type → rcpt → how often."""
    found, last = collections.defaultdict(collections.Counter), "-"
    while True:
        entries = redis("XRANGE", BASE + ":events", last, "+", "COUNT", 1000)
        for _, fields in entries:
            event = dict(zip(fields[0::2], fields[1::2]))
            data = json.loads(event[b"data"])
            found[event[b"type"].decode()][data.get("rcpt", "")] += 1
        if len(entries) < 1000:
            return found
        last = "(" + entries[-1][0].decode()


def check_all_delivered(server, records=RECORDS, later=LATER):
    """Exactly one final event each, counters and lists agree, nothing is left anywhere."""
    redis = Redis(server.path)
    found = events(redis)
    delivered = found["delivered"]
    assert len(delivered) == records, "expected %d recipients delivered, found %d" % (records, len(delivered))
    assert max(delivered.values()) == 1, "delivered twice: %r" % delivered.most_common(3)
    if later:
        assert len(found["deferred"]) == records // later and max(found["deferred"].values()) == 1, "deferred events"
    assert found["finished"][""] == 1, "expected one event finished, found %r" % found["finished"]
    counts = redis("FCALL", "hikyaku_counts", 1, BASE)
    assert counts[:5] == [0, 0, 0, 0, 0], "something is left in the queue: %r" % counts
    assert not redis("KEYS", BASE + ":list:*"), "lists are left"
    job = redis("HGETALL", "hikyaku:job:acme:job")
    job = dict(zip(job[0::2], job[1::2]))
    assert job[b"state"] == b"finished" and int(job[b"delivered"]) == records, "the job's hash: %r" % job
    assert 0 < redis("TTL", "hikyaku:job:acme:job") <= 7 * 86400
    redis.close()
    return found


def drained(tool, records=RECORDS):
    last = tool.wait()
    assert last["settled"] == records and last["unsettled"] == 0, "%r" % last
    assert last["twice"] == 0, "%d records were leased twice" % last["twice"]
    return last


def test_drains():
    with RedisServer() as server:
        fill(server)
        drained(Tool("drain", place(server), RECORDS, LATER))
        check_all_delivered(server)
        redis = Redis(server.path)
        assert redis("HGETALL", "hikyaku:meta") == [b"version", b"1", b"prefix", b"hikyaku", b"shards", b"1"]
        status = json.loads(redis("GET", "hikyaku:status:tool:keeper"))
        assert status["instance"] == "tool" and status["ready"] == 0 and status["events"] > RECORDS, "%r" % status


def kill_once(state, tool, wait):
    """kill -9 of the embedded Redis some time after the worker has settled another thousand."""
    assert tool.line(), "the worker ended before its Redis was killed"
    time.sleep(wait)
    pid = state.pid()
    os.kill(pid, signal.SIGKILL)
    until(lambda: state.pid() not in (0, pid), 20, "another redis-server")


def test_redis_killed():
    """AOF always: nothing is lost, nothing is settled or leased twice, however the file was left."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    dice = random.Random(seed)
    print("test_redis_killed: SEED=%d" % seed)
    records = RECORDS * 3 if LONG else RECORDS
    with State() as state:
        state.start("always")
        fill(state, records)
        tool = Tool("drain", place(state), records, LATER)
        for _ in range(20 if LONG else 3):
            kill_once(state, tool, dice.random() * 0.02)
        last = drained(tool, records)
        assert last["aways"] >= 1, "the worker was not told that Redis was away: %r" % last
        check_all_delivered(state, records)


def half_transaction(folder):
    """What kill -9 in the middle of a write leaves; half a transaction that must never count."""
    with open(folder + "/appendonlydir/appendonly.aof.manifest") as manifest:
        name = [line.split()[1] for line in manifest][-1]
    with open(os.path.join(folder, "appendonlydir", name), "ab") as file:
        file.write(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$1\r\n1\r\n*3\r\n$3\r\nSE")


def test_foreign_redis_renews_its_file():
    """A Redis of somebody else's leaves half a transaction in its file: the keeper has it written anew."""
    with RedisServer(fsync="always") as server:
        fill(server)
        tool = Tool("drain", place(server), RECORDS, LATER)
        tool.line()
        server.stop()  # a kill might tear the file itself, and two tears are more than Redis mends
        half_transaction(server.dir)
        server.start()
        drained(tool)
        redis = Redis(server.path)
        until(lambda: re.search(rb"aof_rewrite_in_progress:0\r\n(.*\r\n)*aof_rewrites:1\r",
                                redis("INFO", "persistence")), 20, "a new file")
        server.restart()
        assert Redis(server.path)("EXISTS", "half") == 0, "half a transaction was applied"
        check_all_delivered(server)


def test_redis_restarted_and_frozen():
    with RedisServer() as server:
        fill(server)
        tool = Tool("drain", place(server), RECORDS, LATER)
        tool.line()
        server.restart()
        tool.line()
        server.pause()
        time.sleep(0.3)
        server.resume()
        last = drained(tool)
        assert last["aways"] == 1, "a restart is one away, a pause is none: %r" % last
        check_all_delivered(server)


def test_functions_flushed():
    with RedisServer() as server:
        fill(server)
        tool = Tool("drain", place(server), RECORDS, LATER)
        tool.line()
        Redis(server.path)("FUNCTION", "FLUSH")
        drained(tool)
        check_all_delivered(server)


def test_worker_killed():
    """What it had leased is reported uncertain and delivered once more; the rest only once."""
    with RedisServer(fsync="always") as server:
        fill(server)
        tool = Tool("drain", place(server), RECORDS)
        for _ in range(3):
            tool.line()
        tool.kill()
        redis = Redis(server.path)
        rest = RECORDS - len(events(redis)["delivered"])
        leased = redis("FCALL", "hikyaku_counts", 1, BASE)[4]
        assert 0 < leased <= rest
        drained(Tool("drain", place(server), rest), rest)
        found = check_all_delivered(server, later=0)
        assert len(found["uncertain"]) == leased, "leased %d, uncertain %d" % (leased, len(found["uncertain"]))


def test_fenced():
    """Another engine takes the shard: the worker stops, and nothing it still says moves a record."""
    with RedisServer() as server:
        fill(server)
        tool = Tool("drain", place(server), RECORDS)
        tool.line()
        redis = Redis(server.path)
        word, holder, seen = redis("FCALL", "hikyaku_register", 1, BASE, "other", "0")
        assert (word, holder) == (b"WAIT", b"tool"), (word, holder)
        while redis("FCALL", "hikyaku_reap", 1, BASE, "tool", seen, 100, "retry", "")[1]:
            pass
        assert redis("FCALL", "hikyaku_register", 1, BASE, "other", "0")[0] == b"OK"
        last = tool.wait()
        assert last["fenced"] == 1 and last["settled"] < RECORDS, "%r" % last
        assert max(events(redis)["delivered"].values()) == 1
        assert redis("HGET", BASE + ":holder", "instance") == b"other", "the fenced engine took part in leaving"


def test_leaves_cleanly():
    """SIGTERM's way: leases go back unchanged, the next engine need not wait."""
    with RedisServer() as server:
        fill(server)
        tool = Tool("drain", place(server), RECORDS)
        tool.line()
        tool.end()
        redis = Redis(server.path)
        assert redis("FCALL", "hikyaku_counts", 1, BASE)[4] == 0, "something is still leased"
        assert redis("FCALL", "hikyaku_register", 1, BASE, "other", "0")[0] == b"OK", "the shard is still held"
        assert not events(redis)["uncertain"]


def test_alarms():
    """A group that never reads: an alarm at 80 %, another at events.max, and nothing unread is dropped."""
    with RedisServer() as server:
        fill(server)
        drained(Tool("drain", place(server), RECORDS, GROUP="platform", EVENTS_MAX=str(RECORDS // 2)))
        redis = Redis(server.path)
        texts = [json.loads(dict(zip(f[0::2], f[1::2]))[b"data"])["alarm"] for _, f in
                 redis("XRANGE", BASE + ":events", "-", "+") if b"alarm" in f]
        assert texts and texts[-1] == "events-full", "%r" % texts
        assert redis("XLEN", BASE + ":events") == RECORDS + 2 + len(texts)
        groups = redis("XINFO", "GROUPS", BASE + ":events")
        assert groups[0][1] == b"platform", "%r" % groups


def test_refuses_another_layout():
    with RedisServer() as server:
        redis = Redis(server.path)
        redis("HSET", "hikyaku:meta", "version", 1, "prefix", "hikyaku", "shards", 4)
        tool = Tool("fill", place(server), 10, 1)
        tool.wait(expected=1)
        assert "shards = 4" in tool.errors, tool.errors
        redis("DEL", "hikyaku:meta")
        redis("FUNCTION", "LOAD", "REPLACE", b"#!lua name=hikyaku\nredis.register_function('hikyaku_version',"
              b" function() return 999 end)")
        tool = Tool("fill", place(server), 10, 1)
        tool.wait(expected=1)
        assert "version 999" in tool.errors, tool.errors


class State:
    """A state directory, and the servers in it."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="hikyaku-state.")
        self.dir = self.folder.name
        self.path = os.path.join(self.dir, "redis.sock")
        self.tools = []
        return self

    def start(self, fsync="everysec", **environment):
        tool = Tool("server", self.dir, fsync, **environment)
        self.tools.append(tool)
        return tool, tool.line()

    def redis(self):
        return Redis(self.path)

    def pid(self):
        try:
            redis = self.redis()
            text = redis("INFO", "server").decode()
            redis.close()
        except (OSError, RedisError):
            return 0
        return int(text.split("process_id:")[1].split()[0])

    def __exit__(self, *_):
        for tool in self.tools:
            if tool.process.poll() is None:
                tool.kill()
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
            until(lambda: not alive(pid), 20, "the end of redis-server")
        self.folder.cleanup()


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_embedded():
    with State() as state:
        tool, said = state.start("always")
        assert said["promise"] == "durable" and not said["error"], "%r" % said
        redis = state.redis()
        redis("SET", "kept", "yes")
        settings = {name: redis("CONFIG", "GET", name)[1] for name in
                    ("maxmemory-policy", "save", "port", "auto-aof-rewrite-min-size", "unixsocketperm")}
        assert settings == {"maxmemory-policy": b"noeviction", "save": b"", "port": b"0",
                            "auto-aof-rewrite-min-size": b"1073741824", "unixsocketperm": b"700"}, "%r" % settings
        assert int(redis("CONFIG", "GET", "maxmemory")[1]) > 1 << 27
        tool.kill()
        assert alive(said["pid"]), "redis-server died with the engine"
        assert redis("PING") == "PONG"
        tool, again = state.start("everysec")
        assert again["pid"] == said["pid"], "a server that ran was not adopted: %r, %r" % (said, again)
        assert again["instance"] == said["instance"]
        assert again["promise"] == "about a second", "the adopted one kept its old fsync: %r" % again
        os.kill(said["pid"], signal.SIGKILL)
        until(lambda: state.pid() not in (0, said["pid"]), 20, "another redis-server")
        until(lambda: state.redis().pipeline([("GET", "kept")]) == [b"yes"], 20, "its files loaded")
        pid = state.pid()
        tool.end()
        assert "ended; starting it again" in tool.errors, tool.errors
        assert not alive(pid), "redis-server outlived server_stop"
        assert not os.path.exists(state.path)


def test_embedded_by_engine():
    """The engine mends its own Redis's file before each start: it need not be rewritten, which costs what a queue is long.
    Its allocator has room for what a function makes, unless somebody said otherwise."""
    with State() as state:
        conf, log = state.dir + "/hikyaku.conf", state.dir + "/engine.log"
        pathlib.Path(conf).write_text('hostname = "mta.queue.test"\nstate-dir = "%s"\n' % state.dir)
        for said, has in ("", b"lg_tcache_nslots_mul: 6"), ("", b"tcache_max: 4194304"), ("narenas:1", b"narenas: 1"):
            environment = {k: v for k, v in os.environ.items() if k != "MALLOC_CONF"}
            engine = start_engine(conf, log, env=dict(environment, **({"MALLOC_CONF": said} if said else {})))
            allocator = state.redis()("MEMORY", "MALLOC-STATS")
            asked = state.redis()("INFO", "commandstats").decode()
            stop_program(engine, 30)
            assert has in allocator, allocator.decode(errors="replace")[:3000]
            assert "cmdstat_bgrewriteaof" not in asked, "it was asked to rewrite its file"


def test_embedded_twice():
    """One state directory, one engine, one redis-server: whoever comes second is told who is first."""
    with State() as state:
        tool, said = state.start()
        second = Tool("server", state.dir, "always")
        second.wait(expected=1)
        assert "process %d" % tool.process.pid in second.errors, second.errors
        server = state.pid()
        os.rename(state.path, state.dir + "/hidden.sock")  # alive, and not to be found
        tool.kill()
        third = Tool("server", state.dir, "always")
        time.sleep(0.3)
        assert third.process.poll() is None, "it did not wait for the server that holds redis.lock"
        os.rename(state.dir + "/hidden.sock", state.path)
        state.tools.append(third)
        assert third.line()["pid"] == server, "a second redis-server was started on the same files"


def test_embedded_cannot_start():
    with State() as state:
        tool = Tool("server", state.dir, "always", PATH="/nowhere")
        tool.wait(expected=1)
        assert "apt-get install redis-server" in tool.errors, tool.errors
        tool = Tool("server", state.dir, "sometimes")
        tool.wait(expected=1)
        assert "ended with status 1" in tool.errors and "redis.log" in tool.errors, tool.errors
        tool = Tool("server", state.dir + "/" + "x" * 100, "always")
        tool.wait(expected=1)
        assert "shorter state-dir" in tool.errors, tool.errors
        tool = Tool("server", "/proc/nowhere", "always")
        tool.wait(expected=1)
        assert "state-dir" in tool.errors, tool.errors


def test_embedded_files():
    """Files that take a while to load are waited for, and torn ones are mended."""
    with State() as state:
        tool, said = state.start("no")
        redis = state.redis()
        redis.pipeline([("SET", "key:%d" % i, "x" * 100) for i in range(50000)])
        tool.end()
        half_transaction(state.dir + "/redis")
        for _ in range(2):
            tool, said = state.start("no")
            redis = state.redis()
            assert said and redis("DBSIZE") >= 50000
            redis.pipeline([("MULTI",), ("SET", "whole", 1), ("SET", "second", 1), ("EXEC",)])
            tool.end()
        tool, said = state.start("no")
        assert state.redis()("EXISTS", "whole", "half") == 1, "half a transaction was applied"
        tool.end()


def standby():
    """An engine that does not beat is taken for dead after 15 s, and not before."""
    with RedisServer() as server:
        fill(server, 100)
        redis = Redis(server.path)
        assert redis("FCALL", "hikyaku_register", 1, BASE, "sleeper", "0")[0] == b"OK"
        epoch = redis("HGET", BASE + ":holder", "epoch").decode()
        begin = time.monotonic()
        tool = Tool("drain", place(server), 100, INSTANCE="standby")
        time.sleep(5)
        assert redis("FCALL", "hikyaku_beat", 1, BASE, "sleeper", epoch)[0] == b"OK"
        drained(tool, 100)
        assert time.monotonic() - begin > 19, "a living engine was taken for dead"
        check_all_delivered(server, 100, 0)


if __name__ == "__main__":
    sys.exit(run(tests_of(globals()) + ([standby] if LONG else []), at_once=1 if LONG else 3))
