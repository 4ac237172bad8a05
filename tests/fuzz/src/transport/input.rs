//! What the fuzzer chooses for a transport and its protocol.

use arbitrary::Arbitrary;

use crate::size::Size;

/// How bytes are received, the steps, and the calls that the protocol makes from its callbacks.
#[derive(Debug, Arbitrary)]
pub struct Input {
    /// The size of the protocol's own buffer. Without one, it takes the buffer that the loop lends.
    pub(super) own_buffer: Option<u8>,
    pub(super) keeps_open: bool,
    pub(super) steps: Vec<Step>,
    pub(super) reactions: Vec<Vec<Call>>,
}

#[derive(Debug, Arbitrary)]
pub(super) enum Step {
    Turn,
    Turns(u8),
    Call(Call),
    /// A call from a callback of the loop.
    CallSoon(Call),
    PeerSends(Size),
    PeerEnds,
    PeerResets,
    Room(Size),
    SendsFail(SendFailure),
    Interrupts(u8),
    Chop(u8),
    /// A spurious event.
    Spurious {
        readable: bool,
        writable: bool,
        hang_up: bool,
    },
}

/// The calls of a transport.
#[derive(Debug, Clone, Arbitrary)]
pub(super) enum Call {
    Write(Size),
    WriteLines(Vec<Size>),
    WriteSome(Size),
    WriteEof,
    Close,
    Abort,
    PauseReading,
    ResumeReading,
    Limits(Option<u16>, Option<u16>),
    UntilSent,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub(super) enum SendFailure {
    BrokenPipe,
    Other,
}
