//! The operating system's selector, through mio.

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Poll, Waker};

use crate::reactor::{Bell, Events, Readiness, Selector, Token};

/// No source has this token, since the table cannot have 2^32 seats.
const BELL: mio::Token = mio::Token(usize::MAX);

pub(crate) struct MioSelector {
    poll: Poll,
    came: mio::Events,
}

impl MioSelector {
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        Ok(MioSelector { poll: Poll::new()?, came: mio::Events::with_capacity(capacity) })
    }
}

impl Selector for MioSelector {
    fn register(&mut self, fd: RawFd, token: Token) -> io::Result<()> {
        let token = mio::Token(token.to_bits() as usize);
        self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE | Interest::WRITABLE)
    }

    fn reregister(&mut self, fd: RawFd, token: Token, interest: Readiness) -> io::Result<()> {
        let interest = match (interest.contains(Readiness::READABLE), interest.contains(Readiness::WRITABLE)) {
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            _ => Interest::READABLE | Interest::WRITABLE,
        };
        let token = mio::Token(token.to_bits() as usize);
        self.poll.registry().reregister(&mut SourceFd(&fd), token, interest)
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&fd))
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Events) -> io::Result<bool> {
        match self.poll.poll(&mut self.came, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(error),
        }
        for event in &self.came {
            // The bell's event is passed on, too. The table has no seat for its token, so the reactor skips it.
            events.push(Token::from_bits(event.token().0 as u64), readiness_of(event));
        }
        Ok(!self.came.is_empty())
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Ok(Box::new(MioBell(Waker::new(self.poll.registry(), BELL)?)))
    }

    fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        self.poll.registry().as_fd().try_clone_to_owned()
    }
}

/// An error makes both directions ready, so that the waiting tasks try again and get the error. The end of the peer's
/// side makes reading ready.
#[inline]
fn readiness_of(event: &Event) -> Readiness {
    let mut readiness = Readiness::NONE;
    if event.is_readable() {
        readiness = readiness.with(Readiness::READABLE);
    }
    if event.is_writable() {
        readiness = readiness.with(Readiness::WRITABLE);
    }
    if event.is_read_closed() {
        readiness = readiness.with(Readiness::READABLE).with(Readiness::HANG_UP);
    }
    if event.is_error() || event.is_write_closed() {
        readiness = readiness.with(Readiness::READABLE).with(Readiness::WRITABLE).with(Readiness::HANG_UP);
    }
    readiness
}

struct MioBell(Waker);

impl Bell for MioBell {
    fn ring(&self) -> io::Result<()> {
        self.0.wake()
    }
}
