"""The echo server of the Streams page of asyncio's documentation, on any free port."""

import asyncio


async def handle_echo(reader, writer):
    data = await reader.read(100)
    message = data.decode()
    print(f"Received {message!r}", flush=True)
    writer.write(data)
    await writer.drain()
    print("Close the connection", flush=True)
    writer.close()
    await writer.wait_closed()


async def main():
    server = await asyncio.start_server(handle_echo, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"Serving on {host}:{port}", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
