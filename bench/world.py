"""What the demo and the benches start, and end again whatever happens: processes, a directory, free ports."""
import json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time

BUILD = os.environ.get("BUILD", "build")
HIKYAKU = os.environ.get("HIKYAKU", "./hikyaku")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class World:
    """One directory and the processes in it; close() leaves nothing behind."""

    def __init__(self, name):
        self.name, self.dir, self.running = name, tempfile.mkdtemp(prefix="hikyaku-%s." % name), []
        self.meter = None  # measure.Meter: each process becomes a part of its own name

    def start(self, name, *command, wait_for=None, **more):
        log = open("%s/%s.log" % (self.dir, name), "ab")
        if self.meter:
            self.meter.part(name)
            more["preexec_fn"] = lambda: self.meter.place(name, os.getpid())
        process = subprocess.Popen(command, stdout=subprocess.PIPE if wait_for is not None else log, stderr=log, **more)
        log.close()
        if self.meter:
            self.meter.pids[name].add(process.pid)
        self.running.append((name, process))
        return self.listening(process, wait_for) if wait_for else process

    def listening(self, process, count):
        found = []
        while len(found) < count:
            line = process.stdout.readline().decode()
            if not line:
                self.fail("a helper did not start: %s" % " ".join(process.args))
            if line.startswith("listening "):
                found.append(line.split()[1])
        return found

    def process(self, name):
        return next(p for n, p in reversed(self.running) if n == name)

    def end(self, name):
        process = self.process(name)
        process.send_signal(signal.SIGTERM)
        output = process.stdout.read().decode() if process.stdout else ""
        process.wait(60)
        return output

    def logs(self):
        """The last lines of each process that said something."""
        texts = ((path.name, path.read_text(errors="replace").strip()) for path in sorted(pathlib.Path(self.dir).glob("*.log")))
        return "\n".join("--- %s\n%s" % (name, "\n".join(text.splitlines()[-15:])) for name, text in texts if text)

    def fail(self, why):
        print("%s: %s\n%s" % (self.name, why, self.logs()), file=sys.stderr)
        raise SystemExit(1)

    def hikyaku(self, command, *args, **more):
        return subprocess.run([HIKYAKU, command, "-c", self.dir + "/hikyaku.conf", *args], **more)

    def configure(self, text):
        pathlib.Path(self.dir, "hikyaku.conf").write_text(text)

    def start_engine(self):
        """Starts it and waits until it answers."""
        engine = self.start("engine", HIKYAKU, "run", "-c", self.dir + "/hikyaku.conf")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if engine.poll() is not None:
                self.fail("the engine ended at once")
            if self.hikyaku("status", "--json", capture_output=True).returncode == 0:
                return engine
            time.sleep(0.1)
        self.fail("the engine does not answer")

    def close(self):
        for _, process in reversed(self.running):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        if self.meter:
            self.meter.close()
