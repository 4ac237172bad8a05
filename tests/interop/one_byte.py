"""A message that arrives one byte at a time, each in a packet of its own."""

import socket

from common import connect, pattern, receive_exactly

data = pattern(2000, 1)
with connect() as sock:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # First in lockstep, then without waiting.
    for at in range(1000):
        sock.sendall(data[at : at + 1])
        assert sock.recv(2) == data[at : at + 1], at
    for at in range(1000, 2000):
        sock.sendall(data[at : at + 1])
    assert receive_exactly(sock, 1000) == data[1000:]
print(f"{len(data)} bytes, one by one")
