//! The addresses at which a simulated host listens, and the connections that wait there.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::rc::Rc;

use super::desk::Desk;
use super::end::End;
use super::faults::Fault;
use super::world::{Note, World};
use crate::interface::Address;
use crate::net::port::{Acceptor, Conduit, Connected};
use crate::reactor::Readiness;

/// The connections that wait at an address.
pub(super) struct Backlog {
    desk: Rc<Desk>,
    fd: RawFd,
    /// How many may wait. `None` if the address is bound, but nothing listens.
    limit: Cell<Option<usize>>,
    waiting: RefCell<VecDeque<End>>,
}

impl Backlog {
    pub(super) fn new(desk: &Rc<Desk>, fd: RawFd) -> Backlog {
        Backlog { desk: Rc::clone(desk), fd, limit: Cell::default(), waiting: RefCell::default() }
    }

    pub(super) fn is_listening(&self) -> bool {
        self.limit.get().is_some()
    }

    /// Whether one more connection may wait. As on Linux, one more than the backlog may.
    pub(super) fn has_room(&self) -> bool {
        self.limit.get().is_some_and(|limit| self.waiting.borrow().len() <= limit)
    }

    pub(super) fn arrive(&self, end: End) {
        self.waiting.borrow_mut().push_back(end);
        self.desk.tell(self.fd, Readiness::READABLE);
    }
}

/// Releases an address.
pub(super) type GiveFree = Box<dyn FnOnce()>;

pub(super) struct SimAcceptor {
    pub(super) world: Rc<World>,
    pub(super) host: usize,
    pub(super) at: Address,
    pub(super) backlog: Rc<Backlog>,
    pub(super) give_free: Option<GiveFree>,
}

impl Acceptor for SimAcceptor {
    fn listen(&self, backlog: u32) -> io::Result<()> {
        self.backlog.limit.set(Some(backlog as usize));
        Ok(())
    }

    fn accept(&self) -> io::Result<Connected> {
        let first = self.backlog.waiting.borrow_mut().pop_front();
        let end = first.ok_or(ErrorKind::WouldBlock)?;
        if let Some(mut details) = self.world.decide(Fault::AcceptError, self.host) {
            if details.below(2) == 0 {
                // The connection is gone before it is accepted, and its peer gets a reset.
                end.reset_on_close();
                drop(end);
                return Err(ErrorKind::ConnectionAborted.into());
            }
            self.backlog.waiting.borrow_mut().push_front(end);
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        if let Err(error) = end.take_descriptor() {
            self.backlog.waiting.borrow_mut().push_front(end);
            return Err(error);
        }
        self.world.note(Note::Accept, self.host, 0);
        Ok(end.connected())
    }

    fn sockname(&self) -> Option<Address> {
        Some(self.at.clone())
    }

    fn fd(&self) -> RawFd {
        self.backlog.fd
    }
}

impl Drop for SimAcceptor {
    fn drop(&mut self) {
        if let Some(give_free) = self.give_free.take() {
            give_free();
        }
        self.backlog.limit.set(None);
        self.backlog.desk.close(self.backlog.fd);
        let unaccepted = self.backlog.waiting.take();
        drop(unaccepted);
    }
}
