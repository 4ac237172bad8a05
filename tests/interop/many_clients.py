"""Fifty asyncio clients at once, each with twenty messages of its own of growing size."""

import asyncio

from common import address, pattern, run

CLIENTS, MESSAGES = 50, 20


async def client(number):
    reader, writer = await asyncio.open_connection(*address())
    for message in range(MESSAGES):
        data = pattern(1 << (message % 15), number * MESSAGES + message)
        writer.write(data)
        await writer.drain()
        assert await reader.readexactly(len(data)) == data, (number, message)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return MESSAGES


async def main():
    echoed = await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    print(f"{len(echoed)} clients, {sum(echoed)} messages")


run(main())
