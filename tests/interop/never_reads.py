"""A client that wants to send 50 MB and reads nothing: it is slowed down, and nobody else is.

Once nothing more goes out, others are still served; then the client does read, and everything is there.
"""

import hashlib
import select
import time

from common import PATIENCE, connect, pattern, receive_exactly

TOTAL = 50_000_000
BLOCK = pattern(1_000_000, 3)

greedy = connect()
greedy.setblocking(False)
sent = 0


def send_some():
    global sent
    sent += greedy.send(memoryview(BLOCK)[sent % len(BLOCK) :][: TOTAL - sent])


# The server stops reading, so the kernel's buffers fill, and no room appears any more.
while sent < TOTAL and select.select([], [greedy], [], 0.3)[1]:
    send_some()
assert sent < TOTAL, "the server took everything, though its echoes are not read"
print("stuck")

with connect() as other:
    other.sendall(b"still there?")
    assert receive_exactly(other, 12) == b"still there?"
print("others are served")

received, digest = 0, hashlib.sha256()
deadline = time.monotonic() + PATIENCE
while received < TOTAL:
    assert time.monotonic() < deadline, (sent, received)
    readable, writable, _ = select.select([greedy], [greedy] if sent < TOTAL else [], [], PATIENCE)
    if writable:
        send_some()
    if readable:
        data = greedy.recv(1 << 18)
        assert data, "the stream ended early"
        received += len(data)
        digest.update(data)
assert digest.digest() == hashlib.sha256(BLOCK * (TOTAL // len(BLOCK))).digest()
print(f"{received} bytes came back")
