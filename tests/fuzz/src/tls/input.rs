//! What the fuzzer chooses for a session of TLS.

use arbitrary::Arbitrary;

use crate::size::Size;

/// Who is who, what happens, and what the protocol does from inside its callbacks.
#[derive(Debug, Arbitrary)]
pub struct Input {
    pub(super) we_serve: bool,
    pub(super) is_tls12: bool,
    /// There is no room for what we send until a step makes some.
    pub(super) is_narrow: bool,
    /// The room of the protocol's own buffer; without one it takes what the loop lends.
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
    /// So many bytes of what the peer has sent arrive.
    Arrives(u8),
    /// Everything arrives, both ways, until nobody has anything to say.
    Exchange,
    Room(Size),
    Chop(u8),
    Tamper(Tampering),
}

/// What somebody on the way does to the bytes that have not arrived.
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
