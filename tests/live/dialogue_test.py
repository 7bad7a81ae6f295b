#!/usr/bin/env python3
"""The letters of tests/dialogues/ against the real engine: one engine, and for each letter a domain of its own with a
scripted server on loopback (dialogue_player.py). What the letter says of each recipient must be in the events.

A session's result is checked by tests/unit/dialogue_test.c; here it is what the whole engine makes of it, timers, queue
and all. Where the letter allows it, it is played once more with PIPELINING added. To hear one letter only, name it:
dialogue_test.py G11"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from dialogue_player import Player, read_letters
from dialogue_tls import make_contexts
from redis_client import Redis, RedisServer

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")
TYPES = {"delivered": "delivered", "never": "failed", "later": "deferred", "elsewhere": "deferred",
         "slower": "deferred", "uncertain": "uncertain"}
SHOWN = ("type", "code", "enhanced", "category", "scope", "stage", "attempt", "tls", "reply")
SCOPES = ("recipient", "message", "sender", "connection", "lane", "site")
LIMITS = {"window 8": "window = 8", "at most 1": "messages-per-connection = 1",
          "TLS if offered": 'tls = "opportunistic"', "TLS required": 'tls = "required"'}
# Told "slower", mail goes on at the rate of a rule: else it would be found out, with nobody there to ride behind.
RULES = {"I07": 'rule "fast" { site = { "%s" }  match = "Too many messages"  action = "slower"  rate = "10000000/s" }'}
MORE_LIMITS = {"I07": ["messages-per-connection = 4"]}  # who was told "slower" may come again before the end
CONF = """hostname = "mta.play.test"
workers = 1
allow-private-addresses = true
state-dir = "%(dir)s/state"
redis { server = "unix:%(redis)s" }
queue { retry = { "1h" } }
domain "*" { connections = 1  timeout-connect = "3s"  timeout-greeting = "3s"  timeout-ehlo = "3s"  timeout-mail = "3s"
  timeout-rcpt = "3s"  timeout-data = "3s"  timeout-body = "3s"  timeout-eom = "3s"  timeout-quit = "1s" }
