//! The only connection: what has passed through it, and how a target controls it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::rc::Rc;

use waterwheel::{Readiness, Token};

/// The connection. All clones share it.
#[derive(Clone, Default)]
pub(crate) struct Wire(pub(super) Rc<State>);

#[derive(Default)]
pub(super) struct State {
    pub(super) connection: Cell<Option<Token>>,
    pub(super) listener: Cell<Option<Token>>,
    pub(super) events: Cell<Readiness>,
    /// Whether a connection waits to be accepted.
    pub(super) is_calling: Cell<bool>,
    /// The names that were looked up.
    pub(super) names: RefCell<Vec<String>>,
    /// Bytes on their way to us.
    pub(super) incoming: RefCell<VecDeque<u8>>,
    pub(super) incoming_end: Cell<IncomingEnd>,
    /// The most that one receive returns, or 0 for no limit.
    pub(super) chop: Cell<usize>,
    /// How many of the next calls are interrupted.
    pub(super) interrupts: Cell<u8>,
    /// How many more bytes can be sent.
    pub(super) room: Cell<usize>,
    /// The error of the next send. It is returned once; after that nothing can be sent.
    pub(super) failure: Cell<Option<ErrorKind>>,
    pub(super) cannot_send: Cell<bool>,
    /// Whether a send took less than everything and no event has come since.
    pub(super) is_blocked: Cell<bool>,
    /// Bytes that were sent and that the peer has not read yet.
    pub(super) outgoing: RefCell<Vec<u8>>,
    pub(super) sent: Cell<usize>,
    pub(super) is_shut: Cell<bool>,
    pub(super) is_reset: Cell<bool>,
    pub(super) is_gone: Cell<bool>,
    pub(super) send_failed: Cell<bool>,
}

/// What follows the incoming bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum IncomingEnd {
    #[default]
    NotYet,
    Ended,
    Reset,
    /// The reset was reported, and will not be reported again.
    ResetTold,
}

impl Wire {
    pub(crate) fn comes(&self, bytes: &[u8]) {
        self.0.incoming.borrow_mut().extend(bytes);
        self.event(Readiness::READABLE);
    }

    pub(crate) fn ends(&self, end: IncomingEnd) {
        self.0.incoming_end.set(end);
        self.event(Readiness::READABLE.with(Readiness::HANG_UP));
        if end == IncomingEnd::Reset {
            self.fails(ErrorKind::ConnectionReset);
        }
    }

    pub(crate) fn incoming_end(&self) -> IncomingEnd {
        self.0.incoming_end.get()
    }

    /// Makes sends fail from now on.
    pub(crate) fn fails(&self, kind: ErrorKind) {
        self.0.failure.set(Some(kind));
        self.event(Readiness::WRITABLE);
    }

    /// Makes room for this many more bytes.
    pub(crate) fn make_room(&self, room: usize) {
        self.0.room.set(self.0.room.get().saturating_add(room));
        if room > 0 && self.0.is_blocked.get() {
            self.event(Readiness::WRITABLE);
        }
    }

    pub(crate) fn chop(&self, most: usize) {
        self.0.chop.set(most);
    }

    pub(crate) fn interrupt(&self, calls: u8) {
        self.0.interrupts.set(calls);
    }

    pub(crate) fn event(&self, readiness: Readiness) {
        self.0.events.set(self.0.events.get().with(readiness));
    }

    pub(crate) fn calls(&self) {
        self.0.is_calling.set(true);
    }

    pub(super) fn has_no_events(&self) -> bool {
        self.0.events.get() == Readiness::NONE
    }

    /// How many bytes are on their way to us.
    pub(crate) fn unreceived(&self) -> usize {
        self.0.incoming.borrow().len()
    }

    /// Whether a send would be tried and would take anything.
    pub(crate) fn has_room(&self) -> bool {
        self.0.room.get() > 0 && !self.0.is_blocked.get() && !self.0.send_failed.get()
    }

    /// How many bytes were sent since the beginning.
    pub(crate) fn sent(&self) -> usize {
        self.0.sent.get()
    }

    /// Whether bytes were sent that the peer has not read.
    pub(crate) fn is_unheard(&self) -> bool {
        !self.0.outgoing.borrow().is_empty()
    }

    /// Shows the bytes that were sent, and then drops them.
    pub(crate) fn hear(&self, hear: impl FnOnce(&[u8])) {
        let mut sent = self.0.outgoing.take();
        hear(&sent);
        sent.clear();
        self.0.outgoing.replace(sent);
    }

    pub(crate) fn send_failed(&self) -> bool {
        self.0.send_failed.get()
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.0.is_shut.get()
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.0.is_reset.get()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.is_gone.get()
    }

    pub(crate) fn take_names(&self) -> Vec<String> {
        self.0.names.take()
    }

    pub(super) fn is_interrupted(&self) -> bool {
        let left = self.0.interrupts.get();
        self.0.interrupts.set(left.saturating_sub(1));
        left > 0
    }
}
