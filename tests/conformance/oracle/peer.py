"""The other end of a connection: a plain socket, driven by steps."""

import asyncio
import socket
import struct

# In so many turns a loss is delivered, and whoever waits for it has run.
TURNS_OF_AN_END = 5


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    # The peer's own small sends must not wait for acknowledgements.
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, peer


class End:
    """Our end of a connection, as far as the scenario has it, and the plain peer."""

    transport = reader = writer = peer = last = tls = None

    @property
    def out(self):
        return self.writer or self.transport

    def has_sent_its_end(self):
        """Closed, with nothing left to send. Asked of TLS only, whose public interface does not say it."""
        if not self.out or not self.out.is_closing():
            return False
        transport = self.writer.transport if self.writer else self.transport
        # A transport that was closed twice forgets it.
        self.tls = transport._ssl_protocol or self.tls
        if not self.tls:
            return True
        below = self.tls._transport
        return not self.tls._get_write_buffer_size() and not (below and below.get_write_buffer_size())


class Peer:
    def __init__(self, sock):
        self.sock = sock
        sock.setblocking(False)

    async def send(self, data):
        data = memoryview(data)
        while data:
            try:
                data = data[self.sock.send(data):]
            except BlockingIOError:
                await asyncio.sleep(0.001)

    async def read(self, n):
        """Up to `n` bytes, and how it ended: "eof", "ConnectionLost", or None if all came."""
        got = bytearray()
        while n is None or len(got) < n:
            try:
                data = self.sock.recv(1 << 20 if n is None else n - len(got))
            except BlockingIOError:
                await asyncio.sleep(0.001)
                continue
            except ConnectionError:
                return await self.ended(got, "ConnectionLost")
            if not data:
                return await self.ended(got, "eof")
            got += data
        return bytes(got), None

    @staticmethod
    async def ended(got, how):
        """Who waits on our side for the end that came to the peer hears of it first, however the kernel mixes them."""
        for _ in range(TURNS_OF_AN_END):
            await asyncio.sleep(0)
        return bytes(got), how

    def shutdown(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()
