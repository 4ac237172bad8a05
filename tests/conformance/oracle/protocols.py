"""Protocols that record their calls, and answer them with steps of the scenario."""

import asyncio


class Recorder:
    """What both kinds of protocol share. `prefix` tells the protocols of one connection apart."""

    def __init__(self, world, at=None, prefix=""):
        self.world, self.at, self.prefix = world, at, prefix

    def called(self, name, *values):
        self.world.trace.add(self.prefix + name + self.world.suffix(self.at), *values)
        self.react(name)

    def react(self, name):
        for step in self.world.scenario.get("on", {}).get(name, []):
            self.world.act(step, self.at)

    def connection_made(self, transport):
        if self.at is None:
            self.at = self.world.accepted()
        self.world.ends[self.at].transport = transport
        self.called("made")

    def eof_received(self):
        self.called("eof")
        return self.world.scenario.get("keep_open", False)

    def connection_lost(self, exc):
        self.called("lost", exc)

    def pause_writing(self):
        self.called("pause")

    def resume_writing(self):
        self.called("resume")

    def received(self, data):
        self.world.trace.data(self.prefix + "data" + self.world.suffix(self.at), data)
        self.react("data")


class Plain(Recorder, asyncio.Protocol):
    def data_received(self, data):
        self.received(data)


class Buffered(Recorder, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        self.buffer = bytearray(self.world.scenario.get("room", 1024))
        return self.buffer

    def buffer_updated(self, nbytes):
        self.received(self.buffer[:nbytes])


def make(world, kind, at=None, prefix=""):
    return (Buffered if kind == "buffered" else Plain)(world, at, prefix)
