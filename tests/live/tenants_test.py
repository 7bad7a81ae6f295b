#!/usr/bin/env python3
"""Tenants at the door, against a real Redis: streams read by weight, a pool of one's own, times of each recipient.

The same world as intake_test.py: build/tests/live/intake_tool takes jobs in and nothing else."""
import sys
import time

import intake_test
from checking import need, run
from intake_test import BASE, World, good

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def large(tenant, **more):
    return {"id": "big", "from": "x@%s.test" % tenant, "to": ["u%d@d%d.test" % (i, i % 50) for i in range(10000)], **more}


@check
def streams_are_read_by_weight():
    "at the high-water mark two tenants of weights 1 and 3 have a quarter and three quarters of what is queued"
    tenants = 'tenant "one" { jobs = true  weight = 1 }\ntenant "three" { jobs = true  weight = 3 }\n'
    with World(tenants, queue="high-water = 8000", start=False) as w:
        for tenant in ("one", "three"):
            w.submit(large(tenant), stream="hikyaku:jobs:t:" + tenant)
        w.start()

        def queued(tenant):
            return int(w.job(tenant + ":big").get("queued", 0))

        need(w.wait(lambda: queued("one") + queued("three") >= 8000), w.log())
        one, three = queued("one"), queued("three")
        need(abs(one - 2000) <= 1024 and abs(three - 6000) <= 1024, "queued:", one, three)


@check
def a_small_tenant_does_not_wait_for_a_large_one():
    "a job in a tenant's stream is queued while another tenant has large ones under way"
    tenants = 'tenant "large" { jobs = true }\ntenant "small" { jobs = true }\n'
    with World(tenants, start=False) as w:
        for i in range(20):
            w.submit(large("large", id="big%d" % i), stream="hikyaku:jobs:t:large")
        w.submit({"id": "one", "from": "x@small.test", "to": ["u@d.test"]}, stream="hikyaku:jobs:t:small")
        w.start()
        need(w.wait(lambda: w.job("small:one").get("queued") == "1"), w.log())
        need(sum(int(w.job("large:big%d" % i).get("queued", 0)) for i in range(20)) < 100000, "it waited for the others")


@check
def only_its_own_pools():
    "a tenant's job may name the tenant's pools and no other, through whichever stream it comes"
    config = 'source "s" { address = "127.0.0.1" }\npool "mine" { source "s" {} }\npool "other" { source "s" {} }\n' \
             'tenant "acme" { jobs = true  pool = { "mine" } }\n'
    with World(config) as w:
        acme, to = "hikyaku:jobs:t:acme", {"from": "x@acme.test", "to": ["u@d.test"]}
        w.submit(dict(to, id="good", pool="mine"), stream=acme)
        w.submit(dict(to, id="bad", pool="other"), stream=acme)
        w.submit(dict(to, id="open", pool="other", tenant="acme"))
        w.settled(streams=("hikyaku:jobs", acme))
        need(w.job("acme:good").get("queued") == "1", w.rejected())
        need({(r["job"], r["tenant"], r["field"]) for r in w.rejected()} == {("bad", "acme", "pool"), ("open", "acme", "pool")},
             w.rejected())


@check
def each_recipient_has_its_own_times():
    "expires and not_before of a recipient go over the job's; without either the configuration decides"
    with World(queue='expires-after = "2h"') as w:
        now = int(time.time() * 1000)
        hour = 3600 * 1000
        half = hour // 2
        later = {"not_before": now + half}
        w.submit(good(id="plain", to=["a@d.test", dict(later, address="e@d.test")]))
        w.submit(good(id="both", expires=now + hour, to=["b@d.test", {"address": "c@d.test", "expires": now + 3 * hour},
                                                         dict(later, address="d@d.test")]))
        w.settled()
        queued = [r for n in w.redis("ZRANGE", BASE + ":index", 0, -1) for r in w.redis("LRANGE", BASE + ":list:" + n.decode(), 0, -1)]
        deferred = w.redis("ZRANGE", BASE + ":deferred", 0, -1, "WITHSCORES")
        need(len(deferred) == 4 and all(abs(float(due) - now - half) < 5000 for due in deferred[1::2]), deferred[1::2])
        ends = {intake_test.record(data)[3]: int.from_bytes(data[8:12], "little") * 1000
                for data in queued + [member.split(b"\0", 1)[1] for member in deferred[::2]]}
        want = {"a@d.test": 2 * hour, "b@d.test": hour, "c@d.test": 3 * hour, "d@d.test": hour, "e@d.test": 2 * hour + half}
        need(set(ends) == set(want) and all(abs(ends[a] - now - want[a]) < 5000 for a in want),
             {a: (t - now) / hour for a, t in ends.items()})


if __name__ == "__main__":
    sys.exit(run(CHECKS, sys.argv[1:]))
