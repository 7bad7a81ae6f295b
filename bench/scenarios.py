"""What is measured: a row a scenario, each the defaults and what differs. `text` says it to the reader of the report."""

DEFAULTS = dict(
    kind="deliver",       # the class in stage.py, kinds.py, peers.py that plays it
    recipients=100000,
    fsync="everysec",     # of Redis's append-only file: always, everysec, no
    submit=False,         # submission is part of what is measured; else the queue is filled before
    unique=False,         # each recipient has a message of its own; else one template, 200 bytes of variables
    body=10240,           # bytes of text
    pipeline=64,          # submissions under way
    to_each=1,            # recipients of a transaction: of peers, and of the bare client beside them
    vars=200,             # bytes of variables of each recipient
    per_job=10000,        # recipients of a job
    window=1,             # transactions under way on a connection; 1: the next envelope behind the end of a message
    lock_step=False,      # the receiver has no PIPELINING, and the bare client does as if
    domains=500,
    one_site=False,       # all domains have one exchanger
    connections=10,       # for each site
    learning="true",      # the engine finds out how many of them the receiver takes
    per_connection=100,   # messages
    bare_connections=0,   # of the bare client; 0: as many as the engine had
    sink=(),              # more options of the receiver
    tls=None,             # "new": no session is resumed; "resumed"
    distance_ms=0,        # round trip through bench/delay
    conf="",              # more lines of configuration
    measure=0,            # stop after so many deliveries; 0: all of them
    repeats=5,            # most repeats, unless more are asked for by N=
    limit_s=180,
)
WINDOW = "window 8 (an upper bound: receivers must allow it)"
UNBROKEN = 'alarms { pause = "false" }\nsuppression { breaker = "0s" }\n'
MILLION = dict(recipients=1000000, measure=200000, repeats=1, limit_s=400)

