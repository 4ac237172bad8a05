"""Plain sockets that end their side, and only then read what is due to them, to the end."""

import socket

from common import connect, pattern, receive_to_end


def check(data):
    with connect() as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert receive_to_end(sock) == data, len(data)


for length in (0, 1, 100, 65536, 200_000):
    check(pattern(length, length))
    print(f"{length} bytes came back after the end")

# All at once: every side has ended before any echo is read.
socks = [connect() for _ in range(50)]
for number, sock in enumerate(socks):
    sock.sendall(pattern(1000, number))
    sock.shutdown(socket.SHUT_WR)
for number, sock in enumerate(socks):
    assert receive_to_end(sock) == pattern(1000, number), number
    sock.close()
print(f"{len(socks)} at once")
