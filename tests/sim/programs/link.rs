//! One end of a connection as the network sees it: what has passed there, compared with the ledger.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;

use waterwheel::Address;
use waterwheel::network::Ways;

use super::ledger::Direction;
use super::tap::{Records, Tap};

/// What a client receives at most, during a handshake and after it, that is not of its conversation: the server's
/// certificate and its tickets.
const MOST_OF_HANDSHAKE: usize = 2048;

/// A conversation over a connection, as its client has told it.
pub(super) struct Conversation {
    /// The name of the client's end of the connection, which no other connection has.
    pub(super) client: Address,
    pub(super) is_encrypted: bool,
    pub(super) to_server: Rc<Direction>,
    pub(super) to_client: Rc<Direction>,
}

/// One end of a connection.
pub(super) struct Link {
    /// The name of the client's end. A pipe has none.
    client: Option<Address>,
    is_client: bool,
    /// Set when the client has told which conversation this is.
    ends: OnceCell<Ends>,
    inward: Count,
    outward: Count,
    sending: Cell<Sending>,
}

/// What passes at one end of a connection.
struct Ends {
    /// `None` at the end of a pipe that does not receive.
    from: Option<Rc<Direction>>,
    /// `None` at the end of a pipe that does not send.
    to: Option<Rc<Direction>>,
}

/// How many bytes of the conversation have passed.
struct Count {
    tap: RefCell<Tap>,
    passed: Cell<usize>,
}

impl Count {
    /// A connection counts as encrypted until it is found to be plain.
    fn new() -> Count {
        Count { tap: RefCell::new(Tap::Encrypted(Records::default())), passed: Cell::new(0) }
    }

    fn is_encrypted(&self) -> bool {
        matches!(*self.tap.borrow(), Tap::Encrypted(_))
    }

    fn becomes_plain(&self, others: usize) {
        self.tap.replace(Tap::Plain { others });
    }

    fn pass(&self, bytes: &[u8]) {
        self.passed.set(self.passed.get() + self.tap.borrow_mut().pass(bytes));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// The network has taken everything that was offered.
    TookAll,
    /// The network has taken less. An event will come when it takes more.
    TookLess,
    /// The connection has failed, or was aborted. Bytes that are written now go nowhere.
    Over,
}

impl Link {
    pub(super) fn new(client: Option<Address>, is_client: bool) -> Link {
        let (inward, outward, sending) = (Count::new(), Count::new(), Cell::new(Sending::TookAll));
        Link { client, is_client, ends: OnceCell::new(), inward, outward, sending }
    }

    pub(super) fn of_pipe(ways: Ways, direction: Rc<Direction>) -> Link {
        let link = Link::new(None, false);
        link.inward.becomes_plain(0);
        link.outward.becomes_plain(0);
        let (from, to) = if ways == Ways::In { (Some(direction), None) } else { (None, Some(direction)) };
        let _new = link.ends.set(Ends { from, to });
        link
    }

    /// If the client has told which conversation this is, counts what passes from now on as part of it.
    pub(super) fn find(&self, conversations: &[Conversation]) {
        let known = conversations.iter().find(|known| Some(&known.client) == self.client.as_ref());
        let Some(known) = known.filter(|_| self.ends.get().is_none()) else { return };
        let (to_server, to_client) = (Rc::clone(&known.to_server), Rc::clone(&known.to_client));
        let (from, to) = if self.is_client { (to_client, to_server) } else { (to_server, to_client) };
        if known.is_encrypted {
            // What has passed so far was the handshake, except for what this side has already written after it.
            self.inward.passed.set(0);
            self.outward.passed.set(to.written());
        } else {
            // The client sends a byte first.
            self.inward.becomes_plain(usize::from(!self.is_client));
            self.outward.becomes_plain(usize::from(self.is_client));
        }
        let _new = self.ends.set(Ends { from: Some(from), to: Some(to) });
    }

    /// Checks that everything that earlier steps wrote was handed over, unless the network has taken less than was
    /// offered.
    pub(super) fn check_sent(&self) {
        let Some(Ends { from, to: Some(to) }) = self.ends.get() else { return };
        if self.sending.get() == Sending::TookAll && !to.is_aborted() && !self.other_has_ended(from.as_deref()) {
            let (sent, written) = (self.outward.passed.get(), to.written());
            // A session may also send tickets and alerts.
            let is_sent = sent == written || self.outward.is_encrypted() && sent > written;
            assert!(is_sent, "a step has begun when only {sent} of {written} written bytes were handed over");
        }
    }

    /// Bytes were received.
    pub(super) fn received(&self, bytes: &[u8]) {
        let before = self.inward.passed.get();
        self.inward.pass(bytes);
        // A part of a record does not reach the reader, which therefore learns nothing.
        if self.inward.passed.get() == before {
            return;
        }
        let open = self.ends.get().filter(|ends| !self.other_has_ended(ends.to.as_deref()));
        if let Some(Ends { from: Some(from), .. }) = open {
            from.has_come(before.saturating_sub(if self.inward.is_encrypted() { MOST_OF_HANDSHAKE } else { 0 }));
        }
    }

    /// Whether the end of one direction has ended the other one too, as over TLS: what is written after the peer's end
    /// goes nowhere, and what comes after our own is thrown away.
    fn other_has_ended(&self, other: Option<&Direction>) -> bool {
        self.inward.is_encrypted() && other.is_some_and(Direction::has_ended)
    }

    /// The connection has failed, or is aborted.
    pub(super) fn break_off(&self) {
        self.sending.set(Sending::Over);
    }

    /// Records the outcome of a send.
    pub(super) fn sent(&self, pieces: &[IoSlice<'_>], outcome: &io::Result<usize>) {
        let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.sending.set(match outcome {
            _ if self.sending.get() == Sending::Over => Sending::Over,
            Ok(n) if *n == offered => Sending::TookAll,
            Ok(_) => Sending::TookLess,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Sending::TookLess,
            Err(_) => Sending::Over,
        });
        let mut left = *outcome.as_ref().unwrap_or(&0);
        for piece in pieces {
            let taken = left.min(piece.len());
            self.outward.pass(&piece[..taken]);
            left -= taken;
        }
    }
}
