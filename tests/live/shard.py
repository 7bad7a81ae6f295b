"""The queue's functions as Python methods, its records, and a look inside: whether a shard keeps its promises.

    shard = Shard(redis, 0)
    shard.register()
    shard.begin("j", 2)
    shard.expand("j", 0, [shard.item("j", 0, "b:a.test:acme:c"), shard.final("rejected", 1)])
    reply = shard.lease([("b:a.test:acme:c", 10)])     # → [Taken(list, remaining, [(position, record)…])…]
    shard.settle([shard.done(reply[0], 0, "delivered")])
    assert not shard.broken()
"""
import collections
import json
import struct

FINALS = ("delivered", "failed", "expired", "cancelled", "suppressed", "rejected")
PLACES = ("queued", "deferred", "held")
TENANT = "acme"
FAR = 4000000000  # seconds: nothing in a test expires by accident

Record = collections.namedtuple(
    "Record", "recoveries attempt index expires queued accept first tenant job address extras")
Taken = collections.namedtuple("Taken", "list remaining records lease")
Event = collections.namedtuple("Event", "id type job to data")


def pack(*entries):
    return b"".join(kind + struct.pack("<BI", len(name), len(value)) + name + value for kind, name, value in entries)


def record_bytes(job, index, accept, address=None, expires=FAR, attempt=0, recoveries=0, extras=b""):
    tenant, job, address = TENANT.encode(), job.encode(), (address or "u%d@a.test" % index).encode()
    return struct.pack("<BBHIIQQIBBH", 1, recoveries, attempt, index, expires, 1795000000000, accept, 0, len(tenant),
                       len(job), len(address)) + tenant + job + address + extras


def record_read(data):
    _, recoveries, attempt, index, expires, queued, accept, first, tenant, job, address = struct.unpack_from(
        "<BBHIIQQIBBH", data)
    texts = data[36:]
    return Record(recoveries, attempt, index, expires, queued, accept, first, texts[:tenant].decode(),
                  texts[tenant:tenant + job].decode(), texts[tenant + job:tenant + job + address].decode(),
                  texts[tenant + job + address:])


def head(verb, type, position, lease):
    """The first word of a settled item; verb and type may be wrong ones."""
    letter = {"deferred": "l", "": "-"}.get(type, type[:1])
    return verb.encode() + letter.encode() + bytes([position]) + str(lease).encode()


def pairs(flat):
    return list(zip(flat[::2], flat[1::2]))


