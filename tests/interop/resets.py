"""Clients that reset their connections at every moment of its life, among clients that do nothing wrong."""

import socket

from common import connect, pattern, receive_exactly, receive_to_end, reset

good = [connect() for _ in range(10)]
resets = 0


def check(round):
    for number, sock in enumerate(good):
        data = pattern(3000, round * 100 + number)
        sock.sendall(data)
        assert receive_exactly(sock, len(data)) == data, (round, number)


def bad(kind):
    sock = connect()
    if kind == "unread":
        sock.sendall(b"x" * 100_000)
    elif kind == "half read":
        sock.sendall(b"x" * 100_000)
        receive_exactly(sock, 1000)
    elif kind == "half closed":
        sock.sendall(b"x" * 1000)
        sock.shutdown(socket.SHUT_WR)
    reset(sock)


for round in range(20):
    for kind in ("at once", "unread", "half read", "half closed"):
        bad(kind)
        resets += 1
    check(round)
for sock in good:
    sock.shutdown(socket.SHUT_WR)
    assert receive_to_end(sock) == b""
print(f"{resets} resets, {len(good)} good clients")
