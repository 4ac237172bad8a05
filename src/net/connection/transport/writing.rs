//! From the protocol to the conduit: gathered in a step, sent at its end, kept while the peer does not read.

use std::io::{self, IoSlice};
use std::rc::Rc;

use super::{ConduitTransport, Ending, Parting, Phase, Reading, Writing};
use crate::constants::DIRECT_WRITE;
use crate::event_loop::Unsent;
use crate::executor::count_system_call;
use crate::net::connection::{Conduit, Ways};
use crate::reactor::Direction;
use crate::transports::{AfterWrite, Backlog, FlowChange};

impl<C: Conduit + 'static> ConduitTransport<C> {
    /// Whether bytes may be written; a transport that is lost counts them, and drops them.
    #[inline]
    #[track_caller]
    pub(super) fn accepts_writes(&self) -> bool {
        assert!(self.writing.get() == Writing::Open, "nothing can be written after write_eof(), nor to a read pipe");
        if matches!(self.phase.get(), Phase::Receiving | Phase::Losing | Phase::Lost) {
            self.gathering.flow().write_was_lost(self);
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
        self.registration.is_ready(Direction::Write) && self.gathering.is_empty()
    }

    /// Buffers bytes, of which there must be some. Returns how many are buffered then.
    #[inline(always)]
    fn gather(&self, data: &[u8]) -> usize {
        self.parting.set(Parting::Lingering);
        self.gathering.push(data, &self.event_loop.core().buffers)
    }

    /// Bytes were gathered: `size` are kept now.
    #[inline(always)]
    fn grew(&self, size: usize) {
        match self.gathering.grew(size, self.registration.is_ready(Direction::Write)) {
            AfterWrite::Nothing => {}
            AfterWrite::Enlist => self.enlist(),
            AfterWrite::SendNow => self.send_now(),
            AfterWrite::Tell(change) => self.tell(change),
        }
    }

    fn enlist(&self) {
        if let Some(transport) = self.this.upgrade() {
            self.event_loop.core().enlist(transport);
        }
    }

    /// Hands a large write to the kernel without copying it; what it does not take is kept.
    fn write_straight(&self, parts: &[IoSlice<'_>]) {
        count_system_call();
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let attempted = self.with_conduit(|conduit| match parts {
            [one] => attempt(|| conduit.send(one)),
            many => attempt(|| conduit.send_vectored(many)),
        });
        let sent = match attempted {
            Some(Ok(sent)) => sent,
            Some(Err(error)) => return self.send_failed(error),
            None => return,
        };
        self.parting.set(Parting::Lingering);
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
    #[inline(always)]
    fn send_outgoing(&self) {
        match self.send_front() {
            Ok(true) => self.all_sent(),
            Ok(false) => self.some_left(),
            Err(error) => self.send_failed(error),
        }
    }

    /// A send failed: our direction has ended, and what was to be sent is given up. The other direction goes on to an end
    /// of its own, if there may still be something in it.
    #[cold]
    fn send_failed(&self, error: io::Error) {
        self.parting.set(Parting::Reset);
        let more_may_come = self.ways == Ways::Both && self.reading.get() != Reading::Ended;
        if self.phase.get() != Phase::Open || !more_may_come {
            return self.lose(Ending::Failed(error.into()));
        }
        self.phase.set(Phase::Receiving);
        self.failure.set(Some(error.into()));
        self.registration.unwant(Direction::Write);
        self.give_up_outgoing();
        self.receive_what_has_come();
        self.tell_closing();
    }

    /// Sends what is buffered, as far as the kernel takes it. Returns whether nothing is left. After
    /// an error what was buffered is gone.
    #[inline(always)]
    fn send_front(&self) -> io::Result<bool> {
        let Some(mut backlog) = self.gathering.take() else { return Ok(true) };
        let Some(conduit) = self.conduit.take() else { return Ok(true) };
        let sent = send_front(&*conduit, &mut backlog);
        self.conduit.set(Some(conduit));
        sent?;
        Ok(self.gathering.put_back(backlog, &self.event_loop.core().buffers))
    }

    /// Nothing is left to send: what waited for that happens.
    #[inline(always)]
    fn all_sent(&self) {
        if self.gathering.flow().is_paused() && self.resumed_and_wrote() {
            return;
        }
        self.registration.unwant(Direction::Write);
        if self.phase.get() != Phase::Open || self.writing.get() == Writing::Ending {
            self.go_on_to_the_end();
        }
    }

    /// The kernel is full: trying again would only find that out once more.
    #[cold]
    fn some_left(&self) {
        self.registration.exhausted(Direction::Write);
        self.wait_until_writable();
        self.signal(self.gathering.len());
    }

    /// Tells the protocol to resume. Returns whether it wrote more from inside that.
    #[cold]
    fn resumed_and_wrote(&self) -> bool {
        self.signal(0);
        !self.gathering.is_empty()
    }

    /// What was written has gone out, and nothing else was to come.
    #[cold]
    fn go_on_to_the_end(&self) {
        match (self.phase.get(), self.writing.get()) {
            (Phase::Closing, _) => self.lose(Ending::Closed),
            (Phase::Open, Writing::Ending) => self.end_writing(),
            _ => {}
        }
    }

    /// Sends in the middle of a step.
    #[cold]
    pub(super) fn send_now(&self) {
        count_system_call();
        self.send_outgoing();
    }

    fn wait_until_writable(&self) {
        self.want(Direction::Write);
    }

    /// Tells the protocol to pause or to resume, if that is to be told now that `size` bytes are kept.
    fn signal(&self, size: usize) {
        if let Some(change) = self.gathering.flow().changed(size) {
            self.tell(change);
        }
    }

    #[cold]
    pub(super) fn tell(&self, change: FlowChange) {
        let Some(protocol) = self.protocol() else { return };
        // That it panicked is reported, and the connection is lost by it.
        let _ = self.call_protocol(change.method(), || change.tell(&*protocol));
    }

    pub(super) fn end_writing(&self) {
        self.writing.set(Writing::Ended);
        let conduit = self.with_conduit(Rc::clone);
        if let Some(Err(error)) = conduit.map(|conduit| conduit.shutdown_write()) {
            // The peer has reset the connection; the next receive says so in a better way.
            log::debug!("the end of the stream could not be sent: {error}: {self:?}");
        }
    }

    /// Sends what this step gathered, so that what follows in the step does not come before it.
    pub(super) fn flush_step(&self) {
        if self.has_gathered() {
            self.send_now();
        }
    }

    /// Sends what this step wrote before the connection was given up, as far as the kernel takes it. The protocol is
    /// told nothing: this may be its own panic.
    pub(super) fn send_last(&self) {
        if self.has_gathered() && self.send_front().is_err() {
            self.parting.set(Parting::Reset);
        }
    }

    /// Whether this step wrote something that the kernel may take now.
    fn has_gathered(&self) -> bool {
        self.registration.is_ready(Direction::Write) && self.gathering.waits_for_step_end()
    }

    /// Gives up what is still buffered. If that is something, the peer is told by a reset.
    pub(super) fn give_up_outgoing(&self) {
        if self.gathering.give_up() {
            self.parting.set(Parting::Reset);
        }
    }
}

impl<C: Conduit + 'static> Unsent for ConduitTransport<C> {
    #[inline(always)]
    fn send_gathered(&self) {
        self.gathering.leave_step();
        if self.registration.is_ready(Direction::Write) {
            self.send_outgoing();
        }
    }
}

/// Sends from the front of what is kept, as far as the kernel takes it.
#[inline(always)]
fn send_front<C: Conduit>(conduit: &C, backlog: &mut Backlog) -> io::Result<()> {
    if let Some(piece) = backlog.only_piece() {
        let sent = attempt(|| conduit.send(piece))?;
        backlog.advance(sent);
        return Ok(());
    }
    backlog.send_pieces(|pieces| attempt(|| conduit.send_vectored(pieces)))
}

/// Tries to send until that is not interrupted. Zero if the kernel takes nothing now.
#[inline(always)]
fn attempt(send: impl Fn() -> io::Result<usize>) -> io::Result<usize> {
    match send() {
        Err(error) => attempt_again(error, &send),
        sent => sent,
    }
}

#[cold]
fn attempt_again(mut error: io::Error, send: &dyn Fn() -> io::Result<usize>) -> io::Result<usize> {
    while error.kind() == io::ErrorKind::Interrupted {
        match send() {
            Err(again) => error = again,
            sent => return sent,
        }
    }
    if error.kind() == io::ErrorKind::WouldBlock { Ok(0) } else { Err(error) }
}
