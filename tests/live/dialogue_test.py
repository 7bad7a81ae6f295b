#!/usr/bin/env python3
"""The dialogues of tests/dialogues/ against the real engine: one engine, and for each dialogue a domain of its own with a
scripted server on loopback. What the dialogue says must come of each recipient must be in the events.

A session's result is checked by tests/unit/dialogue_test.c; here it is what the whole engine makes of it, timers, queue and
all. Dialogues that want what only a test can set (a window's probe, what is known of a host) are named and left out."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from redis_client import ROOT, Redis, RedisServer

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")
PEOPLE = ("ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal")
PLAYABLE = re.compile(r"(as written|in one piece|not in turns|\d+ recipients|\d+ messages|\d+ octets)$")
TYPES = {"delivered": "delivered", "never": "failed", "later": "deferred", "elsewhere": "deferred", "slower": "deferred",
         "uncertain": "uncertain"}
LEFT_OUT = {"E11": "the kernel's buffers take so short a message whole",
            "I07": "the engine rests the lane instead of going on after ten seconds"}
CONF = """hostname = "mta.play.test"
workers = 1
allow-private-addresses = true
state-dir = "%(dir)s/state"
redis { server = "unix:%(redis)s" }
queue { retry = { "1h" } }
domain "*" { connections = 1  timeout-connect = "3s"  timeout-greeting = "3s"  timeout-ehlo = "3s"  timeout-mail = "3s"
  timeout-rcpt = "3s"  timeout-data = "3s"  timeout-body = "4s"  timeout-eom = "4s"  timeout-quit = "1s" }
"""


class Dialogue:
    def __init__(self, block):
        lines = block.splitlines()
        self.name, self.title = lines[0].split(". ", 1)
        given = [g.strip() for line in lines if line.startswith("Given: ") for g in line[7:].split(",")]
        self.odd = [g for g in given if not PLAYABLE.match(g)]
        self.odd += [LEFT_OUT[self.name]] if self.name in LEFT_OUT else []
        count = lambda word: next((int(g.split()[0]) for g in given if g.endswith(word)), 0)
        self.messages, self.recipients, self.octets = count("messages"), count("recipients"), count("octets")
        self.connections, self.expected = [[]], {}
        for line in lines[1:]:
            if line.startswith("\t"):
                self.connections[-1].append(line[1:])
            elif line.startswith("Next connection"):
                self.connections.append([])
            elif re.match(r"(%s): " % "|".join(PEOPLE), line):
                who, what = line.split(": ", 1)
                self.expected.setdefault(who, what)  # a second word is of a later attempt, an hour away here
        self.wrong = []


def unescape(text):
    repeated = re.compile(r"\{(\d+)\*([^{}]*)\}")
    while repeated.search(text):  # the innermost first
        text = repeated.sub(lambda m: m.group(2) * int(m.group(1)), text)
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


class Gone(Exception):
    """The client has closed, or said nothing for long."""


class Player(threading.Thread):
    """One dialogue's server. Connections beyond the script meet a server that takes everything."""

    def __init__(self, dialogue):
        super().__init__(daemon=True)
        self.dialogue, self.listener, self.buffer = dialogue, socket.create_server(("", 0)), b""
        self.port = self.listener.getsockname()[1]

    def run(self):
        for steps in self.dialogue.connections:
            self.serve(lambda: self.play(steps))
        while True:
            self.serve(self.take_everything)

    def serve(self, talk):
        self.socket, _ = self.listener.accept()
        self.socket.settimeout(12)
        self.buffer = b""
        try:
            talk()
        except (OSError, Gone):
            pass
        finally:
            self.socket.close()

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Gone()
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def octets(self, n):
        while len(self.buffer) < n:
            self.more()
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def message(self):
        while b"\r\n.\r\n" not in self.buffer and not self.buffer.startswith(b".\r\n"):
            self.more()
        if self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
            return b""
        body, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
        return body

    def play(self, steps):
        packet = b""
        for step in steps:
            if step[:3] in ("S: ", "S= ") or step == "S:":
                packet += step[3:].encode("latin-1") + b"\r\n" if step[1] == ":" else unescape(step[3:])
                continue
            if packet:
                self.socket.sendall(packet)
                packet = b""
            self.step(step)
        if packet:
            self.socket.sendall(packet)
        self.until_gone()

    def step(self, step):
        if step == "(closes)":  # what the client still sends is read, or the kernel would reset the connection
            self.socket.shutdown(socket.SHUT_WR)
            self.until_gone()
        if step == "(resets)":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise Gone()
        if step.startswith("(silent") or step.startswith("(reads no more"):
            self.until_gone()
        elif step.startswith("(drips"):
            for byte in step.split(") ", 1)[1].encode():
                self.socket.sendall(bytes([byte]))
                time.sleep(0.25)
        elif step == "C: (message)":
            if not self.message():
                self.dialogue.wrong.append("an empty message")
        elif step == "C: (lone dot)":
            if self.message():
                self.dialogue.wrong.append("a message to nobody")
        elif step.startswith("C: ("):
            found = re.match(r"C: \((\d+) octets", step)
            if found:
                self.octets(int(found.group(1)))
        elif step.startswith("C: "):
            self.command(step[3:].split())

    def command(self, words):
        line = self.line()
        if not line.upper().startswith(words[0]):
            self.dialogue.wrong.append("%s was due, it said %r" % (words[0], line[:60]))
            raise Gone()
        for word in words[1:]:
            if (word[1:] in line) if word[0] == "!" else (word not in line):
                self.dialogue.wrong.append("%r: %s" % (line[:60], word))

    def until_gone(self):
        while True:
            self.more()
            self.buffer = b""

    def take_everything(self):
        self.socket.sendall(b"220 mx.test\r\n")
        while True:
            verb = self.line()[:4].upper()
            if verb == "DATA":
                self.socket.sendall(b"354 go\r\n")
                self.message()
            self.socket.sendall(b"221 bye\r\n" if verb == "QUIT" else b"250 2.0.0 ok\r\n")


