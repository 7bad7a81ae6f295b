#!/usr/bin/env python3
"""The suppression list as people and the engine use it: the commands, what a refused recipient leaves behind, and that
nothing more is sent to it.

Run from the project's root; HIKYAKU names the program, ./hikyaku if it is not set."""
import json
import sys

from checking import need, until
from commands_test import MESSAGE, World


def lines(run):
    return [json.loads(line) for line in run.stdout.splitlines()]


def events(world, job):
    found = world.redis("XRANGE", "hikyaku:{0}:events", "-", "+") or []
    dicts = [dict(zip(fields[::2], fields[1::2])) for _, fields in found]
    return [(e[b"type"].decode(), e[b"to"].decode(), json.loads(e[b"data"])) for e in dicts if e[b"job"] == job.encode()]


def send(world, job, *to, tenant=None):
    words = [word for address in to for word in ("--to", address)] + (["--tenant", tenant] if tenant else [])
    run = world.run("submit", "--from", "n@sender.test", "--id", job, *words, "--var", "name=x", "-", stdin=MESSAGE)
    need(run.returncode == 0, run.stderr)
    until(lambda: any(type == "finished" for type, _, _ in events(world, job)), 10, "job %s finished" % job)
    return {to: type for type, to, _ in events(world, job) if to}


def test_commands(world):
    """add, check, list, remove: with tenants, reasons, a file, and what is wrong with it"""
    run = world.run("suppress", "add", "Ann@A.test", "--reason", "asked by phone", "--tenant", "acme", "--for", "2h")
    need(run.returncode == 0 and run.stdout == "1 added, 0 already\n", run.stdout, run.stderr)
    book = world.write("addresses", "bob@a.test\n\nno address\ncy@b.test\n")
    run = world.run("suppress", "add", "--file", book, "--for", "unlimited", "--json")
    need(run.returncode == 1 and lines(run) == [{"added": 2, "already": 0}], run.stdout)
    need("addresses:3:" in run.stderr and "no address" in run.stderr, run.stderr)
    entry = lines(world.run("suppress", "check", "ann@a.test", "--json"))
    need(len(entry) == 1 and entry[0]["suppressed"] and entry[0]["tenant"] == "acme", entry)
    need(entry[0]["reason"] == "asked by phone" and entry[0]["until"] - entry[0]["since"] == 7200000, entry)
    need(lines(world.run("suppress", "check", "bob@a.test", "--tenant", "acme", "--json"))[0]["suppressed"], "everybody's")
    need(not lines(world.run("suppress", "check", "ann@a.test", "--tenant", "x", "--json"))[0]["suppressed"], "another's")
    all = lines(world.run("suppress", "list", "--json"))
    need(sorted(one["address"] for one in all) == ["ann@a.test", "bob@a.test", "cy@b.test"], all)
    need([one["address"] for one in lines(world.run("suppress", "list", "--tenant", "acme", "--json"))] == ["ann@a.test"],
         "of a tenant")
    text = world.run("suppress", "list", "--reason", "by hand").stdout
    need(len(text.splitlines()) == 2 and "cy@b.test" in text and "by hand" in text, text)
    run = world.run("suppress", "remove", "ann@a.test", "--tenant", "acme", "zoe@a.test", "--json")
    need(lines(run) == [{"removed": 1, "absent": 1}], run.stdout)
    run = world.run("suppress", "remove", "bob@a.test", "cy@b.test")
    need(run.stdout == "2 removed, 0 absent\n", run.stdout)
    need(world.run("suppress", "list", "--json").stdout == "", "nothing is left")


def test_usage(world):
    """what is wrong with the words is said, with exit status 2"""
    for words in (("forget", "a@a.test"), ("add",), ("list", "a@a.test"), ("add", "a@a.test", "--for", "often"),
                  ("add", "a@a.test", "--reason", "")):
        run = world.run("suppress", *words)
        need(run.returncode == 2 and ("expected" in run.stderr or "check has those" in run.stderr), words, run.stderr)
    need(world.run("suppress", "check", "nobody").returncode == 1, "a bad address")


def test_engine(world):
    """refused as unknown: on the list, and sent nothing more; taken off it: sent to again"""
    world.start()
    first = send(world, "s1", "gone@a.test", "ann@a.test")
    need(first == {"gone@a.test": "failed", "ann@a.test": "delivered"}, first)
    entry = until(lambda: [one for one in lines(world.run("suppress", "check", "gone@a.test", "--json"))
                           if one["suppressed"]], 10, "gone is on the list")[0]
    need(entry["reason"] == "invalid-recipient" and entry["by"] == "verdict" and entry["tenant"] == "", entry)
    need(abs(entry["until"] - entry["since"] - 180 * 86400000) < 5000, entry)
    until(lambda: [worker for worker in json.loads(world.run("status", "--json").stdout)["workers"]
                   if worker["refusals"].get("invalid-recipient") == 1], 10, "status counts it")
    scores = [worker["scoreboard"] for worker in json.loads(world.run("status", "--json").stdout)["workers"]]
    need(any(score["delivered"] == 1 and score["refusals"] == {"invalid-recipient": 1} for one in scores for score in one["site"]),
         "the scores of the site", scores)
    text = world.run("status").stdout
    need("1 delivered       1 refused: 1 invalid-recipient" in text, text)
    said = len(world.receiver.lines)
    second = send(world, "s2", "GONE@a.test", "ann@a.test", tenant="acme")
    need(second == {"GONE@a.test": "suppressed", "ann@a.test": "delivered"}, second)
    need(not any("gone" in line.lower() for line in world.receiver.lines[said:]), world.receiver.lines[said:])
    data = [data for type, _, data in events(world, "s2") if type == "suppressed"][0]
    need(data["category"] == "invalid-recipient" and "suppression list" in data["reply"], data)
    counts = until(lambda: world.redis("HGET", "hikyaku:job:acme:s2", "state") == b"finished", 10, "the job's counts")
    need(counts and world.redis("HGET", "hikyaku:job:acme:s2", "suppressed") == b"1", "the job's counts")
    need(world.run("suppress", "remove", "gone@a.test").returncode == 0, "remove")
    need(send(world, "s3", "gone@a.test", "taste@a.test") == {"gone@a.test": "failed", "taste@a.test": "failed"}, "asked again")
    links = {to: data.get("url") for _, to, data in events(world, "s3") if to}
    need(links == {"gone@a.test": None, "taste@a.test": "https://mail.example/why"}, "what a refusal names", links)
    world.stop()


