"""A TLS server that echoes lines until an empty one: CERT KEY CA VERSION. It wants a certificate of its client."""

import asyncio
import ssl
import sys


async def echo(reader, writer):
    while (line := await reader.readline()) not in (b"", b"\n"):
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def main():
    cert, key, ca, version = sys.argv[1:]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert, key)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_alpn_protocols(["echo"])
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context, limit=1 << 22)
    host, port = server.sockets[0].getsockname()
    print(f"Serving on {host}:{port}", flush=True)
    await server.serve_forever()


asyncio.run(main())
