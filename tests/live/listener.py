"""A server of a few lines: a port, and a thread for each connection.

    class Receiver(Listener):
        def __init__(self):
            self.lines = []                    # before the first connection can come
            super().__init__()

        def talk(self, connection, peer): ...  # peer: its address
"""
import socket
import threading


class Listener:
    def __init__(self, address="127.0.0.1", port=0):
        self.listener = socket.create_server((address, port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or each answer waits 40 ms for an ACK
            threading.Thread(target=self.talk, args=(connection, peer[0]), daemon=True).start()

    def close(self):
        self.listener.close()