class Shard:
    def __init__(self, redis, n=0, instance="mta1"):
        self.redis, self.B, self.instance = redis, "hikyaku:{%d}" % n, instance
        self.epoch, self.number, self.accepts, self.told = 0, 0, {}, "0-0"

    def call(self, name, *arguments):
        return self.redis("FCALL", "hikyaku_" + name, 1, self.B, *arguments)

    def key(self, name):
        return self.B + ":" + name

    def register(self, sure=1, instance=None):
        reply = self.call("register", instance or self.instance, sure)
        if reply[0] == b"OK":
            self.epoch = reply[1]
        return reply

    def begin(self, job, total, entry="1-1", hash="h", common='"tenant":"acme","campaign":"c","class":"bulk"', tags=""):
        reply = self.call("begin", TENANT, job, entry, hash, total, '{"v":1,"event":"a-%s"}' % job,
                          '{"v":1,"event":"d-%s-%s"}' % (job, entry), "{}", common, tags)
        if reply[0] != b"CONFLICT":
            self.accepts[job] = reply[1]
        return reply

    def record(self, job, index, **more):
        return record_bytes(job, index, self.accepts[job], **more)

    def item(self, job, index, name, delay=0, **more):
        data = self.record(job, index, **more)
        return ["q", name, delay, record_read(data).expires * 1000, data]

    def more(self, job, index, **more):
        """As the item before it, but for the record."""
        return ["+", self.record(job, index, **more)]

    def final(self, kind, index):
        return [kind, "u%d@a.test" % index, index, 0, '{"v":1,"event":"x-%s-%d"}' % (kind, index)]

    def expand(self, job, first, items):
        return self.call("expand", TENANT, job, first, first + len(items), *[word for item in items for word in item])

    def fill(self, job, names, **more):
        """A job with one recipient for each name of a list."""
        self.begin(job, len(names))
        return self.expand(job, 0, [self.item(job, index, name, **more) for index, name in enumerate(names)])

    def lease(self, wants, number=None, epoch=None, instance=None):
        if number is None:
            self.number += 1
            number = self.number
        flat = self.call("lease", instance or self.instance, epoch or self.epoch, number,
                         *[word for want in wants for word in want])
        taken, at = [], 0
        while at < len(flat):
            name, remaining, got = flat[at:at + 3]
            taken.append(Taken(name.decode(), remaining, pairs(flat[at + 3:at + 3 + 2 * got]), number))
            at += 3 + 2 * got
        return taken

    def lease_all(self, **more):
        """All that is ready, as (lease, position, list, record)."""
        out = []
        while True:
            names = self.changed()
            taken = self.lease([(name, 256) for name in names[:64]], **more) if names else []
            got = [(t.lease, position, t.list, data) for t in taken for position, data in t.records]
            if not got:
                return out
            out += got

    def settle_item(self, verb, lease, position, name, data, type="", delay=0, record=b"", before=("", ""), event="e"):
        read = record_read(data)
        item = ["j", read.tenant, read.job, head(verb.upper() if before[0] else verb, type, position, lease), read.index,
                read.address, '{"v":1,"event":"%s"}' % event if type else ""]
        return item + ([delay, name, record] if verb in "lhb" else []) + (list(before) if before[0] else [])

    def done(self, taken, i, type="delivered", verb="f", **more):
        position, data = taken.records[i]
        if verb in "lh" and "record" not in more:
            more["record"] = data
        return self.settle_item(verb, taken.lease, position, taken.list, data, type=type, **more)

    def settle(self, items, epoch=None, instance=None):
        reply = self.call("settle", instance or self.instance, epoch or self.epoch,
                          *[word for item in items for word in item])
        return reply.decode()

    def changed(self, since=0, most=100000):
        return [name.decode() for name in self.call("changed", since, since, most)[2:]]

    def events(self, all=False):
        """What was appended since it was last asked, or all."""
        start = "-" if all else "(" + self.told
        found = []
        for entry, flat in self.redis("XRANGE", self.key("events"), start, "+") or []:
            fields = {k.decode(): v.decode() for k, v in pairs(flat)}
            found.append(Event(entry.decode(), fields["type"], fields["job"], fields["to"],
                               json.loads(fields["data"] or "{}")))
            self.told = entry.decode()
        return found

    def types(self, **more):
        return [event.type for event in self.events(**more)]

    def job(self, job):
        """Its HASH, with the counters that are 0 because they are not there; {} if there is none."""
        found = {k.decode(): v.decode() for k, v in pairs(self.redis("HGETALL", self.key("job:%s:%s" % (TENANT, job))))}
        return found and {**dict.fromkeys(PLACES + FINALS, "0"), **found}

    def counters(self, job):
        hash_ = self.job(job)
        return {name: int(hash_[name]) for name in PLACES + FINALS if hash_[name] != "0"}

    def names(self, pattern):
        cut = len(self.key(pattern.rstrip("*")))
        return sorted(key.decode()[cut:] for key in self.redis("KEYS", self.B.replace("[", "\\[") + ":" + pattern))

    def list(self, name):
        """Indexes of the recipients in a list, head first."""
        return [record_read(data).index for data in self.redis("LRANGE", self.key("list:" + name), 0, -1)]

    # What lies where, read without the functions: (place, list, record).

    def everything(self):
        for name in self.names("list:*"):
            for data in self.redis("LRANGE", self.key("list:" + name), 0, -1):
                yield "list", name, data
        for member in self.redis("ZRANGE", self.key("deferred"), 0, -1):
            name, data = member.split(b"\0", 1)
            yield "deferred", name.decode(), data
        for member in self.redis("HVALS", self.key("held")):
            name, data = member.split(b"\0", 1)
            yield "held", name.decode(), data
        for epoch in self.redis("HKEYS", self.key("instances")):
            yield from self.leased(epoch.decode())

    def leased(self, epoch):
        for lease, bits in pairs(self.redis("HGETALL", self.key("open:" + epoch))):
            name, position = None, 0
            for element in self.redis("LRANGE", self.key("lease:%s:%s" % (epoch, lease.decode())), 0, -1):
                if element[0] != 1:
                    name = element.decode()
                    continue
                if bits[position // 8] >> position % 8 & 1:
                    yield "lease", name, element
                position += 1

    def bits(self, kind, job):
        data = self.redis("GET", self.key("%s:%s:%s" % (kind, TENANT, job))) or b""
        return {i for i in range(8 * len(data)) if data[i // 8] >> 7 - i % 8 & 1}

    def broken(self):
        """Promises that do not hold, as sentences; [] if all is well."""
        wrong, live, dead = [], collections.defaultdict(list), collections.Counter()
        jobs = [name.split(":", 1)[1] for name in self.names("job:*")]
        final = {job: self.bits("bits", job) for job in jobs}
        for place, name, data in self.everything():
            read = record_read(data)
            if read.job not in final or read.index in final[read.job]:
                dead[read.job] += 1
            else:
                live[read.job, read.index].append((place, name, read))
        for job in jobs:
            wrong += self._broken_job(job, final[job], {i: p for (j, i), p in live.items() if j == job})
        strays = {k.decode(): int(v) for k, v in pairs(self.redis("HGETALL", self.key("strays")))}
        if strays != {TENANT + ":" + job: n for job, n in dead.items()}:
            wrong.append("strays are %s, dead records %s" % (strays, dict(dead)))
        return wrong + self._broken_ready() + self._broken_lists()

    def _broken_job(self, job, final, live):
        hash_, wrong = self.job(job), []
        wrong += ["%s/%d is in %s" % (job, i, places) for i, places in live.items() if len(places) != 1]
        where = collections.Counter("queued" if p[0][0] in ("list", "lease") else p[0][0] for p in live.values())
        for place in PLACES:
            if int(hash_[place]) != where[place]:
                wrong.append("%s: %s is %s, there are %d" % (job, place, hash_[place], where[place]))
        if sum(int(hash_[kind]) for kind in FINALS) != len(final):
            wrong.append("%s: final counters of %s, %d bits" % (job, hash_, len(final)))
        if len(final) + len(live) != int(hash_["cursor"]):
            wrong.append("%s: %d final, %d alive, cursor %s" % (job, len(final), len(live), hash_["cursor"]))
        if self.bits("waits", job) != {i for i, p in live.items() if p[0][0] == "deferred"}:
            wrong.append("%s: waits says %s" % (job, self.bits("waits", job)))
        is_over = len(final) == int(hash_["total"]) == int(hash_["cursor"])
        forgets = self.redis("TTL", self.key("job:%s:%s" % (TENANT, job))) > 0
        if not is_over == ("finished" in hash_) == forgets:
            wrong.append("%s: finished is %s, %d of %s final" % (job, hash_.get("finished"), len(final), hash_["total"]))
        return wrong

    def _broken_ready(self):
        ready = int(self.redis("GET", self.key("ready")) or 0)
        there = sum(self.redis("LLEN", self.key("list:" + name)) for name in self.names("list:*"))
        return ["ready is %d, in lists are %d" % (ready, there)] if ready != there else []

    def _broken_lists(self):
        wrong, lists = [], self.names("list:*")
        now = [name.decode() for name in self.redis("ZRANGE", self.key("index:now"), 0, -1)]
        bulk = [name.decode() for name in self.redis("ZRANGE", self.key("index"), 0, -1)]
        if sorted(now + bulk) != lists or any(n[0] != "t" for n in now) or any(n[0] != "b" for n in bulk):
            wrong.append("indexed are %s and %s, lists not empty %s" % (now, bulk, lists))
        expiry = dict(pairs(self.redis("ZRANGE", self.key("expiry"), 0, -1, "WITHSCORES")))
        if {k.decode() for k in expiry if k[:2] != b"h:"} != set(lists):
            wrong.append("expiry knows %s, lists not empty %s" % (sorted(expiry), lists))
        held = {b"h:" + k for k in self.redis("HKEYS", self.key("held"))}
        if {k for k in expiry if k[:2] == b"h:"} != held:
            wrong.append("expiry knows %s, held are %s" % (sorted(expiry), held))
        sweeping = (self.redis("HGET", self.key("sweep"), "list") or b"").decode()
        for name in lists:
            alive = [record_read(data) for data in self.redis("LRANGE", self.key("list:" + name), 0, -1)]
            earliest = min((r.expires * 1000 for r in alive if r.index not in self.bits("bits", r.job)), default=None)
            if earliest is not None and name != sweeping and float(expiry.get(name.encode(), "inf")) > earliest:
                wrong.append("%s: expiry %s, too late for %d" % (name, expiry.get(name.encode()), earliest))
        return wrong

    def broken_events(self):
        """Exactly one final event for each final recipient, and one `finished` for each finished job."""
        wrong, seen, ids = [], collections.Counter(), collections.Counter()
        for event in self.events(all=True):
            if event.type in FINALS:
                seen[event.job, event.to] += 1
            elif event.type == "finished":
                seen[event.job, "finished"] += 1
        for job in [name.split(":", 1)[1] for name in self.names("job:*")]:
            hash_ = self.job(job)
            finals = sum(int(hash_[kind]) for kind in FINALS)
            events = sum(n for (j, to), n in seen.items() if j == job and to != "finished")
            if finals != events:
                wrong.append("%s: %d final, %d final events" % (job, finals, events))
            if seen[job, "finished"] != ("finished" in hash_):
                wrong.append("%s: %d events finished" % (job, seen[job, "finished"]))
        wrong += ["%s has %d final events" % (key, n) for key, n in seen.items() if n != 1]
        return wrong
