"""What a bench measures beside the mail: CPU of each part, memory, what others took of the machine, how fast the disk syncs.

CPU comes from a cgroup for each part (cpuacct of version 1, cpu.stat of version 2): nanoseconds, with all its threads and
children. Where no cgroup can be made it is summed from /proc, in ticks. Soft interrupts that run in a part's context, which
on loopback is nearly all of the network, are in its figure; those left to kernel threads are told apart as `kernel`.
*Foreign* is what is left: whatever ran on the machine and was neither a part, nor this program, nor the kernel's own."""
import os, pathlib, platform, subprocess, tempfile, threading, time

TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
CGROUPS = ((pathlib.Path("/sys/fs/cgroup/cpuacct"), "cpuacct.usage", 1e9), (pathlib.Path("/sys/fs/cgroup"), "cpu.stat", 1e6))


def stat_fields(pid):
    """Of /proc/PID/stat, those behind the name: [0] is the state, [1] the parent."""
    return pathlib.Path("/proc/%s/stat" % pid).read_text().rsplit(")", 1)[1].split()


def processes():
    """{pid: (parent, CPU seconds)}"""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = stat_fields(pid)
            found[int(pid)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK)
        except (OSError, IndexError):
            continue
    return found


def resident_mb(pid):
    try:
        return int(pathlib.Path("/proc/%d/statm" % pid).read_text().split()[1]) * PAGE / 1e6
    except (OSError, IndexError):
        return 0.0


def kernel_seconds():
    return sum(cpu for parent, cpu in processes().values() if parent == 2)


def kernel_mb():
    """What the kernel itself holds: slabs, and the pages of TCP buffers."""
    slab = next(int(line.split()[1]) / 1e3 for line in open("/proc/meminfo") if line.startswith("Slab:"))
    tcp = next(line.split() for line in open("/proc/net/sockstat") if line.startswith("TCP:"))
    return slab + int(tcp[tcp.index("mem") + 1]) * PAGE / 1e6


def stolen_seconds():
    return int(open("/proc/stat").readline().split()[8]) / TICK


class Meter:
    """The parts of one run. place() puts a process there, before or after it has started."""

    def __init__(self):
        self.pids, self.folder = {}, None
        for root, self.file, self.unit in CGROUPS:
            if self.make(root):
                self.root = root
                break

    def make(self, root):
        folder = root / ("hikyaku-bench.%d.%d" % (os.getpid(), time.monotonic_ns()))
        try:
            folder.mkdir()
            self.read(folder / self.file)
        except (OSError, ValueError, IndexError):
            if folder.is_dir():
                folder.rmdir()
            return False
        self.folder = folder
        return True

    @property
    def source(self):
        return "cgroup " + self.file if self.folder else "/proc, in ticks of 10 ms"

    def read(self, path):
        text = path.read_text().split()
        return int(text[text.index("usage_usec") + 1] if "usage_usec" in text else text[0]) / self.unit

    def part(self, role):
        """Makes the part; to be called before place() is called in a child."""
        self.pids.setdefault(role, set())
        if self.folder:
            (self.folder / role).mkdir(exist_ok=True)

    def place(self, role, pid):
        self.part(role)
        self.pids[role].add(pid)
        if self.folder:
            (self.folder / role / "cgroup.procs").write_text(str(pid))

    def members(self, role):
        if self.folder:
            return [int(pid) for pid in (self.folder / role / "cgroup.procs").read_text().split()]
        others = set().union(*(pids for name, pids in self.pids.items() if name != role))
        found, everybody = set(self.pids[role]), processes()
        while True:
            more = {pid for pid, (parent, _) in everybody.items() if parent in found} - found - others
            if not more:
                return list(found)
            found |= more

    def cpu(self, role):
        if self.folder:
            return self.read(self.folder / role / self.file)
        everybody = processes()
        return sum(everybody[pid][1] for pid in self.members(role) if pid in everybody)

    def memory_mb(self, role):
        return sum(resident_mb(pid) for pid in self.members(role))

    def everything(self):
        """CPU seconds of all that ever ran here."""
        if self.folder:
            return self.read(self.root / self.file)
        fields = [int(n) / TICK for n in open("/proc/stat").readline().split()[1:]]
        return sum(fields[n] for n in (0, 1, 2, 5, 6))

    def close(self):
        """Once its processes are gone."""
        for role in self.pids if self.folder else ():
            (self.folder / role).rmdir()
        if self.folder:
            self.folder.rmdir()


class Sampler(threading.Thread):
    """Looks once a second from start() to finish(); `samples` are then seconds, CPU shares and memory of each part."""
    recorder = None  # perf.Recorder, where a profile is wanted: of just that time

    def __init__(self, meter, memory=("engine", "redis")):
        super().__init__(daemon=True)
        self.meter, self.memory, self.done, self.samples = meter, memory, threading.Event(), []

    def look(self):
        parts = {role: self.meter.cpu(role) for role in list(self.meter.pids)}
        own = sum(os.times()[:2])
        return time.monotonic(), parts, own, self.meter.everything(), kernel_seconds(), stolen_seconds()

    def start(self):
        if self.recorder:
            self.recorder.start(self.meter)
        self.first = self.last = self.look()
        super().start()

    def run(self):
        while not self.done.wait(1.0):
            try:
                self.sample()
            except OSError:
                return  # the run broke off, and its parts are gone

    def sample(self):
        now = self.look()
        took = now[0] - self.last[0]
        if took > 0.05:
            self.samples.append(dict(
                at=round(now[0] - self.first[0], 2),
                cpu={role: round((cpu - self.last[1].get(role, 0)) / took, 3) for role, cpu in now[1].items()},
                memory_mb={role: round(self.meter.memory_mb(role), 1) for role in self.memory if role in now[1]}))
            self.last = now

    def finish(self):
        """CPU seconds of each part between start() and now; `kernel`, and `foreign` as a share of all cores."""
        self.done.set()
        self.join()
        self.sample()
        before, after = self.first, self.look()
        used = {role: cpu - before[1].get(role, 0) for role, cpu in after[1].items()}
        own, all_of_it, kernel, stolen = (after[n] - before[n] for n in (2, 3, 4, 5))
        rest = all_of_it - sum(used.values()) - own - kernel
        used["kernel"] = kernel
        used["foreign"] = max(0.0, rest + stolen) / ((after[0] - before[0]) * os.cpu_count())
        if self.recorder:
            self.recorder.finish()
        return used


def fsync_ms(folder=None, times=50):
    """Median and worst of appending 4 KB and fdatasync, on the disk the queue is on."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - start) * 1000)
    return sorted(took)[times // 2], max(took)


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return command[0] + " is not there"


def machine(hikyaku):
    """The facts without which a figure says nothing."""
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = int(open("/proc/meminfo").readline().split()[1]) / 1e6
    median, worst = fsync_ms()
    return dict(cpu=cpu, cores=os.cpu_count(), memory="%.0f GB" % memory, kernel=platform.release(),
                engine=first_line(hikyaku, "--version"), redis=first_line("redis-server", "--version").split(" sha")[0],
                openssl=first_line("openssl", "version").split(" (")[0], source=first_line("git", "describe", "--always", "--dirty"),
                fsync="%.2f ms median, %.2f ms worst of 50" % (median, worst),
                load="%.2f %.2f %.2f" % os.getloadavg(), date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
