//! What the fuzzer chooses for a reader.

use std::io::ErrorKind;

use arbitrary::Arbitrary;

/// The limit of the reader, the steps, and the order in which the two ends are dropped.
#[derive(Debug, Arbitrary)]
pub struct Input {
    pub(super) limit: Limit,
    pub(super) steps: Vec<Step>,
    pub(super) reader_goes_first: bool,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub(super) enum Limit {
    Tiny(u8),
    Usual,
    Huge,
}

impl Limit {
    pub(super) fn get(self) -> usize {
        match self {
            Limit::Tiny(limit) => usize::from(limit),
            Limit::Usual => 64 * 1024,
            Limit::Huge => usize::MAX,
        }
    }
}

#[derive(Debug, Arbitrary)]
pub(super) enum Step {
    /// Something is fed, and then the waiting read is polled again.
    Comes(Coming),
    /// Something is fed, and more follows before the waiting read is polled again.
    ComesWithMore(Coming),
    Read(Read),
}

#[derive(Debug, Arbitrary)]
pub(super) enum Coming {
    Letters(Vec<Letter>),
    /// Usually a small number of bytes, and sometimes more than any buffer holds.
    Many(u8),
    End,
    Failure(Failure),
    FeederDropped,
}

/// Only a few different letters, so that separators occur often.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(super) enum Letter {
    A,
    B,
    Return,
    Newline,
}

impl Letter {
    pub(super) fn byte(self) -> u8 {
        match self {
            Letter::A => b'a',
            Letter::B => b'b',
            Letter::Return => b'\r',
            Letter::Newline => b'\n',
        }
    }
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub(super) enum Failure {
    Reset,
    BrokenPipe,
    Other,
}

impl Failure {
    pub(super) fn kind(self) -> ErrorKind {
        match self {
            Failure::Reset => ErrorKind::ConnectionReset,
            Failure::BrokenPipe => ErrorKind::BrokenPipe,
            Failure::Other => ErrorKind::Other,
        }
    }

    /// The error that the reader returns: a broken pipe concerns only the sender.
    pub(super) fn as_received(self) -> ErrorKind {
        match self {
            Failure::BrokenPipe => ErrorKind::ConnectionReset,
            other => other.kind(),
        }
    }
}

#[derive(Debug, Arbitrary)]
pub(super) enum Read {
    Some(u16),
    SomeInto(u16),
    PollSomeInto(u16),
    Exactly(Count),
    ToEnd,
    Line,
    LineWithin(Limit),
    LineInto,
    NextLine,
    Until(Vec<Vec<Letter>>),
    UntilWithin(Vec<Vec<Letter>>, Limit),
    UntilInto(Vec<Vec<Letter>>),
    FillAndConsume(u16),
    PollFillAndConsume(u16),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub(super) enum Count {
    Few(u8),
    Many(u32),
    All,
}

impl Count {
    pub(super) fn get(self) -> usize {
        match self {
            Count::Few(count) => usize::from(count),
            Count::Many(count) => count as usize,
            Count::All => usize::MAX,
        }
    }
}
