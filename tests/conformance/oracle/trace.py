"""The trace of a run: what it says of values and of errors, without timing and without wording."""

import asyncio
import zlib

# Longer bytes are said by their length and checksum.
LONGEST = 200


class Fed(Exception):
    """The error that `set_exception` feeds."""


class ProtocolFailed(Exception):
    """What the step `raise` raises."""


class Failed(Exception):
    """What the step `fail` raises."""


class Trace:
    def __init__(self):
        self.entries = []
        # How many things have happened.
        self.events = 0

    def add(self, name, *values):
        self.events += 1
        self.entries.append([name, *values])

    def data(self, name, data):
        """Bytes of a stream may come in any pieces: pieces that follow each other are one entry."""
        self.events += 1
        if self.entries and self.entries[-1][0] == name:
            self.entries[-1][1] += data
        else:
            self.entries.append([name, bytes(data)])

    def has(self, name):
        return any(entry[0] == name for entry in self.entries)

    def shaped(self):
        return [[shape(value) for value in entry] for entry in self.entries]


def shape(value):
    if isinstance(value, (bytes, bytearray)):
        if len(value) <= LONGEST:
            return value.decode("latin-1")
        return {"bytes": len(value), "adler32": zlib.adler32(value)}
    if isinstance(value, BaseException):
        return error(value)
    if isinstance(value, list):
        return [shape(part) for part in value]
    return value


def error(exc):
    if isinstance(exc, asyncio.IncompleteReadError):
        return {"error": "IncompleteRead", "partial": shape(exc.partial), "expected": exc.expected}
    if isinstance(exc, asyncio.LimitOverrunError):
        return {"error": "LimitOverrun", "consumed": exc.consumed}
    if isinstance(exc, Fed):
        return {"error": "Fed", "text": str(exc)}
    if isinstance(exc, Failed):
        return {"error": "Failed", "text": str(exc)}
    if isinstance(exc, ProtocolFailed):
        return {"error": "ProtocolFailed"}
    if isinstance(exc, ConnectionRefusedError):
        return {"error": "ConnectionRefused"}
    if isinstance(exc, ConnectionError):
        return {"error": "ConnectionLost"}
    if isinstance(exc, (ValueError, AssertionError, RuntimeError, TypeError)):
        return {"error": "Misuse"}
    return {"error": type(exc).__name__}


def unshape(value):
    """The bytes that a scenario says: a text of characters up to 255, or a text repeated."""
    if isinstance(value, dict):
        return unshape(value["repeat"]) * value["times"]
    return value.encode("latin-1")
