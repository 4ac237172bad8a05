//! What the stream knows of its connection and its halves: whether each direction is paused, has ended, or is held by
//! someone.
//!
//! These are flags in one word, and not a set of enums, because each message asks whether any of several is set: that
//! is one load and one test.

use std::cell::Cell;
use std::fmt;
use std::ops::BitOr;

/// A set of flags.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    /// We paused the transport's reading, since the reader does not keep up.
    pub(super) const READING_PAUSED: Flags = Flags(1);
    /// The transport told us to pause writing.
    pub(super) const WRITING_PAUSED: Flags = Flags(2);
    /// No more bytes will come: the stream ended, or failed.
    pub(super) const ENDED: Flags = Flags(4);
    /// `write_eof` of the writer was called: nothing more can be written.
    pub(super) const WRITING_ENDED: Flags = Flags(8);
    /// The reader was dropped, or there never was one. What comes is thrown away.
    pub(super) const READER_GONE: Flags = Flags(16);
    /// Somebody else has the connection now. Dropping the writer does not close it.
    pub(super) const RELEASED: Flags = Flags(32);
    /// The transport is closing, or has closed.
    pub(super) const CLOSING: Flags = Flags(64);
    /// The stream ended well: the peer ended its side, or we closed. `ENDED` is set, too. The reader is not told of a
    /// failure that comes afterwards.
    pub(super) const EOF: Flags = Flags(128);
    /// The writer was dropped, or there never was one. Our side ends, and the connection is closed as soon as the reader
    /// is dropped, too.
    pub(super) const WRITER_GONE: Flags = Flags(256);
    /// Somebody has waited for the writer to go on, or for the connection's end, since we were told to pause writing. It may
    /// have given up. Debug mode asks.
    pub(super) const DRAINED: Flags = Flags(512);
    /// The connection has failed. The error is kept beside these flags.
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
