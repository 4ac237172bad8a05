"""Echoes a megabyte through a TLS server, over the version that is asked for: ADDR CA VERSION."""

import asyncio
import ssl
import sys

from common import address, pattern


async def main():
    context = ssl.create_default_context(cafile=sys.argv[2])
    version = ssl.TLSVersion[sys.argv[3]]
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["echo"])
    host, port = address()
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
    tls = writer.get_extra_info("ssl_object")
    data = pattern(1_000_000, 7).replace(b"\n", b".") + b"\n"
    writer.write(data)
    received = await reader.readexactly(len(data))
    assert received == data, "what came back differs"
    writer.write(b"bye\n")
    assert await reader.read() == b"", "an end was expected"
    writer.close()
    await writer.wait_closed()
    print(tls.version(), tls.selected_alpn_protocol(), len(received))


asyncio.run(main())
