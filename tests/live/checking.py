"""What live tests are written with: need() for what must be true, and run() for functions that each make a world of their
own, so that several can be under way at once."""
import concurrent.futures
import shutil
import tempfile
import time
import traceback


class Failure(AssertionError):
    """What was found where something else had to be."""


def need(true, *what):
    if not true:
        raise Failure(" ".join(map(str, what))[:900])


def until(found, seconds, what="", meanwhile=None):
    """What found() gives once it is true, asked every 20 ms. what: words, or what gives them when it is too late; meanwhile:
    called each time it is not true yet, for what must not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        if meanwhile:
            meanwhile()
        time.sleep(0.02)
    raise Failure("not within %d s: %s" % (seconds, what() if callable(what) else what))


def run_one(test):
    """What there is to say about it, and whether it passed."""
    began = time.monotonic()
    try:
        test()
        return "%-46s %.1f s" % (test.__name__, time.monotonic() - began), True
    except Exception:
        return "FAIL %s (%s)\n%s" % (test.__name__, test.__doc__, traceback.format_exc(limit=4)), False


def run(tests, names=(), at_once=3):
    """Those named, or all, and the last line; true when one failed. They mostly wait: at_once of them do so together."""
    chosen = [test for test in tests if not names or test.__name__ in names or test.__name__.removeprefix("test_") in names]
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for text, good in pool.map(run_one, chosen):
            print(text, flush=True)
            passed += good
    print("%d passed, %d failed" % (passed, len(chosen) - passed))
    return passed < len(chosen) or not chosen


def summary(world, log):
    """The last line of a test whose world counts its checks, after the end of the log if one failed; what to exit with."""
    if world.failed:
        with open(log) as file:
            print(file.read()[-3000:])
    print("%d passed, %d failed" % (world.passed, world.failed))
    return 1 if world.failed else 0


def in_folder(name, test):
    """What the test returns, given a directory that is gone afterwards."""
    folder = tempfile.mkdtemp(prefix="hikyaku-%s." % name)
    try:
        return test(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tests_of(module):
    """Its functions test_…, in their order; of globals() or vars(module)."""
    return [test for name, test in module.items() if name.startswith("test_")]
