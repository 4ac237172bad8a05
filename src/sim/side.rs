//! What the network knows of one side of a connection.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use super::desk::Desk;
use crate::reactor::Readiness;

/// One of the two sides, as a line changes it.
pub(super) struct Side {
    pub(super) host: usize,
    pub(super) desk: Rc<Desk>,
    /// `None` while the connection waits to be accepted.
    pub(super) fd: Cell<Option<RawFd>>,
    /// What is on its way to here. Invariant: `flying` is the number of its bytes.
    pub(super) parcels: RefCell<VecDeque<Parcel>>,
    pub(super) flying: Cell<usize>,
    /// What has arrived and is unread.
    pub(super) arrived: RefCell<VecDeque<u8>>,
    /// The end has come, behind all bytes.
    pub(super) has_ended: Cell<bool>,
    /// Told once, by the next operation. If the end has come before, only sending tells it.
    pub(super) error: Cell<Option<ErrorKind>>,
    pub(super) sending: Cell<Sending>,
    pub(super) is_closed: Cell<bool>,
    /// Something could not be sent for want of room.
    pub(super) wants_room: Cell<bool>,
    /// When the last segment to here has passed the narrowest place, and when it arrives.
    pub(super) passed_at: Cell<Duration>,
    pub(super) arrives_at: Cell<Duration>,
    /// Since when the first parcel to here cannot pass.
    pub(super) stalled_since: Cell<Option<Duration>>,
}

/// Whether a side may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Open,
    /// It has ended its direction.
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

    /// How much of a direction's room is taken.
    pub(super) fn held(&self) -> usize {
        self.flying.get() + self.arrived.borrow().len()
    }
}
