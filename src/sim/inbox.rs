//! The datagrams that wait at a simulated socket.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::RawFd;
use std::rc::Rc;

use super::desk::Desk;
use crate::interface::Address;
use crate::reactor::Readiness;

/// How many bytes may wait. A datagram that does not fit is lost, as with a kernel's buffer.
const ROOM: usize = 208 * 1024;

pub(super) struct Inbox {
    desk: Rc<Desk>,
    fd: RawFd,
    waiting: RefCell<VecDeque<(Vec<u8>, Address)>>,
    bytes: Cell<usize>,
    /// The error of a datagram that was sent earlier. It is reported once.
    error: Cell<Option<ErrorKind>>,
}

impl Inbox {
    pub(super) fn new(desk: &Rc<Desk>, fd: RawFd) -> Inbox {
        let desk = Rc::clone(desk);
        Inbox { desk, fd, waiting: RefCell::default(), bytes: Cell::default(), error: Cell::default() }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Whether its host has crashed.
    pub(super) fn is_dead(&self) -> bool {
        self.desk.is_dead()
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.get() + bytes <= ROOM
    }

    pub(super) fn arrive(&self, data: Vec<u8>, from: Address) {
        if self.has_room(data.len()) {
            self.bytes.set(self.bytes.get() + data.len());
            self.waiting.borrow_mut().push_back((data, from));
            self.desk.tell(self.fd, Readiness::READABLE);
        }
    }

    /// A datagram was sent to an address where no socket is open.
    pub(super) fn refused(&self) {
        self.error.set(Some(ErrorKind::ConnectionRefused));
        self.desk.tell(self.fd, Readiness::READABLE.with(Readiness::WRITABLE));
    }

    pub(super) fn take_error(&self) -> Option<ErrorKind> {
        self.error.take()
    }

    pub(super) fn take(&self) -> Option<(Vec<u8>, Address)> {
        let first = self.waiting.borrow_mut().pop_front()?;
        self.bytes.set(self.bytes.get() - first.0.len());
        Some(first)
    }

    pub(super) fn close(&self) {
        self.desk.close(self.fd);
    }
}
