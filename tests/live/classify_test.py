#!/usr/bin/env python3
"""`hikyaku classify` as its users see it: lines in, verdicts out, in order. Needs neither Redis nor a configuration.

Run from the project's root; HIKYAKU names the program, ./hikyaku if it is not set."""
import json
import os
import subprocess
import sys
import tempfile

HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")


def run(lines, *arguments, conf=None):
    text = lines if isinstance(lines, bytes) else lines.encode()
    environment = {key: value for key, value in os.environ.items() if key != "HIKYAKU_CONF"}
    options = ["-c", conf] if conf else []
    return subprocess.run([HIKYAKU, "classify", *options, *arguments], input=text, capture_output=True, timeout=60,
                          env=environment)


def verdicts(lines, *arguments, conf=None):
    done = run(lines, "--json", *arguments, conf=conf)
    return [json.loads(line) for line in done.stdout.decode().splitlines()], done


def same(have, want, what=""):
    if have != want:
        raise AssertionError("%shave %r, want %r" % (what and what + ": ", have, want))


def test_fields():
    """the contract's fields, with their types, in the order of the lines"""
    answers, done = verdicts("rcpt\t550 5.1.1 No such user here\neom\t250 2.0.0 Queued\n"
                             "rcpt\t451 4.7.1 Greylisted, come back in 300 seconds\n")
    same(done.returncode, 0, done.stderr)
    same([sorted(answer) for answer in answers],
         [["action", "category", "retry_after", "rule", "scope", "suppress"]] * 3)
    same([answer["action"] for answer in answers], ["never", "delivered", "later"])
    same([answer["suppress"] for answer in answers], [True, False, False])
    same(answers[0]["category"], "invalid-recipient")
    same(answers[0]["scope"], "recipient")
    same(answers[2]["category"], "greylisted")
    same(answers[2]["retry_after"], 300)


def test_lines_of_a_reply():
    """lines spelt with backslash and n, with and without the code again, or joined with the code between them"""
    want = verdicts("rcpt\t550 5.1.1 there is No such user\n")[0]
    for reply in (r"550-5.1.1 there is\n550 5.1.1 No such user", r"550 5.1.1 there is\nNo such user",
                  r"550-5.1.1 there is\r\n550-5.1.1 No such user", "550-5.1.1 there is 550 5.1.1 No such user"):
        same(verdicts("rcpt\t%s\r\n" % reply)[0], want, reply)


def test_wrong_lines():
    """a line that is none is named by its number, answered with an error, and the rest still runs"""
    answers, done = verdicts("rctp\t550 no\n\nrcpt\tnonsense\nrcpt\t\nqueue\t550 no\nrcpt\t999 no\nrcpt\t550 5.1.1 No such user")
    same(done.returncode, 1)
    same(["error" in answer for answer in answers], [True] * 6 + [False])
    said = done.stderr.decode().splitlines()
    same([line.split(":")[2] for line in said], ["1", "2", "3", "4", "5", "6"], said)
    if "did you mean rcpt?" not in said[0]:
        raise AssertionError(said[0])
    same(answers[6]["category"], "invalid-recipient")


def test_bytes():
    """any bytes, and lines longer than a reply may be"""
    answers, done = verdicts(b"rcpt\t550 \xff\x00\xfe no such user\n" + b"rcpt\t550 " + b"x" * 400000 + b"\n" +
                             b"eom\t250 ok\n")
    same([answer.get("action") for answer in answers], ["never", None, "delivered"])
    same(done.returncode, 1)


def test_many():
    """a hundred thousand lines, answered one by one"""
    lines = "".join("rcpt\t4%d0 4.2.2 Mailbox %d is full\n" % (i % 2 + 5, i) for i in range(100000))
    done = run(lines, "--json")
    same(done.returncode, 0)
    same(done.stdout.count(b"\n"), 100000)


def test_one_at_a_time():
    """a verdict is there before the next line is"""
    with subprocess.Popen([HIKYAKU, "classify"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for reply, action in ((b"rcpt\t550 5.1.1 No such user\n", b"never"), (b"eom\t250 ok\n", b"delivered")):
            process.stdin.write(reply)
            process.stdin.flush()
            same(process.stdout.readline().split()[0], action)
        process.stdin.close()
        same(process.wait(10), 0)


def test_files_and_text():
    """files instead of standard input, text for people, and what decided"""
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write("rcpt\t550 5.1.1 No such user\n")
        file.flush()
        done = run("", "--explain", file.name, file.name)
    listed = verdicts("rcpt\t554 5.7.1 blocked using zen.list.example, see https://list.example/q?192.0.2.1\n", "--explain")[0][0]
    same((listed["blocklist"], listed["url"]), ("zen.list.example", "https://list.example/q?192.0.2.1"))
    lines = done.stdout.decode().splitlines()
    same(len(lines), 4, lines)
    same(lines[:2], lines[2:])
    same(lines[0].split()[:3], ["never", "recipient", "invalid-recipient"])
    if "suppress" not in lines[0] or "rcpt" not in lines[1] or "built-in" not in lines[1]:
        raise AssertionError(lines[:2])
    done = run("", "/nonexistent/replies.tsv")
    same(done.returncode, 1)
    if b"/nonexistent/replies.tsv" not in done.stderr:
        raise AssertionError(done.stderr)


def test_local_rules():
    """the operator's rules come first, for their sites; which line decided is said"""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write("# rules\nrule \"ts\" { site = { \"yahoo\" }  match = '^421 .*TS0[234]'  action = \"slower\"  for = \"30m\"\n"
                   "  after = \"3/1h\"  category = \"reputation\" }\n")
        conf.flush()
        answers, done = verdicts("eom\t421 4.7.0 [TS02] busy\tyahoo\neom\t421 4.7.0 [TS02] busy\n", "--explain", conf=conf.name)
        same(done.returncode, 0, done.stderr)
        same([answers[0][key] for key in ("action", "scope", "category", "retry_after", "rule")],
             ["slower", "lane", "reputation", 1800, "ts"])
        if conf.name + ":2" not in answers[0]["why"] or "3 times" not in answers[0]["why"]:
            raise AssertionError(answers[0]["why"])
        if answers[1]["rule"] == "ts":
            raise AssertionError(answers[1])
        same(verdicts("eom\t421 4.7.0 [TS02] busy\n", "--site", "yahoo", conf=conf.name)[0][0]["rule"], "ts")
        conf.write("rule \"bad\" {\n action = \"later\"\n match = '(' }\n")
        conf.flush()
        done = verdicts("eom\t421 x\n", conf=conf.name)[1]
        same(done.returncode, 2)
        if (conf.name + ":6:").encode() not in done.stderr:
            raise AssertionError(done.stderr)


def main():
    tests = [(name, test) for name, test in list(globals().items())
             if name.startswith("test_") and (not sys.argv[1:] or name[5:] in sys.argv[1:])]
    failed = 0
    for name, test in tests:
        try:
            test()
        except Exception as error:
            failed += 1
            print("FAIL %s: %s: %s: %s" % (name, test.__doc__, type(error).__name__, error))
    print("%d passed, %d failed" % (len(tests) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
