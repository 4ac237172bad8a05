"""What the clients in this directory share: the address they are given, patterned data, and one line of result."""

import asyncio
import socket
import struct
import sys

PATIENCE = 30.0


def address():
    """The server's address, from the command line."""
    host, port = sys.argv[1].rsplit(":", 1)
    return host, int(port)


def pattern(length, seed):
    """Bytes that differ by seed and position, so that a mix-up of connections or offsets is seen."""
    words = ((seed * 2654435761 + i * 2246822519) & 0xFFFFFFFF for i in range(length // 4 + 1))
    return b"".join(struct.pack("<I", word) for word in words)[:length]


def connect():
    """A plain, blocking socket."""
    return socket.create_connection(address(), timeout=PATIENCE)


def receive_exactly(sock, length):
    parts = []
    while length:
        data = sock.recv(min(length, 1 << 16))
        if not data:
            raise EOFError(f"the stream ended {length} bytes early")
        parts.append(data)
        length -= len(data)
    return b"".join(parts)


def receive_to_end(sock):
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def reset(sock):
    """Closes with a reset instead of an end of the stream."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def run(main):
    """Runs a coroutine, which fails when it takes too long."""
    asyncio.run(asyncio.wait_for(main, PATIENCE))
