#!/usr/bin/env python3
"""The commands as their users see them: output, JSON, exit statuses; with a private Redis, a receiver of a few lines, and
for the last part an engine.

Run from the project's root; HIKYAKU names the program, ./hikyaku if it is not set."""
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

from checking import need
from listener import Listener
from programs import stop_program
from redis_client import Redis, RedisError, RedisServer, library_load

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")
MESSAGE = "From: News <news@sender.test>\nTo: list@sender.test\nSubject: Hello {{name}}\n\nDear {{name}}\n.\nbye\n"


class Receiver(Listener):
    """Takes mail for everybody but gone@…; remembers what was said to it."""

    def __init__(self):
        self.lines, self.mails = [], 0
        super().__init__()

    def talk(self, connection, peer):
        stream = connection.makefile("rwb", 0)
        stream.write(b"220 receiver.test ESMTP\r\n")
        for line in stream:
            text = line.decode("latin1").rstrip("\r\n")
            self.lines.append(text)
            stream.write(self.answer(text.upper(), stream))
            if text.upper() == "QUIT":
                break
        stream.close()
        connection.close()

    def answer(self, line, stream):
        if line.startswith("EHLO"):
            return b"250-receiver.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        if line.startswith("RCPT TO:<GONE"):
            return b"550 5.1.1 no such user\r\n"
        if line.startswith("RCPT TO:<TASTE"):
            return b"554 5.7.1 rejected as spam, see https://mail.example/why\r\n"
        if line == "DATA":
            stream.write(b"354 go\r\n")
            while stream.readline() not in (b".\r\n", b""):
                pass
            self.mails += 1
            return b"250 2.0.0 queued\r\n"
        return b"221 bye\r\n" if line == "QUIT" else b"250 ok\r\n"


class World:
    """A directory, a Redis, a receiver, and a configuration that leads everything there."""

    def __init__(self):
        self.server = RedisServer()
        self.redis = Redis(self.server.path)
        self.receiver = Receiver()
        self.dir = self.server.dir
        self.conf = self.write("hikyaku.conf", self.text())
        self.engine = None

    def text(self, more=""):
        return ('hostname = "mta.sender.test"\nworkers = 1\nallow-private-addresses = true\nstate-dir = "%s/state"\n'
                'redis { server = "unix:%s" }\nqueue { retry = { "1s" } }\n'
                'domain "*" { route = { "127.0.0.1:%d" } }\n%s' % (self.dir, self.server.path, self.receiver.port, more))

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.dir, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def run(self, *words, stdin=None, conf=None, timeout=30, env=None):
        return subprocess.run([HIKYAKU, words[0], "-c", conf or self.conf, *words[1:]], input=stdin, text=True,
                              capture_output=True, timeout=timeout, env={**os.environ, **(env or {})})

    def start(self):
        self.log = open(os.path.join(self.dir, "engine.log"), "ab")
        self.engine = subprocess.Popen([HIKYAKU, "run", "-c", self.conf], stdout=self.log, stderr=self.log)

    def stop(self):
        if self.engine:
            stop_program(self.engine, 10)

    def close(self):
        self.stop()
        self.server.close()


def jobs_in(world, stream="hikyaku:jobs"):
    return [dict(zip(fields[::2], fields[1::2])) for _, fields in world.redis("XRANGE", stream, "-", "+")]


def bare(*words):
    return subprocess.run([HIKYAKU, *words], capture_output=True, text=True, timeout=10)


# --- without Redis ---


def test_usage(world):
    """--help, --version, unknown words, exit 2"""
    need(bare("--version").returncode == 0 and "hikyaku" in bare("--version").stdout, "--version")
    page = bare("--help")
    need(page.returncode == 0 and "submit" in page.stdout and "Comes later" in page.stdout, "--help", page.stdout)
    for command in ("run", "check", "submit", "status", "job", "jobs", "events", "resolve", "try", "reload"):
        page = bare(command, "--help")
        need(page.returncode == 0 and page.stdout.startswith("hikyaku " + command), command, "--help", page.stdout)
    need(bare().returncode == 2, "no command")
    wrong = bare("statsu")
    need(wrong.returncode == 2 and 'did you mean "status"' in wrong.stderr and not wrong.stdout, "nearest", wrong.stderr)
    wrong = bare("submit", "--form", "a@b.test")
    need(wrong.returncode == 2 and '"--from"' in wrong.stderr, "nearest option", wrong.stderr)
    need(bare("job").returncode == 2, "a word is missing")
    need(bare("job", "a", "b").returncode == 2, "a word too many")
    need(bare("submit", "--from").returncode == 2, "a value is missing")


