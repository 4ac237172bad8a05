"""The other end of a connection over TLS, driven by steps: a plain peer with the session of a server on top."""

import asyncio
import functools
import pathlib
import ssl
import subprocess
import tempfile

from .peer import Peer


def client_context():
    """Whom to trust is not what the scenarios are about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@functools.cache
def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # What is sent unasked might be left unread.
    context.num_tickets = 0
    with tempfile.TemporaryDirectory() as folder:
        cert, key = pathlib.Path(folder) / "cert.pem", pathlib.Path(folder) / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=peer"]
        subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
        context.load_cert_chain(cert, key)
    return context


class TlsPeer(Peer):
    def __init__(self, sock):
        super().__init__(sock)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = server_context().wrap_bio(self.incoming, self.outgoing, server_side=True)
        # What was decrypted and not read, and how the session ended, if it did.
        self.got, self.ended = bytearray(), None

    async def handshake(self):
        while not self.ended:
            try:
                self.session.do_handshake()
                await self.flush()
                # Data may have come with the last of it.
                return self.decrypt()
            except ssl.SSLWantReadError:
                await self.flush()
                await self.receive()

    async def flush(self):
        await super().send(self.outgoing.read())

    def flush_now(self):
        """So little is said so that the kernel takes it."""
        try:
            self.sock.send(self.outgoing.read())
        except OSError:
            pass

    async def send(self, data):
        self.session.write(data)
        await self.flush()

    async def receive(self):
        """Takes in what comes next."""
        while not self.receive_now():
            await asyncio.sleep(0.001)

    def receive_now(self):
        """Takes in what is there. False if nothing is."""
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return False
        except ConnectionError:
            self.ended = self.ended or "ConnectionLost"
            return True
        self.incoming.write(data)
        if self.session.version():
            self.decrypt()
        if not data:
            self.ended = self.ended or "truncated"
        return True

    def decrypt(self):
        try:
            while data := self.session.read(1 << 18):
                self.got += data
        except ssl.SSLWantReadError:
            return
        except ssl.SSLZeroReturnError:
            pass
        self.closed()

    def closed(self):
        """The other side has ended the session: this side ends it too."""
        self.ended = self.ended or "eof"
        self.shutdown()

    async def read(self, n):
        while not self.ended and (n is None or len(self.got) < n):
            await self.receive()
        if self.ended:
            # Our side hears of the peer's end, as of the kernel's, before the scenario goes on.
            await asyncio.sleep(0.005)
        enough = n is not None and len(self.got) >= n
        n = len(self.got) if n is None else n
        got = bytes(self.got[:n])
        del self.got[:n]
        return got, None if enough else self.ended

    def attend(self):
        """Our side has sent its end: the peer's session answers it of itself, as the kernel does of a plain one."""
        while self.sock.fileno() >= 0 and not self.ended and self.receive_now():
            pass

    def shutdown(self):
        try:
            self.session.unwrap()
        except ssl.SSLError:
            pass
        self.flush_now()

    def close(self):
        if self.sock.fileno() >= 0:
            self.shutdown()
        super().close()
