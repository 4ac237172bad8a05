//! Datagrams on their way out: sent at once where the kernel takes them, else in the order in which they came.

use std::collections::VecDeque;
use std::io;

use super::{DatagramSocketTransport, FIRST_RETRY, Phase};
use crate::constants::{DATAGRAM_OVERHEAD, DATAGRAMS_PER_TURN, UNIX_RETRY};
use crate::interface::Address;
use crate::reactor::{Again, Direction};
use crate::transports::FlowChange;

/// Where a datagram goes; `None` is to the peer that the kernel knows.
type Destination = Option<Address>;

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

impl DatagramSocketTransport {
    /// # Errors
    ///
    /// If the address does not fit the endpoint.
    pub(super) fn destination<'a>(&'a self, to: Option<&'a Address>) -> io::Result<Option<&'a Address>> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        match (to, &self.remote) {
            (Some(to), Some(remote)) if to != remote => {
                invalid(format!("this endpoint sends to {remote}, not to {to}"))
            }
            (None, None) => invalid("this endpoint has no peer: an address is needed".to_owned()),
            (Some(to), None) if to.is_unix() != self.is_unix() => {
                invalid(format!("this endpoint is of another family than {to}"))
            }
            (Some(to), None) if to.is_unnamed() => invalid("a socket without a name cannot be sent to".to_owned()),
            _ if self.connected => Ok(None),
            (to, remote) => Ok(to.or(remote.as_ref())),
        }
    }

    fn is_unix(&self) -> bool {
        self.local.as_ref().is_some_and(Address::is_unix)
    }

    pub(super) fn send_or_queue(&self, data: &[u8], to: Option<&Address>) {
        if self.queue.borrow().is_empty() {
            match self.send(data, to) {
                Sent::Done => return,
                Sent::Failed(error) => return self.report_later(error),
                Sent::Later => {}
            }
            self.wait_for_room();
        }
        self.queue.borrow_mut().push(data, to.cloned());
        self.grew();
    }

    /// The kernel takes nothing now. It says when it does, unless this is a Unix socket that sends to one that it is not
    /// connected to: then it says nothing of that one's full queue, and says of each attempt that failed that another is
    /// worth it, which must not be believed.
    #[cold]
    fn wait_for_room(&self) {
        self.registration.exhausted(Direction::Write);
        if self.connected || !self.is_unix() {
            return self.want(Direction::Write);
        }
        self.registration.unwant(Direction::Write);
        let pause = self.retry_after.get();
        self.retry_after.set((pause * 2).min(UNIX_RETRY));
        let this = self.this.clone();
        let timer = self.event_loop.call_later(pause, move || {
            if let Some(transport) = this.upgrade() {
                transport.registration.believe_ready(Direction::Write);
                transport.want(Direction::Write);
            }
        });
        self.retry.set(Some(timer));
    }

    fn send(&self, data: &[u8], to: Option<&Address>) -> Sent {
        let conduit = self.conduit.borrow();
        let Some(conduit) = &*conduit else { return Sent::Done };
        loop {
            match conduit.send_to(data, to) {
                Ok(()) => return Sent::Done,
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
                Some((data, to)) => self.send(data, to.as_ref()),
                None => break,
            };
            if matches!(sent, Sent::Later) {
                self.wait_for_room();
                break;
            }
            self.retry_after.set(FIRST_RETRY);
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

    fn tell(&self, change: Option<FlowChange>) {
        let (Some(change), Some(protocol)) = (change, self.protocol()) else { return };
        match change {
            FlowChange::Pause => protocol.pause_writing(),
            FlowChange::Resume => protocol.resume_writing(),
        }
    }
}
