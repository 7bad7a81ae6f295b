#!/usr/bin/env python3
"""Intake against a real Redis: what becomes of good jobs and bad ones, and what a crash leaves.

build/tests/live/intake_tool takes jobs in and nothing else; this script submits them and looks at what lies in Redis then.
BUILD names the build directory. With --rate: how fast it is, as one line of JSON. With --long: also what takes a minute."""
import collections
import json
import os
import random
import struct
import subprocess
import sys
import time

from checking import need, run
from redis_client import ROOT, Redis, RedisServer, library_load

TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests/live/intake_tool")
BASE = "hikyaku:{0}"
RAW = b"From: a@sender.test\r\nSubject: x\r\n\r\nhi\r\n"
MESSAGE = {"headers": {"From": "N <n@sender.test>"}, "subject": "Hello {{name}}", "text": "Dear {{name}}\n"}
LONG = "--long" in sys.argv
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def pairs(flat):
    words = [w.decode("utf-8", "replace") for w in flat or []]
    return dict(zip(words[::2], words[1::2]))


class World:
    """A Redis, a configuration, an intake."""

    def __init__(self, config="", queue="", fsync="everysec", start=True):
        self.server = RedisServer(fsync=fsync)
        self.redis = Redis(self.server.path)
        self.config = os.path.join(self.server.dir, "hikyaku.conf")
        self.tool = None
        self.configure(config, queue)
        if start:
            self.start()

    def configure(self, config="", queue=""):
        with open(self.config, "w") as file:
            file.write('hostname = "mta.sender.test"\nstate-dir = "%s"\nredis { server = "unix:%s" }\nqueue { %s }\n%s\n'
                       % (self.server.dir, self.server.path, queue, config))

    def start(self, instance="tool"):
        self.tool = subprocess.Popen([TOOL, self.config, instance], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=open(os.path.join(self.server.dir, "tool.log"), "ab"))
        need(self.tool.stdout.readline() == b"ready\n", "intake_tool did not start:", self.log())

    def log(self):
        with open(os.path.join(self.server.dir, "tool.log"), errors="replace") as file:
            return file.read()[-2000:]

    def reload(self):
        self.tool.stdin.write(b"again\n")
        self.tool.stdin.flush()
        need(self.tool.stdout.readline() == b"configured\n", "configuration was not read again:", self.log())

    def stop(self):
        self.tool.stdin.close()
        line = self.tool.stdout.read().decode()
        need(self.tool.wait(20) == 0, "intake_tool ended with", self.tool.returncode, self.log())
        self.tool.stdout.close()
        return line

    def kill(self):
        self.tool.kill()
        self.tool.wait()
        self.tool.stdin.close()
        self.tool.stdout.close()

    def submit(self, job, raw=RAW, stream="hikyaku:jobs", entry="*"):
        job = job if isinstance(job, (str, bytes)) else json.dumps(job)
        return self.redis("XADD", stream, entry, "job", job, *(["raw", raw] if raw is not None else [])).decode()

    def events(self):
        found = []
        for _, flat in self.redis("XRANGE", BASE + ":events", "-", "+") or []:
            event = pairs(flat)
            event.update({k: v for k, v in json.loads(event.pop("data")).items() if k not in event})
            found.append(event)
        return found

    def rejected(self):
        return [pairs(flat) for _, flat in self.redis("XRANGE", "hikyaku:rejected", "-", "+") or []]

    def job(self, name):
        return pairs(self.redis("HGETALL", BASE + ":job:" + name))

    def records(self):
        """list name → [(index, tenant, job, address, extras)]"""
        found = {}
        for index in (":index", ":index:now"):
            for name in self.redis("ZRANGE", BASE + index, 0, -1):
                found[name.decode()] = [record(r) for r in self.redis("LRANGE", BASE + ":list:" + name.decode(), 0, -1)]
        return found

    def wait(self, what, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if what():
                    return True
            except OSError:
                self.redis = Redis(self.server.path)
            time.sleep(0.01)
        return False

    def settled(self, seconds=10, streams=("hikyaku:jobs", "hikyaku:jobs:now")):
        need(self.wait(lambda: all(self.redis("XLEN", s) == 0 for s in streams), seconds), "entries left in the stream:",
             self.log())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.tool and self.tool.poll() is None:
            self.kill()
        self.server.close()


def record(data):
    index, = struct.unpack_from("<I", data, 4)
    tenant, job, address = struct.unpack_from("<BBH", data, 32)
    at = 36
    texts = []
    for length in (tenant, job, address):
        texts.append(data[at:at + length].decode())
        at += length
    return (index, *texts, unpack(data[at:]))


def unpack(pack):
    found = {}
    while pack:
        name, value = struct.unpack_from("<BI", pack, 1)
        found.setdefault(pack[6:6 + name].decode(), pack[6 + name:6 + name + value])
        pack = pack[6 + name + value:]
    return found


def good(**more):
    return dict({"from": "b@sender.test", "to": ["u@d.test"]}, **more)


@check
def a_job_is_queued():
    "a job becomes records, an event, a meta and a body; its entry goes"
    with World() as w:
        to = ["ann@A.test", {"address": "bob@b.test", "id": "4711", "name": "Bob", "vars": {"name": "B", "n": 1},
                             "tags": {"list": "x"}, "from": "", "headers": {"X-A": "1"}}]
        entry = w.submit(good(id="j", to=to, campaign="nov", vars={"name": "friend"}, tags={"k": "v"},
                              message=MESSAGE), raw=None)
        w.settled()
        need(not w.rejected(), w.rejected())
        lists = w.records()
        need(sorted(lists) == ["b:a.test::nov", "b:b.test::nov"], lists)
        need(lists["b:a.test::nov"] == [(0, "", "j", "ann@a.test", {})], lists)
        index, _, job, address, extras = lists["b:b.test::nov"][0]
        need((index, job, address) == (1, "j", "bob@b.test"), lists)
        need({k: extras[k] for k in "rntf"} == {"r": b"4711", "n": b"Bob", "t": b'{"list":"x"}', "f": b""}, extras)
        need(unpack(extras["v"]) == {"name": b"B", "n": b"1"} and unpack(extras["h"]) == {"X-A": b"1"}, extras)
        found = w.job(":j")
        meta = json.loads(found["meta"])
        body = w.redis("GET", "hikyaku:body:" + meta["body"])
        need(body[:1] == b"M" and json.loads(body[1:]) == MESSAGE, body)
        need(w.redis("TTL", "hikyaku:body:" + meta["body"]) > 11 * 86400, "a body must outlive its job by a week")
        need({k: meta[k] for k in ("from", "campaign", "class", "tenant", "vars", "tags", "id", "entry")} ==
             {"from": "b@sender.test", "campaign": "nov", "class": "bulk", "tenant": "", "vars": {"name": "friend"},
              "tags": {"k": "v"}, "id": "j", "entry": entry}, meta)
        need(found["total"] == "2" and found["queued"] == "2", found)
        event, = w.events()
        need(event["type"] == "accepted" and event["job"] == "j" and event["total"] == 2 and event["entry"] == entry and
             event["tags"] == {"k": "v"} and event["campaign"] == "nov" and event["v"] == 1, event)
        need(w.stop() == "accepted 1 rejected 0\n")


@check
def bad_jobs_are_refused():
    "each bad job is in hikyaku:rejected with its field, in order; the good one beside them goes"
    bad = [("{not json", ""), ("[]", ""), ('{"from":1,"to":["u@d.test"]}', "from"), (good(to=[]), "to"),
           (good(to=["nobody"]), "to[0]"), (good(to=["u@d.test\r\nRCPT TO:<evil@d.test>"]), "to[0]"),
           (good(to=["u@d.test", {"address": "a@b@c.test"}]), "to[1].address"), (good(frm="x"), "frm"),
           (good(id="has blank"), "id"), (good(expires="2026-11-24T09:00:00"), "expires"),
           (good(not_before="2099-12-24T09:00:00Z"), "not_before"), (good(pool="nowhere"), "pool"),
           (good(tags=[1]), "tags"), ({"to": ["u@d.test"]}, "from"), (good(message={}), "message"),
           (b'{"from":"\xff"}', ""), ('{"id":"x","id":"y"}', "id")]
    with World() as w:
        for job, _ in bad:
            w.submit(job)
        w.submit(good(), raw=None)
        w.redis("XADD", "hikyaku:jobs", "*", "jobs", "{}")
        w.redis("XADD", "hikyaku:jobs", "*", "job", json.dumps(good()), "Raw", RAW)
        w.submit(good(id="good"))
        w.settled()
        found = w.rejected()
        wanted = [field for _, field in bad] + ["message", "", ""]
        need([r["field"] for r in found] == wanted, [(r["field"], r["message"]) for r in found])
        for r in found:
            need(r["code"] and r["message"] and json.loads(r["errors"])[0]["code"] == r["code"], r)
            need(set(r) == set("entry tenant time job code field message errors retryable".split()), r)
        need([e["job"] for e in w.events()] == ["good"], w.events())
        need(w.stop() == "accepted 1 rejected %d\n" % len(found))


@check
def a_flood_of_bad_jobs():
    "a thousand bad jobs delay a good one by no second"
    with World(start=False) as w:
        w.redis.pipeline([("XADD", "hikyaku:jobs", "*", "job", "{" * (i % 50)) for i in range(1000)])
        w.submit(good(id="good"))
        w.start()
        need(w.wait(lambda: w.job(":good"), 3), "not taken in behind bad ones")
        w.settled()
        need(len(w.rejected()) == 1000, len(w.rejected()))


@check
def the_same_id():
    "the same again is a duplicate, other content is a conflict, no id is another job"
    with World() as w:
        first = w.submit(good(id="same"))
        w.submit(good(id="same"))
        w.submit(good(id="same", to=["other@d.test"]))
        w.submit(good(id="same"), raw=RAW + b"x")
        w.submit(good(id="same", tenant="acme"))
        w.settled()
        need(sorted(e["type"] for e in w.events()) == ["accepted", "accepted", "duplicate"], w.events())
        codes = [(r["code"], r["field"], first in r["message"]) for r in w.rejected()]
        need(codes == [("E_CONFLICT", "id", True)] * 2, w.rejected())
        ids = {w.submit(good()), w.submit(good())}
        w.settled()
        need({e["job"] for e in w.events()} == ids | {"same"}, "no id: the entry's is the job's")


@check
def one_id_in_two_streams():
    "entries of two streams with the same id in Redis are two jobs"
    with World(start=False) as w:
        w.submit(good(), entry="5-1")
        w.submit(good(), stream="hikyaku:jobs:now", entry="5-1")
        w.start()
        w.settled()
        need(sorted(e["job"] for e in w.events()) in (["5-1", "5-1.now"], ["5-1", "5-1.jobs"]) and len(w.events()) == 2, w.events())
        need(sum(len(r) for r in w.records().values()) == 2, w.records())


@check
def partial_jobs():
    "partial lets the good ones through; the others have an event each; all bad finishes"
    with World() as w:
        w.submit(good(id="p", partial=True, to=["a@d.test", "bad", {"address": "c@d.test", "id": 7}]))
        w.submit(good(id="q", partial=True, to=["bad"], tags={"a": 1}))
        w.settled()
        events = [(e["type"], e["job"], e["to"], e.get("rcpt"), e.get("error")) for e in w.events()]
        need(("rejected", "p", "bad", "1", "E_ADDRESS") in events, events)
        need(("rejected", "p", "c@d.test", "2", "E_TYPE") in events, events)
        need(w.job(":p")["queued"] == "1" and w.job(":p")["rejected"] == "2" and w.job(":p")["total"] == "3", w.job(":p"))
        need([e[0] for e in events if e[1] == "q"] == ["accepted", "rejected", "finished"], events)
        need(len({e["event"] for e in w.events()}) == len(events), "event ids repeat")
        need(not w.rejected(), w.rejected())


@check
def variables():
    "a missing variable rejects the recipient and says which; one of many rejects the job unless partial"
    with World() as w:
        w.submit(good(id="miss", message=MESSAGE), raw=None)
        w.submit(good(id="has", message=MESSAGE, vars={"name": "x"}), raw=None)
        to = ["a@d.test", {"address": "b@d.test", "vars": {"name": "B"}}]
        w.submit(good(id="some", message=MESSAGE, to=to), raw=None)
        w.submit(good(id="part", message=MESSAGE, to=to, partial=True), raw=None)
        w.submit({"id": "verp", "from": "b+{{nothing}}@sender.test", "to": ["a@d.test"]})
        w.settled()
        need({e["job"] for e in w.events()} == {"has", "part"}, w.events())
        found = {r["job"]: r for r in w.rejected()}
        need(sorted(found) == ["miss", "some", "verp"], found)
        need("name" in found["miss"]["message"] and found["some"]["field"] == "to[0]", found)
        need("nothing" in found["verp"]["message"], found)
        need(w.job(":part")["queued"] == "1" and w.job(":part")["rejected"] == "1", w.job(":part"))


@check
def stored_messages():
    "a message is stored under a name, per tenant, and waited for"
    with World() as w:
        w.submit(good(id="early", message="tpl", vars={"name": "x"}), raw=None)
        w.submit(good(id="now"))
        need(w.wait(lambda: w.job(":now")), "a job that waits for a message holds up another")
        need(not w.job(":early"), "begun without its message")
        w.submit({"store": "tpl", "id": "s", "message": MESSAGE}, raw=None)
        w.settled()
        need(w.job(":early")["queued"] == "1", w.job(":early"))
        sha = w.redis("GET", "hikyaku:name::tpl").decode()
        need(29 * 86400 < w.redis("TTL", "hikyaku:name::tpl") <= 30 * 86400, "ttl")
        need(json.loads(w.job(":early")["meta"])["body"] == sha)
        need([e["type"] for e in w.events() if e["job"] == "s"] == ["accepted", "finished"], w.events())
        need([e["body"] for e in w.events() if e["job"] == "s" and "body" in e] == [sha], w.events())
        # The same name again: what was accepted keeps its content.
        w.submit({"store": "tpl", "message": dict(MESSAGE, subject="other"), "ttl": 100}, raw=None)
        w.submit(good(id="by-sha", message="sha256:" + sha, vars={"name": "x"}), raw=None)
        need(w.wait(lambda: w.job(":by-sha")), "not found by its digest")
        w.settled()
        need(w.redis("GET", "hikyaku:name::tpl").decode() != sha and w.redis("TTL", "hikyaku:name::tpl") <= 100)
        need(json.loads(w.job(":by-sha")["meta"])["body"] == sha)
        # A stored message that conflicts changes nothing; another tenant's is another.
        before = w.redis("GET", "hikyaku:name::tpl")
        w.submit({"store": "tpl", "id": "s", "message": dict(MESSAGE, subject="evil")}, raw=None)
        w.settled()
        need(w.redis("GET", "hikyaku:name::tpl") == before and w.rejected()[-1]["code"] == "E_CONFLICT", w.rejected())
        need(w.redis("EXISTS", "hikyaku:name:acme:tpl") == 0)


@check
def times():
    "not_before waits in the deferred set"
    with World() as w:
        now = int(time.time() * 1000)
        w.submit(good(id="later", not_before=now + 60000, to=["a@d.test", {"address": "b@d.test", "not_before": now}]))
        w.settled()
        job = w.job(":later")
        need(job["deferred"] == "1" and job["queued"] == "1", job)
        (_, due), = [(m, float(s)) for m, s in zip(*[iter(w.redis("ZRANGE", BASE + ":deferred", 0, -1, "WITHSCORES"))] * 2)]
        need(abs(due - now - 60000) < 2000, due - now)


@check
def doors():
    "hikyaku_submit, the stream for transactional jobs, and a tenant's own"
    tenant = 'pool "bulk" { source "s" {} }\nsource "s" { address = "127.0.0.1" }\n' \
             'tenant "acme" { jobs = true  weight = 3  from = { "*@acme.test" }  pool = { "bulk" } }\n'
    with World(tenant) as w:
        id_ = w.redis("FCALL", "hikyaku_submit", 1, "hikyaku:jobs", json.dumps(good(id="f")), RAW).decode()
        w.submit(good(id="n"), stream="hikyaku:jobs:now")
        w.submit(good(id="b", **{"class": "bulk"}), stream="hikyaku:jobs:now")
        acme = "hikyaku:jobs:t:acme"
        w.submit({"id": "t", "from": "x@acme.test", "to": ["u@d.test"]}, stream=acme)
        w.submit(good(id="t2"), stream=acme)
        w.submit({"id": "t3", "tenant": "other", "from": "x@acme.test", "to": ["u@d.test"]}, stream=acme)
        w.submit(good(id="t4", tenant="nobody"))
        w.settled(streams=("hikyaku:jobs", "hikyaku:jobs:now", acme))
        need([e["entry"] for e in w.events() if e["job"] == "f"] == [id_], w.events())
        need(sorted(w.records()) == ["b:d.test::", "b:d.test:acme:", "t:d.test::"], w.records())
        found = {r["job"]: (r["tenant"], r["field"]) for r in w.rejected()}
        need(found == {"b": ("", "class"), "t2": ("acme", "from"), "t3": ("acme", "tenant"), "t4": ("nobody", "tenant")},
             found)
        # Another tenant with the next configuration.
        w.configure(tenant + 'tenant "beta" { jobs = true }\n')
        w.reload()
        w.submit(good(id="b1"), stream="hikyaku:jobs:t:beta")
        need(w.wait(lambda: w.job("beta:b1")), "the new tenant's stream is not read", w.log())


@check
def large_jobs_wait_at_the_mark():
    "expansion stops at the high-water mark, transactional jobs pass, and it goes on below"
    with World(queue="high-water = 2000") as w:
        w.submit(good(id="big", to=["u%d@d%d.test" % (i, i % 50) for i in range(10000)]))
        need(w.wait(lambda: int(w.job(":big").get("queued", 0)) >= 2000), w.job(":big"))
        w.submit(good(id="now"), stream="hikyaku:jobs:now")
        w.submit(good(id="too", **{"class": "transactional"}))
        for job in (":now", ":too"):
            need(w.wait(lambda: w.job(job).get("queued") == "1", 3), "a transactional job waits behind it:", job)
        need(int(w.job(":big")["queued"]) <= 2000 + 256, w.job(":big"))
        end = time.monotonic() + 20
        while w.redis("XLEN", "hikyaku:jobs") and time.monotonic() < end:  # as if they had been sent
            w.redis("SET", BASE + ":ready", 0)
            before = int(w.job(":big")["queued"])
            if not w.wait(lambda: int(w.job(":big")["queued"]) > before or w.redis("XLEN", "hikyaku:jobs") == 0):
                break
        w.settled()
        need(w.job(":big")["queued"] == "10000" and w.job(":big")["cursor"] == "10000", w.job(":big"))


def only_once(w, total):
    "every recipient of every job has one record"
    seen = collections.Counter((job, index) for rows in w.records().values() for index, _, job, _, _ in rows)
    need(len(seen) == total and max(seen.values()) == 1, "records:", len(seen), "of", total, seen.most_common(1))


def crash(w, jobs, each, crash_once, times):
    for j in range(jobs):
        w.submit(good(id="k%d" % j, to=["u%d@d%d.test" % (i, i % 40) for i in range(each)]))
    seed = random.Random(7)
    for _ in range(times):
        time.sleep(seed.uniform(0.005, 0.06))
        crash_once()
    w.settled(30)
    only_once(w, jobs * each)
    events = collections.Counter((e["type"], e["job"]) for e in w.events())
    need(sum(events.values()) == jobs and max(events.values()) == 1, "events:", events)
    need(w.redis("XPENDING", "hikyaku:jobs", "hikyaku")[0] == 0, "still pending")


@check
def killed_intake():
    "kill -9 while jobs come in: each recipient is queued once, each job accepted once"
    with World() as w:
        def once():
            w.kill()
            w.start()
        crash(w, 24 if LONG else 8, 4000, once, 12 if LONG else 4)


@check
def killed_redis():
    "kill -9 of Redis (fsync always) while jobs come in"
    with World(fsync="always") as w:
        def once():
            w.server.kill()
            w.server.start()
            w.server.renew()
            w.redis = Redis(w.server.path)
        crash(w, 24 if LONG else 8, 4000, once, 6 if LONG else 3)


@check
def begun_is_never_refused():
    "a job that began is not refused by the configuration that follows"
    with World('tenant "acme" { weight = 3 }\n', "high-water = 1000") as w:
        w.submit(good(id="b", tenant="acme", message="tpl", to=["u%d@d.test" % i for i in range(6000)], vars={"name": "x"}), raw=None)
        w.submit({"store": "tpl", "tenant": "acme", "message": MESSAGE}, raw=None)
        need(w.wait(lambda: int(w.job("acme:b").get("queued", 0)) > 0), w.job("acme:b"))
        w.kill()
        w.configure('tenant "other" { weight = 1 }\n', "high-water = 100000")
        w.submit({"store": "tpl", "tenant": "acme", "message": dict(MESSAGE, text="{{other}}")}, raw=None)
        w.start()
        w.settled()
        need(w.job("acme:b")["queued"] == "6000", w.job("acme:b"), w.rejected())
        need([r["job"] for r in w.rejected()] == [""], "only what came later is refused:", w.rejected())


@check
def trouble_passes():
    "functions missing, the stream deleted: jobs wait and go on"
    with World() as w:
        w.submit(good(id="before"))
        w.settled()
        w.redis("FUNCTION", "FLUSH")
        w.submit(good(id="missing"))
        need(w.wait(lambda: "Function not found" in w.log()), w.log())
        library_load(w.redis)
        need(w.wait(lambda: w.job(":missing"), 5), "not taken in after the functions came back")
        w.settled()
        w.redis("DEL", "hikyaku:jobs")
        w.submit(good(id="again"))
        need(w.wait(lambda: w.job(":again"), 5), "the stream was not found again", w.log())


@check
def memory_is_full():
    "a job that came in before memory was full begins when there is some again; it is tried once a second till then"
    with World() as w:
        refused = lambda: int(pairs_info(w.redis, "errorstats").get("errorstat_OOM", "count=0").split("=")[1])
        need(w.wait(lambda: w.redis("EXISTS", "hikyaku:jobs") and w.redis("EXISTS", "hikyaku:jobs:now")))
        w.redis.pipeline([("MULTI",), ("XADD", "hikyaku:jobs", "*", "job", json.dumps(good(id="j")), "raw", RAW),
                          ("CONFIG", "SET", "maxmemory", "1"), ("EXEC",)])
        need(w.wait(lambda: "OOM" in w.log()), w.log())
        start = time.monotonic()
        need(w.wait(lambda: refused() >= 3), "not tried again")
        need(time.monotonic() - start > 1, "tried again all the time:", refused())
        need(w.redis("XLEN", "hikyaku:jobs") == 1 and not w.job(":j"))
        w.redis("CONFIG", "SET", "maxmemory", "0")
        w.settled()
        need(w.job(":j")["queued"] == "1")


@check
def no_group_while_memory_is_full():
    "a start without memory waits, and does not hammer"
    with World() as w:
        w.stop()
        w.submit(good(id="j"))
        w.redis("CONFIG", "SET", "maxmemory", "1")
        w.redis("CONFIG", "RESETSTAT")
        w.start()
        need(w.wait(lambda: "consumer group" in w.log()), w.log())
        need(not w.wait(lambda: w.redis("XLEN", "hikyaku:jobs") == 0, 0.5))
        refused = int(pairs_info(w.redis, "errorstats").get("errorstat_OOM", "count=0").split("=")[1])
        need(0 < refused <= 6, refused)
        w.redis("CONFIG", "SET", "maxmemory", "0")
        w.settled()


@check
def a_key_of_the_wrong_type():
    "one job that Redis cannot take stays; the others go on"
    with World() as w:
        w.redis("SET", BASE + ":job::bad", "x")
        w.submit(good(id="bad"))
        for i in range(50):
            w.submit(good(id="g%d" % i))
        need(w.wait(lambda: w.job(":g49").get("queued") == "1"), "held up by another job")
        need(w.wait(lambda: w.redis("XLEN", "hikyaku:jobs") == 1) and "WRONGTYPE" in w.log(), w.log())
        w.redis("DEL", BASE + ":job::bad")
        w.settled()


@check
def large_and_small():
    "small jobs go on beside large ones"
    with World(start=False) as w:
        for j in range(4):
            w.submit(good(id="big%d" % j, to=["u%d@d%d.test" % (i, i % 40) for i in range(10000)]))
        for j in range(40):
            w.submit(good(id="small%d" % j))
        w.start()
        need(w.wait(lambda: w.job(":small39").get("queued") == "1"))
        need(any(w.job(":big%d" % j).get("queued") != "10000" for j in range(4)), "a small job waited for all large ones")
        w.settled(20)
        only_once(w, 40040)


def gone_consumer():
    "entries of an engine that is gone are taken over (a minute)"
    with World(start=False) as w:
        w.redis("XGROUP", "CREATE", "hikyaku:jobs", "hikyaku", 0, "MKSTREAM")
        for i in range(40):
            w.submit(good(id="g%d" % i))
        w.redis("XREADGROUP", "GROUP", "hikyaku", "ghost", "COUNT", 40, "STREAMS", "hikyaku:jobs", ">")
        w.start()
        need(not w.wait(lambda: w.job(":g0"), 1), "taken from one that lives")
        w.settled(90)
        only_once(w, 40)


def rate():
    "recipients a second, 200 bytes of variables each"
    jobs, each = 50, 10000
    with World(start=False, queue="high-water = 10000000") as w:
        message = dict(MESSAGE, text="Dear {{name}}, {{a}} {{b}}\n")
        for j in range(jobs):
            to = [{"address": "user%d@d%d.test" % (i, i % 500), "id": str(i),
                   "vars": {"name": "Name of %d" % i, "a": "x" * 80, "b": "y" * 100}} for i in range(each)]
            w.submit(good(id="r%d" % j, to=to, message=message, campaign="c"), raw=None)
        cpu = lambda: sum(map(float, (pairs_info(w.redis, "cpu")[k] for k in ("used_cpu_sys", "used_cpu_user"))))
        before, start = cpu(), time.monotonic()
        w.start()
        end = start + 60
        while w.redis("XLEN", "hikyaku:jobs") and time.monotonic() < end:
            time.sleep(0.02)
        took, used = time.monotonic() - start, cpu() - before
        with open("/proc/%d/stat" % w.tool.pid) as stat:
            words = stat.read().split()
        own = (int(words[13]) + int(words[14])) / os.sysconf("SC_CLK_TCK")
        with open("/proc/%d/status" % w.tool.pid) as status:
            peak = next(line for line in status if line.startswith("VmHWM")).split()[1]
        w.stop()
        print(json.dumps({"recipients": jobs * each, "seconds": round(took, 2), "per_second": int(jobs * each / took),
                          "intake_us": round(own / jobs / each * 1e6, 2), "redis_us": round(used / jobs / each * 1e6, 2),
                          "peak_mb": int(peak) // 1024}))
        start = time.monotonic()
        small = 20000
        for j in range(0, small, 500):
            w.redis.pipeline([("XADD", "hikyaku:jobs:now", "*", "job", json.dumps(good(id="s%d" % i)), "raw", RAW)
                              for i in range(j, j + 500)])
        start = time.monotonic()
        w.start()
        w.settled(60)
        print(json.dumps({"small_jobs": small, "per_second": int(small / (time.monotonic() - start))}))


def pairs_info(redis, section):
    text = redis("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def main():
    if "--rate" in sys.argv:
        rate()
        return 0
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    return run(CHECKS + ([gone_consumer] if LONG else []), names, at_once=1 if LONG else 3)


if __name__ == "__main__":
    sys.exit(main())
