//! From the protocol to the conduit: gathered in a step, sent at its end, kept while the peer does not read.

use std::io::{self, IoSlice};

use super::{Ending, Phase, SocketTransport, Writing};
use crate::constants::{DIRECT_WRITE, GATHER_LIMIT};
use crate::event_loop::Unsent;
use crate::flow_control::Signal;
use crate::reactor::Direction;

impl SocketTransport {
    /// Whether bytes may be written; a transport that is lost counts them, and drops them.
    #[inline]
    #[track_caller]
    pub(super) fn accepts_writes(&self) -> bool {
        assert!(self.writing.get() == Writing::Open, "nothing can be written after write_eof(), nor to a read pipe");
        if matches!(self.phase.get(), Phase::Losing | Phase::Lost) {
            self.lost_writes.count(self);
            return false;
        }
        true
    }

    #[inline]
    pub(super) fn write_one(&self, data: &[u8]) {
        if data.len() >= DIRECT_WRITE && self.nothing_in_the_way() {
            return self.write_straight(&[IoSlice::new(data)]);
        }
        if !data.is_empty() {
            let size = self.gather(data);
            self.grew(size);
        }
    }

    pub(super) fn write_many(&self, parts: &[IoSlice<'_>]) {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        if total >= DIRECT_WRITE && parts.len() <= 1024 && self.nothing_in_the_way() {
            return self.write_straight(parts);
        }
        let size = parts.iter().filter(|part| !part.is_empty()).fold(0, |_, part| self.gather(part));
        if size > 0 {
            self.grew(size);
        }
    }

    fn nothing_in_the_way(&self) -> bool {
        self.registration.is_ready(Direction::Write) && self.outgoing.borrow().is_empty()
    }

    /// Buffers bytes, of which there must be some. Returns how many are buffered then.
    #[inline(always)]
    fn gather(&self, data: &[u8]) -> usize {
        self.outgoing.borrow_mut().push(data, || self.event_loop.core().buffers.take_backlog())
    }

    /// Bytes were gathered. They go out when the step ends, or now if they are many; a pause is only decided after
    /// an attempt to send.
    #[inline(always)]
    fn grew(&self, size: usize) {
        if !self.registration.is_ready(Direction::Write) {
            self.signal(size);
            return;
        }
        let most = GATHER_LIMIT.min(self.flow.get().high());
        if size > most {
            self.send_now();
        } else if !self.enlisted.get() {
            self.enlist();
        }
    }

    fn enlist(&self) {
        if let Some(transport) = self.this.upgrade() {
            self.enlisted.set(true);
            self.event_loop.core().step.enlist(transport);
        }
    }

