#!/usr/bin/env python3
"""What we compose, read by somebody else: Python's email package must find in every rendered mail what was put in.

build/tests/live/compose_tool renders; this script takes the dots off as a server does, parses, and compares. BUILD names
the build directory."""
import datetime
import email
import email.header
import email.policy
import email.utils
import html
import json
import os
import pathlib
import random
import subprocess
import sys

from checking import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / os.environ.get("BUILD", "build") / "tests/live/compose_tool"
DATE = datetime.datetime(2026, 11, 24, 9, 0, tzinfo=datetime.timezone.utc)
LONG = "--long" in sys.argv
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def expect(what, found, wanted):
    if found != wanted:
        raise AssertionError("%s: expected %r, found %r" % (what, wanted, found))


def wire(stored, form="data", address="bob@b.example", name="", **values):
    """The bytes on the wire, or the error as a dictionary."""
    words = [word for pair in values.items() for word in pair]
    done = subprocess.run([str(TOOL), form, address, name] + words, input=stored, capture_output=True, timeout=20)
    return done.stdout if done.returncode == 0 else json.loads(done.stderr)


def unstuffed(data):
    """RFC 5321 4.5.2, and nothing may follow the dot."""
    body, end = data[:-3], data[-3:]
    expect("end of mail", end, b".\r\n")
    if b"\r\n.\r\n" in body or body.startswith(b".\r\n"):
        raise AssertionError("the mail ends before its end")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in body.split(b"\r\n"))


def mail(stored, **values):
    """The parsed mail; both forms must be the same one, and free of defects."""
    data = wire(stored, "data", **values)
    if isinstance(data, dict):
        raise AssertionError("refused: %r" % data)
    octets = unstuffed(data)
    expect("the BDAT form", wire(stored, "bdat", **values), octets)
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    for part in parsed.walk():
        expect("defects", part.defects, [])
    return parsed


def compose(text=None, html_text=None, subject=None, **headers):
    message = {"headers": dict({"From": "News <news@news.example>"}, **headers)}
    for key, value in (("text", text), ("html", html_text), ("subject", subject)):
        if value is not None:
            message[key] = value
    return b"M" + json.dumps(message).encode()


def lines(text):
    return text.replace("\r\n", "\n").replace("\r", "\n")


def part_text(part):
    return lines(part.get_payload(decode=True).decode("utf-8"))


def named(octets, header):
    """Display name and address, by the older parser: the newer one of Python 3.11 puts a blank between encoded-words."""
    plain, address = email.utils.parseaddr(email.message_from_bytes(octets)[header].replace("\r\n", ""))
    return str(email.header.make_header(email.header.decode_header(plain))), address


@check
def a_text_alone():
    parsed = mail(compose("Hello {{who}},\n.a dot\n\nbye {{who}}  \n", subject="Hi {{who}}"), who="Änn")
    expect("type", parsed.get_content_type(), "text/plain")
    expect("charset", parsed.get_content_charset(), "utf-8")
    expect("subject", parsed["subject"], "Hi Änn")
    expect("text", part_text(parsed), "Hello Änn,\n.a dot\n\nbye Änn  \n")
    expect("date", parsed["date"].datetime, DATE)
    expect("to", parsed["to"], "bob@b.example")


@check
def alternatives():
    parsed = mail(compose("text {{v}}", "<p>{{v}} {{{v}}}</p>"), v="a<b>&\"'")
    expect("type", parsed.get_content_type(), "multipart/alternative")
    text, page = parsed.iter_parts()
    expect("first", text.get_content_type(), "text/plain")
    expect("second", page.get_content_type(), "text/html")
    expect("text", part_text(text), "text a<b>&\"'")
    expect("html", part_text(page), "<p>a&lt;b&gt;&amp;&quot;&#39; a<b>&\"'</p>")


@check
def names_of_all_kinds():
    for name in ("Bob", "Bob B.", 'Bob "the" B', "Bób, B.", "山田 太郎", "a" * 70 + " é", "=?utf-8?Q?x?=", "😀 " * 40):
        (address,) = mail(compose("x"), name=name)["to"].addresses
        expect("address", address.addr_spec, "bob@b.example")
        if name.isascii():
            expect("name", address.display_name, name)
        else:
            octets = wire(compose("x"), "bdat", name=name)
            expect("name and address", named(octets, "to"), (name.strip(), "bob@b.example"))


