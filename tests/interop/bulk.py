"""64 MiB through one connection, with at most 1 MiB under way, compared by checksum."""

import asyncio
import hashlib

from common import address, pattern, run

CHUNK, CHUNKS, UNDER_WAY = 1 << 16, 1024, 16


async def main():
    reader, writer = await asyncio.open_connection(*address())
    room = asyncio.Semaphore(UNDER_WAY)
    sent, received = hashlib.sha256(), hashlib.sha256()
    block = pattern(CHUNK, 7)

    async def send():
        for number in range(CHUNKS):
            await room.acquire()
            chunk = number.to_bytes(8, "little") + block[8:]
            sent.update(chunk)
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async def receive():
        for _ in range(CHUNKS):
            received.update(await reader.readexactly(CHUNK))
            room.release()
        assert await reader.read() == b""

    await asyncio.gather(send(), receive())
    assert sent.digest() == received.digest()
    writer.close()
    await writer.wait_closed()
    print(f"{CHUNKS * CHUNK} bytes, the same checksum")


run(main())
