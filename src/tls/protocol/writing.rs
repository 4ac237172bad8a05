//! From the application to the wire. The bytes that a step writes are gathered, and encrypted when the step ends, into
//! as few records as possible. While the transport below is full, they are kept unencrypted.

use std::io::IoSlice;

use super::{Phase, TlsProtocol};
use crate::constants::tls::SEAL_PIECE;
use crate::constants::{DEFAULT_HIGH_WATER, DIRECT_WRITE};
use crate::event_loop::Unsent;
use crate::transports::{AfterWrite, FlowChange, FlowControl};

impl TlsProtocol {
    #[inline]
    pub(in crate::tls) fn write(&self, data: &[u8]) {
        if !self.accepts_writes() {
            return;
        }
        if data.len() >= DIRECT_WRITE && self.gathering.is_empty() {
            self.write_straight(data);
        } else if !data.is_empty() {
            self.gather(data);
            self.grew();
        }
    }

    pub(in crate::tls) fn writelines(&self, parts: &[IoSlice<'_>]) {
        if !self.accepts_writes() {
            return;
        }
        let before = self.gathering.len();
        parts.iter().filter(|part| !part.is_empty()).for_each(|part| self.gather(part));
        if self.gathering.len() > before {
            self.grew();
        }
    }

    /// Keeps bytes until they are encrypted. There must be at least one.
    #[inline]
    fn gather(&self, data: &[u8]) {
        self.gathering.push(data, &self.event_loop.core().buffers);
    }

    fn accepts_writes(&self) -> bool {
        let open = self.phase.get() == Phase::Open && !self.is_below_closing();
        if !open {
            self.gathering.flow().write_was_lost(self);
        }
        open
    }

    /// Bytes were gathered. They are encrypted when the step ends, or now if there are many.
    fn grew(&self) {
        match self.gathering.grew(self.level(), !self.below_paused.get()) {
            AfterWrite::Nothing => {}
            AfterWrite::Enlist => self.event_loop.core().enlist(&self.this),
            AfterWrite::SendNow => self.flush(),
            AfterWrite::Tell(change) => self.tell(change),
        }
    }

    /// Encrypts a large write without copying it first. Bytes that the transport below does not want now are kept.
    fn write_straight(&self, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() && self.wants_sealed() {
            let (piece, behind) = rest.split_at(rest.len().min(SEAL_PIECE));
            self.session.borrow_mut().write(piece);
            self.send_sealed();
            rest = behind;
        }
        if !rest.is_empty() && !self.is_below_closing() {
            self.gather(rest);
        }
        self.signal();
    }

    /// Encrypts and sends the gathered bytes, as long as the transport below wants more.
    pub(super) fn flush(&self) {
        self.seal_gathered();
        self.signal();
        if self.phase.get() == Phase::Flushing && self.gathering.is_empty() {
            self.notify();
        }
    }

    /// Like [`flush`](TlsProtocol::flush), but tells the application nothing.
    pub(super) fn seal_gathered(&self) {
        while self.wants_sealed() {
            let Some(mut backlog) = self.gathering.take() else { return };
            let front = backlog.front();
            let piece = &front[..front.len().min(SEAL_PIECE)];
            self.session.borrow_mut().write(piece);
            let sealed = piece.len();
            backlog.advance(sealed);
            self.gathering.put_back(backlog, &self.event_loop.core().buffers);
            self.send_sealed();
        }
    }

    /// Whether the transport below wants more. While it is full, bytes are kept unencrypted, so that they can still be
    /// joined into fewer records.
    fn wants_sealed(&self) -> bool {
        !self.below_paused.get() && !self.is_below_closing()
    }

    /// Hands the engine's output to the transport below.
    #[inline]
    pub(super) fn send_sealed(&self) {
        if self.session.borrow().has_output() {
            self.put_out();
        }
    }

    fn put_out(&self) {
        let Some(below) = self.below() else { return };
        let mut loan = self.event_loop.core().buffers.lend();
        loop {
            let n = self.session.borrow_mut().put_out(&mut loan.memory);
            below.write(&loan.memory[..n]);
            if n < loan.memory.len() {
                break;
            }
        }
    }

    /// Tells the application's protocol to pause or to resume, if that has changed.
    fn signal(&self) {
        if let Some(change) = self.gathering.flow().changed(self.level()) {
            self.tell(change);
        }
    }

    /// How many bytes are waiting in front of the next one. The buffer of the transport below counts only while that
    /// transport is full, since only then does it tell us when the buffer has shrunk.
    fn level(&self) -> usize {
        let below = self.below().filter(|_| self.below_paused.get());
        self.gathering.len() + below.map_or(0, |below| below.get_write_buffer_size())
    }

    #[cold]
    fn tell(&self, change: FlowChange) {
        if let Some(above) = self.above.informed() {
            let (name, method) = change.method();
            self.guarded(name, || method(&*above));
        }
    }

    /// How many bytes the kernel has not taken yet, including those of the transport below.
    pub(in crate::tls) fn unsent(&self) -> usize {
        self.gathering.len() + self.below().map_or(0, |below| below.get_write_buffer_size())
    }

    pub(in crate::tls) fn limits(&self) -> (usize, usize) {
        self.gathering.flow().limits()
    }

    /// Sets our marks. Marks that are lower than those of the transport below are set there, too; otherwise it would
    /// buffer more than was asked for.
    #[track_caller]
    pub(in crate::tls) fn set_limits(&self, high: Option<usize>, low: Option<usize>) {
        self.gathering.flow().set_limits(high, low);
        if let Some(below) = self.below() {
            let (own_low, own_high) = self.gathering.flow().limits();
            let (low, high) = FlowControl::<DEFAULT_HIGH_WATER>::new().limits();
            below.set_write_buffer_limits(Some(own_high.min(high)), Some(own_low.min(low)));
        }
        // As on other transports, new marks can cause a pause at once, but a resume only after the next send.
        if let Some(change) = self.gathering.flow().grew(self.level()) {
            self.tell(change);
        }
    }

    pub(in crate::tls) fn is_writing_paused(&self) -> bool {
        self.gathering.flow().is_paused()
    }

    /// See [`Transport::pause_until_sent`](crate::Transport::pause_until_sent). Bytes kept here are sent when the step
    /// ends, or when the transport below resumes, which it now does only when all of its bytes are sent.
    pub(in crate::tls) fn pause_until_sent(&self) -> bool {
        let refused_below = self.below().is_some_and(|below| below.pause_until_sent());
        if !refused_below && !self.below_paused.get() {
            return false;
        }
        if let Some(change) = self.gathering.flow().pause_until_sent() {
            self.tell(change);
        }
        true
    }

    /// When TLS starts in the middle of a connection, the transport below may have told its protocol to pause, and that
    /// protocol is above us now. So we will tell it to resume.
    pub(in crate::tls) fn take_over_pause(&self) {
        if self.below().is_some_and(|below| below.is_writing_paused()) {
            self.below_paused.set(true);
            // The protocol above already knows of the pause.
            let _ = self.gathering.flow().grew(usize::MAX);
        }
    }
}

impl Unsent for TlsProtocol {
    fn send_gathered(&self) {
        self.gathering.leave_step();
        if matches!(self.phase.get(), Phase::Open | Phase::Flushing) {
            self.flush();
        }
    }
}
