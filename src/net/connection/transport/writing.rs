//! From the protocol to the conduit: bytes are gathered in a step, sent at its end, and kept while the peer does not
//! read.

use std::cell::Cell;
use std::io::{self, IoSlice};

use super::ConduitTransport;
use crate::constants::{DIRECT_WRITE, DIRECT_WRITE_OF_PIECES};
use crate::event_loop::{Unsent, count_sent};
use crate::executor::count_system_call;
use crate::net::connection::{Conduit, Ways};
use crate::reactor::Direction;
use crate::transports::{AfterWrite, Backlog, Ending, FlowChange, Phase};

/// The kernel takes no more pieces in one call.
const MOST_PIECES: usize = 1024;

/// Whether our direction is open. Only this file changes it.
pub(super) struct WritingSide(Cell<Writing>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// Bytes may be written.
    Open,
    /// `write_eof` was called while bytes were buffered: our side ends when they have gone out.
    Ending,
    /// Our side has ended, or there never was one.
    Ended,
}

impl WritingSide {
    pub(super) fn new(ways: Ways) -> WritingSide {
        WritingSide(Cell::new(if ways == Ways::In { Writing::Ended } else { Writing::Open }))
    }

    #[inline]
    pub(super) fn get(&self) -> Writing {
        self.0.get()
    }
}

