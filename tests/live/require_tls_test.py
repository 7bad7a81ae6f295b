#!/usr/bin/env python3
"""REQUIRETLS, end to end (RFC 8689 4.2.1): jobs with "require_tls" to domains whose hosts can give it, or cannot, or lack
one thing of it. What is delivered has said so in MAIL, to the first host that will do; what cannot be fails, and no host
has heard a word of it. sts_test.py's world: domains with MTA-STS policies, or without. BUILD names the build directory."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from checking import in_folder, summary
from redis_client import RedisServer
from sts_test import World, policy
from tls_test import Server, first_events


def named(name, *hosts):
    return policy("enforce", *["%s.%s.test" % (host, name) for host in hosts or ["mx"]])


# domain: its policy, its MX hosts (by preference), what must come of it, what the event's tls or reply has
CASES = {
    "good": (named("good"), ["chain"], "delivered", "pkix"),
    "testing": (policy("testing", "mx.testing.test"), ["chain"], "delivered", "pkix"),
    "third": (named("third", "mx", "mx2", "mx3"), ["good", "none", "chain"], "delivered", "pkix"),
    "unnamed": (policy("testing", "mx.else.test"), ["chain"], "failed", "5.7.10 no MTA-STS policy names it"),
    "without": ("404", ["chain"], "failed", "5.7.10 no MTA-STS policy names it"),
    "unoffered": (named("unoffered"), ["good"], "failed", "5.7.30 does not offer REQUIRETLS"),
    "early": (named("early"), ["early"], "failed", "5.7.30 does not offer REQUIRETLS"),
    "clear": (policy("testing", "mx.clear.test"), ["clear"], "failed", "5.7.10 does not speak TLS"),
    "garbage": (policy("testing", "mx.garbage.test"), ["garbage"], "failed", "5.7.10 does not speak TLS"),
    "selfsigned": (policy("testing", "mx.selfsigned.test"), ["self-chain"], "failed", "5.7.10 self-signed"),
    "none-of-two": (named("none-of-two", "mx", "mx2"), ["good", "none"], "failed", "5.7.30 does not speak TLS"),
    "down": (named("down", "mx", "mx2"), ["down", "good"], "deferred", "4.7.30 cannot be asked now"),
    "nobody": (named("nobody"), ["good"], "delivered", "pkix"),  # a message from nobody goes without the keyword
    "operator": (policy("testing", "mx.operator.test"), ["chain"], "failed", "5.7.10 does not speak TLS"),
}
CONF = """domain "operator.test" { tls = "none" }
domain "routed.example" { route = { "[127.0.0.1]:%d" } }
"""


def judge(world, name, mails):
    """mails: what each of its hosts heard of MAIL."""
    _, _, outcome, about = CASES[name]
    kind, event = first_events(world.redis).get(name, ("nothing", {}))
    if kind != outcome:
        return "expected %s, found %s: %s" % (outcome, kind, event)
    if event.get("require_tls") is not True:
        return "expected require_tls in the event, found %s" % event
    if outcome == "delivered":
        wanted = "MAIL FROM:<> " if name == "nobody" else "MAIL FROM:<b@sts.test> REQUIRETLS"
        found = [mail.replace("8BIT", "") + " " * (name == "nobody") for mail in mails[-1]]
        if found != [wanted] or any(mails[:-1]):
            return "expected %r, and only at the last host; found %s" % (wanted, mails)
        return "" if event["tls"].endswith(about) else "expected tls %s, found %s" % (about, event["tls"])
    enhanced, words = about.split(" ", 1)
    if (event["enhanced"], event["category"], event["scope"]) != (enhanced, "tls", "message") or words not in event["reply"]:
        return "expected %s, category tls, scope message, and %r; found %s" % (enhanced, words, event)
    return ""


def mails_of(world, name):
    """What its hosts heard of MAIL but for the ordinary message."""
    return [[mail for mail in receiver.mails if "ordinary@" not in mail] for receiver in world.receivers[name]]


def routed(world):
    """The configuration names the host: there is no MX to mistrust."""
    found = first_events(world.redis).get("routed", ("nothing", {}))
    heard = world.routed.mails
    right = found[0] == "delivered" and heard == ["MAIL FROM:<b@sts.test> REQUIRETLS"]
    world.check("routed", "" if right else "found %s, and %s" % (found, heard))


def run(folder):
    with RedisServer() as server:
        world = World(folder, server.path, CASES)
        try:
            world.routed = Server("tls REQUIRETLS", world.certificates.leaf("routed", "routed.example"))
            with open(folder + "/hikyaku.conf", "a") as conf:
                conf.write(CONF % world.routed.port)
            jobs = {name: name + ".test" for name in CASES}
            jobs.update({"routed": "routed.example", "plain": "unoffered.test", "plain-third": "third.test"})
            members = {name: {"require_tls": True} for name in jobs if not name.startswith("plain")}
            members["nobody"]["from"] = ""
            members["plain"] = members["plain-third"] = {"from": "ordinary@sts.test"}
            world.run(jobs, waived=("clear", "selfsigned"), members=members)  # TLS-Required: No says nothing here (4.1)
            for name in CASES:
                mails = mails_of(world, name)
                world.check(name, judge(world, name, mails))
                if CASES[name][2] != "delivered":
                    world.check(name + " in silence", "" if not any(mails) else "a host has heard %s" % mails)
            routed(world)
            for job in ("plain", "plain-third"):
                kind, event = first_events(world.redis).get(job, ("nothing", {}))
                world.check(job, "" if kind == "delivered" and "require_tls" not in event else "found %s %s" % (kind, event))
        finally:
            world.stop()
        return summary(world, folder + "/engine.log")


def main():
    return in_folder("require-tls", run)


if __name__ == "__main__":
    sys.exit(main())
