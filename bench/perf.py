"""Where the time goes: perf beside the measured part of a run, a flame graph of it, and the costs at the top.

perf looks at every processor some hundred times a second (-a) and notes the stack (-g: frame pointers, which our programs
and the kernel keep; Debian's Redis does not, so of Redis only the innermost functions can be told). A sample belongs to the
part of the bench its process was placed in, whatever its thread is called. perf's own work counts as a part: `perf`."""
import collections, os, pathlib, re, shutil, signal, subprocess, tempfile

import flame

HERTZ = 397  # prime, so that it does not march in step with anything
HEAD = re.compile(r"^(.+?)\s+(\d+)/\d+\s*$")
FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \((.*)\)$")


def missing(deps="tests/deps"):
    """Why there can be no profile, or None. Installs perf if it is not there."""
    if not shutil.which("perf"):
        subprocess.run([deps, "profile"])
    if not shutil.which("perf"):
        return "perf is not there and could not be installed (Debian's package linux-perf)"
    with tempfile.NamedTemporaryFile() as data:
        tried = subprocess.run(["perf", "record", "-q", "-a", "-g", "-o", data.name, "true"], capture_output=True, text=True)
    if tried.returncode:
        return "perf may not look at the whole machine (it needs root, or kernel.perf_event_paranoid at -1): %s" % (
            tried.stderr.strip().splitlines() or ["it gave no reason"])[0]
    return None


class Recorder:
    """One for the whole bench; each run has its start() and its finish(), from measure.Sampler."""

    def __init__(self, folder):
        self.folder, self.name, self.profiles = pathlib.Path(folder), None, {}

    def start(self, meter):
        self.meter, self.data = meter, tempfile.NamedTemporaryFile(prefix="hikyaku-perf.")
        meter.part("perf")
        self.process = subprocess.Popen(["perf", "record", "-q", "-a", "-g", "-F", str(HERTZ), "-o", self.data.name],
                                        stderr=subprocess.DEVNULL, preexec_fn=lambda: meter.place("perf", os.getpid()))
        meter.pids["perf"].add(self.process.pid)

    def finish(self):
        """While the parts still run, since only then their processes are known."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        parts = {pid: role for role in self.meter.pids for pid in self.meter.members(role)}
        told = subprocess.Popen(["perf", "script", "-i", self.data.name, "-F", "comm,pid,tid,ip,sym,dso", "--no-inline"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
        found = fold(told.stdout, parts)
        told.wait()
        self.data.close()
        self.profiles.setdefault(self.name, collections.Counter()).update(found)

    def write(self):
        """The flame graphs; returns the words about all of them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        said = []
        for name, stacks in self.profiles.items():
            path = self.folder / ("flame-%s.svg" % name)
            path.write_text(flame.graph(stacks, "%s: %d samples at %d Hz of each processor" % (name, stacks.total(), HERTZ)))
            said += ["Where the time went: %s (%s)" % (name, path), *top(stacks), ""]
        return "\n".join(said)


def fold(lines, parts):
    """What `perf script` prints, as {(part, outermost, …, innermost): samples}. Frames without a name are those of their file,
    told once; what has not even a file is left out. Idle processors (pid 0) are not work."""
    found, who, stack = collections.Counter(), None, []
    for line in lines:
        frame = FRAME.match(line)
        if frame:
            name, file = frame.groups()
            if name == "[unknown]":
                name = "" if file == "[unknown]" else "[%s]" % file.rsplit("/", 1)[-1].strip("[]")
            if name and not (stack and name.startswith("[") and stack[-1] == name):
                stack.append(name.split("+0x")[0])
        elif not line.strip() and who:
            found[(who, *reversed(stack))] += 1
            who = None
        elif (head := HEAD.match(line)):
            pid = int(head.group(2))
            who, stack = parts.get(pid, head.group(1).strip()) if pid else None, []
    if who:
        found[(who, *reversed(stack))] += 1
    return found


def costs(stacks, part):
    """Samples of each function of a part: in it, and in it with all it calls."""
    own, whole = collections.Counter(), collections.Counter()
    for stack, count in stacks.items():
        if stack[0] == part and len(stack) > 1:
            own[stack[-1]] += count
            whole.update({name: count for name in set(stack[1:])})
    return own, whole


def rungs(whole, total):
    """The costliest with what they call. Of a chain of callers with the same cost the one that is first found stands for all."""
    last = None
    for name, count in whole.most_common():
        if last is None or last - count > 0.005 * total:
            last = count
            yield name, count


def top(stacks, parts_shown=3, lines_shown=12):
    """Lines: the parts by their share; of the largest that are the bench's, and not its neighbours, the functions that cost
    most, alone and with what they call."""
    parts, total = collections.Counter(), stacks.total()
    for stack, count in stacks.items():
        parts[stack[0]] += count
    said = ["  " + ", ".join("%s %.0f %%" % (part, 100 * n / total) for part, n in parts.most_common() if n >= 0.005 * total)]
    for part, n in [pair for pair in parts.most_common() if pair[0] in flame.COLOURS][:parts_shown]:
        own, whole = costs(stacks, part)
        said.append("  %-44s %-8s %s" % ("%s: of its time" % part, "alone", "with what it calls"))
        for left, right in zip(own.most_common(lines_shown), rungs(whole, n)):
            said.append("    %-40.40s %5.1f %%    %-40.40s %5.1f %%" % (left[0], 100 * left[1] / n, right[0], 100 * right[1] / n))
    return said