def test_later(world):
    """commands of a later version say so and change nothing"""
    for words in (("top",), ("trace",), ("dkim", "new", "a.test", "s1")):
        run = world.run(*words)
        need(run.returncode == 1 and "later version" in run.stderr and "nothing was changed" in run.stderr, words,
             run.returncode, run.stderr)


def test_configuration(world):
    """errors of the configuration: file and line, exit 2, for every command"""
    bad = world.write("bad.conf", 'hostname = "a.test"\nconections = 3\n')
    for command in (("run",), ("check",), ("status",), ("jobs",), ("events",), ("job", "x"), ("resolve", "a.test"),
                    ("try", "a@a.test"), ("reload",), ("submit", "--from", "", "--to", "a@a.test", "-")):
        run = world.run(*command, conf=bad, stdin="")
        need(run.returncode == 2 and "bad.conf:2: " in run.stderr and "connections" in run.stderr and not run.stdout,
             command, run.returncode, run.stderr)
    run = subprocess.run([HIKYAKU, "-c", bad, "check"], capture_output=True, text=True, timeout=10)
    need(run.returncode == 2 and "bad.conf:2" in run.stderr, "-c before the command", run.stderr)
    run = subprocess.run([HIKYAKU, "jobs"], capture_output=True, text=True, timeout=10,
                         env={**os.environ, "HIKYAKU_CONF": bad})
    need(run.returncode == 2 and "bad.conf:2" in run.stderr, "$HIKYAKU_CONF", run.stderr)


def test_unreachable(world):
    """no Redis: exit 3, soon"""
    far = world.write("far.conf", 'redis { server = "unix:%s/none.sock" }\n' % world.dir)
    for command in (("status",), ("jobs",), ("job", "x"), ("events",), ("check",)):
        began = time.monotonic()
        run = world.run(*command, conf=far)
        need(run.returncode == 3 and time.monotonic() - began < 15, command, run.returncode, run.stderr)
    run = world.run("reload", conf=world.write("idle.conf", 'state-dir = "%s/nowhere"\n' % world.dir))
    need(run.returncode == 3 and "no engine runs" in run.stderr, "reload", run.stderr)


# --- with Redis ---


def test_submit_plainly(world):
    """submit before any engine has loaded the functions: XADD; it warns that nobody runs"""
    run = world.run("submit", "--from", "b@sender.test", "--to", "a@a.test", "-", stdin=MESSAGE)
    need(run.returncode == 0 and "no engine has beaten" in run.stderr, run.returncode, run.stderr)
    entry = jobs_in(world)[0]
    need(json.loads(entry[b"job"]) == {"from": "b@sender.test", "to": ["a@a.test"]}, entry[b"job"])
    need(entry[b"raw"] == MESSAGE.encode(), entry[b"raw"])
    need(run.stdout.strip() == world.redis("XRANGE", "hikyaku:jobs", "-", "+")[0][0].decode(), "id", run.stdout)


