#!/usr/bin/env python3
"""Measures the verdicts: what one costs, on the project's own examples, and how many are right on a file of real
replies with the labels that people gave them, where there is one.

The file is not part of the project: ../shared/data/replies.tsv, or the one that REPLIES names. Its columns: code, enhanced
code, command, reply, a coarse label, the labels that are right joined by '|'. Three figures: how many categories are among
the right ones (90 % at least), how many replies suppress an address that no label calls bad (one at most), how many dead
mailboxes would be tried again (5 % at most). A reply with no command is judged as said to RCPT."""
import os, pathlib, re, subprocess, sys

TOOL = pathlib.Path(os.environ.get("BUILD", "build"), "tests/live/replies_tool")
FILE = pathlib.Path(os.environ.get("REPLIES", "../shared/data/replies.tsv"))
RIGHT_LEAST, SUPPRESSED_MOST, RETRIED_MOST = 0.90, 1, 0.05

CATEGORY = {
    "policy_block": "policy",
    "spam_content": "spam-content",
    "reputation_block": "reputation",
    "content_malformed": "content",
    "virus_or_attachment": "virus",
    "protocol_error": "protocol",
    "remote_system_error": "remote-error",
}
DEAD = {"invalid-recipient"}
BAD = DEAD | {"inactive-mailbox", "bad-domain"}
STAGE = {"MAIL": "mail", "RCPT": "rcpt", "DATA": "data", "EHLO": "ehlo", "HELO": "ehlo", "STARTTLS": "starttls", "AUTH": "auth"}


def judge(lines):
    """The verdicts of STAGE<TAB>REPLY lines, and what the tool says of its cost."""
    done = subprocess.run([TOOL], input="".join(line + "\n" for line in lines).encode(), capture_output=True, timeout=60)
    if done.returncode:
        sys.exit("replies_tool failed: %s" % done.stderr.decode("utf-8", "replace"))
    verdicts = [line.split("\t") for line in done.stdout.decode("utf-8", "replace").splitlines()]
    return verdicts, done.stderr.decode().strip()


def own_examples():
    for path in sorted(pathlib.Path("tests/unit/verdict").glob("*.txt")):
        for line in path.read_text().splitlines():
            row = re.match(r"([a-z]+)(?:/[a-z]+)?: (.*?)(?: -> .*)?$", line)
            if row:
                yield "%s\t%s" % (row.group(1), row.group(2).replace("\\n", " "))


def labels(text):
    found = set()
    for label in text.split("|"):
        if label == "recipient_refused":
            found |= {"invalid-recipient", "inactive-mailbox", "policy"}
        else:
            found.add(CATEGORY.get(label, label.replace("_", "-")))
    return found


def figures(rows, verdicts):
    right = suppressed = dead = retried = 0
    for (_, _, _, _, _, text), (action, _, category, suppress, *_) in zip(rows, verdicts):
        known = labels(text)
        right += category in known
        suppressed += suppress == "1" and not known & BAD
        if known == DEAD:
            dead += 1
            retried += action != "never"
    return right / len(rows), suppressed, retried / max(dead, 1)


def main():
    results = []

    def expect(good, what):
        results.append(good)
        print("%s %s" % ("ok  " if good else "FAIL", what))

    examples = list(own_examples())
    verdicts, cost = judge(examples)
    expect(len(verdicts) == len(examples) >= 400, "%d examples of our own judged, %s" % (len(examples), cost))
    if FILE.exists():
        rows = [line.split("\t")[:6] for line in FILE.read_text().splitlines()[1:]]
        verdicts, cost = judge("%s\t%s" % (STAGE.get(row[2].upper(), "rcpt"), row[3]) for row in rows)
        right, suppressed, retried = figures(rows, verdicts)
        expect(right >= RIGHT_LEAST, "%.1f %% of %d real replies are right, %s" % (100 * right, len(rows), cost))
        expect(suppressed <= SUPPRESSED_MOST, "%d suppress an address without a reason" % suppressed)
        expect(retried <= RETRIED_MOST, "%.1f %% of dead mailboxes would be tried again" % (100 * retried))
    else:
        print("skip %s is not there: nothing measured on real replies" % FILE)
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    return not all(results)


if __name__ == "__main__":
    sys.exit(main())
