//! The loop's end of a connection that dribbles.

use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::RawFd;
use std::rc::Rc;

use waterwheel::Readiness;
use waterwheel::network::Conduit;

use super::Dribbling;
use crate::common::memory::End;

/// What has passed through the loop's end of a connection.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) received: Cell<usize>,
    pub(crate) sent: Cell<usize>,
    /// How often the loop tried to send something.
    pub(crate) sends: Cell<usize>,
    /// The loop has received the end of the peer's side, or an error.
    pub(crate) input_is_over: Cell<bool>,
    /// The last attempt to send took less than it was offered.
    pub(crate) is_full: Cell<bool>,
    pub(crate) send_failed: Cell<bool>,
    /// The loop has ended its side.
    pub(crate) ended: Cell<bool>,
    pub(crate) dropped: Cell<bool>,
    /// From now on sending fails.
    pub(crate) fails: Cell<bool>,
}

/// The loop's end of a connection.
pub(super) struct Dribble {
    network: Dribbling,
    end: End,
    seen: Rc<Seen>,
}

impl Dribble {
    pub(super) fn new(network: Dribbling, end: End) -> Dribble {
        Dribble { network, end, seen: Rc::default() }
    }

    pub(super) fn seen(&self) -> &Rc<Seen> {
        &self.seen
    }
}

impl Conduit for Dribble {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        let room = self.network.room(self.fd(), Readiness::READABLE)?.min(into.len());
        let received = self.end.recv(&mut into[..room]);
        match received {
            Ok(0) => self.seen.input_is_over.set(true),
            Ok(n) => {
                self.seen.received.set(self.seen.received.get() + n);
                if n == 1 {
                    self.network.count(|faults| faults.one_byte_reads += 1);
                }
                if n < into.len() {
                    // A reader that gets less than it asked for assumes that nothing more is there, so another event
                    // must follow.
                    self.network.owe(self.fd(), Readiness::READABLE);
                }
            }
            Err(ref error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.seen.input_is_over.set(true),
        }
        received
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_vectored(&[IoSlice::new(data)])
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.seen.sends.set(self.seen.sends.get() + 1);
        if self.seen.fails.get() {
            self.seen.send_failed.set(true);
            return Err(ErrorKind::ConnectionReset.into());
        }
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.seen.is_full.set(true);
        let room = self.network.room(self.fd(), Readiness::WRITABLE)?.min(len);
        let mut sent = 0;
        for piece in pieces {
            let fits = piece.len().min(room - sent);
            match self.end.send(&piece[..fits]) {
                Ok(n) => sent += n,
                Err(error) if sent == 0 => {
                    self.seen.send_failed.set(error.kind() != ErrorKind::WouldBlock);
                    return Err(error);
                }
                Err(_) => break,
            }
        }
        self.seen.sent.set(self.seen.sent.get() + sent);
        self.seen.is_full.set(sent < len);
        if sent < len {
            self.network.owe(self.fd(), Readiness::WRITABLE);
            self.network.count(|faults| {
                faults.short_writes += 1;
                faults.one_byte_writes += usize::from(sent == 1);
            });
        }
        Ok(sent)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.seen.ended.set(true);
        self.end.shutdown_write()
    }

    fn reset_on_close(&self) {
        self.end.reset_on_close();
    }

    fn fd(&self) -> RawFd {
        self.end.fd()
    }
}

impl Drop for Dribble {
    fn drop(&mut self) {
        self.seen.dropped.set(true);
    }
}