    /// Hands a large write to the kernel without copying it; what it does not take is kept.
    fn write_straight(&self, parts: &[IoSlice<'_>]) {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let attempted = self.conduit.borrow().as_deref().map(|conduit| match parts {
            [one] => attempt(|| conduit.send(one)),
            many => attempt(|| conduit.send_pieces(many)),
        });
        let sent = match attempted {
            Some(Ok(sent)) => sent,
            Some(Err(error)) => return self.lose(Ending::Failed(error.into())),
            None => return,
        };
        if sent == total {
            return;
        }
        self.registration.exhausted(Direction::Write);
        let (mut skip, mut size) = (sent, 0);
        for part in parts {
            let from = skip.min(part.len());
            skip -= from;
            if from < part.len() {
                size = self.gather(&part[from..]);
            }
        }
        self.wait_until_writable();
        self.signal(size);
    }

    /// Sends what is buffered, as far as the kernel takes it, and does what follows from that.
    #[inline]
    fn send_outgoing(&self) {
        let left = match self.send_front() {
            Ok(left) => left,
            Err(error) => return self.lose(Ending::Failed(error.into())),
        };
        let told = self.signal(left);
        // Whoever was told to resume may have written more.
        if left == 0 && (!told || self.outgoing.borrow().is_empty()) {
            self.all_sent();
        }
    }

    /// Sends what is buffered, as far as the kernel takes it. Returns how many bytes are left.
    #[inline]
    fn send_front(&self) -> io::Result<usize> {
        let conduit = self.conduit.borrow();
        let mut outgoing = self.outgoing.borrow_mut();
        let Some(conduit) = conduit.as_deref() else { return Ok(outgoing.len()) };
        while !outgoing.is_empty() {
            let (offered, sent) =
                outgoing.offer(|one| attempt(|| conduit.send(one)), |many| attempt(|| conduit.send_pieces(many)));
            let sent = sent?;
            if let Some(memory) = outgoing.advance(sent) {
                self.event_loop.core().buffers.give_backlog(memory);
            } else if sent < offered {
                // The kernel is full: trying again would only find that out once more.
                self.registration.exhausted(Direction::Write);
                self.wait_until_writable();
                return Ok(outgoing.len());
            }
        }
        Ok(0)
    }

    /// Sends in the middle of a step.
    #[cold]
    pub(super) fn send_now(&self) {
        self.send_outgoing();
    }

    #[cold]
    fn wait_until_writable(&self) {
        if self.registration.want(Direction::Write) {
            self.queue(Direction::Write);
        }
    }

    /// Tells the protocol to pause or to resume, if that is to be told now that `size` bytes are buffered. Returns
    /// whether it was.
    #[inline]
    fn signal(&self, size: usize) -> bool {
        let mut flow = self.flow.get();
        let Some(signal) = flow.changed(size) else { return false };
        self.flow.set(flow);
        self.tell(signal);
        true
    }

    #[cold]
    pub(super) fn tell(&self, signal: Signal) {
        let Some(protocol) = self.protocol() else { return };
        // That it panicked is reported, and the connection is lost by it.
        let _ = match signal {
            Signal::Pause => self.call_protocol("pause_writing", || protocol.pause_writing()),
            Signal::Resume => self.call_protocol("resume_writing", || protocol.resume_writing()),
        };
    }

    /// Nothing is left to send: what waited for that happens.
    #[inline]
    fn all_sent(&self) {
        self.registration.unwant(Direction::Write);
        match (self.phase.get(), self.writing.get()) {
            (Phase::Closing, _) => self.lose(Ending::Closed),
            (Phase::Open, Writing::Ending) => self.end_writing(),
            _ => {}
        }
    }

    pub(super) fn end_writing(&self) {
        self.writing.set(Writing::Ended);
        let conduit = self.conduit.borrow().clone();
        if let Some(Err(error)) = conduit.map(|conduit| conduit.shutdown_write()) {
            // The peer has reset the connection; the next receive says so in a better way.
            log::debug!("the end of the stream could not be sent: {error}: {self:?}");
        }
    }

    /// Sends what this step gathered, so that what follows in the step does not come before it.
    pub(super) fn flush_step(&self) {
        if self.enlisted.get() && self.registration.is_ready(Direction::Write) {
            self.send_now();
        }
    }

    /// Sends what this step wrote before the connection was given up, as far as the kernel takes it. The protocol is
    /// told nothing: this may be its own panic.
    pub(super) fn send_last(&self) {
        if self.enlisted.get() && self.registration.is_ready(Direction::Write) {
            let conduit = self.conduit.borrow().clone();
            let outgoing = self.outgoing.borrow();
            if let Some(conduit) = conduit.filter(|_| !outgoing.is_empty()) {
                let (_, sent) = outgoing.offer(|one| conduit.send(one), |many| conduit.send_pieces(many));
                drop(sent);
            }
        }
    }

    pub(super) fn discard_outgoing(&self) {
        let outgoing = self.outgoing.take();
        drop(outgoing);
    }
}

impl Unsent for SocketTransport {
    #[inline]
    fn send_gathered(&self) {
        self.enlisted.set(false);
        if !self.outgoing.borrow().is_empty() && self.registration.is_ready(Direction::Write) {
            self.send_outgoing();
        }
    }
}

/// Tries to send until that is not interrupted. Zero if the kernel takes nothing now.
#[inline]
fn attempt(mut send: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match send() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            sent => return sent,
        }
    }
}
