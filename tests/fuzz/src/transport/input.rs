//! What the fuzzer chooses for a transport and its protocol.

use arbitrary::Arbitrary;

use crate::size::Size;

/// How bytes are received, what happens, and what the protocol does from inside its callbacks.
#[derive(Debug, Arbitrary)]
pub struct Input {
    /// The room of the protocol's own buffer; without one it takes what the loop lends.
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
    /// The call comes from a callback of the loop.
    CallSoon(Call),
    PeerSends(Size),
    PeerEnds,
    PeerResets,
    Room(Size),
    SendsFail(SendFailure),
    Interrupts(u8),
    Chop(u8),
    /// An event for nothing.
    Spurious {
        readable: bool,
        writable: bool,
        hang_up: bool,
    },
}

/// What may be called on a transport.
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