def test_in_hand(world):
    """what was leased before the verdict, and is not in dialogue, is not sent any more; another tenant's is"""
    world.conf = world.write("hand.conf", world.text('domain "d.test" { connections = 1  recipients-per-message = 1 }\n'))
    world.start()
    to = ["gone@d.test"] + ["ok%d@d.test" % n for n in range(4)] + ["Gone@d.test"]
    send(world, "h1", *to, tenant="acme")
    said = [line for line in world.receiver.lines if "gone@d.test" in line.lower()]
    need(len(said) == 1, said)
    data = [data for type, to, data in events(world, "h1") if type == "suppressed"]
    need(len(data) == 1 and data[0]["category"] == "invalid-recipient" and data[0]["rule"] == "suppression", data)
    need("by verdict" in data[0]["reply"], data)
    need(send(world, "h2", "gone@d.test", tenant="other") == {"gone@d.test": "failed"}, "another tenant's")
    world.stop()


def answer(world, ref):
    found = until(lambda: world.redis("GET", "hikyaku:control:" + ref), 10, "an answer to " + ref)
    return json.loads(found)


def test_orders(world):
    """through the control stream: an answer with the count, or with what is wrong"""
    world.start()
    order = lambda ref, *words: world.redis("XADD", "hikyaku:control", "*", *words, "by", "alice", "ref", ref)
    order("o1", "do", "suppress", "match", '{"address":["eve@a.test","fay@a.test"],"tenant":"acme","reason":"asked"}',
          "for", "2h")
    order("o2", "do", "suppress", "match", '{"address":"no address"}')
    order("o3", "do", "suppress", "match", '{"adress":"eve@a.test"}')
    need(answer(world, "o1")["count"] == 2, answer(world, "o1"))
    entry = lines(world.run("suppress", "check", "eve@a.test", "--json"))[0]
    need([entry[name] for name in ("suppressed", "tenant", "reason", "by")] == [True, "acme", "asked", "alice"], entry)
    need("no address" in answer(world, "o2")["error"] and "address" in answer(world, "o3")["error"], answer(world, "o3"))
    order("o4", "do", "unsuppress", "match", '{"address":"fay@a.test","tenant":"acme"}')
    need(answer(world, "o4")["count"] == 1, answer(world, "o4"))
    need(send(world, "o", "eve@a.test", "fay@a.test", tenant="acme") == {"eve@a.test": "suppressed", "fay@a.test": "delivered"},
         "what is sent")
    world.stop()


def test_alarm(world):
    """a campaign of which a third is unknown is paused by itself, and says the numbers"""
    world.conf = world.write("alarm.conf", world.text("alarms { invalid-recipient = 10% }\n"))
    world.start()
    book = world.write("book", "".join("%s%d@c.test\n" % ("gone" if n % 3 == 0 else "ok", n) for n in range(300)))
    run = world.run("submit", "--from", "n@sender.test", "--id", "bad", "--campaign", "nov", "--to-file", book, "--var",
                    "name=x", "-", stdin=MESSAGE)
    need(run.returncode == 0, run.stderr)
    said = until(lambda: [data for type, _, data in events(world, "") if type == "alarm"], 10, "the alarm")[0]
    need(said["alarm"] == "campaign" and said["match"] == {"campaign": "nov"} and said["paused"], said)
    need(said["met"] > 5 and said["seen"] >= said["met"] and said["bound_percent"] == 10, said)
    told = until(lambda: [data for type, _, data in events(world, "") if type == "control" and
                          data.get("by") == "alarm"], 10, "the pause")[0]
    need(told["do"] == "pause" and told["match"] == {"campaign": "nov"}, told)
    need(world.run("resume", "campaign=nov").returncode == 0, "resume")
    world.stop()


def main():
    tests = [(name, test) for name, test in list(globals().items())
             if name.startswith("test_") and (not sys.argv[1:] or name[5:] in sys.argv[1:])]
    failed, world = 0, World()
    try:
        for name, test in tests:
            try:
                test(world)
            except Exception as error:
                failed += 1
                print("FAIL %s: %s: %s: %s" % (name, test.__doc__, type(error).__name__, error))
    finally:
        world.close()
    print("%d passed, %d failed" % (len(tests) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