TABLE = {
    "production-unsigned": dict(
        kind="production", recipients=4000000, fsync="always", submit=True, tls="resumed", repeats=1, seconds=60, conf=UNBROKEN,
        sink=("--rule", "* rcpt 2% 550 5.1.1 no such user here", "--rule", "* rcpt 5% first 1 451 4.7.1 greylisted, please try again"),
        text="10 KB newsletter, TLS 1.3, fsync always, submitting while sending, a group acknowledging every event, "
             "3 % deferred, 2 % failed, AOF rewritten meanwhile; not signed"),
    "newsletter": dict(text="10 KB newsletter, 200 bytes of variables, behind, filled queue"),
    "newsletter-submit": dict(submit=True, text="the same with submission included"),
    "newsletter-window8": dict(recipients=200000, window=8, text="10 KB newsletter, filled queue, " + WINDOW),
    "newsletter-always": dict(fsync="always", text="10 KB newsletter, behind, filled queue, fsync always"),
    "unique-always": dict(recipients=20000, unique=True, fsync="always",
                          text="unique 10 KB, one recipient each, filled queue, fsync always (what peers are held against)"),
    "unique-none": dict(recipients=5000, unique=True, fsync="no",
                        text="unique 10 KB, one recipient each, filled queue, durability none (what Haraka is held against)"),
    "newsletter-none": dict(fsync="no", text="10 KB newsletter, behind, filled queue, durability none"),
    "newsletter-lockstep": dict(lock_step=True, sink=("--no-pipelining",),
                                text="10 KB newsletter, filled queue, one command at a time: the receiver has no PIPELINING"),
    "unique": dict(recipients=40000, unique=True, submit=True, text="unique 10 KB, one recipient each, in and out"),
    "unique-always-submit": dict(recipients=5000, unique=True, submit=True, fsync="always",
                                 text="unique 10 KB, one recipient each, in and out, fsync always"),
    "unique-100k": dict(recipients=8000, unique=True, submit=True, body=102400, text="unique 100 KB, one recipient each, in and out"),
    # The receiver's certificate has an RSA key of 2048 bits, as most have.
    "tls": dict(tls="resumed", text="10 KB newsletter, TLS 1.3, 100 messages a connection, sessions resumed"),
    "tls-each-new": dict(recipients=20000, tls="new", per_connection=1,
                         text="10 KB newsletter, TLS 1.3, a connection for each message, no session resumed"),
    "tls-each-resumed": dict(recipients=20000, tls="resumed", per_connection=1,
                             text="10 KB newsletter, TLS 1.3, a connection for each message, sessions resumed"),
    "tls-new": dict(tls="new", per_connection=10, text="10 KB newsletter, TLS 1.3, 10 messages a connection, no session resumed"),
    "tls-resumed": dict(tls="resumed", per_connection=10, text="10 KB newsletter, TLS 1.3, 10 messages a connection, sessions resumed"),
    "one-site": dict(one_site=True, connections=1000, learning="false",
                     text="10 KB newsletter to 500 domains of one site, 1,000 connections to it, learning off"),
    "domains-100k": dict(domains=100000, text="10 KB newsletter to 100,000 domains, one recipient, one exchanger and so one connection each"),
    "backlog-million": dict(**MILLION, domains=100000, text="a million queued at 100,000 domains, ten each, with an exchanger each; the first 200,000 deliveries"),
    "start-million": dict(**MILLION, kind="start", text="an engine started on a million queued, its Redis up; the first 200,000 deliveries"),
    "slow-20k": dict(kind="slow", slow=20000, repeats=1, seconds=15,
                     text="10 KB newsletter, then single mails, alone and beside 20,000 connections to receivers that are silent after RCPT"),
    "slow-60k": dict(kind="slow", slow=60000, repeats=1, seconds=15,
                     text="10 KB newsletter, then single mails, alone and beside 60,000 connections to receivers that are silent after RCPT"),
    "tls-idle": dict(kind="idle", idle=2000, recipients=20000, repeats=1,
                     text="10 KB newsletter beside 2,000 connections that are silent in clear and 2,000 under TLS"),
    "tls-storm": dict(kind="storm", storm=5000, repeats=1, seconds=20,
                      text="single mails by a Poisson clock, 100 a second, while 5,000 sites stall in the TLS handshake; from the intended submission"),
    "distance-20ms": dict(distance_ms=20, recipients=20000, domains=10,
                          text="10 KB newsletter, receivers 20 ms away, 100 connections, behind"),
    "distance-20ms-window8": dict(distance_ms=20, recipients=100000, domains=10, window=8,
                                  text="10 KB newsletter, receivers 20 ms away, 100 connections, " + WINDOW),
    "distance-100ms": dict(distance_ms=100, recipients=10000, domains=10,
                           text="10 KB newsletter, receivers 100 ms away, 100 connections, behind"),
    "failures-5": dict(sink=("--rule", "* rcpt 5% 550 5.1.1 no such user here"), conf=UNBROKEN,
                       text="10 KB newsletter, filled queue, 5 % fail for good; alarms do not pause"),
    "failures-30": dict(sink=("--rule", "* rcpt 30% 550 5.1.1 no such user here"), conf=UNBROKEN,
                        text="10 KB newsletter, filled queue, 30 % fail for good; alarms do not pause"),
    "transactional": dict(kind="transactional", repeats=1, seconds=60,
                          text="single mails by a Poisson clock, 100 a second, beside a saturated newsletter; from the intended submission"),
    "peer-postfix": dict(kind="peer", peer="postfix", recipients=4000,
                         text="Postfix: unique 10 KB, one recipient each, from a full queue, its own fsync always, 200 connections to one relay"),
    "peer-postfix-shared": dict(kind="peer", peer="postfix", recipients=100000, to_each=50, per_connection=1000,
                                text="Postfix: other work, the same 10 KB to 50 recipients in one transaction; recipients, from a full queue"),
    "peer-postfix-submit": dict(kind="peer", peer="postfix", recipients=4000, submit=True, text="Postfix: the same, in and out"),
    "peer-exim-submit": dict(kind="peer", peer="exim", recipients=500, submit=True,
                             text="Exim: unique 10 KB, one recipient each, in and out, its own fsync always, fed on 50 connections"),
    "peer-opensmtpd": dict(kind="peer", peer="opensmtpd", recipients=2000,
                           text="OpenSMTPD: unique 10 KB, one recipient each, from a full queue, its own fsync always, at most 200 connections to one relay"),
    "peer-opensmtpd-submit": dict(kind="peer", peer="opensmtpd", recipients=2000, submit=True, text="OpenSMTPD: the same, in and out"),
    "peer-haraka": dict(kind="peer", peer="haraka", recipients=4000,
                        text="Haraka: unique 10 KB, one recipient each, from a full queue, nothing synced (beside unique-none), 200 connections at a time"),
    "peer-haraka-submit": dict(kind="peer", peer="haraka", recipients=4000, submit=True, text="Haraka: the same, in and out"),
    "steady-memory": dict(recipients=1000000, submit=True, repeats=1, limit_s=400,
                          text="a million recipients in one go, with submission: does the engine's memory grow?"),
}
DEFAULT = ("production-unsigned", "newsletter", "newsletter-submit", "newsletter-window8", "newsletter-always", "unique-always")


def scenario(name, **more):
    return {**DEFAULTS, "name": name, **TABLE[name], **more}
