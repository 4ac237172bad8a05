"""Runs the scenarios of kinds reader, transport, streams and server."""

import asyncio
import contextlib
import socket
import warnings

from . import operations, protocols
from .peer import End, Peer, tcp_pair
from .tls_peer import TlsPeer, client_context
from .trace import ProtocolFailed, Trace


class World(operations.Operations):
    def __init__(self, scenario):
        self.scenario, self.trace = scenario, Trace()
        self.ends, self.pending, self.server, self.accepted_count = {}, [], None, 0
        self.over = False

    def suffix(self, at):
        return f"@{at}" if self.scenario["kind"] == "server" else ""

    def is_over_tls(self):
        return self.scenario.get("over") == "tls"

    # Set-up, by kind.

    async def set_up_reader(self):
        end = self.ends[1] = End()
        end.reader = asyncio.StreamReader(limit=self.scenario.get("limit", 65536))

    def connected(self):
        """The options with which our end is made."""
        over = self.scenario.get("over", "tcp")
        ours, peer = socket.socketpair() if over == "pair" else tcp_pair()
        end = self.ends[1] = End()
        ours.setblocking(False)
        if over != "tls":
            end.peer = Peer(peer)
            return end, {"sock": ours}
        end.peer = TlsPeer(peer)
        self.handshake = asyncio.ensure_future(end.peer.handshake())
        return end, {"sock": ours, "ssl": client_context(), "server_hostname": "peer"}

    async def set_up_transport(self):
        _, options = self.connected()
        protocol = protocols.make(self, self.scenario.get("protocol"), 1)
        # Over TLS it also fails with what made raises.
        with contextlib.suppress(ProtocolFailed):
            await asyncio.get_running_loop().create_connection(lambda: protocol, **options)

    async def set_up_streams(self):
        end, options = self.connected()
        limit = self.scenario.get("limit", 65536)
        end.reader, end.writer = await asyncio.open_connection(limit=limit, **options)

    async def set_up_server(self):
        options = {"start_serving": self.scenario.get("start_serving", True)}
        options["backlog"] = self.scenario.get("backlog", 100)
        if "handler" in self.scenario:
            limit = self.scenario.get("limit", 65536)
            handler = self.plain_handler if self.scenario.get("plain") else self.handler
            self.server = await asyncio.start_server(handler, "127.0.0.1", 0, limit=limit, **options)
        else:
            loop = asyncio.get_running_loop()
            make = lambda: protocols.make(self, self.scenario.get("protocol"))
            self.server = await loop.create_server(make, "127.0.0.1", 0, **options)
        self.address = self.server.sockets[0].getsockname()

    def accepted(self):
        """The ends of a server are numbered in the order in which their connections are made."""
        self.accepted_count += 1
        self.ends.setdefault(self.accepted_count, End())
        return self.accepted_count

    async def handler(self, reader, writer):
        at = self.plain_handler(reader, writer)
        for step in self.scenario["handler"]:
            name, *args = step
            function = getattr(self, "op_" + name.replace(".", "_"))
            result = function(at, *args)
            if asyncio.iscoroutine(result):
                await self.watch(name + self.suffix(at), result)
            elif result is not None:
                self.trace.add(name + self.suffix(at), result)

    def plain_handler(self, reader, writer):
        at = self.accepted()
        self.ends[at].reader, self.ends[at].writer = reader, writer
        self.trace.add("connected" + self.suffix(at))
        return at

    # Steps.

    async def run(self):
        asyncio.get_running_loop().set_exception_handler(self.reported)
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            await getattr(self, "set_up_" + self.scenario["kind"])()
        except ValueError as exc:
            self.trace.add("new", exc)
            return self.trace.shaped()
        await self.settle()
        for step in self.scenario["steps"]:
            if self.is_over_tls() and self.trace.has("write_eof"):
                # It was refused, and what comes next may wait for that end.
                break
            await self.step(step)
            await self.settle()
        waiting = [name for name, task in self.pending if not task.done()]
        if waiting:
            self.trace.add("pending", waiting)
        answer = self.trace.shaped()
        await self.tear_down()
        return answer

    def reported(self, loop, context):
        if not self.over:
            self.trace.add("reported")

    async def tear_down(self):
        self.over = True
        self.trace = Trace()
        for _, task in self.pending:
            task.cancel()
        for end in self.ends.values():
            if end.peer:
                end.peer.close()
            if end.out and not end.out.is_closing():
                (end.transport or end.writer.transport).abort()
        if self.server:
            self.server.close()
        await asyncio.sleep(0.001)

    async def settle(self):
        """Waits until nothing more happens: some turns where nothing comes from outside, else some quiet time."""
        if self.scenario["kind"] == "reader":
            for _ in range(16):
                await asyncio.sleep(0)
            return
        quiet = 0
        while quiet < 3:
            before = self.trace.events
            for _ in range(8):
                await asyncio.sleep(0)
            await self.pause()
            quiet = quiet + 1 if self.trace.events == before else 0

    async def pause(self):
        await asyncio.sleep(0.001)
        if self.is_over_tls() and self.ends[1].has_sent_its_end():
            self.ends[1].peer.attend()

    async def step(self, step):
        name, *args = step
        if name == "together":
            for inner in args[0]:
                await self.step(inner)
        elif name == "until":
            while not self.trace.has(args[0]):
                await self.pause()
        else:
            waited_for = self.act(step)
            if waited_for:
                await waited_for

    def act(self, step, at=None):
        """Does a step. Returns a task only if the scenario goes on after it alone."""
        name, *args = step
        base, _, number = name.partition("@")
        at = int(number) if number else at or 1
        name = base if base.startswith("server.") else base + self.suffix(at)
        if base == "raise":
            raise ProtocolFailed
        if base == "cancel":
            for waiting, task in self.pending:
                if waiting == args[0] and not task.done():
                    task.cancel()
            return None
        if (base in operations.READS or base == "at_eof") and self.is_reading_already(at):
            return self.trace.add(name, "busy")
        function = getattr(self, "op_" + base.replace(".", "_"))
        try:
            result = function(at, *args)
        except Exception as exc:
            return self.trace.add(name, exc)
        if not asyncio.iscoroutine(result):
            if result is not None:
                self.trace.add(name, result)
            return None
        task = asyncio.ensure_future(self.watch(name, result))
        if base in operations.WAITED_FOR:
            return task
        self.pending.append((name, task))

    def is_reading_already(self, at):
        suffix = self.suffix(at)
        names = {read + suffix for read in operations.READS}
        return any(name in names and not task.done() for name, task in self.pending)

    async def watch(self, name, coroutine):
        trace = self.trace
        try:
            result = await coroutine
        except asyncio.CancelledError:
            trace.add(name, "cancelled")
            raise
        except ProtocolFailed:
            raise
        except Exception as exc:
            trace.add(name, exc)
        else:
            if isinstance(result, tuple):
                # What only the peer does is no news: an empty tuple.
                if result:
                    trace.add(name, *result)
            else:
                trace.add(name, "ok" if result is None else result)
