//! What has been sent in one direction of a connection, and what has been received of it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::OnceLock;

/// After how many bytes the pattern comes again. It is a prime, so that no number of blocks or buffers makes a period, and
/// most directions never get so far.
const PERIOD: usize = 1_048_573;

/// Bytes in no order. They are made once, since making and comparing them one by one took half of the time of a program.
fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let byte = |n: u32| {
        let mixed = n.wrapping_mul(0x9e37_79b1);
        ((mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b) >> 24) as u8
    };
    PATTERN.get_or_init(|| (0..PERIOD as u32).map(byte).collect())
}

/// How a sender ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Ending {
    /// It has not ended.
    #[default]
    None,
    /// In order: all that was written is to be received.
    InOrder,
    /// It gave up what was on its way.
    Aborted,
    /// Its host crashed before it had ended: it says nothing more.
    Crashed,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Direction {
    key: u32,
    written: Cell<usize>,
    received: Cell<usize>,
    ending: Cell<Ending>,
    /// Whether the receiver may have closed before the end.
    is_unheard: Cell<bool>,
    /// The limit of the receiver's reader, if it is known.
    limit: Cell<Option<usize>>,
    /// How many bytes the receiver asks for at once.
    asked: Cell<usize>,
    /// The receiver has given up asking for that many, which its reader learns with the next bytes.
    has_given_up: Cell<bool>,
}

/// The receiver asks for a number of bytes at once, until this is dropped.
pub(super) struct Asking<'a>(&'a Direction);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asked.set(0);
        self.0.has_given_up.set(true);
    }
}

impl Direction {
    pub(super) fn new(key: u32) -> Rc<Direction> {
        Rc::new(Direction { key, ..Direction::default() })
    }

    /// So many bytes from a position on, in one part or several.
    fn bytes(&self, position: usize, length: usize) -> impl Iterator<Item = &'static [u8]> {
        let (mut at, mut left) = ((position + self.key as usize) % PERIOD, length);
        std::iter::from_fn(move || {
            let part = left.min(PERIOD - at);
            let bytes = &pattern()[at..at + part];
            (at, left) = (0, left - part);
            (part > 0).then_some(bytes)
        })
    }

    /// The next bytes to write, which are written.
    pub(super) fn write(&self, length: usize) -> Vec<u8> {
        let bytes = self.next(length);
        self.wrote(length);
        bytes
    }

    /// The next bytes to write, of which as many are written as [`wrote`](Direction::wrote) is told.
    pub(super) fn next(&self, length: usize) -> Vec<u8> {
        self.copied(self.written.get(), length)
    }

    pub(super) fn wrote(&self, length: usize) {
        self.written.set(self.written.get() + length);
    }

    fn copied(&self, position: usize, length: usize) -> Vec<u8> {
        let mut copied = Vec::with_capacity(length);
        self.bytes(position, length).for_each(|part| copied.extend_from_slice(part));
        copied
    }

    /// Bytes that stand there soon, if so many come.
    pub(super) fn soon(&self, distance: usize, length: usize) -> Vec<u8> {
        self.copied(self.received.get() + distance, length)
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.set(Some(limit));
    }

    /// The receiver asks for so many bytes at once, which its reader has to buffer whatever its limit is.
    pub(super) fn ask(&self, bytes: usize) -> Asking<'_> {
        self.asked.set(bytes);
        Asking(self)
    }

    /// The receiver asks for all up to a separator of this length, of which its reader may see all but one byte behind as many
    /// as its limit.
    pub(super) fn ask_until(&self, separator: usize) -> Asking<'_> {
        self.ask(self.limit.get().unwrap_or(0) + separator)
    }

    /// The receiver's host has received something from the network, from which so much had come before. It may do so only
    /// while its reader holds no more than twice the limit, or what it was asked for.
    pub(super) fn has_come(&self, before: usize) {
        let Some(limit) = self.limit.get().filter(|_| !self.is_unheard.get()) else { return };
        let unread = before - self.received.get();
        if unread > (2 * limit).max(self.asked.get()) {
            let is_known = !self.has_given_up.replace(false);
            assert!(!is_known, "{unread} bytes are unread, over twice the limit of {limit}, and more was received");
        }
    }

    /// How many bytes were written.
    pub(super) fn written(&self) -> usize {
        self.written.get()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ending.get() != Ending::None
    }

    /// Compares what has come with what was written there.
    pub(super) fn receive(&self, data: &[u8]) {
        let from = self.received.get();
        let mut rest = data;
        let is_same = self.bytes(from, data.len()).all(|part| {
            let (first, others) = rest.split_at(part.len());
            rest = others;
            first == part
        });
        assert!(is_same, "other bytes than those written came at {from}: {} bytes", data.len());
        self.received.set(from + data.len());
        assert!(self.received.get() <= self.written.get(), "more came than was written");
    }

    pub(super) fn end(&self, ending: Ending) {
        if self.ending.get() == Ending::None {
            self.ending.set(ending);
        }
    }

    /// Whether the sender gave up what was on its way, or was given up with its host.
    pub(super) fn is_aborted(&self) -> bool {
        matches!(self.ending.get(), Ending::Aborted | Ending::Crashed)
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.ending.get() == Ending::Crashed
    }

    pub(super) fn stop_hearing(&self) {
        self.is_unheard.set(true);
    }

    /// The receiver was told of a clean end. That means that the sender has ended, and all that it wrote has come: also
    /// that of a sender which aborts, unless there was nothing to give up. One whose host crashed has ended nothing.
    pub(super) fn is_complete(&self) {
        let ending = self.ending.get();
        let has_ended = matches!(ending, Ending::InOrder | Ending::Aborted);
        assert!(has_ended, "a clean end came from a sender that has not ended, but {ending:?}");
        assert_eq!(self.received.get(), self.written.get(), "a clean end came before all that was written");
    }

    /// Whether nothing is left to receive.
    pub(super) fn is_whole(&self) -> bool {
        self.has_ended() && self.received.get() == self.written.get()
    }

    /// Whether the connection may fail for another reason than the network.
    pub(super) fn may_fail(&self) -> bool {
        self.is_aborted() || self.is_unheard.get()
    }
}