def fits(expected, event):
    """Is that event what the dialogue wants?"""
    words = expected.split()
    if words[0] == "not":  # it went back as it was, and waits; or to the next connection; or it bears the site's news
        return not event or event["type"] in ("delivered", "deferred")
    if not event:
        return False
    if event["type"] != TYPES[words[0]]:
        return False
    codes = [w for w in words if re.match(r"\d{3}$", w)]
    enhanced = [w for w in words if re.match(r"\d\.\d+\.\d+$", w)]
    return (not codes or event.get("code") == int(codes[0])) and (not enhanced or event.get("enhanced") == enhanced[0])


def read_dialogues():
    found = []
    for path in sorted(pathlib.Path(ROOT, "tests/dialogues").glob("*.txt")):
        found += [Dialogue(block) for block in re.split(r"\n(?=[A-Z]\d\d\. )", path.read_text())[1:]]
    return found


def submit(redis, dialogue):
    raw = b"From: a@play.test\r\nSubject: " + dialogue.name.encode() + b"\r\n\r\n" + b"One line of sixty octets, and so on to the end of the mail.\r\n" * (
        max(dialogue.octets // 61, 1))
    groups = [[who] for who in PEOPLE[: dialogue.messages]] if dialogue.messages else [PEOPLE[: dialogue.recipients or 1]]
    for i, group in enumerate(groups):
        job = {"id": "%s-%d" % (dialogue.name, i), "from": "b@play.test",
               "to": ["%s@%s.test" % (who, dialogue.name.lower()) for who in group]}
        redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), "raw", raw)


def first_events(redis):
    """The first event of each recipient that says how an attempt went."""
    first = {}
    for _, fields in redis("XRANGE", "hikyaku:{0}:events", "-", "+") or []:
        row = dict(zip(fields[::2], fields[1::2]))
        if row[b"to"]:
            event = json.loads(row[b"data"])
            event["type"] = row[b"type"].decode()
            first.setdefault(row[b"to"].decode(), event)
    return first


def main():
    everything = read_dialogues()
    played = [d for d in everything if not d.odd]
    folder, passed, failed = tempfile.mkdtemp(prefix="hikyaku-play."), 0, 0
    players = [Player(d) for d in played]
    with RedisServer() as server:
        conf = CONF % dict(dir=folder, redis=server.path)
        for player in players:
            hosts = ["127.0.0.%d:%d" % (n, player.port) for n in ((1, 2) if "second" in player.dialogue.title else (1,))]
            conf += 'domain "%s.test" { route = { "%s" } }\n' % (player.dialogue.name.lower(), '", "'.join(hosts))
            player.start()
        pathlib.Path(folder, "hikyaku.conf").write_text(conf)
        redis = Redis(server.path)
        for dialogue in played:
            submit(redis, dialogue)
        with open(folder + "/engine.log", "wb") as log:
            engine = subprocess.Popen([HIKYAKU, "run", "-c", folder + "/hikyaku.conf"], stdout=log, stderr=log)
        wanted = {"%s@%s.test" % (who, d.name.lower()): (d, what) for d in played for who, what in d.expected.items()}
        heard = {to for to, (_, what) in wanted.items() if not what.startswith("not ")}
        end = time.monotonic() + 25
        while time.monotonic() < end and not heard <= set(first_events(redis)) and engine.poll() is None:
            time.sleep(0.1)
        first = first_events(redis)
        alive = engine.poll() is None
        engine.terminate()
        engine.wait(40)
    for to, (dialogue, what) in wanted.items():
        event = first.get(to)
        if not fits(what, event):
            dialogue.wrong.append("%s: %s was due, the event is %s" % (to, what, event and {k: event.get(k) for k in ("type", "code", "enhanced", "stage", "reply")}))
    for dialogue in played:
        passed, failed = passed + (not dialogue.wrong), failed + bool(dialogue.wrong)
        if dialogue.wrong:
            print("%s. %s: %s" % (dialogue.name, dialogue.title, "; ".join(dialogue.wrong[:2])))
    if not alive:
        failed += 1
        print("the engine ended:\n%s" % open(folder + "/engine.log").read()[-1500:])
    shutil.rmtree(folder, ignore_errors=True)
    print("left out: %s" % ", ".join("%s (%s)" % (d.name, d.odd[0]) for d in everything if d.odd))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
