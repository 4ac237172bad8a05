"""What a step may do. A method `op_name` is the step `name`; coroutines run beside the scenario's later steps."""

import socket

from . import protocols
from .peer import End, Peer
from .trace import Fed, ProtocolFailed, unshape

READS = {
    "read", "read_to_end", "read_into", "fill_consume", "readline", "readline_into", "next_line", "readexactly",
    "readuntil", "readuntil_into",
}
# The scenario goes on when they are done.
WAITED_FOR = {"peer.send", "peer.read", "peer.read_to_end"}


class Operations:
    # Feeding a reader.

    def op_feed(self, at, data):
        self.ends[at].reader.feed_data(unshape(data))

    def op_feed_eof(self, at):
        self.ends[at].reader.feed_eof()

    def op_set_exception(self, at, text):
        self.ends[at].reader.set_exception(Fed(text))

    def op_at_eof(self, at):
        return self.ends[at].reader.at_eof()

    # Reads. What asyncio has one call for may be several here.

    async def kept(self, at, coroutine):
        self.ends[at].last = await coroutine
        return self.ends[at].last

    async def op_read(self, at, n):
        return await self.kept(at, self.ends[at].reader.read(n))

    op_read_into = op_fill_consume = op_read

    async def op_read_to_end(self, at):
        return await self.kept(at, self.ends[at].reader.read(-1))

    async def op_readline(self, at):
        try:
            return await self.kept(at, self.ends[at].reader.readline())
        except ValueError:
            return {"error": "LimitOverrun"}

    op_readline_into = op_readline

    async def op_next_line(self, at):
        line = await self.op_readline(at)
        return "end" if line == b"" else line

    async def op_readexactly(self, at, n):
        return await self.kept(at, self.ends[at].reader.readexactly(n))

    async def op_readuntil(self, at, separator):
        if isinstance(separator, list):
            separator = tuple(unshape(one) for one in separator)
        else:
            separator = unshape(separator)
        return await self.kept(at, self.ends[at].reader.readuntil(separator))

    op_readuntil_into = op_readuntil

    # Writing and closing, by a transport or a writer.

    def op_write(self, at, data):
        self.ends[at].out.write(unshape(data))

    def op_echo(self, at):
        self.ends[at].out.write(self.ends[at].last)

    def op_writelines(self, at, parts):
        self.ends[at].out.writelines([unshape(part) for part in parts])

    def op_can_write_eof(self, at):
        return self.ends[at].out.can_write_eof()

    def op_write_eof(self, at):
        self.ends[at].out.write_eof()

    def op_close(self, at):
        self.ends[at].out.close()

    def op_is_closing(self, at):
        return self.ends[at].out.is_closing()

    async def op_drain(self, at):
        await self.ends[at].writer.drain()

    async def op_wait_closed(self, at):
        await self.ends[at].writer.wait_closed()

    def op_drop_writer(self, at):
        self.ends[at].transport = self.ends[at].writer.transport
        self.ends[at].writer = None

    # What only a transport has.

    def below(self, at):
        end = self.ends[at]
        return end.transport or end.writer.transport

    def op_abort(self, at):
        self.below(at).abort()

    def op_pause_reading(self, at):
        self.below(at).pause_reading()

    def op_resume_reading(self, at):
        self.below(at).resume_reading()

    def op_is_reading(self, at):
        return self.below(at).is_reading()

    def op_set_limits(self, at, high, low):
        self.below(at).set_write_buffer_limits(high=high, low=low)

    def op_limits(self, at):
        return list(self.below(at).get_write_buffer_limits())

    def op_buffer(self, at):
        return "some" if self.below(at).get_write_buffer_size() else "empty"

    def op_set_protocol(self, at, kind):
        self.below(at).set_protocol(protocols.make(self, kind, at, "second."))

    # The peer.

    def op_connect(self, at):
        sock = socket.socket()
        try:
            # The kernel completes this without our accepting.
            sock.connect(self.address)
        except ConnectionRefusedError:
            sock.close()
            raise
        self.ends.setdefault(at, End()).peer = Peer(sock)
        return "ok"

    async def op_peer_send(self, at, data):
        await self.ends[at].peer.send(unshape(data))
        return ()

    async def op_peer_read(self, at, n):
        data, ended = await self.ends[at].peer.read(n)
        return (data, ended) if ended else data

    async def op_peer_read_to_end(self, at):
        return await self.ends[at].peer.read(None)

    def op_peer_shutdown(self, at):
        self.ends[at].peer.shutdown()

    def op_peer_reset(self, at):
        self.ends[at].peer.reset()

    def op_peer_close(self, at):
        self.ends[at].peer.close()

    # The server.

    def op_server_close(self, at):
        self.server.close()

    def op_server_close_clients(self, at):
        self.server.close_clients()

    def op_server_abort_clients(self, at):
        self.server.abort_clients()

    def op_server_is_serving(self, at):
        return self.server.is_serving()

    def op_server_addresses(self, at):
        return len(self.server.sockets)

    async def op_server_start_serving(self, at):
        await self.server.start_serving()

    async def op_server_serve_forever(self, at):
        await self.server.serve_forever()

    async def op_server_wait_closed(self, at):
        await self.server.wait_closed()

    def op_raise(self, at):
        raise ProtocolFailed
