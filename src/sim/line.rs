//! A connection of the simulated network: the traffic between its two ends, and how it ends.
//!
//! Bytes are sent in segments, and arrive in order after some time. The end or a reset follows them. Bytes that
//! arrive at a closed side are answered by a reset. A segment that cannot pass is held back until it can, since TCP
//! would send it again and again; if that takes too long, the sender's side fails.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use super::desk::Desk;
use super::faults::Fault;
use super::links::{Links, Way};
use super::side::{Parcel, Sending, Side};
use super::world::{Note, World};
use crate::reactor::Readiness;

/// The readiness that an end gets when any operation may have become possible.
fn everything() -> Readiness {
    Readiness::READABLE.with(Readiness::WRITABLE).with(Readiness::HANG_UP)
}

/// What kind of connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A TCP connection. Bytes sent to a closed side are answered by a reset.
    Inet,
    /// A Unix socket. Sending to a closed side fails at once.
    Unix,
    /// A pipe or a device: like a Unix socket, but closing it silently discards unread bytes.
    Pipe,
}

pub(super) struct Line {
    world: Rc<World>,
    links: Rc<Links>,
    kind: Kind,
    sides: [Side; 2],
}

/// One of the two sides: 0 or 1.
pub(super) type Which = usize;

impl Line {
    pub(super) fn new(world: &Rc<World>, links: &Rc<Links>, kind: Kind, sides: [Side; 2]) -> Rc<Line> {
        Rc::new(Line { world: Rc::clone(world), links: Rc::clone(links), kind, sides })
    }

    /// Gives a side its descriptor.
    pub(super) fn set_fd(&self, which: Which, fd: RawFd) {
        let side = &self.sides[which];
        side.fd.set(Some(fd));
        if side.has_ended.get() || side.has_failed() {
            side.tell(everything());
        }
    }

    pub(super) fn fd(&self, which: Which) -> RawFd {
        self.sides[which].fd.get().unwrap_or(-1)
    }

    pub(super) fn desk(&self, which: Which) -> &Rc<Desk> {
        &self.sides[which].desk
    }

