"""A server in Python: asyncio or uvloop, streams or a protocol.

usage: server.py asyncio|uvloop streams|protocol echo|lines|http|resp|discard|source

It prints its address, and serves until it is told to end.
"""

import asyncio
import re
import signal
import sys

MEBIBYTE = 1024 * 1024
HTTP_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!"
PONG = b"+PONG\r\n"
RECEIVED = b"."


def bulk():
    """The same bytes as in src/wire.rs."""
    seed = 0x9E3779B9
    text = bytearray(MEBIBYTE)
    for place in range(MEBIBYTE):
        seed = (seed * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        text[place] = 33 + (seed >> 24) % 90
    text[-1] = 10
    return bytes(text)


# ---- streams: the obvious methods


async def echo(reader, writer):
    while data := await reader.read(16 * 1024):
        writer.write(data)
        await writer.drain()


async def lines(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


async def http(reader, writer):
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(HTTP_ANSWER)
        await writer.drain()


async def resp(reader, writer):
    while await reader.readline():
        await reader.readline()
        await reader.readline()
        writer.write(PONG)
        await writer.drain()


async def discard(reader, writer):
    received = 0
    while data := await reader.read(64 * 1024):
        received += len(data)
        if received >= MEBIBYTE:
            writer.write(RECEIVED * (received // MEBIBYTE))
            received %= MEBIBYTE
            await writer.drain()


async def source(reader, writer):
    while await reader.read(1):
        writer.write(BULK)
        await writer.drain()


async def serve_streams(app):
    async def connected(reader, writer):
        try:
            await app(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)


# ---- protocols: gather the answers to the received bytes, and write once


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.begin()

    def begin(self):
        pass

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Requests(Echo):
    """Whatever has an end that can be searched for."""

    end = b"\n"

    def begin(self):
        self.partial = b""

    def answer(self, requests):
        return b"".join([line + b"\n" for line in requests])

    def data_received(self, data):
        *requests, self.partial = (self.partial + data).split(self.end)
        if requests:
            self.transport.write(self.answer(requests))


class Http(Requests):
    end = b"\r\n\r\n"

    def answer(self, requests):
        return HTTP_ANSWER * len(requests)


class Resp(Requests):
    # An array of up to three strings: redis-benchmark asks for a setting before its first PING.
    command = re.compile(b"|".join(rb"\*%d\r\n(?:\$\d+\r\n[^\r]*\r\n){%d}" % (n, n) for n in (1, 2, 3)))

    def data_received(self, data):
        data = self.partial + data
        end = count = 0
        for match in self.command.finditer(data):
            end = match.end()
            count += 1
        self.partial = data[end:]
        if count:
            self.transport.write(PONG * count)


class Discard(Echo):
    def begin(self):
        self.received = 0

    def data_received(self, data):
        self.received += len(data)
        if self.received >= MEBIBYTE:
            self.transport.write(RECEIVED * (self.received // MEBIBYTE))
            self.received %= MEBIBYTE


class Source(Echo):
    def data_received(self, data):
        for _ in data:
            self.transport.write(BULK)


STREAMS = {"echo": echo, "lines": lines, "http": http, "resp": resp, "discard": discard, "source": source}
PROTOCOLS = {"echo": Echo, "lines": Requests, "http": Http, "resp": Resp, "discard": Discard, "source": Source}


async def main(style, app):
    if style == "streams":
        server = await serve_streams(STREAMS[app])
    else:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(PROTOCOLS[app], "127.0.0.1", 0, backlog=1024)
    host, port = server.sockets[0].getsockname()
    print(f"{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    loop, style, app = sys.argv[1:]
    BULK = bulk() if app == "source" else b""
    # asyncio receives into 256 KiB of fresh memory each time. glibc maps and unmaps such large blocks until a larger block
    # has been freed. That happens in any sizeable program, so it is done here at the start.
    bytes(MEBIBYTE)
    # This process ends whatever happens to the parent.
    signal.alarm(900)
    # A server that is told to end exits silently.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if loop == "uvloop":
        import uvloop

        uvloop.run(main(style, app))
    else:
        asyncio.run(main(style, app))
