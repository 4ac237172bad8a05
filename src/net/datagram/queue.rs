//! Datagrams on their way out: sent at once where the kernel takes them, else in the order in which they came.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use super::{Phase, UdpTransport};
use crate::constants::{DATAGRAM_OVERHEAD, DATAGRAMS_PER_TURN};
use crate::flow_control::Signal;
use crate::reactor::{Again, Direction};

/// Where a datagram goes; `None` is to the peer that the kernel knows.
type Destination = Option<SocketAddr>;

#[derive(Default)]
pub(super) struct Queue {
    datagrams: VecDeque<(Vec<u8>, Destination)>,
    size: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// In bytes, with something for each datagram.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    fn push(&mut self, data: &[u8], to: Destination) {
        self.size += data.len() + DATAGRAM_OVERHEAD;
        self.datagrams.push_back((data.to_vec(), to));
    }

    fn pop(&mut self) {
        if let Some((data, _)) = self.datagrams.pop_front() {
            self.size -= data.len() + DATAGRAM_OVERHEAD;
        }
    }
}

enum Sent {
    Done,
    /// The kernel takes nothing now.
    Later,
    Failed(io::Error),
}

impl UdpTransport {
    pub(super) fn destination(&self, to: Option<SocketAddr>) -> io::Result<Destination> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        match (to, self.remote) {
            (Some(to), Some(remote)) if to != remote => {
                invalid(format!("this endpoint sends to {remote}, not to {to}"))
            }
            (Some(to), None) if self.connected => invalid(format!("this endpoint has one peer, which is not {to}")),
            (None, None) if !self.connected => invalid("this endpoint has no peer: an address is needed".to_owned()),
            _ if self.connected => Ok(None),
            (to, remote) => Ok(to.or(remote)),
        }
    }

    pub(super) fn send_or_queue(&self, data: &[u8], to: Destination) {
        if self.queue.borrow().is_empty() {
            match self.send(data, to) {
                Sent::Done => return,
                Sent::Failed(error) => return self.report_later(error),
                Sent::Later => {}
            }
            self.registration.exhausted(Direction::Write);
            self.want(Direction::Write);
        }
        self.queue.borrow_mut().push(data, to);
        self.grew();
    }

    fn send(&self, data: &[u8], to: Destination) -> Sent {
        let socket = self.socket.borrow();
        let Some(socket) = &*socket else { return Sent::Done };
        loop {
            let sent = match to {
                Some(to) => socket.send_to(data, to),
                None => socket.send(data),
            };
            match sent {
                Ok(_) => return Sent::Done,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Later,
                Err(error) => return Sent::Failed(error),
            }
        }
    }

    /// A callback never comes from inside a call of the user's.
    #[cold]
    fn report_later(&self, error: io::Error) {
        let this = self.this.clone();
        self.event_loop.call_soon(move || {
            // Gone if the endpoint was lost meanwhile, after which nothing is told.
            if let Some(protocol) = this.upgrade().and_then(|transport| transport.protocol()) {
                protocol.error_received(error);
            }
        });
    }

    /// The kernel takes datagrams again. An error ends the round, as the protocol may want to react to it.
    pub(super) fn send_queued(&self) -> Again {
        for _ in 0..DATAGRAMS_PER_TURN {
            let sent = match self.queue.borrow().datagrams.front() {
                Some((data, to)) => self.send(data, *to),
                None => break,
            };
            if matches!(sent, Sent::Later) {
                self.registration.exhausted(Direction::Write);
                break;
            }
            self.queue.borrow_mut().pop();
            if let Sent::Failed(error) = sent {
                if let Some(protocol) = self.protocol() {
                    protocol.error_received(error);
                }
                break;
            }
        }
        if matches!(self.phase.get(), Phase::Losing | Phase::Lost) {
            // The protocol gave up over the error: it is told nothing more but that.
            return Again::No;
        }
        self.shrank();
        if self.queue.borrow().is_empty() {
            self.registration.unwant(Direction::Write);
            if self.phase.get() == Phase::Closing {
                self.lose(None);
            }
        }
        Again::NextTurn
    }

    pub(super) fn grew(&self) {
        self.tell(self.flow.grew(self.get_size()));
    }

    fn shrank(&self) {
        self.tell(self.flow.shrank(self.get_size()));
    }

    fn get_size(&self) -> usize {
        self.queue.borrow().size()
    }

    fn tell(&self, signal: Option<Signal>) {
        let (Some(signal), Some(protocol)) = (signal, self.protocol()) else { return };
        match signal {
            Signal::Pause => protocol.pause_writing(),
            Signal::Resume => protocol.resume_writing(),
        }
    }
}
