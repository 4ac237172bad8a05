//! Datagrams on their way out: sent at once if the kernel takes them, otherwise queued in order.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::{DatagramSocketTransport, Peer};
use crate::constants::{DATAGRAM_OVERHEAD, DATAGRAMS_PER_TURN, UNIX_RETRY};
use crate::event_loop::TimerHandle;
use crate::interface::Address;
use crate::reactor::{Again, Direction};
use crate::transports::{Ending, FlowChange, Phase};

const FIRST_RETRY: Duration = Duration::from_millis(1);

/// Where a datagram goes; `None` means the peer to which the socket is connected.
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

    /// The size in bytes, with an overhead for each datagram.
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

/// When the next attempt is made, if no event will say that the kernel has room.
#[derive(Default)]
pub(super) struct Retry {
    /// Runs until the next attempt.
    timer: Cell<Option<TimerHandle>>,
    /// How long the timer runs after the last failed attempt; zero after one that did not fail.
    pause: Cell<Duration>,
}

impl Retry {
    pub(super) fn cancel(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
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
        match (to, &self.peer) {
            (Some(to), Peer::One(peer) | Peer::Connected(peer)) if to != peer => {
                invalid(format!("this endpoint sends to {peer}, not to {to}"))
            }
            (_, Peer::Connected(_)) => Ok(None),
            (_, Peer::One(peer)) => Ok(Some(peer)),
            (None, Peer::Any) => invalid("this endpoint has no peer: an address is needed".to_owned()),
            (Some(to), Peer::Any) if to.is_unix() != self.is_unix() => {
                invalid(format!("this endpoint is of another family than {to}"))
            }
            (Some(to), Peer::Any) if to.is_unnamed() => invalid("a socket without a name cannot be sent to".to_owned()),
            (Some(to), Peer::Any) => Ok(Some(to)),
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

    /// The kernel takes nothing now, and an event will say when it does. The exception is a Unix socket that is not
    /// connected to its destination: no event says when the destination's queue has room, and each failed attempt is
    /// followed by an event that wrongly suggests another one. There a timer starts the next attempt.
    #[cold]
    fn wait_for_room(&self) {
        self.registration.exhausted(Direction::Write);
        if matches!(self.peer, Peer::Connected(_)) || !self.is_unix() {
            return self.want(Direction::Write);
        }
        self.registration.unwant(Direction::Write);
        let pause = (self.retry.pause.get() * 2).clamp(FIRST_RETRY, UNIX_RETRY);
        self.retry.pause.set(pause);
        let this = self.this.clone();
        let timer = self.event_loop.call_later(pause, move || {
            if let Some(transport) = this.upgrade() {
                transport.registration.believe_ready(Direction::Write);
                transport.want(Direction::Write);
            }
        });
        self.retry.timer.set(Some(timer));
    }

    fn send(&self, data: &[u8], to: Option<&Address>) -> Sent {
        let conduit = self.conduit.borrow();
        let Some(conduit) = &*conduit else { return Sent::Done };
        loop {
            match conduit.send_to(data, to) {
                Ok(()) => {
                    self.event_loop.core().counters.bytes_sent.add(data.len());
                    return Sent::Done;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Later,
                Err(error) => return Sent::Failed(error),
            }
        }
    }

    /// Reports the error in a later turn, since a callback never comes from inside a call of the user's.
    #[cold]
    fn report_later(&self, error: io::Error) {
        let this = self.this.clone();
        self.event_loop.call_soon(move || {
            // Gone if the endpoint was lost in the meantime; then nothing more is told.
            if let Some(protocol) = this.upgrade().and_then(|transport| transport.life.protocol()) {
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
            self.retry.pause.set(Duration::ZERO);
            self.queue.borrow_mut().pop();
            if let Sent::Failed(error) = sent {
                if let Some(protocol) = self.life.protocol() {
                    protocol.error_received(error);
                }
                break;
            }
        }
        if self.life.is_over() {
            // The protocol gave up because of the error: only `connection_lost` still comes.
            return Again::No;
        }
        self.tell(self.flow.shrank(self.queued()));
        if self.queue.borrow().is_empty() {
            self.registration.unwant(Direction::Write);
            if self.life.phase() == Phase::Closing {
                self.lose(Ending::Closed);
            }
        }
        Again::NextTurn
    }

    pub(super) fn grew(&self) {
        self.tell(self.flow.grew(self.queued()));
    }

    /// How many bytes are queued, including the overhead.
    pub(super) fn queued(&self) -> usize {
        self.queue.borrow().size()
    }

    fn tell(&self, change: Option<FlowChange>) {
        let (Some(change), Some(protocol)) = (change, self.life.protocol()) else { return };
        match change {
            FlowChange::Pause => protocol.pause_writing(),
            FlowChange::Resume => protocol.resume_writing(),
        }
    }
}
