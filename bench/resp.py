"""Just enough of Redis's protocol for a bench."""
import socket


class Redis:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb", 1 << 18)

    def __call__(self, *words):
        return self.many([words])[0]

    def many(self, commands):
        """All in one write, which costs Redis one read."""
        self.socket.sendall(b"".join(self.encode(words) for words in commands))
        return [self.reply() for _ in commands]

    @staticmethod
    def encode(words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if not line:
            raise RuntimeError("Redis closed the connection")
        return int(rest) if kind == b":" else rest.decode()

    def info(self, field):
        for line in self("INFO").decode().splitlines():
            if line.startswith(field + ":"):
                return float(line.split(":")[1])
        return 0.0
