//! The outcome of any kind of read.

use std::io::{self, ErrorKind};

use waterwheel::ReadError;

/// The outcome of a read, or the expected one, which borrows from the model's list instead of copying it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome<B = Vec<u8>> {
    Bytes(B),
    /// The end of the stream, where it differs from an empty result.
    NoLine,
    Incomplete(B, Option<usize>),
    Overrun(usize),
    Failed(ErrorKind),
}

impl Outcome {
    pub(super) fn borrowed(&self) -> Outcome<&[u8]> {
        match *self {
            Outcome::Bytes(ref bytes) => Outcome::Bytes(bytes),
            Outcome::NoLine => Outcome::NoLine,
            Outcome::Incomplete(ref partial, expected) => Outcome::Incomplete(partial, expected),
            Outcome::Overrun(consumed) => Outcome::Overrun(consumed),
            Outcome::Failed(kind) => Outcome::Failed(kind),
        }
    }
}

impl From<io::Error> for Outcome {
    fn from(error: io::Error) -> Self {
        Outcome::Failed(error.kind())
    }
}

impl From<ReadError> for Outcome {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::IncompleteRead { partial, expected } => Outcome::Incomplete(partial, expected),
            ReadError::LimitOverrun { consumed } => Outcome::Overrun(consumed),
            ReadError::Io(error) => error.into(),
            other => unreachable!("a kind of error that this target does not know: {other}"),
        }
    }
}

pub(super) fn outcome(result: Result<Vec<u8>, impl Into<Outcome>>) -> Outcome {
    result.map_or_else(Into::into, Outcome::Bytes)
}
