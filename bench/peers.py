"""Other senders beside the engine: Postfix, Exim and OpenSMTPD as Debian ships them, and Haraka, driven the same way.

They get the same bytes for the same sink, one recipient a message, over SMTP from the bare client, and deliver them in clear to
one relay host: no DNS is asked. They sync what they accept, as they always do, to a spool on the same disk as our queue; but
for Haraka, which never does and stands only beside durability none. They are unpacked, not installed (tests/deps unpack;
tests/deps haraka asks the npm registry), and see their files, users and spool in a mount namespace, where nothing of this
machine is changed. Root is needed for that.

Postfix is set as its TUNING_README says for much outgoing mail: 200 processes, 200 deliveries to a destination from the
start, no delay of what comes in, connections used again. Exim forks for each message; its parallel deliveries follow the
connections it is fed on, 50 here, as it has no other way to bound them that does not queue. OpenSMTPD has as many connections
as Postfix, and none of the seconds that it leaves between two to one host. Haraka has what its page on performance says, a
process for each core and the kernel's choice among them, and 100 deliveries in each; it opens a connection for each message.

With scenario["to_each"] a message goes to so many recipients in one transaction, in and out: the same body stored once, which is
what a shared template is held against. What is counted is then recipients.

What is measured is the sink's count, looked at ten times a second: with scenario["submit"] from the first message sent in to the last
delivered, else from the first delivery out of a queue that was filled while the queue manager was not running."""
import json, os, pathlib, shutil, signal, socket, subprocess, time

from measure import Sampler
from stage import BUILD, Stage, free_port

PEERS = pathlib.Path("build/peers")
FOUND_AS = dict(postfix="postfix", exim="exim4-daemon-light", opensmtpd="opensmtpd", haraka="haraka")
IN_STEP = ("opensmtpd", "haraka")
USERS = {"postfix": 901, "Debian-exim": 902, "opensmtpd": 903, "opensmtpq": 904}
GROUPS = dict(USERS, postdrop=906)
NAMESPACE = """set -e
mount -t overlay -o lowerdir=%(usr)s:/usr overlay /usr
mount -t overlay -o lowerdir=%(dir)s/etc:/etc overlay /etc
mount --bind %(dir)s/spool /var/spool
mount -t tmpfs none /var/lib
%(prepare)s
exec %(daemon)s
"""
MAIN = """compatibility_level = 3.6
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = /var/spool/mail.log
maillog_file_prefixes = /var
myhostname = mta.bench.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
relayhost = [127.0.0.1]:%(sink)d
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_tls_security_level = none
smtpd_tls_security_level = none
default_process_limit = 200
default_destination_concurrency_limit = 200
initial_destination_concurrency = 200
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
"""
MASTER = """127.0.0.1:%(port)d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
%(manager)s
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"""
MANAGER = "qmgr unix n - n 300 1 qmgr"
EXIM = """primary_hostname = mta.bench.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = %(port)d
log_file_path = /var/spool/exim4/%%slog
spool_directory = /var/spool/exim4
split_spool_directory = true
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
queue_run_in_order = false
host_lookup =
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
away:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = away
begin transports
away:
  driver = smtp
  port = %(sink)d
  hosts_try_fastopen =
"""
SMTPD = """listen on 127.0.0.1 port %(port)d hostname mta.bench.test
mta limit max-conn-per-host 200 max-conn-per-route 200 max-conn-per-source 200
mta limit max-conn-per-connector 200 max-conn-per-relay 200 max-conn-per-domain 200
mta limit conn-delay-route 0 conn-delay-relay 0 reconn-delay-route 0
action "away" relay host smtp://127.0.0.1:%(sink)d
match from any for any action "away"
"""
HARAKA = {
    "config/smtp.ini": "listen=127.0.0.1:%(port)d\nnodes=cpus\n",
    "config/outbound.ini": "disabled=%(held)s\nenable_tls=false\nconcurrency_max=100\n",
    "config/log.ini": "level=warn\n",
    "config/me": "mta.bench.test\n",
    "config/queue_dir": "/var/spool/haraka\n",
    "config/plugins": "away\n",
    "plugins/away.js": """exports.hook_rcpt = (next, connection) => { connection.relaying = true; next(OK) }
exports.hook_get_mx = (next) => next(OK, { priority: 0, exchange: "127.0.0.1", port: %(sink)d })
""",
}


