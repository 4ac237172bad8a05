"""A TLS client that is to be refused, or to refuse: ADDR CA VERSION HOST ALPN [CERT KEY]. Says how it ended."""

import asyncio
import ssl
import sys

from common import address


async def main():
    _, _, ca, version, name, alpn, *identity = sys.argv
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    if alpn:
        context.set_alpn_protocols([alpn])
    if identity:
        context.load_cert_chain(*identity)
    host, port = address()
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
        # With TLS 1.3 a client hears of its own refusal only now.
        writer.write(b"hello\n")
        print("answered" if await reader.readline() else "ended")
    except (ssl.SSLError, ConnectionError) as exc:
        print("refused", exc)


asyncio.run(asyncio.wait_for(main(), 30))