def test_submit(world):
    """all options arrive in the job; ids; streams; JSON"""
    library_load(world.redis)
    mail = world.write("mail.eml", MESSAGE)
    run = world.run("submit", "--from", "", "--to", "a@a.test", "--to", "b@müx.test", "--id", "n/1", "--campaign", "nov",
                    "--tenant", "acme", "--class", "transactional", "--tag", "k=v=w", "--tag", "l=", "--var", "name=A \"b\"",
                    "--not-before", "2100-01-01T00:00:00Z", "--partial", "--json", mail)
    need(run.returncode == 0, run.stderr)
    said = json.loads(run.stdout)
    need(said["job"] == "n/1" and said["recipients"] == 2 and "-" in said["entry"], said)
    job = json.loads(jobs_in(world, "hikyaku:jobs:now")[-1][b"job"])
    need(job == {"from": "", "campaign": "nov", "tenant": "acme", "class": "transactional", "partial": True, "merge": True,
                 "not_before": 4102444800000, "tags": {"k": "v=w", "l": ""}, "vars": {"name": 'A "b"'}, "id": "n/1",
                 "to": ["a@a.test", "b@müx.test"]}, job)
    now = time.time() * 1000
    run = world.run("submit", "--from", "a@a.test", "--to", "a@a.test", "--not-before", "2h", mail)
    job = json.loads(jobs_in(world)[-1][b"job"])
    need(abs(job["not_before"] - now - 7200000) < 60000, "a duration from now", job)


def test_submit_file(world):
    """--to-file: addresses and JSON lines, in jobs of what the configuration allows"""
    mail = world.write("mail.eml", MESSAGE)
    conf = world.write("small.conf", world.text("").replace("queue {", "queue { job-recipients = 1000 "))
    rows = ["u%d@d%d.test" % (i, i % 7) for i in range(2400)]
    rows[7] = '{"address": "x@x.test", "vars": {"name": "X"}}'
    list_file = world.write("list.txt", "\n".join(rows[:1200]) + "\n\n  \n" + "\r\n".join(rows[1200:]))
    before = len(jobs_in(world))
    run = world.run("submit", "--from", "b@sender.test", "--id", "big", "--to-file", list_file, mail, conf=conf)
    need(run.returncode == 0 and run.stdout.split() == ["big/1", "big/2", "big/3"], run.stdout, run.stderr)
    jobs = [json.loads(entry[b"job"]) for entry in jobs_in(world)[before:]]
    need([len(job["to"]) for job in jobs] == [1000, 1000, 400], [len(job["to"]) for job in jobs])
    need(sum((job["to"] for job in jobs), [])[7] == {"address": "x@x.test", "vars": {"name": "X"}}, "JSON line")
    need(sum((job["to"] for job in jobs), [])[-1] == rows[-1], "last line")
    run = world.run("submit", "--from", "", "--to-file", "-", mail, stdin="p@p.test\nq@q.test")
    need(run.returncode == 0 and json.loads(jobs_in(world)[-1][b"job"])["to"] == ["p@p.test", "q@q.test"], "standard input")


def test_submit_refused(world):
    """mistakes are told with their line before anything is submitted"""
    mail = world.write("mail.eml", MESSAGE)
    before = world.redis("XLEN", "hikyaku:jobs")
    cases = [
        (("--to-file", world.write("l1", "a@a.test\nb@b.test\nnobody\n")), "l1:3: "),
        (("--to-file", world.write("l2", "a@a.test\n{\"adress\": 1}\n")), "l2:2: "),
        (("--to-file", world.write("l3", "a@a.test\n{not json}\n")), "l3:2: "),
        (("--to-file", world.write("l4", "\n\n")), "no recipients"),
        (("--to-file", world.dir + "/none"), "none"),
        (("--to", "a@b@c"), "two @"),
        (("--to", "a@a.test", "--tag", "novalue"), "KEY=VALUE"),
        (("--to", "a@a.test", "--not-before", "2100-01-01T00:00:00"), "no zone"),
        (("--to", "a@a.test", "--job", mail), "--job"),
    ]
    for words, expected in cases:
        run = world.run("submit", "--from", "b@sender.test", *words, mail)
        need(run.returncode == 2 and expected in run.stderr, words, run.returncode, run.stderr)
    need(world.run("submit", "--to", "a@a.test", mail).returncode == 2, "without --from")
    need(world.run("submit", "--from", "", "--to", "a@a.test").returncode == 2, "without a message")
    need(world.run("submit", "--from", "", "--to", "a@a.test", world.dir + "/none").returncode == 1, "no such message")
    run = world.run("submit", "--job", world.write("j.json", '{"from": "a",\n "to": ]}'))
    need(run.returncode == 2 and "j.json:2:" in run.stderr, "JSON with its line", run.stderr)
    need(world.redis("XLEN", "hikyaku:jobs") == before, "something was submitted")


