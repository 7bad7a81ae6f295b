"""What the tests of the queue's functions share: a Redis for all of them, a shard for each, and how they are run."""
import sys
import traceback

from redis_client import Redis, RedisError, RedisServer, library_load
from shard import Shard

L, M, T = "b:a.test:acme:c", "b:b.test:acme:c", "t:a.test:acme:c"
PAST = 1000000000  # seconds: has expired


class World:
    def __init__(self):
        self.server = RedisServer()
        self.redis = Redis(self.server.path)
        library_load(self.redis)
        self.shards = 0

    def shard(self):
        self.shards += 1
        shard = Shard(self.redis, self.shards)
        shard.register()
        return shard


def same(have, want, what=""):
    if have != want:
        raise AssertionError("%shave %r, want %r" % (what and what + ": ", have, want))


def refused(word, run, *arguments, **more):
    """The sentence it was refused with, which begins with that word."""
    try:
        reply = run(*arguments, **more)
    except RedisError as error:
        if not str(error).startswith(word + " "):
            raise AssertionError("refused with %s, want %s" % (error, word)) from None
        return str(error)
    raise AssertionError("not refused but answered %r, want %s" % (reply, word))


def run(tests):
    """Every function test_… of a module, or those named on the command line. A shard it returns is looked into."""
    world, passed, failed = World(), 0, 0
    for name, test in list(tests.items()):
        if not name.startswith("test_") or sys.argv[1:] and name[5:] not in sys.argv[1:]:
            continue
        try:
            shard = test(world)
            if shard:
                same(shard.broken() + shard.broken_events(), [], "afterwards")
            passed += 1
        except Exception:
            failed += 1
            print("FAIL %s" % name[5:])
            traceback.print_exc(limit=3, file=sys.stdout)
    world.server.close()
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0