impl<C: Conduit + 'static> ConduitTransport<C> {
    /// Whether bytes may be written. If nothing can be sent any more, the write is counted and its bytes are dropped.
    #[inline]
    #[track_caller]
    pub(super) fn accepts_writes(&self) -> bool {
        assert!(self.writing.get() == Writing::Open, "nothing can be written after write_eof(), nor to a read pipe");
        if matches!(self.life.phase(), Phase::Receiving | Phase::Losing | Phase::Lost) {
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
        if self.nothing_in_the_way() && parts.len() <= MOST_PIECES && is_for_a_direct_write(parts) {
            return self.write_straight(parts);
        }
        if let Some(size) = self.gathering.push_parts(parts, &self.event_loop.core().buffers) {
            self.parting.written();
            self.grew(size);
        }
    }

    /// Hands as many bytes to the kernel now as it takes, and keeps none. Returns how many were sent, or `None` if
    /// none can be sent now.
    pub(super) fn write_some_now(&self, parts: &[IoSlice<'_>]) -> Option<usize> {
        if !self.accepts_writes() || parts.len() > MOST_PIECES || !self.gathering.is_empty() {
            return None;
        }
        if !self.registration.is_ready(Direction::Write) {
            self.want(Direction::Write);
            self.pause_until_there_is_room();
            return None;
        }
        count_system_call();
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let sent = match self.with_conduit(|conduit| attempt(|| conduit.send_vectored(parts)))? {
            Ok(sent) => sent,
            Err(error) => {
                self.send_failed(error);
                return None;
            }
        };
        if sent < total {
            // A protocol that is paused stays so: it is told to resume by the next event.
            self.wait_for_room(0);
        }
        if sent == 0 {
            self.pause_until_there_is_room();
            return None;
        }
        self.parting.written();
        Some(sent)
    }

    /// The kernel is full, and nothing is kept: the protocol has to pause, and is told to resume when the kernel takes
    /// bytes again.
    #[cold]
    fn pause_until_there_is_room(&self) {
        if let Some(change) = self.gathering.flow().pause_until_sent() {
            self.tell(change);
        }
    }

    fn nothing_in_the_way(&self) -> bool {
        self.registration.is_ready(Direction::Write) && self.gathering.is_empty()
    }

    /// Buffers bytes, at least one. Returns how many are buffered now.
    #[inline(always)]
    fn gather(&self, data: &[u8]) -> usize {
        self.parting.written();
        self.gathering.push(data, &self.event_loop.core().buffers)
    }

    /// Bytes were gathered: `size` are kept now.
    #[inline(always)]
    fn grew(&self, size: usize) {
        match self.gathering.grew(size, self.registration.is_ready(Direction::Write)) {
            AfterWrite::Nothing => {}
            AfterWrite::Enlist => self.event_loop.core().enlist(&self.this),
            AfterWrite::SendNow => self.send_now(),
            AfterWrite::Tell(change) => self.tell(change),
        }
    }

    /// Hands a large write to the kernel without copying it; the part that it does not take is kept.
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
        count_sent(sent);
        self.event_loop.core().take_in_bytes();
        self.parting.written();
        if sent == total {
            return;
        }
        let (mut skip, mut size) = (sent, 0);
        for part in parts {
            let from = skip.min(part.len());
            skip -= from;
            if from < part.len() {
                size = self.gather(&part[from..]);
            }
        }
        self.kernel_is_full(size);
    }

    /// Sends as many of the buffered bytes as the kernel takes, and acts on the result.
    #[inline(always)]
    fn send_outgoing(&self) {
        match self.send_front() {
            Ok(true) => self.all_sent(),
            Ok(false) => self.kernel_is_full(self.gathering.len()),
            Err(error) => self.send_failed(error),
        }
    }

    /// A send failed: our direction has ended, and the buffered bytes are given up. If the peer may still send, the
    /// other direction goes on to an end of its own.
    #[cold]
    fn send_failed(&self, error: io::Error) {
        self.parting.bytes_given_up();
        if !self.life.is_open() || !self.peer_may_send() {
            return self.lose(Ending::Failed(error.into()));
        }
        self.life.stop_sending(error.into());
        self.registration.unwant(Direction::Write);
        self.give_up_outgoing();
        // Usually the peer is gone, and its last bytes are here, though the selector may not have reported them yet.
        // They are received before anything that is scheduled from now on, so code that hears of the failure in a
        // later turn has the peer's last words.
        self.registration.believe_ready(Direction::Read);
        self.update_read_interest();
        self.tell_closing();
    }

    /// Sends as many of the buffered bytes as the kernel takes. Returns whether nothing is left. After an error, the
    /// buffered bytes are gone.
    #[inline(always)]
    fn send_front(&self) -> io::Result<bool> {
        let Some(mut backlog) = self.gathering.take() else { return Ok(true) };
        let Some(conduit) = self.conduit.take() else { return Ok(true) };
        let sent = send_front(&*conduit, &mut backlog);
        self.conduit.set(Some(conduit));
        sent?;
        Ok(self.gathering.put_back(backlog, &self.event_loop.core().buffers))
    }

    /// Nothing is left to send: resumes the protocol, and ends our side or the connection if that was waiting for the
    /// last byte.
    #[inline(always)]
    fn all_sent(&self) {
        if self.gathering.flow().is_paused() && self.resumed_and_waits_again() {
            return;
        }
        self.registration.unwant(Direction::Write);
        if !self.life.is_open() || self.writing.get() == Writing::Ending {
            self.go_on_to_the_end();
        }
    }

    /// The kernel did not take all bytes, and `size` are kept.
    #[cold]
    fn kernel_is_full(&self, size: usize) {
        self.wait_for_room(size);
        self.signal(size);
    }

    /// Another attempt to send now would find the kernel full again, so the next one waits for an event.
    #[cold]
    fn wait_for_room(&self, size: usize) {
        self.registration.exhausted(Direction::Write);
        self.want(Direction::Write);
        self.event_loop.core().trace_unsent(self, size);
    }

    /// Tells the protocol to resume. Returns whether an event has to be waited for again, because the protocol wrote
    /// more from inside that call, or filled the kernel without any bytes being kept. If the transport stopped waiting
    /// then, it would never send what is written next.
    #[cold]
    fn resumed_and_waits_again(&self) -> bool {
        self.signal(0);
        !self.gathering.is_empty() || !self.registration.is_ready(Direction::Write)
    }

    /// All written bytes have gone out, and no more may be written.
    #[cold]
    fn go_on_to_the_end(&self) {
        match self.life.phase() {
            Phase::Closing => self.lose(Ending::Closed),
            Phase::Open if self.writing.get() == Writing::Ending => self.end_writing(),
            _ => {}
        }
    }

    /// Sends in the middle of a step.
    #[cold]
    pub(super) fn send_now(&self) {
        count_system_call();
        self.send_outgoing();
        self.event_loop.core().take_in_bytes();
        self.event_loop.core().trace_unsent(self, self.gathering.len());
    }

    /// Tells the protocol to pause or to resume, if that has changed now that `size` bytes are kept.
    fn signal(&self, size: usize) {
        if let Some(change) = self.gathering.flow().changed(size) {
            self.tell(change);
        }
    }

    #[cold]
    pub(super) fn tell(&self, change: FlowChange) {
        let Some(protocol) = self.life.protocol() else { return };
        let (name, method) = change.method();
        // A panic has been reported, and has lost the connection.
        let _ = self.call_protocol(name, || method(&*protocol));
    }

    /// Ends our side when nothing is left to send.
    pub(super) fn end_when_sent(&self) {
        self.writing.0.set(Writing::Ending);
        self.flush_step();
        if self.writing.get() == Writing::Ending && self.gathering.is_empty() && self.life.is_open() {
            self.end_writing();
        }
    }

    fn end_writing(&self) {
        self.writing.0.set(Writing::Ended);
        if let Some(Err(error)) = self.with_conduit(|conduit| conduit.shutdown_write()) {
            // The peer has reset the connection; the next receive reports that with a better error.
            log::debug!("the end of the stream could not be sent: {error}: {self:?}");
        }
    }

    /// Sends what this step gathered, so that it goes out before whatever follows in the step.
    pub(super) fn flush_step(&self) {
        if self.has_gathered() {
            self.send_now();
        }
    }

    /// Sends what this step wrote before the connection was given up, as far as the kernel takes it. The protocol is
    /// not told, since its own panic may be the reason.
    pub(super) fn send_last(&self) {
        if self.has_gathered() && self.send_front().is_err() {
            self.parting.bytes_given_up();
        }
        self.event_loop.core().take_in_bytes();
    }

    /// Whether the kept bytes, if there are any, are handed to the kernel at the end of this step. While the kernel is
    /// full, the bytes of this step wait behind those of earlier steps.
    pub(super) fn goes_out_with_this_step(&self) -> bool {
        let kernel_is_full = self.registration.wants(Direction::Write) || !self.registration.is_ready(Direction::Write);
        !kernel_is_full && self.gathering.is_enlisted()
    }

    /// Whether this step wrote bytes that the kernel may take now.
    pub(super) fn has_gathered(&self) -> bool {
        self.registration.is_ready(Direction::Write) && self.gathering.waits_for_step_end()
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

/// Whether the pieces have so many bytes that a separate system call costs less than copying them.
fn is_for_a_direct_write(parts: &[IoSlice<'_>]) -> bool {
    let mut total = 0;
    parts.iter().any(|part| {
        total += part.len();
        total >= DIRECT_WRITE_OF_PIECES
    })
}

/// Sends from the front of the kept bytes, as far as the kernel takes them.
#[inline(always)]
fn send_front<C: Conduit>(conduit: &C, backlog: &mut Backlog) -> io::Result<()> {
    if let Some(piece) = backlog.only_piece() {
        let sent = attempt(|| conduit.send(piece))?;
        count_sent(sent);
        backlog.advance(sent);
        return Ok(());
    }
    backlog.send_pieces(|pieces| attempt(|| conduit.send_vectored(pieces)).inspect(|&sent| count_sent(sent)))
}

/// Sends, and tries again while the call is interrupted. Returns zero if the kernel takes nothing now.
#[inline(always)]
fn attempt(send: impl Fn() -> io::Result<usize>) -> io::Result<usize> {
    send().or_else(|error| attempt_again(error, &send))
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