"""


def relay_conf(player, folder):
    """Its host is an address, which no certificate names."""
    return ('relay "%s" { host = "%s"  tls = "required"  user = "ma.sender"  password-file = "%s/password" }\n'
            'domain "%s" { relay = "%s" }\n' % (player.domain, player.hosts[0], folder, player.domain, player.domain))


def domain_conf(player, folder):
    if "login" in player.letter.given:
        return relay_conf(player, folder)
    limits = [LIMITS[given] for given in player.letter.given if given in LIMITS]
    limits += MORE_LIMITS.get(player.letter.name, [])
    route = 'route = { "%s" }' % '", "'.join(player.hosts)
    rules = [RULES[player.letter.name] % player.hosts[0]] if player.letter.name in RULES else []
    return "\n".join(rules + ['domain "%s" { %s }\n' % (player.domain, "  ".join([route] + limits))])


def submit(redis, act):
    job, raw = act.job()
    redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(job), *(["raw", raw] if raw else []))


class Events:
    """The first event of each recipient that says how an attempt went, by job and recipient."""

    def __init__(self, redis):
        self.redis, self.last, self.first = redis, b"-", {}

    def read(self):
        for entry, fields in self.redis("XRANGE", "hikyaku:{0}:events", self.last, "+") or []:
            row, self.last = dict(zip(fields[::2], fields[1::2])), b"(" + entry
            if row[b"to"]:
                event = json.loads(row[b"data"])
                event["type"] = row[b"type"].decode()
                self.first.setdefault((row[b"job"].decode(), event.get("rcpt")), event)
        return self.first


def rejected(redis):
    rows = [dict(zip(fields[::2], fields[1::2])) for _, fields in redis("XRANGE", "hikyaku:rejected", "-", "+") or []]
    return {row[b"job"].decode(): row[b"message"].decode("utf-8", "replace") for row in rows}


# ---- what is expected


def has_word(event, word):
    """Is that word of a letter true of the event? (Only in the process is it seen that an address is suppressed.)"""
    if word in TYPES:
        return event["type"] == TYPES[word]
    if word in SCOPES:  # a reset that comes at once may be one of the connect
        return event.get("scope") == word or (event["stage"] == "connect" and word == "connection")
    if word == "local":
        return event["origin"] == "local"
    if word.startswith("after:"):
        return event["next"] - event["time"] >= int(word[6:]) * 1000
    if re.fullmatch(r"\d{3}", word):
        return event.get("code") == int(word)
    if re.fullmatch(r"\d\.\d+\.\d+", word):
        return event.get("enhanced") == word
    return word == "suppress" or event.get("category") == word


def wanted_of(letter):
    """Of each recipient: the words of its first attempt that counts, or that none did and why. Where the host has lost
    its window, the next connection takes what was not attempted."""
    wanted = {}
    for part in letter.parts:
        for who, what in part.people.items():
            before = wanted.get(who, "not attempted")
            if what == "not attempted" and "session" in part.about:
                what = "delivered" if letter.falls_back else "news " + part.about["session"]
            if before.startswith(("not attempted", "news")):
                wanted[who] = what
    if letter.host == "window-broken":
        wanted = {who: what.replace("not attempted", "delivered") for who, what in wanted.items()}
    return wanted


def fits(want, event):
    if want == "not attempted":  # it waits; or went with a later connection; or bears the news of its site
        return not event or (event["type"] in ("delivered", "deferred") and event["attempt"] == 1)
    if not event or event["attempt"] != 1:
        return False
    want = want.replace("uncertain later", "uncertain").replace("news ", "")
    return all(has_word(event, word) for word in want.split())


def check(player, first, refused):
    """Adds to player.wrong what did not come of it."""
    for act in player.acts:
        if act.name in refused:
            player.wrong.append("the job was rejected: %s" % refused[act.name])
        for who, want in wanted_of(act.letter).items():
            event = first.get((act.name, who))
            if not fits(want, event):
                seen = event and {name: event.get(name) for name in SHOWN}
                player.wrong.append("%s: %s was due, the event is %s" % (who, want, seen))
        if act.heard < act.due() and not player.wrong:
            player.wrong.append("%d of %d connections were played to their end" % (act.heard, act.due()))
            tls = player.protection(act)
            if event and (event["type"] == "delivered" or tls != "none") and not event["tls"].startswith(tls):
                player.wrong.append("its tls was to begin with \"%s\", it is \"%s\"" % (tls, event["tls"]))
        if act.letter.host == "window-broken" and {"BDAT", "probe"} & set(player.epilogue):
            player.wrong.append("a window was tried again: %s" % player.epilogue)


# ---- the play


def play(players, redis, events, engine):
    """Submits each act when its time has come, and waits for all that must be heard."""
    acts = [act for player in players for act in player.acts]
    wanted = {(act.name, who) for act in acts for who, want in wanted_of(act.letter).items() if want != "not attempted"}
    silent = [act for act in acts if act.name not in dict(wanted)]
    waiting, end = list(acts), time.monotonic() + 30
    while time.monotonic() < end and engine.poll() is None:
        for act in [act for act in waiting if act.ready.is_set()]:
            submit(redis, act)
            waiting.remove(act)
        heard = wanted <= set(events.read()) and all(act.heard for act in silent)
        if heard and not waiting:
            return
        time.sleep(0.05)


def wait_for_the_end(players):
    """What the engine said last, QUIT for the most part, may not have been read yet."""
    end = time.monotonic() + 3
    while time.monotonic() < end and any(act.heard < act.due() for player in players for act in player.acts):
        time.sleep(0.02)


def run(players, folder):
    """The end of the engine's log when it ended too early; the rest is in the players."""
    with RedisServer("--appendonly", "no") as server:  # nothing is to outlive it, and much is written
        conf = CONF % dict(dir=folder, redis=server.path) + "".join(domain_conf(player, folder) for player in players)
        pathlib.Path(folder, "password").write_text("a secret\n")
        pathlib.Path(folder, "password").chmod(0o600)
        pathlib.Path(folder, "hikyaku.conf").write_text(conf)
        redis = Redis(server.path)
        with open(folder + "/engine.log", "wb") as log:
            engine = subprocess.Popen([HIKYAKU, "run", "-c", folder + "/hikyaku.conf"], stdout=log, stderr=log)
        for player in players:
            player.start()
        events = Events(redis)
        play(players, redis, events, engine)
        ended = engine.poll() is not None
        engine.terminate()
        status = engine.wait(40)
        for player in players:
            player.over.set()
        wait_for_the_end(players)
        for player in players:
            check(player, events.read(), rejected(redis))
    if ended or status:
        return "the engine ended with %d:\n%s" % (status, open(folder + "/engine.log").read()[-1500:])
    return ""


def main():
    letters = read_letters()
    chosen = [letter for name, letter in letters.items() if not sys.argv[1:] or name in sys.argv[1:]]
    unknown = [letter for letter in chosen if letter.unknown]
    played = [letter for letter in chosen if letter not in unknown]
    players = [Player(letter, letters) for letter in played]
    players += [Player(letter, letters, pipelined=True) for letter in played if "as written" not in letter.given]
    with tempfile.TemporaryDirectory(prefix="hikyaku-play.", ignore_cleanup_errors=True) as folder:
        make_contexts(folder)
        ended = run(players, folder)
    print(ended, end="")
    for letter in unknown:
        print("%s. %s: nobody here knows what is given: %s" % (letter.name, letter.title, ", ".join(letter.unknown)))
    bad = [player for player in players if player.wrong]
    for player in bad:
        how = ", with PIPELINING" if player.pipelined else ""
        print("%s%s. %s: %s" % (player.letter.name, how, player.letter.title, "; ".join(player.wrong[:2])))
    print("%d letters played, %d of them once more with PIPELINING" % (len(played), len(players) - len(played)))
    failed = len(bad) + len(unknown) + bool(ended)
    print("%d passed, %d failed" % (len(players) - len(bad), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
