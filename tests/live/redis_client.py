"""A private redis-server and a client small enough to read, for tests that need the real thing.

    with RedisServer() as server:              # a unix socket and an append-only file in a directory of its own
        redis = Redis(server.path)
        library_load(redis)
        redis("FCALL", "hikyaku_version", 0)   # → 1
        redis.pipeline([("SET", "a", 1), ("GET", "a")])
        server.kill(); server.start()          # what a crash leaves

Replies: bulk strings are bytes, simple strings text, integers int, nil None; errors are raised as RedisError.
"""
import atexit
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class RedisError(Exception):
    """What Redis answered; the first word tells the kind."""


class Redis:
    """A RESP2 connection. Redis(path), or Redis(port=6379)."""

    def __init__(self, path=None, port=None, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.socket.settimeout(timeout)
        self.socket.connect(path if path else ("127.0.0.1", port))
        self.file = self.socket.makefile("rb", 1 << 16)

    def __call__(self, *words):
        self.send([words])
        return self.read()

    def send(self, commands):
        self.socket.sendall(b"".join(command_encode(words) for words in commands))

    def pipeline(self, commands):
        """All replies; errors are in the list, not raised."""
        self.send(commands)
        return [self.read(raising=False) for _ in commands]

    def read(self, raising=True):
        line = self.file.readline()
        if not line:
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            error = RedisError(rest.decode())
            if raising:
                raise error
            return error
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if rest == b"-1":
            return None
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2]
        return [self.read(raising=False) for _ in range(int(rest))]

    def close(self):
        self.file.close()
        self.socket.close()


def command_encode(words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class RedisServer:
    """redis-server with AOF on a unix socket, no TCP port, in a temporary directory; gone with the program."""

    def __init__(self, *options, fsync="everysec"):
        self.dir = tempfile.mkdtemp(prefix="hikyaku-redis.")
        self.path = os.path.join(self.dir, "redis.sock")
        self.options = ["--port", "0", "--unixsocket", self.path, "--dir", self.dir, "--save", "", "--appendonly",
                        "yes", "--appendfsync", fsync, "--maxmemory-policy", "noeviction",
                        "--auto-aof-rewrite-min-size", "1gb", *map(str, options)]
        self.process = None
        atexit.register(self.close)
        self.start()

    def start(self):
        with open(os.path.join(self.dir, "redis.log"), "ab") as log:
            self.process = subprocess.Popen(["redis-server", *self.options], stdout=log, stderr=log)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                redis = Redis(self.path)
                redis("PING")
                redis.close()
                return
            except (OSError, RedisError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        with open(os.path.join(self.dir, "redis.log"), errors="replace") as log:
            raise RuntimeError("redis-server did not answer at %s:\n%s" % (self.path, log.read()[-1000:]))

    def stop(self):
        """As an operator would: what is in memory is written first."""
        self._end(signal.SIGTERM)

    def kill(self):
        """As a crash would."""
        self._end(signal.SIGKILL)

    def renew(self):
        """What the engine asks for when Redis was restarted (engine/queue/aof.h), for tests that run without one."""
        redis = Redis(self.path)
        redis("BGREWRITEAOF")
        end = time.monotonic() + 20
        while b"aof_rewrite_in_progress:1" in redis("INFO", "persistence") and time.monotonic() < end:
            time.sleep(0.002)
        redis.close()

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        """It hangs: connections stay, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def _end(self, number):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def library_text():
    """The functions as the program carries them: queue.lua and its parts, in order."""
    queue = os.path.join(ROOT, "engine", "queue")
    parts = [os.path.join(queue, "queue.lua"), *sorted(glob.glob(os.path.join(queue, "lua", "*.lua")))]
    text = b""
    for part in parts:
        with open(part, "rb") as file:
            text += file.read()
    return text


def library_load(redis):
    return redis("FUNCTION", "LOAD", "REPLACE", library_text())
