"""A mail server by aiosmtpd, which says where it listens. With a certificate and a key it offers STARTTLS."""

import asyncio
import ssl
import sys

from aiosmtpd.handlers import Debugging
from aiosmtpd.smtp import SMTP


async def main():
    context = None
    if len(sys.argv) > 1:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1], sys.argv[2])

    def make():
        return SMTP(Debugging(), hostname="mail.example", ident="A mail server", tls_context=context)

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"Serving on {host}:{port}", flush=True)
    await server.serve_forever()


asyncio.run(main())