def test_submit_job(world):
    """--job: the bytes as they are"""
    text = '{ "from": "b@sender.test",  "to": ["a@a.test"], "id": "whole",\n "message": {"text": "x"} }'
    run = world.run("submit", "--job", "-", stdin=text)
    need(run.returncode == 0 and run.stdout.strip() == "whole" and jobs_in(world)[-1][b"job"].decode() == text, run.stderr)


def test_dry_run(world):
    """--dry-run shows the mail and submits nothing; what intake would refuse is refused"""
    before = world.redis("XLEN", "hikyaku:jobs")
    run = world.run("submit", "--from", "b+{{hk.verp}}@sender.test", "--to", "ann@a.test", "--var", "name=Ann",
                    "--dry-run", "-", stdin=MESSAGE)
    need(run.returncode == 0 and "Subject: Hello Ann\n" in run.stdout and run.stdout.endswith("\n\nDear Ann\n.\nbye\n"),
         run.stdout, run.stderr)
    need("MAIL FROM:<b+ann=a.test@sender.test>" in run.stderr, run.stderr)
    job = {"from": "b@sender.test", "to": ["a@a.test", {"address": "c@a.test", "vars": {"name": None}}],
           "message": {"headers": {"From": "n@sender.test"}, "subject": "Hi {{name}}", "text": "x"}}
    run = world.run("submit", "--dry-run", "--job", "-", stdin=json.dumps(job))
    need(run.returncode == 1 and "name" in run.stderr and not run.stdout, "a missing variable", run.returncode, run.stderr)
    job["frm"] = 1
    run = world.run("submit", "--dry-run", "--job", "-", stdin=json.dumps(job))
    need(run.returncode == 1 and "frm" in run.stderr, "an unknown field", run.returncode, run.stderr)
    need(world.redis("XLEN", "hikyaku:jobs") == before, "something was submitted")


def put_events(world):
    world.redis("DEL", "hikyaku:{0}:events")
    now = int(time.time() * 1000)
    for i, (kind, to, code) in enumerate((("accepted", "", 0), ("delivered", "a@a.test", 250), ("failed", "b@b.test", 550),
                                          ("deferred", "c@a.test", 450))):
        data = {"v": 1, "event": "e%d" % i, "time": now - 100000 + i, "code": code, "domain": to[2:], "campaign": "nov",
                "reply": "said \x1b[31m so"}
        world.redis("XADD", "hikyaku:{0}:events", "%d-%d" % (now - 100000, i), "type", kind, "job", "j", "to", to, "data",
                    json.dumps(data))


