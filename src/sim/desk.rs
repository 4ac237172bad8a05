//! The descriptors of one host, and which of them have become ready, as a kernel keeps them for a process.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;

use super::awake::Awake;
use super::bell::Ringer;
use crate::reactor::{Readiness, Token};

/// The first number of a simulated descriptor, beyond those of the system.
const FIRST_FD: RawFd = 1 << 20;

/// The descriptors of a host from its start to its crash.
pub(super) struct Desk {
    host: usize,
    awake: Rc<Awake>,
    watched: RefCell<BTreeMap<RawFd, Token>>,
    /// The descriptors whose peers have ended their side, for those that are watched only later.
    hung_up: RefCell<BTreeSet<RawFd>>,
    pending: RefCell<Vec<(RawFd, Readiness)>>,
    open: RefCell<BTreeSet<RawFd>>,
    limit: Cell<usize>,
    is_dead: Cell<bool>,
    pub(super) ringer: Arc<Ringer>,
}

impl Desk {
    pub(super) fn new(host: usize, awake: &Rc<Awake>, limit: usize) -> Desk {
        Desk {
            host,
            awake: Rc::clone(awake),
            watched: RefCell::default(),
            hung_up: RefCell::default(),
            pending: RefCell::default(),
            open: RefCell::default(),
            limit: Cell::new(limit),
            is_dead: Cell::new(false),
            ringer: Arc::new(Ringer::new(awake.any_bell.clone())),
        }
    }

    /// Takes the lowest free descriptor, as a kernel does. So a number that was just closed is reused at once.
    ///
    /// # Errors
    ///
    /// EMFILE if the host already has as many descriptors as it may.
    pub(super) fn open(&self) -> io::Result<RawFd> {
        let mut open = self.open.borrow_mut();
        if open.len() >= self.limit.get() {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        let lowest_free = (FIRST_FD..).zip(&*open).find(|(number, taken)| number != *taken);
        let fd = lowest_free.map_or(FIRST_FD + open.len() as RawFd, |(number, _)| number);
        open.insert(fd);
        Ok(fd)
    }

    /// A closed descriptor is not watched, and has no events.
    pub(super) fn close(&self, fd: RawFd) {
        self.open.borrow_mut().remove(&fd);
        self.watched.borrow_mut().remove(&fd);
        self.hung_up.borrow_mut().remove(&fd);
        self.pending.borrow_mut().retain(|(pending, _)| *pending != fd);
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.borrow().len()
    }

    pub(super) fn limit_open(&self, limit: usize) {
        self.limit.set(limit);
    }

    /// The host crashes: its descriptors end without notice to any peer.
    pub(super) fn die(&self) {
        self.is_dead.set(true);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.get()
    }

    /// A descriptor has become ready.
    pub(super) fn tell(&self, fd: RawFd, readiness: Readiness) {
        if readiness.contains(Readiness::HANG_UP) {
            self.hung_up.borrow_mut().insert(fd);
        }
        self.pending.borrow_mut().push((fd, readiness));
        self.awake.add(self.host);
    }

    pub(super) fn watch(&self, fd: RawFd, token: Token) -> io::Result<()> {
        if !self.open.borrow().contains(&fd) {
            let text = "a simulated host watches simulated descriptors only";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        self.watched.borrow_mut().insert(fd, token);
        // Earlier events were not reported, so the descriptor is reported as ready. If it is not, that costs only an
        // attempt.
        let hung_up = self.hung_up.borrow().contains(&fd);
        let readiness = Readiness::READABLE.with(Readiness::WRITABLE);
        self.tell(fd, if hung_up { readiness.with(Readiness::HANG_UP) } else { readiness });
        Ok(())
    }

    pub(super) fn unwatch(&self, fd: RawFd) -> io::Result<()> {
        self.watched.borrow_mut().remove(&fd).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn token(&self, fd: RawFd) -> Option<Token> {
        self.watched.borrow().get(&fd).copied()
    }

    /// The watched descriptor with the `n`th lowest number.
    pub(super) fn nth_watched(&self, n: usize) -> Option<RawFd> {
        self.watched.borrow().keys().nth(n).copied()
    }

    pub(super) fn watched_count(&self) -> usize {
        self.watched.borrow().len()
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.borrow().is_empty()
    }

    pub(super) fn take_pending(&self) -> Vec<(RawFd, Readiness)> {
        self.pending.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_descriptor_is_taken_and_no_more_than_the_limit() {
        let desk = Desk::new(0, &Rc::default(), 3);
        let fds: Vec<RawFd> = (0..3).map(|_| desk.open().unwrap()).collect();
        assert_eq!(desk.open().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        desk.close(fds[1]);
        assert_eq!(desk.open().unwrap(), fds[1]);
        desk.close(fds[0]);
        desk.close(fds[2]);
        assert_eq!(desk.open().unwrap(), fds[0]);
    }

    #[test]
    fn a_descriptor_that_was_closed_has_no_events_for_the_next_of_its_number() {
        let desk = Desk::new(0, &Rc::default(), 3);
        let fd = desk.open().unwrap();
        desk.tell(fd, Readiness::HANG_UP);
        desk.close(fd);
        assert_eq!(desk.open().unwrap(), fd);
        assert!(!desk.has_pending());
    }
}