@check
def display_names_with_values():
    stored = compose("x", **{"From": "{{shop}} <news@news.example>", "Reply-To": '"The {{shop}}" <{{box}}@news.example>'})
    for shop in ("Ann", "Ann, Bob & Co.", 'say "hi" \\', "evil <evil@x.example>, more", "Käse (alt)"):
        parsed = mail(stored, shop=shop, box="reply+1")
        (sender,) = parsed["from"].addresses
        expect("sender", (sender.display_name, sender.addr_spec), (shop, "news@news.example"))
        (reply,) = parsed["reply-to"].addresses
        expect("reply", (reply.display_name, reply.addr_spec), ("The " + shop, "reply+1@news.example"))


@check
def a_raw_message_is_kept():
    body = b"".join(bytes([c]) for c in range(1, 256) if c not in (10, 13)) + b"\r\n.\r\n..x\r\n\r\n"
    raw = b"From: a@b.example\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <a@b>\r\nX-Odd:  y \r\n\r\n" + body
    expect("octets", unstuffed(wire(b"R" + raw)), raw)
    expect("octets", wire(b"R" + raw.replace(b"\r\n", b"\n"), "bdat"), raw)


@check
def what_is_missing_is_made():
    parsed = mail(b"RFrom: a@b.example\r\nBcc: c@d.example\r\n\r\nx\r\n")
    expect("date", parsed["date"].datetime, DATE)
    expect("id", parsed["message-id"].endswith("@mta1.sender.example>"), True)
    expect("bcc", parsed["bcc"], None)
    expect("to", parsed["to"], None)


@check
def raw_with_variables():
    stored = (b"TFrom: {{who}} <a@b.example>\r\nSubject: for {{who}}\r\nMIME-Version: 1.0\r\n"
              b"Content-Type: multipart/alternative; boundary=zz\r\n\r\n--zz\r\nContent-Type: text/plain; charset=utf-8\r\n"
              b"Content-Transfer-Encoding: 8bit\r\n\r\nHello {{who}}\r\n--zz\r\nContent-Type: text/html; charset=utf-8\r\n"
              b"Content-Transfer-Encoding: quoted-printable\r\n\r\n<p title=3D\"{{who}}\">{{who}}</p>\r\n--zz--\r\n")
    who = 'Zoë <"&'
    parsed = mail(stored, who=who)
    text, page = parsed.iter_parts()
    expect("from", parsed["from"].addresses[0].display_name, who)
    expect("subject", parsed["subject"], "for " + who)
    expect("text", part_text(text), "Hello " + who)
    expect("html", html.unescape(part_text(page)), '<p title="%s">%s</p>' % (who, who))
    refused = wire(stored, who="x\r\n--zz\r\n")
    expect("code", refused["code"], "E_CRLF")


@check
def a_value_adds_no_part():
    stored = b"TFrom: a@b.example\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\n--zz\r\n\r\n{{v}}\r\n--zz--\r\n"
    expect("parts", len(list(mail(stored, v="--z\n-- \nx").iter_parts())), 1)
    for value in ("--zz", "a\n--zz\n\nmore", "a\n--zz--\n", "a\r--zzz"):
        expect("code for %r" % value, wire(stored, v=value)["code"], "E_VAR_VALUE")


@check
def long_and_odd_headers():
    parsed = mail(compose("x", subject="{{s}}", **{"X-Long": "word " * 100, "List-Unsubscribe": "<https://x.example/{{s}}>"}),
                  s="Grüße an alle, die dies lesen: " * 9)
    expect("subject", parsed["subject"], ("Grüße an alle, die dies lesen: " * 9).strip())
    expect("words", " ".join(parsed["x-long"].split()), "word " * 99 + "word")
    for line in unstuffed(wire(compose("x", subject="é" * 500))).split(b"\r\n"):
        expect("length of %r" % line, len(line) <= 78, True)


@check
def texts_by_seed():
    chance = random.Random(2822)
    alphabet = list("abc .=\t\n\r<>&\"'é😀-_{:,") + ["\r\n", "\n.\n", " \n", "the quick brown fox "]
    for _ in range(600 if LONG else 40):
        def some(n):
            return "".join(chance.choice(alphabet) for _ in range(chance.randrange(n))).replace("{{", "{ ")
        first, value, last, subject = some(200).rstrip("{\r"), some(60).rstrip("\r"), some(200).lstrip("{\n"), some(60)
        subject = " ".join(subject.split()) or "x"
        parsed = mail(compose(first + "{{v}}" + last, "<p>" + first + "{{v}}" + last, "{{s}}"), v=value, s=subject)
        text, page = parsed.iter_parts()
        expect("text", part_text(text), lines(first + value + last))
        escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("'", "&#39;")
        expect("html", part_text(page), lines("<p>" + first + escaped + last))
        expect("subject", parsed["subject"], subject)


if __name__ == "__main__":
    sys.exit(run(CHECKS))