def test_events(world):
    """filters, --since, JSON, --follow"""
    put_events(world)

    def types(*words):
        run = world.run("events", "--json", *words)
        need(run.returncode == 0, run.stderr)
        return [json.loads(line)["type"] for line in run.stdout.splitlines()]

    need(types() == ["accepted", "delivered", "failed", "deferred"], types())
    need(types("type=d*") == ["delivered", "deferred"], "a pattern")
    need(types("domain=a.test") == ["delivered", "deferred"], "a field of data")
    need(types("type=failed", "type=accepted") == ["accepted", "failed"], "repeated keys are ORed")
    need(types("type=d*", "code=4*") == ["deferred"], "different keys are ANDed")
    need(types("nothing=x") == [], "an unknown field")
    need(types("--since", "1m") == [] and len(types("--since", "10m")) == 4, "--since")
    need(world.run("events", "nonsense").returncode == 2, "no condition")
    need(world.run("events", "--since", "yesterday").returncode == 2, "no time")
    event = json.loads(world.run("events", "--json", "type=delivered").stdout)
    need(event["to"] == "a@a.test" and event["job"] == "j" and event["event"] == "e1" and event["code"] == 250, event)
    text = world.run("events").stdout
    need("\x1b" not in text and "b@b.test" in text and len(text.splitlines()) == 4, "plain text", text)
    follower = subprocess.Popen([HIKYAKU, "events", "-c", world.conf, "--follow", "--json", "type=fresh"],
                                stdout=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end and not select.select([follower.stdout], [], [], 0.05)[0]:
            world.redis("XADD", "hikyaku:{0}:events", "*", "type", "fresh", "job", "j", "data", "{}")
        need(json.loads(follower.stdout.readline())["type"] == "fresh", "--follow")
    finally:
        follower.kill()
        follower.wait()
        follower.stdout.close()


def test_jobs(world):
    """job and jobs: from the counters, from the public hash, unknown ones"""
    world.redis("HSET", "hikyaku:job::old", "state", "finished", "total", 3, "queued", 0, "delivered", 2, "failed", 1,
                "created", 1700000000000, "finished", 1700000001000)
    world.redis("HSET", "hikyaku:job:acme:new", "state", "running", "total", 5, "queued", 5, "delivered", 0, "created",
                1800000000000, "finished", "")
    world.redis("HSET", "hikyaku:{0}:job:acme:new", "total", 5, "cursor", 5, "queued", 1, "delivered", 4, "created",
                1800000000000)
    job = json.loads(world.run("job", "old", "--json").stdout)
    need(job["delivered"] == 2 and job["failed"] == 1 and job["state"] == "finished" and job["total"] == 3, job)
    job = json.loads(world.run("job", "new", "--tenant", "acme", "--json").stdout)
    need(job["delivered"] == 4 and job["queued"] == 1 and job["state"] == "running", "fresher than the hash", job)
    run = world.run("job", "new")
    need(run.returncode == 1 and "new" in run.stderr and not run.stdout, "unknown", run.returncode, run.stderr)
    text = world.run("job", "old").stdout
    need("delivered  2" in text and "2023-11-14" in text, text)
    rows = [json.loads(line) for line in world.run("jobs", "--json").stdout.splitlines()]
    need([row["job"] for row in rows] == ["new", "old"] and rows[0]["tenant"] == "acme", rows)
    need("old" in world.run("jobs").stdout, "jobs as text")
    world.redis("DEL", "hikyaku:{0}:job:acme:new")


def test_status_without_engine(world):
    """status without an engine: says so; the counts come from Redis"""
    run = world.run("status", "--json")
    need(run.returncode == 0, run.stderr)
    status = json.loads(run.stdout)
    need(status["alive"] is False and status["queue"]["ready"] == 0 and status["jobs"] > 0, status)
    need("none runs" in world.run("status").stdout, "as text")


def test_acl(world):
    """check --acl: the lines work in Redis, and keep everything else out"""
    run = world.run("check", "--acl")
    need(run.returncode == 0, run.stderr)
    for line in run.stdout.splitlines():
        words = line.replace("PASSWORD", "secret").split()
        need(words[0] == "user", line)
        world.redis("ACL", "SETUSER", *words[1:])
    submitter, reader = Redis(world.server.path), Redis(world.server.path)
    submitter("AUTH", "hikyaku-submit", "secret")
    reader("AUTH", "hikyaku-events", "secret")
    job = '{"from":"a@a.test","to":["b@b.test"]}'
    need(b"-" in submitter("FCALL", "hikyaku_submit", 1, "hikyaku:jobs", job, "raw"), "hikyaku_submit")
    submitter("XADD", "hikyaku:jobs:now", "*", "job", job)
    denied(submitter, "XRANGE", "hikyaku:jobs", "-", "+")
    denied(submitter, "GET", "hikyaku:body:x")
    denied(submitter, "FCALL", "hikyaku_counts", 1, "hikyaku:{0}")
    denied(submitter, "FCALL", "hikyaku_register", 1, "hikyaku:{0}", "x", "1")
    denied(submitter, "XADD", "hikyaku:{0}:events", "*", "type", "delivered")
    put_events(world)
    need(len(reader("XRANGE", "hikyaku:{0}:events", "-", "+")) == 4, "reading events")
    world.redis("XGROUP", "CREATE", "hikyaku:{0}:events", "platform", "0")
    got = reader("XREADGROUP", "GROUP", "platform", "me", "COUNT", 10, "STREAMS", "hikyaku:{0}:events", ">")
    need(reader("XACK", "hikyaku:{0}:events", "platform", got[0][1][0][0]) == 1, "acknowledging")
    need(dict(zip(*[iter(reader("HGETALL", "hikyaku:job::old"))] * 2))[b"delivered"] == b"2", "a job")
    denied(reader, "XADD", "hikyaku:{0}:events", "*", "type", "delivered")
    denied(reader, "XTRIM", "hikyaku:{0}:events", "MAXLEN", 0)
    denied(reader, "HSET", "hikyaku:job::old", "delivered", 9)
    denied(reader, "XADD", "hikyaku:jobs", "*", "job", job)
    operator = Redis(world.server.path)
    operator("AUTH", "hikyaku-control", "secret")
    operator("XADD", "hikyaku:control", "*", "do", "pause", "match", '{"job":"x"}', "ref", "R")
    need(operator("GET", "hikyaku:control:R") is None, "no engine has answered")
    denied(operator, "XADD", "hikyaku:jobs", "*", "job", job)
    denied(operator, "FCALL", "hikyaku_control", 1, "hikyaku:{0}", "", "cancel", "{}", "0", "", "", "")
    world.redis("DEL", "hikyaku:control")


def denied(redis, *words):
    try:
        reply = redis(*words)
    except RedisError as error:
        need("NOPERM" in str(error) or "permission" in str(error), words, error)
        return
    need(False, words, "was allowed:", reply)


def test_check(world):
    """check: a line for each thing; what is wrong decides the exit status"""
    run = world.run("check", "--json")
    report = json.loads(run.stdout)
    found = {finding["what"]: finding for finding in report["findings"]}
    need(found["redis"]["level"] == "ok" and found["promise"]["text"] == "about a second", found)
    need(found["io_uring"]["level"] == "ok" and found["state"]["level"] == "ok", found)
    need(run.returncode == (0 if report["ok"] else 1), run.returncode, report)
    durable = world.write("durable.conf", 'require = "durable"\n' + world.text())
    run = world.run("check", conf=durable)
    need(run.returncode == 1 and "require is durable" in run.stdout, run.returncode, run.stdout)
    world.redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    run = world.run("check")
    need(run.returncode == 1 and "noeviction" in run.stdout, run.returncode, run.stdout)
    world.redis("CONFIG", "SET", "maxmemory-policy", "noeviction")
    keys = world.run("check", "--keys")
    need(keys.returncode == 0 and "messages-per-connection" in keys.stdout, "--keys")


def test_password(world):
    """a Redis with a password: told apart from one that is not there"""
    world.redis("ACL", "SETUSER", "mail", "on", ">sesame", "~*", "&*", "+@all")
    secret = world.write("secret", "sesame\n")
    text = world.text().replace('redis {', 'redis { user = "mail" password-file = "%s" ' % secret)
    conf = world.write("password.conf", text)
    need(world.run("jobs", conf=conf).returncode == 0, "with the password")
    os.chmod(secret, 0o644)
    run = world.run("jobs", conf=conf)
    need(run.returncode == 2 and "password.conf:5" in run.stderr and "sesame" not in run.stderr, run.stderr)
    os.chmod(secret, 0o600)
    world.write("secret", "wrong\n")
    run = world.run("jobs", conf=conf)
    need(run.returncode == 3 and "wrong" not in run.stderr.replace("WRONGPASS", ""), run.returncode, run.stderr)


# --- with a receiver ---


def test_resolve(world):
    """resolve: routes, site and limits with the lines that decided them"""
    conf = world.write("sites.conf", world.text('site "big" { domains = { "*.big.test" }  connections = 3 }\n'
                                                'tenant "acme" { connections = 2 }\n'))
    run = world.run("resolve", "A.Big.test", "--json", conf=conf)
    need(run.returncode == 0, run.stderr)
    said = json.loads(run.stdout)
    need(said["domain"] == "a.big.test" and said["result"] == "found" and said["origin"] == "route", said)
    need(said["hosts"][0]["addresses"] == ["127.0.0.1:%d" % world.receiver.port], said["hosts"])
    need(said["site"] == "big" and said["site_configured"], said["site"])
    need(said["limits"]["connections"] == {"value": "3", "by": '%s:8 site "big"' % conf}, said["limits"]["connections"])
    need(said["limits"]["retry"]["by"] == "%s:6 queue" % conf, said["limits"]["retry"])
    need(said["limits"]["window"] == {"value": "1", "by": "built-in"}, said["limits"]["window"])
    need(said["tenants"]["acme"] == {"connections": {"value": "2", "by": '%s:9 tenant "acme"' % conf}}, said["tenants"])
    text = world.run("resolve", "a.big.test", conf=conf).stdout
    need("connections              3" in text and "tenant acme over everything\n  connections              2" in text, text)
    need(world.run("resolve", "no dots").returncode == 2, "no domain")


def test_try(world):
    """try: the dialogue is shown; it stops after RCPT, or sends; 4 when the server refuses"""
    mails = world.receiver.mails
    run = world.run("try", "ann@a.test")
    need(run.returncode == 0 and "< 220 receiver.test" in run.stdout and "> RCPT TO:<ann@a.test>" in run.stdout, run.stdout,
         run.stderr)
    need("> QUIT" in run.stdout and "DATA" not in run.stdout and world.receiver.mails == mails, run.stdout)
    need("> MAIL FROM:<postmaster@mta.sender.test>" in run.stdout and "nothing was sent" in run.stderr, run.stdout)
    run = world.run("try", "gone@a.test")
    need(run.returncode == 4 and "< 550 5.1.1 no such user" in run.stdout and "invalid-recipient" in run.stderr, run.stdout,
         run.stderr)
    run = world.run("try", "ann@a.test", "--from", "", "--send", world.write("mail.eml", MESSAGE))
    need(run.returncode == 0 and world.receiver.mails == mails + 1 and "> MAIL FROM:<>" in run.stdout, run.stdout, run.stderr)
    said = json.loads(world.run("try", "gone@a.test", "--json").stdout)
    need(said["accepted"] is False and said["code"] == 550 and said["category"] == "invalid-recipient", said)
    need({"from": "us", "line": "EHLO mta.sender.test"} in said["dialogue"], said["dialogue"])
    need(json.loads(world.run("try", "ann@a.test", "--json").stdout)["accepted"] is True, "JSON")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = world.write("dead.conf", world.text('domain "dead.test" { route = { "127.0.0.1:%d" } }\n' %
                                                   unused.getsockname()[1]))
        run = world.run("try", "a@dead.test", conf=dead)
        need(run.returncode == 4 and "refused" in run.stderr, run.returncode, run.stderr)
    need(world.run("try", "nobody").returncode == 2, "no address")
    discard = world.write("discard.conf", 'divert = "discard"\n' + world.text())
    run = world.run("try", "a@a.test", conf=discard)
    need(run.returncode == 1 and "discard" in run.stderr, "divert", run.returncode, run.stderr)


# --- with an engine ---


def test_engine(world):
    """with an engine: submit --wait, status, job, reload"""
    world.redis("FLUSHALL")
    world.start()
    end = time.monotonic() + 15
    while time.monotonic() < end and not json.loads(world.run("status", "--json").stdout)["alive"]:
        time.sleep(0.1)
    need(json.loads(world.run("status", "--json").stdout)["alive"], "the engine does not run")
    run = world.run("submit", "--from", "b@sender.test", "--to", "a@a.test", "--to", "c@c.test", "--id", "w", "--var",
                    "name=All", "--wait", "-", stdin=MESSAGE)
    need(run.returncode == 0 and "2 delivered" in run.stderr and run.stdout.strip() == "w", run.returncode, run.stderr)
    need("no engine" not in run.stderr, run.stderr)
    job = json.loads(world.run("job", "w", "--json").stdout)
    need(job["delivered"] == 2 and job["state"] == "finished", job)
    run = world.run("submit", "--from", "b@sender.test", "--to", "gone@a.test", "--wait", "-", stdin=MESSAGE)
    need(run.returncode == 4 and "1 not" in run.stderr, run.returncode, run.stderr)
    run = world.run("submit", "--job", "-", "--wait", stdin='{"from": "x", "to": ["nobody"]}')
    need(run.returncode == 4 and "rejected" in run.stderr, run.returncode, run.stderr)
    end = time.monotonic() + 5
    while time.monotonic() < end and "running" not in world.run("status").stdout:
        time.sleep(0.1)
    text = world.run("status").stdout
    need("engine" in text and "running" in text and "127.0.0.1:%d" % world.receiver.port in text, text)
    run = world.run("reload")
    need(run.returncode == 0 and str(world.engine.pid) in run.stdout, run.stdout, run.stderr)
    world.write("hikyaku.conf", world.text("conections = 1\n"))
    run = world.run("reload")
    need(run.returncode == 2 and "hikyaku.conf:8" in run.stderr and world.engine.poll() is None, run.stderr)
    world.write("hikyaku.conf", world.text())
    world.stop()
    need(world.engine.returncode == 0, "exit status", world.engine.returncode)
    need(world.run("reload").returncode == 3, "reload without an engine")


def test_stop_while_dns_is_silent(world):
    """SIGTERM with questions to the DNS under way"""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(15)
    text = world.text().replace("domain", "dns { servers = { \"127.0.0.1:%d\" } }\n#" % server.getsockname()[1])
    world.write("hikyaku.conf", text)
    world.start()
    run = world.run("submit", "--from", "b@sender.test", "--to", "a@a.test", "-", stdin=MESSAGE)
    need(run.returncode == 0, run.stderr)
    with server:
        server.recv(512)
        world.stop()
    need(world.engine.returncode == 0, "exit status", world.engine.returncode)
    world.write("hikyaku.conf", world.text())


def test_event_log(world):
    """events.log: every event once, over a reopening and a restart"""
    path = os.path.join(world.dir, "events.jsonl")
    world.redis("FLUSHALL")
    world.write("hikyaku.conf", world.text('events { log = "%s" }\n' % path))

    def lines(path, kind, n):
        end, found = time.monotonic() + 15, []
        while time.monotonic() < end and len(found) < n:
            time.sleep(0.05)
            if not os.path.exists(path):
                continue
            with open(path) as file:
                found = [json.loads(line) for line in file if line.endswith("\n")]
            found = [event for event in found if event["type"] == kind]
        return found

    def submit(number):
        run = world.run("submit", "--from", "b@sender.test", "--to", "u%d@a.test" % number, "-", stdin=MESSAGE)
        need(run.returncode == 0, run.stderr)

    world.start()
    submit(1)
    need([event["to"] for event in lines(path, "delivered", 1)] == ["u1@a.test"], "delivered")
    event = lines(path, "delivered", 1)[0]
    need(event["v"] == 1 and event["job"] and event["code"] == 250, event)
    os.rename(path, path + ".1")
    world.engine.send_signal(signal.SIGUSR1)
    end = time.monotonic() + 10
    while time.monotonic() < end and not os.path.exists(path):
        time.sleep(0.02)
    submit(2)
    need([event["to"] for event in lines(path, "delivered", 1)] == ["u2@a.test"], "after SIGUSR1")
    world.stop()
    submit(3)
    world.start()
    need([event["to"] for event in lines(path, "delivered", 2)] == ["u2@a.test", "u3@a.test"], "after a restart")
    world.stop()
    with open(path) as now, open(path + ".1") as before:
        names = [json.loads(line)["event"] for line in [*before, *now]]
    need(len(names) == len(set(names)) == world.redis("XLEN", "hikyaku:{0}:events"), "each event once", names)
    blind = world.write("blind.conf", world.text('events { log = "%s/none/events.jsonl" }\n' % world.dir))
    run = world.run("run", conf=blind)
    need(run.returncode == 1 and "none/events.jsonl" in run.stderr, run.returncode, run.stderr)


def main():
    names = sys.argv[1:]
    tests = [(name, test) for name, test in globals().items()
             if name.startswith("test_") and (not names or name[5:] in names)]
    failed = 0
    world = World()
    try:
        for name, test in tests:
            try:
                test(world)
            except AssertionError as error:
                failed += 1
                print("FAIL %s: %s: %s" % (name, test.__doc__, error))
            except Exception as error:
                failed += 1
                print("FAIL %s: %s: %s: %s" % (name, test.__doc__, type(error).__name__, error))
            sys.stdout.flush()
    finally:
        world.close()
    print("%d passed, %d failed" % (len(tests) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
