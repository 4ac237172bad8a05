//! The state of one side of a connection.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use super::desk::Desk;
use crate::reactor::Readiness;

/// One of the two sides of a line.
pub(super) struct Side {
    pub(super) host: usize,
    pub(super) desk: Rc<Desk>,
    /// `None` while the connection waits to be accepted.
    pub(super) fd: Cell<Option<RawFd>>,
    /// What is on its way to this side. Invariant: `flying` is the number of bytes in it.
    pub(super) parcels: RefCell<VecDeque<Parcel>>,
    pub(super) flying: Cell<usize>,
    /// The bytes that have arrived and are unread.
    pub(super) arrived: RefCell<VecDeque<u8>>,
    /// The peer's end has arrived, after all bytes.
    pub(super) has_ended: Cell<bool>,
    /// Reported once, by the next operation. If the end has arrived before, only sending reports it.
    pub(super) error: Cell<Option<ErrorKind>>,
    pub(super) sending: Cell<Sending>,
    pub(super) is_closed: Cell<bool>,
    /// Something could not be sent because the buffer was full.
    pub(super) wants_room: Cell<bool>,
    /// When the last segment to this side passes the bottleneck, and when it arrives.
    pub(super) passed_at: Cell<Duration>,
    pub(super) arrives_at: Cell<Duration>,
    /// Since when the first parcel to this side has been held back.
    pub(super) stalled_since: Cell<Option<Duration>>,
}

/// Whether a side may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Open,
    /// The side has ended its direction.
    Ended,
    /// The connection has failed.
    Failed,
}

pub(super) enum Parcel {
    Bytes(Vec<u8>),
    End,
    Reset,
}

impl Side {
    pub(super) fn new(host: usize, desk: &Rc<Desk>, fd: Option<RawFd>) -> Side {
        Side {
            host,
            desk: Rc::clone(desk),
            fd: Cell::new(fd),
            parcels: RefCell::default(),
            flying: Cell::default(),
            arrived: RefCell::default(),
            has_ended: Cell::default(),
            error: Cell::default(),
            sending: Cell::new(Sending::Open),
            is_closed: Cell::default(),
            wants_room: Cell::default(),
            passed_at: Cell::default(),
            arrives_at: Cell::default(),
            stalled_since: Cell::default(),
        }
    }

    /// Whether the connection has failed for this side.
    pub(super) fn has_failed(&self) -> bool {
        self.sending.get() == Sending::Failed
    }

    pub(super) fn tell(&self, readiness: Readiness) {
        if let Some(fd) = self.fd.get().filter(|_| !self.is_closed.get()) {
            self.desk.tell(fd, readiness);
        }
    }

    /// How many bytes of the buffer of the direction to this side are in use.
    pub(super) fn held(&self) -> usize {
        self.flying.get() + self.arrived.borrow().len()
    }
}
