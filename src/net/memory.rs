//! A connection in memory, with both ends on one loop.
//!
//! No selector watches it. When one end does something that the other may wait for, it tells the loop, as a selector's
//! event would. So the transports above are the same as for sockets and behave alike.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::os::fd::RawFd;
use std::rc::Rc;

use crate::constants::MEMORY_ROOM;
use crate::event_loop::LoopHandle;
use crate::net::connection::{Conduit, Connected};
use crate::reactor::Readiness;

/// Both ends of a connection that has no transports yet.
pub(crate) fn connected_in_memory(event_loop: &LoopHandle) -> (Connected, Connected) {
    let (there, back) = (Rc::new(Way::default()), Rc::new(Way::default()));
    let fds = [next_number(), next_number()];
    let end = |fd, peer_fd, outgoing: &Rc<Way>, incoming: &Rc<Way>| {
        let (outgoing, incoming) = (Rc::clone(outgoing), Rc::clone(incoming));
        Connected::new(End {
            event_loop: event_loop.clone(),
            fd,
            peer_fd,
            outgoing,
            incoming,
            resets: Cell::new(false),
        })
    };
    (end(fds[0], fds[1], &there, &back), end(fds[1], fds[0], &back, &there))
}

/// A number by which the reactor finds an end's source. It is negative, so it is never a descriptor of the system.
fn next_number() -> RawFd {
    thread_local! {
        static NEXT: Cell<RawFd> = const { Cell::new(-2) };
    }
    let number = NEXT.get();
    NEXT.set(number.checked_sub(1).unwrap_or(-2));
    number
}

/// One end.
struct End {
    event_loop: LoopHandle,
    fd: RawFd,
    peer_fd: RawFd,
    outgoing: Rc<Way>,
    incoming: Rc<Way>,
    /// Whether our direction ends with a reset when this is dropped.
    resets: Cell<bool>,
}

/// One direction. Invariant: at most [`MEMORY_ROOM`] bytes are on their way.
#[derive(Default)]
struct Way {
    bytes: RefCell<VecDeque<u8>>,
    sending: Cell<Sending>,
    nobody_receives: Cell<bool>,
}

/// What comes after the bytes that are on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sending {
    /// Perhaps more bytes.
    #[default]
    Open,
    /// The end.
    Ended,
    /// A reset: the receiver gets an error, since it has not received everything.
    Reset,
}

impl End {
    fn tell_peer(&self, readiness: Readiness) {
        self.event_loop.core().became_ready(self.peer_fd, readiness);
    }

    /// How many bytes can be sent now.
    fn room(&self) -> io::Result<usize> {
        if self.outgoing.nobody_receives.get() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match MEMORY_ROOM - self.outgoing.bytes.borrow().len() {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            room => Ok(room),
        }
    }
}

impl Conduit for End {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.incoming.bytes.borrow_mut();
        if bytes.is_empty() {
            return match self.incoming.sending.get() {
                Sending::Open => Err(io::ErrorKind::WouldBlock.into()),
                Sending::Ended => Ok(0),
                Sending::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            };
        }
        let was_full = bytes.len() == MEMORY_ROOM;
        // A `VecDeque` is two slices, and one read takes from the first only.
        let first = bytes.read(into)?;
        let received = first + bytes.read(&mut into[first..])?;
        drop(bytes);
        if was_full {
            self.tell_peer(Readiness::WRITABLE);
        }
        Ok(received)
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_vectored(&[IoSlice::new(data)])
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.room()?;
        let mut left = room;
        for piece in pieces {
            let part = &piece[..piece.len().min(left)];
            self.outgoing.bytes.borrow_mut().extend(part);
            left -= part.len();
        }
        self.tell_peer(Readiness::READABLE);
        Ok(room - left)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.outgoing.sending.set(Sending::Ended);
        self.tell_peer(Readiness::READABLE.with(Readiness::HANG_UP));
        Ok(())
    }

    fn reset_on_close(&self) {
        self.resets.set(true);
    }

    fn fd(&self) -> RawFd {
        self.fd
    }

    fn is_unwatched(&self) -> bool {
        true
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.resets.get() {
            self.outgoing.sending.set(Sending::Reset);
        } else if self.outgoing.sending.get() == Sending::Open {
            self.outgoing.sending.set(Sending::Ended);
        }
        self.incoming.nobody_receives.set(true);
        self.incoming.bytes.take();
        self.tell_peer(Readiness::READABLE.with(Readiness::WRITABLE).with(Readiness::HANG_UP));
    }
}
