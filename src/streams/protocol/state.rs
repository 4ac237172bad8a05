//! What the stream knows about its connection and its halves: whether each direction is paused or has ended, and
//! whether its half still exists.
//!
//! These are flags in one word, and not several enums, because each message asks whether any of several is set, which
//! takes one load and one test.

use std::cell::Cell;
use std::fmt;
use std::ops::BitOr;

/// A set of flags.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    /// We paused the transport's reading, since the reader is not keeping up.
    pub(super) const READING_PAUSED: Flags = Flags(1);
    /// The transport told us to pause writing.
    pub(super) const WRITING_PAUSED: Flags = Flags(2);
    /// No more bytes will come: the stream ended, or failed.
    pub(super) const ENDED: Flags = Flags(4);
    /// The writer's `write_eof` was called: nothing more can be written.
    pub(super) const WRITING_ENDED: Flags = Flags(8);
    /// The reader was dropped, or there never was one. Received bytes are thrown away.
    pub(super) const READER_GONE: Flags = Flags(16);
    /// The connection was handed over. Dropping the writer does not close it.
    pub(super) const RELEASED: Flags = Flags(32);
    /// The transport is closing, or has closed.
    pub(super) const CLOSING: Flags = Flags(64);
    /// The stream ended cleanly: the peer ended its side, or we closed the connection. `ENDED` is set, too. The reader
    /// does not get an error that comes afterwards.
    pub(super) const EOF: Flags = Flags(128);
    /// The writer was dropped, or there never was one. Our side ends, and the connection is closed as soon as the reader
    /// is dropped, too.
    pub(super) const WRITER_GONE: Flags = Flags(256);
    /// Since we were told to pause writing, a task has waited for the writer to continue, or for the connection's end.
    /// It may have stopped waiting. Debug mode reads this.
    pub(super) const DRAINED: Flags = Flags(512);
    /// The connection has failed. The error is in `StreamProtocol::failure`.
    pub(super) const FAILED: Flags = Flags(1024);
}

impl BitOr for Flags {
    type Output = Flags;

    #[inline]
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// Which flags are set.
#[derive(Default)]
pub(super) struct State(Cell<u16>);

impl State {
    /// Whether any of `flags` is set.
    #[inline]
    pub(super) fn any(&self, flags: Flags) -> bool {
        self.0.get() & flags.0 != 0
    }

    #[inline]
    pub(super) fn set(&self, flags: Flags) {
        self.0.set(self.0.get() | flags.0);
    }

    #[inline]
    pub(super) fn clear(&self, flags: Flags) {
        self.0.set(self.0.get() & !flags.0);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Flags::READING_PAUSED, "reading paused"),
            (Flags::WRITING_PAUSED, "writing paused"),
            (Flags::ENDED, "ended"),
            (Flags::WRITING_ENDED, "writing ended"),
            (Flags::READER_GONE, "reader gone"),
            (Flags::RELEASED, "released"),
            (Flags::CLOSING, "closing"),
            (Flags::EOF, "eof"),
            (Flags::WRITER_GONE, "writer gone"),
            (Flags::DRAINED, "drained"),
            (Flags::FAILED, "failed"),
        ];
        f.debug_set().entries(names.iter().filter(|(flag, _)| self.any(*flag)).map(|(_, name)| name)).finish()
    }
}
