#!/usr/bin/env python3
"""The bench without its figures: what a profile is made of, and what is said where something is wrong. Milliseconds; nothing
is measured here."""
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.append(str(ROOT / "bench"))

import flame
import perf
from checking import in_folder, need, run, tests_of

SAMPLES = """engine thread 1   100/101
\tffffffff81b6ab30 tcp_sendmsg+0x80 ([kernel.kallsyms])
\t    7f01 [unknown] (/usr/lib/liburing.so.2.3)
\t    7f02 [unknown] (/usr/lib/liburing.so.2.3)
\t    5501 worker_turn+0x12 (/usr/bin/hikyaku)
\t       0 [unknown] ([unknown])

engine  100/100
\t    5502 worker_turn (/usr/bin/hikyaku)

swapper     0/0
\tffffffff81b6ab30 idle ([kernel.kallsyms])

a <neighbour>   7/7
\t    5503 main (/usr/bin/neighbour)
""".splitlines(True)


def profile():
    return perf.fold(SAMPLES, {100: "engine"})


def test_stacks_belong_to_parts():
    """Whatever a thread is called, and idling is not work."""
    need(profile() == {("engine", "worker_turn", "[liburing.so.2.3]", "tcp_sendmsg"): 1, ("engine", "worker_turn"): 1,
                       ("a <neighbour>", "main"): 1}, profile())


def test_top_costs():
    said = "\n".join(perf.top(profile()))
    need("engine 67 %" in said and "a <neighbour> 33 %" in said, said)
    rows = {tuple(line.split()) for line in said.splitlines()}
    need(any(row[:2] == ("tcp_sendmsg", "50.0") for row in rows), said)
    need(any("worker_turn 100.0 %" in " ".join(row) for row in rows), said)


def test_flame_graph_is_an_image():
    """Well-formed whatever a process is called; a box is as wide as its share."""
    image = xml.etree.ElementTree.fromstring(flame.graph(profile(), "two & more"))
    boxes = {g.get("data-n"): float(g.get("data-w")) for g in image.iter("{http://www.w3.org/2000/svg}g")}
    need(abs(boxes["worker_turn"] - 2 / 3) < 1e-4 and abs(boxes["tcp_sendmsg"] - 1 / 3) < 1e-4 and boxes["a <neighbour>"], boxes)


def test_what_does_not_start_is_told():
    """And the others are played all the same."""
    def check(folder):
        code = ("import pathlib, runpy, sys; sys.path.insert(0, 'bench'); import report; report.OUT = pathlib.Path(sys.argv.pop()); "
                "runpy.run_path('bench/run', run_name='__main__')")
        done = subprocess.run([sys.executable, "-B", "-c", code, "--scenario", "newsletter,tls", "--repeat", "1", "--noisy", folder],
                              env={**os.environ, "HIKYAKU": "/bin/false"}, cwd=ROOT, capture_output=True, text=True)
        need(done.stdout.count("did not work: the engine ended at once") == 2, done.stdout, done.stderr)
        need(done.returncode == 1, done.returncode)

    in_folder("bench", check)


def test_missing_perf_is_told():
    def check(folder):
        code = "import sys; sys.path.insert(0, %r); import perf; print(perf.missing('true'))" % str(ROOT / "bench")
        (pathlib.Path(folder) / "true").symlink_to("/bin/true")
        done = subprocess.run([sys.executable, "-B", "-c", code], env={"PATH": folder}, capture_output=True, text=True)
        need("linux-perf" in done.stdout, done.stdout, done.stderr)
    in_folder("perf", check)


def test_peer_that_cannot_be_fetched():
    """Without npm there is no Haraka: the bench says what it lacks, and that the others go on."""
    def check(folder):
        for name in ("unshare", "env"):
            pathlib.Path(folder, name).symlink_to("/usr/bin/" + name)
        code = ("import os, pathlib, sys; sys.path.insert(0, %r); import peers, scenarios, stage; peers.PEERS = pathlib.Path(%r); os.geteuid = lambda: 0\n"
                "try: peers.Peer(scenarios.scenario('peer-haraka')).run()\nexcept stage.Broken as why: print(why)")
        done = subprocess.run([sys.executable, "-B", "-c", code % (str(ROOT / "bench"), folder)], env={"PATH": folder}, cwd=ROOT,
                              capture_output=True, text=True)
        need("haraka is missing, and the others go on without it" in done.stdout and "npm" in done.stdout, done.stdout, done.stderr)
    in_folder("peer", check)


def test_stalled_handshakes():
    """The sink takes STARTTLS, says nothing to what comes then, and counts who waits."""
    sink = subprocess.Popen([os.environ.get("BUILD", "build") + "/bin/sink", "--listen", "127.0.0.1:0", "--stall-tls"],
                            stdout=subprocess.PIPE, text=True)
    try:
        port = int(sink.stdout.readline().rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            lines = client.makefile("r", newline="\r\n")
            need(lines.readline().startswith("220 "))
            client.sendall(b"EHLO a.test\r\n")
            offered = [lines.readline()]
            while offered[-1][3] == "-":
                offered.append(lines.readline())
            need("250-STARTTLS\r\n" in offered, offered)
            client.sendall(b"STARTTLS\r\n")
            need(lines.readline().startswith("220 "))
            client.sendall(b"\x16\x03\x01\x00\x05QUIT\r\n")
            need(not select.select([client], [], [], 0.05)[0], "it answered")
            sink.send_signal(signal.SIGUSR1)
            counts = json.loads(sink.stdout.readline())
            need(counts["open"] == counts["stalled"] == 1 and counts["breaches"] == 0, counts)
    finally:
        sink.terminate()
        sink.wait(5)


if __name__ == "__main__":
    sys.exit(run(tests_of(globals()), sys.argv[1:]))
