"""The letters of tests/dialogues/, and a server that speaks them on a socket: strict, as tests/unit/dialogue_test.c is.

    letters = read_letters()                       # by name: A01 and so on
    player = Player(letters["G11"], letters)       # listens on loopback: player.hosts
    player.start()
    for act in player.acts:                        # each as soon as act.ready is set
        submit(*act.job())
    ...
    player.wrong                                   # what the client said that is not in the letter

What a letter says is known of a host is found out by another letter, which is played first with mail of its own."""
import email
import pathlib
import re
import select
import socket
import ssl
import threading

from dialogue_tls import ALERT, HANDSHAKE, Secured, is_record
from redis_client import ROOT

PEOPLE = ("ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal")
FOUND_OUT_BY = {"window 8": "G08", "always RSET": "I04", "no pipelining": "I11"}
KNOWN = re.compile(r"as written|in one piece|not in turns|8-bit|utf8|dots|no last line end|bare line ends|folded lines|"
                   r"window 8|always RSET|no pipelining|at most 1|TLS (if offered|required)|login|"
                   r"\d+ (recipients|messages|octets)|address \S+|probe \S+")
BODIES = {"dots": b".\r\n..\r\n.x\r\n\r\n.\r\nend\r\n.\r\n", "no last line end": b"the last line",
          "bare line ends": b"a\n.\nb\n.\r\nc\r.\rd\r.\r\ne\r\n.\nQUIT\r", "8-bit": b"caf\xe9\r\n"}
LONG_LINES = "x" * 999 + "\n" + "y" * 5000 + "\n"
LINE = b"One line of sixty octets, and so on to the end of the mail.\r\n"
HEADER = (b"From: a@play.test\r\nTo: b@play.test\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n"
          b"Message-ID: <1@play.test>\r\nSubject: %s\r\n\r\n")  # what the engine would add is there
SHORT_OCTETS = 60000  # what goes in one send, and is more than small buffers take
EVERYTHING = b"250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n%b250 CHUNKING\r\n"
IN_CLEAR = b"250 2.1.0 whoever says this has no key\r\n"


class Part:
    """One connection of a letter: its steps, and what must come of it."""

    def __init__(self):
        self.steps, self.people, self.about = [], {}, {}  # about: session, ends, host


class Letter:
    def __init__(self, block):
        lines = block.splitlines()
        self.name, self.title = lines[0].split(". ", 1)
        self.given, self.parts = [], [Part()]
        for line in lines[1:]:
            who, _, what = line.partition(": ")
            if line.startswith("\t"):
                self.parts[-1].steps.append(line[1:])
            elif line.startswith("Next connection"):
                self.parts.append(Part())
            elif who == "Given":
                self.given = [word.strip() for word in what.split(",")]
            elif who in PEOPLE:
                self.parts[-1].people[who] = what
            elif who in ("session", "ends", "host"):
                self.parts[-1].about[who] = what
        self.unknown = [word for word in self.given if not KNOWN.fullmatch(word)]
        self.host = self.parts[-1].about.get("host")
        self.falls_back = "TLS if offered" in self.given and self.parts[-1].about.get("ends") == "insecure"
        self.stops_reading = any(step == "(reads no more)" for part in self.parts for step in part.steps)

    def count(self, word):
        return next((int(given.split()[0]) for given in self.given if given.endswith(" " + word)), 0)

    def rest(self, word):
        return next((given[len(word) + 1:] for given in self.given if given.startswith(word + " ")), None)

    def is_due(self, i):
        """The i-th connection comes at once: somebody's turn has not come. (Else it comes when a delay is over.)"""
        before = self.parts[i - 1].people if i else {}
        return i == 0 or any(before.get(who) == "not attempted" for who in self.parts[i].people)

    def hosts(self):
        """How many: the connection after one that was not taken goes to the next."""
        return 2 if len(self.parts) > 1 and "session" in self.parts[0].about else 1


def read_letters():
    found = {}
    for path in sorted(pathlib.Path(ROOT, "tests/dialogues").glob("*.txt")):
        for block in re.split(r"\n(?=[A-Z]\d\d\. )", path.read_text())[1:]:
            letter = Letter(block)
            found[letter.name] = letter
    return found