class Peer(Stage):
    FEEDERS = 50  # connections it is fed on

    def __init__(self, scenario):
        super().__init__(scenario)
        self.addresses, self.door = self.addresses[:1], free_port()
        self.dir = pathlib.Path(self.world.dir)
        self.dir.chmod(0o755)
        self.values = dict(port=self.door, sink=self.port, dir=self.dir)
        self.hold(not scenario["submit"])

    def hold(self, held):
        """Whether it is to keep what it takes; said before it is started."""
        self.values.update(manager="" if held else MANAGER, held="true" if held else "false", pause="-P mta" if held else "")

    def file(self, path, text):
        target = self.dir / "etc" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def users(self):
        self.file("passwd", pathlib.Path("/etc/passwd").read_text()
                  + "".join("%s:x:%d:%d::/:/bin/sh\n" % (name, number, number) for name, number in USERS.items()))
        self.file("group", pathlib.Path("/etc/group").read_text() + "".join("%s:x:%d:\n" % pair for pair in GROUPS.items()))

    def postfix(self):
        self.file("postfix/main.cf", MAIN % self.values)
        self.file("postfix/master.cf", MASTER % self.values)
        queues = "active bounce corrupt defer deferred flush hold incoming private trace saved"
        return ["mkdir -p /var/lib/postfix /var/spool/postfix", "chown postfix /var/lib/postfix", "cd /var/spool/postfix",
                "mkdir -p pid maildrop public " + queues, "chown postfix maildrop public " + queues, "chgrp postdrop maildrop public",
                "chmod 730 maildrop", "chmod 710 public"], "/usr/lib/postfix/sbin/master -d -c /etc/postfix"

    def exim(self):
        self.file("exim.conf", EXIM % self.values)
        return ["mkdir -p /var/spool/exim4", "chown Debian-exim /var/spool/exim4"], "/usr/sbin/exim4 -bdf -C /etc/exim.conf"

    def opensmtpd(self):
        self.file("smtpd.conf", SMTPD % self.values)
        prepare = ["mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd", "chmod 711 /var/spool/smtpd"]
        return prepare, "/usr/sbin/smtpd -d %(pause)s -f /etc/smtpd.conf" % self.values

    def haraka(self):
        for path, text in HARAKA.items():
            self.file("haraka/" + path, text % self.values)
        package = (PEERS / "haraka/node_modules/Haraka").resolve()
        self.file("haraka/config/connection.ini", (package / "config/connection.ini").read_text())
        prepare = ["mkdir -p /var/spool/haraka", "export NODE_CLUSTER_SCHED_POLICY=none UV_TCP_SINGLE_ACCEPT=1"]
        return prepare, "node %s/bin/haraka -c /etc/haraka" % package

    def start_peer(self):
        (self.dir / "spool").mkdir(exist_ok=True)
        self.users()
        prepare, daemon = getattr(self, self.scenario["peer"])()
        usr = ":".join(str(path.resolve() / "usr") for path in sorted(PEERS.iterdir()) if (path / "usr").is_dir())
        script = NAMESPACE % dict(self.values, usr=usr, prepare="\n".join(prepare), daemon=daemon)
        self.process = self.world.start("peer", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script)
        self.wait_for(self.greets, 20, "%s did not greet" % self.scenario["peer"])

    def greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.door), 1) as connection:
                return connection.recv(3) == b"220"
        except OSError:
            return False

    def stop_peer(self):
        """The first process of its namespace goes, and all others with it."""
        children = pathlib.Path("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid))
        for child in children.read_text().split() if children.exists() else ():
            os.kill(int(child), signal.SIGKILL)
        self.process.wait(20)

    def feed(self):
        """Those in IN_STEP refuse what is said behind the end of a message before it is answered."""
        s = self.scenario
        return self.world.start("load", BUILD + "/bin/bare", "--to", "127.0.0.1:%d" % self.door, "--connections", str(self.FEEDERS), "--messages",
                                str(s["recipients"] // s["to_each"]), "--per-connection", str(s["per_connection"]), "--bytes", str(s["body"] + 660),
                                "--recipients", str(s["to_each"]), *(["--lock-step", "1"] if s["peer"] in IN_STEP else []))

    def counted(self):
        """Recipients of the messages at the sink by now."""
        return super().counted() * self.scenario["to_each"]

    def fill(self):
        self.start_peer()
        before = self.meter.cpu("peer")
        loader = self.feed()
        self.wait_for(lambda: loader.poll() is not None, self.scenario["limit_s"], "the peer did not take the messages")
        if loader.returncode:
            self.fail("feeding the peer did not work")
        self.extra["intake_cpu_us"] = (self.meter.cpu("peer") - before) * 1e6 / self.scenario["recipients"]
        self.stop_peer()
        self.hold(False)
        return 0

    def deliver(self):
        s = self.scenario
        self.start_sink()
        sampler = Sampler(self.meter, ("peer",))
        self.start_peer()
        sampler.start()
        start, looks = time.monotonic(), [(0.0, 0)]
        loader = self.feed() if s["submit"] else None
        while looks[-1][1] < s["recipients"]:
            if loader and loader.poll():
                self.fail("feeding the peer did not work")
            if time.monotonic() - start > s["limit_s"]:
                self.fail("%d of %d were delivered" % (looks[-1][1], s["recipients"]))
            time.sleep(0.1)
            looks.append((time.monotonic() - start, self.counted()))
        used = sampler.finish()
        used["engine"] = used.get("peer", 0)
        first = 0.0 if s["submit"] else next(at for at, count in looks if count)
        done_before = 0 if s["submit"] else next(count for _, count in looks if count)
        self.stop_peer()
        bare = self.bare()
        sink = json.loads(self.world.end("sink").splitlines()[-1])
        taken = sink["recipients"] - bare["messages"] * s["to_each"]
        if taken != s["recipients"] or sink["messages"] - bare["messages"] != s["recipients"] // s["to_each"]:
            self.fail("the sink counted %d messages to %d recipients, %d recipients were sent to, %d a message" % (
                sink["messages"] - bare["messages"], taken, s["recipients"], s["to_each"]))
        at_second = [next((count for at, count in looks if at >= n), looks[-1][1]) for n in range(int(looks[-1][0]) + 2)]
        seconds = [after - before for before, after in zip(at_second, at_second[1:])]
        return dict(seconds=(looks[-1][0] - first) * s["recipients"] / (s["recipients"] - done_before), delivered=s["recipients"], used=used,
                    samples=sampler.samples, bare=bare, sink=sink, extra=self.extra, events=dict(seconds=seconds, latency=[], dialogue=[]))

    def must_be_there(self):
        """Fetches the peer if it was not yet."""
        name, why = self.scenario["peer"], "this needs root and unshare"
        step = ["tests/deps", "haraka" if name == "haraka" else "unpack", str(PEERS)]
        if not os.geteuid() and shutil.which("unshare"):
            if (PEERS / FOUND_AS[name]).is_dir():
                return
            fetched = subprocess.run(step, capture_output=True, text=True)
            if not fetched.returncode:
                return
            why = "%s said: %s" % (" ".join(step), (fetched.stdout + fetched.stderr).strip()[-600:])
        self.world.close()
        self.fail("%s is missing, and the others go on without it: %s" % (name, why))

    def close(self):
        if getattr(self, "process", None) and self.process.poll() is None:
            self.stop_peer()
        super().close()

    def run(self):
        self.must_be_there()
        return super().run()
