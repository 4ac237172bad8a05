//! What the fuzzer chooses for a TLS session.

use arbitrary::Arbitrary;

use crate::size::Size;

/// The roles, the steps, and the calls that the protocol makes from its callbacks.
#[derive(Debug, Arbitrary)]
pub struct Input {
    pub(super) we_serve: bool,
    pub(super) is_tls12: bool,
    /// Nothing can be sent until a step makes room.
    pub(super) is_narrow: bool,
    /// The size of the protocol's own buffer. Without one, it takes the buffer that the loop lends.
    pub(super) own_buffer: Option<u8>,
    pub(super) steps: Vec<Step>,
    pub(super) reactions: Vec<Call>,
}

#[derive(Debug, Arbitrary)]
pub(super) enum Step {
    Turn,
    Call(Call),
    PeerWrites(Size),
    PeerNotifies,
    PeerEnds,
    PeerResets,
    /// This many of the bytes on their way from the peer arrive.
    Arrives(u8),
    /// Everything arrives, both ways, until neither side has anything left to send.
    Exchange,
    Room(Size),
    Chop(u8),
    Tamper(Tampering),
}

/// How an attacker changes the bytes that have not arrived yet.
#[derive(Debug, Arbitrary)]
pub(super) enum Tampering {
    Flip { at: u16, bits: u8 },
    Lose { at: u16, n: u8 },
    Insert { at: u16, bytes: Vec<u8> },
    LoseRecord(u8),
    RepeatRecord(u8),
    SwapRecords(u8),
    ForgeRecord { kind: Kind, body: Vec<u8> },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub(super) enum Kind {
    ChangeCipherSpec = 20,
    Alert = 21,
    Handshake = 22,
    ApplicationData = 23,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub(super) enum Call {
    Write(Size),
    Close,
    Abort,
    PauseReading,
    ResumeReading,
    Nothing,
}