class Act:
    """A letter and its mail. Several messages are one job all the same, with the name of each in its own."""

    def __init__(self, letter, name, domain, first):
        self.letter, self.name, self.first = letter, name, first
        self.people = PEOPLE[: letter.count("messages") or letter.count("recipients") or 1]
        local = ("before-%s" if first else "%s") + ("-ü@" if "utf8" in letter.given else "@")
        self.addresses = {who: local % who + domain for who in self.people}
        if letter.rest("address"):
            self.addresses = {"ann": letter.rest("address").split("@")[0] + "@" + domain}
        self.heard = 0  # connections played to their end
        self.ready = threading.Event()

    def due(self):
        """How many connections must be played to their end."""
        return 1 if self.first else sum(self.letter.is_due(i) for i in range(len(self.letter.parts)))

    def raw(self):
        subject = b"{{hk.rcpt}}" if self.letter.count("messages") else self.name.encode()
        octets = SHORT_OCTETS if self.letter.stops_reading else 0
        body = next((BODIES[given] for given in self.letter.given if given in BODIES),
                    LINE * max((self.letter.count("octets") or octets) // len(LINE), 1))
        return HEADER % subject + body

    def job(self):
        """The job and its raw message, None where the engine composes it."""
        to = [{"address": address.replace("xn--mx-xka", "müx"), "id": who} for who, address in self.addresses.items()]
        job = {"id": self.name, "from": "b@play.test", "to": to}
        if "folded lines" in self.letter.given:
            job["message"] = {"headers": {"From": "a@play.test"}, "subject": "long lines", "text": LONG_LINES}
            return job, None
        if self.letter.count("messages"):
            job["merge"] = True
        return job, self.raw()

    def is_message(self, got, who):
        """Whether that is what this one must get: the same octets, but for line ends, which are CRLF."""
        if "folded lines" in self.letter.given:
            text = email.message_from_bytes(got).get_payload(decode=True).decode().replace("\r\n", "\n")
            return text == LONG_LINES and max(map(len, got.split(b"\r\n"))) <= 998
        want = re.sub(rb"\r\n|\r|\n", b"\r\n", self.raw().replace(b"{{hk.rcpt}}", who.encode()))
        return got == want + (b"" if want.endswith(b"\r\n") else b"\r\n")


def unescape(text):
    repeated = re.compile(r"\{(\d+)\*([^{}]*)\}")
    while repeated.search(text):  # the innermost first
        text = repeated.sub(lambda m: m.group(2) * int(m.group(1)), text)
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def listen(address, small):
    """small: the kernel takes little on either side, so that a client can fill it."""
    listener = socket.socket()
    if small:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 256)
    listener.bind(address)
    listener.listen(16)
    return listener


class Gone(Exception):
    """The connection is over."""


class Player(threading.Thread):
    """One letter's server. Connections beyond the script meet a server that takes everything.

    pipelined: PIPELINING is added to the reply to EHLO; RCPT and DATA that ride behind a refusal get 503. Where there is
    TLS, it is then that of before, 1.2."""

    def __init__(self, letter, letters, pipelined=False):
        super().__init__(daemon=True)
        self.letter, self.pipelined, self.wrong = letter, pipelined, []
        self.name_of_play = letter.name.lower() + ("p" if pipelined else "")
        self.domain = self.name_of_play + "." + (letter.rest("address") or "@test").split("@")[1]
        self.acts = [Act(letter, self.name_of_play, self.domain, False)]
        found = next((name for given, name in FOUND_OUT_BY.items() if given in letter.given), None)
        if found and not letter.rest("probe"):
            self.acts.insert(0, Act(letters[found], self.name_of_play + "-before", self.domain, True))
        self.acts[0].ready.set()
        first = listen(("127.0.0.1", 0), letter.stops_reading)
        port = first.getsockname()[1]
        self.listeners = [first] + [listen(("127.0.0.2", port), False) for _ in range(letter.hosts() - 1)]
        self.hosts = ["%s:%d" % listener.getsockname() for listener in self.listeners]
        self.epilogue = []  # what was said on connections beyond the script
        self.over = threading.Event()  # set by whoever has heard enough

    def run(self):
        for self.act in self.acts:
            self.act.ready.set()
            for part in self.act.letter.parts[: 1 if self.act.first else None]:
                self.serve(self.play, part.steps)
        while True:
            self.serve(self.take_everything)

    def serve(self, talk, *what):
        listener = select.select(self.listeners, [], [])[0][0]
        self.socket, _ = listener.accept()
        self.socket.settimeout(15)
        self.buffer, self.verb, self.who = b"", "", None
        self.mail_refused, self.accepted, self.octets_due = False, 0, None
        self.unheard, self.in_turns, self.mid_body, self.shaking = 0, True, False, False
        try:
            talk(*what)
        except ssl.SSLError as error:
            self.is_wrong("its TLS is wrong: %s" % error)
        except (OSError, Gone):
            pass
        finally:
            self.socket.close()
        self.act.heard += not self.unheard and talk == self.play

    def protection(self, act):
        """How the event of what is delivered must begin to say what TLS there was."""
        if "(TLS begins)" not in act.letter.parts[0].steps:
            return "none"
        return "TLSv1.2 " if self.pipelined else "TLSv1.3 "

    # ---- what the client says

    def is_wrong(self, what):
        self.wrong.append("%s%s" % ("before: " if self.act.first else "", what))

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Gone()
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            self.is_wrong("a line without CR: %r" % line[:60])
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def octets(self, n):
        while len(self.buffer) < n:
            self.more()
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def dotted(self):
        """Up to the dot, unstuffed."""
        while not self.buffer.startswith(b".\r\n") and b"\r\n.\r\n" not in self.buffer:
            self.more()
        at = 0 if self.buffer.startswith(b".\r\n") else self.buffer.index(b"\r\n.\r\n") + 2
        body, self.buffer = self.buffer[:at], self.buffer[at + 3:]
        return b"\r\n".join(line[line.startswith(b"."):] for line in body.split(b"\r\n"))

    def message(self):
        got = self.dotted() if self.octets_due is None else self.octets(self.octets_due)
        if not self.act.is_message(got, self.who):
            self.is_wrong("the message for %s arrived changed: %r" % (self.who, got[-80:]))

    def said(self, within_s):
        """What it says that no step has asked for."""
        if not self.buffer and select.select([self.socket], [], [], within_s)[0]:
            self.more()
        return self.buffer

    def waits(self):
        """Before a reply, no more is said than the steps have. In a group, its RCPT and DATA may be on their way."""
        said = self.said(0)
        if said and (self.in_turns or re.search(rb"^(?!RCPT |DATA\r)", said.rstrip(b"\n"), re.M)):
            self.is_wrong("it should have waited for a reply, it said %r" % said[:60])

    def fits(self, line, words):
        if line.split(" ")[0] != words[0]:
            return False
        probe = self.letter.rest("probe") if not self.act.first else self.act.letter.rest("probe")
        words = [word.replace("<%s>" % probe, "<window-probe-") for word in words[1:]]
        return all((word[1:] not in line) if word[0] == "!" else (word in line) for word in words)

    def rides_behind_a_refusal(self, line):
        is_rcpt, is_data = line.startswith("RCPT "), line == "DATA"
        return self.pipelined and ((self.mail_refused and (is_rcpt or is_data)) or (is_data and not self.accepted))

    def command(self, words):
        line = self.line()
        while not self.fits(line, words):
            if not self.rides_behind_a_refusal(line):
                self.is_wrong("%s was due, it said %r" % (" ".join(words), line[:80]))
                raise Gone()
            self.socket.sendall(b"503 5.5.1 nothing to do\r\n")
            line = self.line()
        self.verb, self.octets_due = words[0], None
        if self.verb == "MAIL":
            self.mail_refused, self.accepted = False, 0
        elif self.verb == "RCPT":
            self.who = next((who for who, to in self.act.addresses.items() if "<%s>" % to in line), None)
        elif self.verb == "BDAT":
            self.octets_due = int(line.split()[1])
        elif self.verb == "QUIT" and self.act.first:
            self.unheard = 0
            raise Gone()  # what was to be found out is; the letter itself comes next

    def until_gone(self, quiet=False):
        """Reads on, so that the kernel does not reset the connection. quiet: nothing is due, but TLS may say why it ends.
        """
        while True:
            if quiet and self.buffer and not is_record(self.buffer, ALERT):
                self.is_wrong("nothing was due, it said %r" % self.buffer[:60])
                quiet = False
            self.buffer = b""
            try:
                self.more()
            except TimeoutError:
                self.is_wrong("it waits for ever")
                raise Gone() from None

    # ---- what the server says

    def say(self, packet):
        if (not self.pipelined and not self.mid_body) or self.verb == "STARTTLS":
            self.waits()
        if self.verb == "EHLO":
            offered = [line[4:].upper() for line in b"".join(packet).splitlines()[1:]]
            self.in_turns = b"PIPELINING" not in offered or "no pipelining" in self.act.letter.given
        if self.verb == "EHLO" and self.pipelined and packet[0].startswith(b"250"):
            added = b"250 PIPELINING\r\n" if packet[0][3:4] == b" " else b"250-PIPELINING\r\n"
            packet[0] = packet[0][:3] + b"-" + packet[0][4:] + added
        good = packet[0].startswith(b"2")
        self.mail_refused |= self.verb == "MAIL" and not good
        self.accepted += self.verb == "RCPT" and good
        self.shaking = self.verb == "STARTTLS" and packet[0].startswith(b"220")
        self.verb = ""
        self.socket.sendall(b"".join(packet))

    def play(self, steps):
        packet, self.unheard = [], sum(step.startswith("C: ") for step in steps)
        # What is said when the end is near may be on its way already: the rest of a message, or of a group.
        quiet = not self.pipelined and not any("octets of" in step for step in steps)
        for step in steps + ["(end)"]:
            if step[:2] in ("S:", "S="):
                packet.append(step[3:].encode("latin-1") + b"\r\n" if step[1] == ":" else unescape(step[3:]))
                continue
            if packet:
                self.say(packet)
                packet = []
            if step[:3] == "C: ":
                self.hear(step[3:])
                self.unheard -= 1
            elif step == "(end)":
                break
            elif step.startswith("(silent"):
                if self.shaking:
                    self.hear_handshake()
                break
            elif step == "(reads no more)":
                quiet = None
            else:
                self.act_out(step)
        if quiet is None:
            self.wait_unread()
        self.until_gone(quiet)

    def hear(self, what):
        found = re.match(r"\((\d+) octets of", what)
        self.mid_body = bool(found) and self.octets_due is None
        if found:
            self.octets(int(found.group(1)))
        elif what == "(message)":
            self.message()
        elif what == "(lone dot)":
            if self.dotted():
                self.is_wrong("a message to nobody")
        elif what == "(nothing)":
            if self.said(0.15):
                self.is_wrong("it should wait, it said %r" % self.buffer[:60])
        else:
            self.command(what.split())

    def act_out(self, step):
        if step == "(closes)":
            if isinstance(self.socket, Secured):
                self.leave_tls()
            self.socket.shutdown(socket.SHUT_WR)
            self.until_gone()
        elif step == "(TLS begins)":
            self.socket = Secured(self.socket, newest=not self.pipelined)
        elif step.startswith("(TLS fails)"):
            self.hear_handshake()
            self.socket.sendall(b"this is no handshake, and never will be one\r\n")
        elif step == "(resets)":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise Gone()
        elif step.startswith("(drips"):
            self.drip(step.split(") ", 1)[1].encode())

    def leave_tls(self):
        """What comes behind the end of TLS is in clear, and nothing may come of it. It closes, or gets a packet more."""
        self.socket = self.socket.leave()
        self.said(0.1)
        self.socket.sendall(IN_CLEAR)
        self.socket.shutdown(socket.SHUT_WR)
        self.until_gone(quiet=True)

    def hear_handshake(self):
        """Its beginning, which is one record."""
        self.more()
        if not is_record(self.buffer, HANDSHAKE):
            self.is_wrong("a handshake was due, it said %r" % self.buffer[:60])
        self.buffer = b""

    def drip(self, text):
        for byte in text:
            if select.select([self.socket], [], [], 0.25)[0]:  # it has closed, or speaks
                self.until_gone(quiet=True)
            self.socket.sendall(bytes([byte]))

    def wait_unread(self):
        """Reads nothing more, so the client's end is not seen either: its last octets have no room."""
        self.over.wait(20)
        raise Gone()

    def take_everything(self):
        self.socket.sendall(b"220 mx.test\r\n")
        while True:
            verb, _, rest = self.line().partition(" ")
            self.epilogue.append("probe" if "window-probe" in rest else verb)
            if verb == "BDAT":
                self.octets(int(rest.split()[0]))
            if verb == "DATA":
                self.socket.sendall(b"354 go\r\n")
                self.dotted()
            offered = EVERYTHING % (b"250-STARTTLS\r\n" if self.letter.falls_back else b"")
            self.socket.sendall(offered if verb == "EHLO" else b"250 2.0.0 ok\r\n")
