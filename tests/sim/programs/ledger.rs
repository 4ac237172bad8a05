//! What was sent in one direction of a connection, and what was received.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::OnceLock;

/// The length after which the pattern repeats. It is a prime, so that no number of blocks or buffers makes a period,
/// and most directions never get that far.
const PERIOD: usize = 1_048_573;

/// Random bytes. They are made once, since making and comparing them one by one took half of a program's time.
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
    /// It has not ended yet.
    #[default]
    None,
    /// In order: everything written will be received.
    InOrder,
    /// It has given up the bytes on their way.
    Aborted,
    /// Its host crashed before it ended, so it sends nothing more.
    Crashed,
}

/// One direction of a connection.
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
    /// The receiver no longer asks for that many, which its reader learns with the next bytes.
    has_given_up: Cell<bool>,
}

/// While this exists, the receiver asks for a number of bytes at once.
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

    /// The bytes from a position on, in one or several parts.
    fn bytes(&self, position: usize, length: usize) -> impl Iterator<Item = &'static [u8]> {
        let (mut at, mut left) = ((position + self.key as usize) % PERIOD, length);
        std::iter::from_fn(move || {
            let part = left.min(PERIOD - at);
            let bytes = &pattern()[at..at + part];
            (at, left) = (0, left - part);
            (part > 0).then_some(bytes)
        })
    }

    /// The next bytes to write, recorded as written.
    pub(super) fn write(&self, length: usize) -> Vec<u8> {
        let bytes = self.next(length);
        self.wrote(length);
        bytes
    }

    /// The next bytes to write, not recorded yet: [`wrote`](Direction::wrote) records how many were written.
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

    /// The bytes at a distance from the reader's position, if that many arrive.
    pub(super) fn soon(&self, distance: usize, length: usize) -> Vec<u8> {
        self.copied(self.received.get() + distance, length)
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.set(Some(limit));
    }

    /// The receiver asks for this many bytes at once, which its reader must buffer whatever its limit is.
    pub(super) fn ask(&self, bytes: usize) -> Asking<'_> {
        self.asked.set(bytes);
        Asking(self)
    }

    /// The receiver asks for everything up to a separator of this length. Its reader may search as many bytes as its
    /// limit, and all but one byte of the separator after them.
    pub(super) fn ask_until(&self, separator: usize) -> Asking<'_> {
        self.ask(self.limit.get().unwrap_or(0) + separator)
    }

    /// The receiver's host has received something from the network, and at least `before` bytes earlier. It may receive
    /// only while its reader holds at most twice the limit, or as much as it was asked for.
    pub(super) fn has_come(&self, before: usize) {
        let Some(limit) = self.limit.get().filter(|_| !self.is_unheard.get()) else { return };
        let unread = before.saturating_sub(self.received.get());
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

    /// Compares received bytes with those that were written there.
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

    /// Whether the sender gave up the bytes on their way, or its host crashed.
    pub(super) fn is_aborted(&self) -> bool {
        matches!(self.ending.get(), Ending::Aborted | Ending::Crashed)
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.ending.get() == Ending::Crashed
    }

    pub(super) fn stop_hearing(&self) {
        self.is_unheard.set(true);
    }

    /// The receiver got a clean end. So the sender must have ended, and everything that it wrote must have been
    /// received: even from a sender that aborts, which ends cleanly only with nothing to give up. A sender whose host
    /// crashed has not ended.
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

    /// Whether the connection may fail for a reason other than the network.
    pub(super) fn may_fail(&self) -> bool {
        self.is_aborted() || self.is_unheard.get()
    }
}