    pub(super) fn receive(self: &Rc<Self>, which: Which, into: &mut [u8]) -> io::Result<usize> {
        let side = &self.sides[which];
        let there = side.arrived.borrow().len();
        if there == 0 {
            if side.has_ended.get() {
                return Ok(0);
            }
            return match side.error.take() {
                Some(kind) => Err(kind.into()),
                None if side.has_failed() => Ok(0),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        if self.world.decide(Fault::WouldBlock, side.host).is_some() {
            self.tell_later(which, Readiness::READABLE);
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut n = there.min(into.len());
        if n > 1 {
            if let Some(mut details) = self.world.decide(Fault::ShortReceive, side.host) {
                n = 1 + details.below(n - 1);
                // A short receive says that nothing is left, so another event follows for the rest.
                self.tell_later(which, Readiness::READABLE);
            }
        }
        side.arrived.borrow_mut().read_exact(&mut into[..n])?;
        self.world.note(Note::Receive, side.host, n);
        self.give_room(1 - which);
        Ok(n)
    }

    /// Notifies a sender that waits for space that there is some.
    fn give_room(self: &Rc<Self>, sender: Which) {
        if self.sides[sender].wants_room.take() {
            let (line, way) = (Rc::clone(self), self.way(1 - sender));
            self.links.send(way, move || line.sides[sender].tell(Readiness::WRITABLE));
        }
    }

    pub(super) fn send(self: &Rc<Self>, which: Which, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let (side, peer) = (&self.sides[which], &self.sides[1 - which]);
        if side.desk.is_dead() {
            // Objects that are dropped with their host may still try to send.
            return Err(ErrorKind::NotConnected.into());
        }
        if let Some(kind) = side.error.take() {
            return Err(kind.into());
        }
        let is_unheard = self.kind != Kind::Inet && peer.is_closed.get();
        if side.sending.get() != Sending::Open || is_unheard {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let wanted: usize = pieces.iter().map(|piece| piece.len()).sum();
        if wanted == 0 {
            return Ok(0);
        }
        if self.kind == Kind::Inet && self.world.decide(Fault::Reset, side.host).is_some() {
            self.fail(which, ErrorKind::ConnectionReset);
            self.dispatch(1 - which, Parcel::Reset);
            side.error.take();
            return Err(ErrorKind::ConnectionReset.into());
        }
        let room = self.world.setting(|faults| faults.buffer).saturating_sub(peer.held());
        if room == 0 {
            side.wants_room.set(true);
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.world.decide(Fault::WouldBlock, side.host).is_some() {
            self.tell_later(which, Readiness::WRITABLE);
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut n = wanted.min(room);
        side.wants_room.set(n < wanted);
        if n > 1 {
            if let Some(mut details) = self.world.decide(Fault::ShortSend, side.host) {
                n = 1 + details.below(n - 1);
                self.tell_later(which, Readiness::WRITABLE);
            }
        }
        self.world.note(Note::Send, side.host, n);
        peer.flying.set(peer.flying.get() + n);
        self.dispatch(1 - which, Parcel::Bytes(first_bytes(pieces, n)));
        Ok(n)
    }

    fn tell_later(self: &Rc<Self>, which: Which, readiness: Readiness) {
        let line = Rc::clone(self);
        let delay = self.links.latency(Way { from: self.sides[which].host, to: self.sides[which].host });
        self.world.after(delay, move || line.sides[which].tell(readiness));
    }

    pub(super) fn end(self: &Rc<Self>, which: Which) -> io::Result<()> {
        let side = &self.sides[which];
        match side.sending.get() {
            _ if side.desk.is_dead() => Err(ErrorKind::NotConnected.into()),
            Sending::Open => {
                side.sending.set(Sending::Ended);
                self.dispatch(1 - which, Parcel::End);
                Ok(())
            }
            Sending::Ended => Ok(()),
            Sending::Failed => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Closes a side, for its owner. `resets` says that not everything was sent.
    pub(super) fn close(self: &Rc<Self>, which: Which, resets: bool) {
        let side = &self.sides[which];
        side.is_closed.set(true);
        let unread = side.arrived.take();
        if let Some(fd) = side.fd.get() {
            side.desk.close(fd);
        }
        if side.desk.is_dead() {
            // The peer is not notified. But a sender that waits for space keeps probing, as TCP does, and the host
            // answers with a reset when it is back.
            if self.sides[1 - which].wants_room.take() {
                self.dispatch(which, Parcel::Bytes(Vec::new()));
            }
            return;
        }
        let has_lost = resets || !unread.is_empty();
        if has_lost && self.kind != Kind::Pipe && side.sending.get() != Sending::Failed {
            self.dispatch(1 - which, Parcel::Reset);
        } else if side.sending.get() == Sending::Open {
            self.dispatch(1 - which, Parcel::End);
        }
        side.sending.set(Sending::Failed);
        // A peer that waits for space in a pipe or a Unix socket is woken, and its next attempt fails.
        if self.kind != Kind::Inet {
            self.give_room(1 - which);
        }
    }

    /// The way from a side to its peer.
    fn way(&self, from: Which) -> Way {
        Way { from: self.sides[from].host, to: self.sides[1 - from].host }
    }

    /// Sends a parcel to a side.
    fn dispatch(self: &Rc<Self>, to: Which, parcel: Parcel) {
        let (side, way) = (&self.sides[to], self.way(1 - to));
        let bytes = if let Parcel::Bytes(bytes) = &parcel { bytes.len() } else { 0 };
        let now = self.world.now();
        let narrowest = self.world.setting(|faults| faults.bandwidth).filter(|_| way.from != way.to);
        let time = narrowest.map_or(0.0, |per_second| bytes as f64 / per_second.max(1) as f64);
        let passed_at = side.passed_at.get().max(now) + Duration::from_secs_f64(time);
        // A parcel never arrives before one that was sent earlier.
        let arrives_at = side.arrives_at.get().max(passed_at + self.links.latency(way));
        side.passed_at.set(passed_at);
        side.arrives_at.set(arrives_at);
        side.parcels.borrow_mut().push_back(parcel);
        let line = Rc::clone(self);
        self.world.after(arrives_at - now, move || line.arrive(to));
    }

    /// Delivers the next parcel to a side, if the way is open.
    fn arrive(self: &Rc<Self>, to: Which) {
        let (side, way) = (&self.sides[to], self.way(1 - to));
        if !self.links.passes(way) {
            let line = Rc::clone(self);
            self.links.hold(way, Box::new(move || line.arrive(to)));
            self.stall(to);
            return;
        }
        side.stalled_since.set(None);
        // There is no parcel if the sender has given up.
        let parcel = side.parcels.borrow_mut().pop_front();
        match parcel {
            None => {}
            Some(Parcel::Bytes(bytes)) => {
                self.world.note(Note::Arrival, side.host, bytes.len());
                side.flying.set(side.flying.get() - bytes.len());
                if side.is_closed.get() {
                    self.answer_by_reset(to);
                } else {
                    side.arrived.borrow_mut().extend(bytes);
                    side.tell(Readiness::READABLE);
                }
            }
            Some(Parcel::End) => {
                self.world.note(Note::End, side.host, 0);
                side.has_ended.set(true);
                side.tell(Readiness::READABLE.with(Readiness::HANG_UP));
            }
            Some(Parcel::Reset) => self.fail(to, ErrorKind::ConnectionReset),
        }
    }

    /// Bytes arrived at a closed side.
    fn answer_by_reset(self: &Rc<Self>, closed: Which) {
        if self.kind == Kind::Inet && !self.sides[1 - closed].has_failed() {
            self.dispatch(1 - closed, Parcel::Reset);
        }
    }

    /// A parcel to a side cannot pass. The sender gives up if this lasts for
    /// [`Faults::give_up_after`](super::faults::Faults::give_up_after).
    fn stall(self: &Rc<Self>, to: Which) {
        if self.sides[to].stalled_since.get().is_some() {
            return;
        }
        let since = Some(self.world.now());
        self.sides[to].stalled_since.set(since);
        let line = Rc::clone(self);
        self.world.after(self.world.setting(|faults| faults.give_up_after), move || {
            if line.sides[to].stalled_since.get() == since {
                let forgotten = line.sides[to].parcels.take();
                line.sides[to].flying.set(0);
                drop(forgotten);
                line.fail(1 - to, ErrorKind::TimedOut);
            }
        });
    }

    /// The connection has failed for a side: its next operation returns the error. Bytes that have arrived can still
    /// be received.
    fn fail(&self, which: Which, kind: ErrorKind) {
        let side = &self.sides[which];
        if side.is_closed.get() || side.has_failed() {
            return;
        }
        self.world.note(Note::Failure, side.host, 0);
        // As on Linux, a reset that follows the end is reported only to a sender.
        let kind =
            if side.has_ended.get() && kind == ErrorKind::ConnectionReset { ErrorKind::BrokenPipe } else { kind };
        side.sending.set(Sending::Failed);
        side.error.set(Some(kind));
        side.tell(everything());
    }
}

/// The first `n` bytes of the pieces.
fn first_bytes(pieces: &[IoSlice<'_>], n: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(n);
    for piece in pieces {
        let left = n - bytes.len();
        bytes.extend_from_slice(&piece[..piece.len().min(left)]);
    }
    bytes
}
