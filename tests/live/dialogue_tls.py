"""TLS as the letters' server speaks it: on a socket that spoke in clear before, and may be made to speak so again.

    make_contexts(folder)                      # once: a certificate that nobody vouches for
    secured = Secured(plain, newest=False)     # the server's end of a handshake; from now on a socket in all but name
    secured.recv(65536); secured.sendall(b"250 ok\\r\\n")
    plain = secured.leave()                    # close_notify is said; what comes now is in clear

It is made of memory, not of ssl's own socket, for that lets nobody see what is on the wire, or put something there."""
import ssl

from tls_test import Certificates

RECORD_OCTETS = 5  # its head: content type, version, length (RFC 8446 5.1)
ALERT, HANDSHAKE = 21, 22
CONTEXTS = {}


def make_contexts(folder):
    certificate = Certificates(folder).make("itself", ["-subj", "/CN=itself", "-days", "10"], "DNS:mx.test")
    for newest, version in ((True, ssl.TLSVersion.TLSv1_3), (False, ssl.TLSVersion.TLSv1_2)):
        context = CONTEXTS[newest] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.minimum_version = context.maximum_version = version


def is_record(octets, content_type):
    return len(octets) >= RECORD_OCTETS and octets[0] == content_type and octets[1] == 3


class Secured:
    def __init__(self, plain, newest):
        self.plain = plain
        self.came, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = CONTEXTS[newest].wrap_bio(self.came, self.goes, server_side=True)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                if not self.fill():
                    raise ConnectionError("it ended in the handshake") from None
            finally:
                self.flush()

    def __getattr__(self, name):
        """fileno, settimeout and the like are the socket's."""
        return getattr(self.plain, name)

    def flush(self):
        self.plain.sendall(self.goes.read())

    def fill(self):
        octets = self.plain.recv(65536)
        self.came.write(octets)
        return bool(octets)

    def recv(self, most):
        """All that is there, so that whoever asks the kernel whether more has come is not told too little."""
        got = b""
        while True:
            try:
                piece = self.tls.read(most)
            except ssl.SSLWantReadError:
                if got or not self.fill():
                    return got
            except ssl.SSLZeroReturnError:
                return got
            else:
                got += piece

    def sendall(self, octets):
        self.tls.write(octets)
        self.flush()

    def leave(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # the other end need not answer
        self.flush()
        return self.plain
