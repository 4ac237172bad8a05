//! From the application to the wire: gathered in a step, encrypted at its end into as few records as will do, and kept
//! in plain while the transport below is full.

use std::io::IoSlice;

use super::{Phase, TlsProtocol};
use crate::constants::tls::SEAL_PIECE;
use crate::constants::{DEFAULT_HIGH_WATER, DIRECT_WRITE, GATHER_LIMIT};
use crate::event_loop::Unsent;
use crate::transports::{FlowControl, Signal};

impl TlsProtocol {
    #[inline]
    pub(in crate::tls) fn write(&self, data: &[u8]) {
        if !self.accepts_writes() {
            return;
        }
        if data.len() >= DIRECT_WRITE && self.outgoing.borrow().is_empty() {
            self.write_straight(data);
        } else if !data.is_empty() {
            let size = self.gather(data);
            self.grew(size);
        }
    }

    pub(in crate::tls) fn writelines(&self, parts: &[IoSlice<'_>]) {
        if !self.accepts_writes() {
            return;
        }
        let size = parts.iter().filter(|part| !part.is_empty()).fold(0, |_, part| self.gather(part));
        if size > 0 {
            self.grew(size);
        }
    }

    /// Keeps bytes, of which there must be some. Returns how many are kept then.
    #[inline]
    fn gather(&self, data: &[u8]) -> usize {
        self.outgoing.borrow_mut().push(data, || self.event_loop.core().buffers.take_backlog())
    }

    fn accepts_writes(&self) -> bool {
        let open = self.phase.get() == Phase::Open && !self.is_below_closing();
        if !open {
            self.lost_writes.count(self);
        }
        open
    }

    /// Bytes were gathered. They are encrypted when the step ends, or now if they are many.
    fn grew(&self, size: usize) {
        if self.below_paused.get() {
            return self.signal();
        }
        let most = GATHER_LIMIT.min(self.flow.high());
        if size > most {
            self.flush();
        } else if !self.enlisted.replace(true) {
            if let Some(this) = self.this.upgrade() {
                self.event_loop.core().enlist(this);
            }
        }
    }

    /// Encrypts a large write from where it lies; what the transport below does not want now is kept.
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

    /// Encrypts and sends what was gathered, as far as the transport below wants it.
    pub(super) fn flush(&self) {
        self.seal_gathered();
        self.signal();
        if self.phase.get() == Phase::Flushing && self.outgoing.borrow().is_empty() {
            self.notify();
        }
    }

    /// As [`flush`](TlsProtocol::flush), without a word to the application.
    pub(super) fn seal_gathered(&self) {
        while !self.outgoing.borrow().is_empty() && self.wants_sealed() {
            self.seal_piece();
            self.send_sealed();
        }
    }

    /// Whether the transport below wants more: while it is full, what is written is better kept in plain.
    fn wants_sealed(&self) -> bool {
        !self.below_paused.get() && !self.is_below_closing()
    }

    /// Encrypts some of what was gathered.
    fn seal_piece(&self) {
        let Some(mut backlog) = self.outgoing.borrow_mut().take() else { return };
        let front = backlog.front();
        let piece = &front[..front.len().min(SEAL_PIECE)];
        self.session.borrow_mut().write(piece);
        let sealed = piece.len();
        if backlog.only_piece().is_some_and(|all| all.len() == sealed) {
            backlog.clear();
        } else {
            backlog.advance(sealed);
        }
        if backlog.is_empty() {
            self.event_loop.core().buffers.give_backlog(backlog);
        } else {
            self.outgoing.borrow_mut().put_back(backlog);
        }
    }

    /// Hands what the engine has for the wire to the transport below.
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

    /// Tells the application's protocol to pause or to resume, if that is to be told.
    fn signal(&self) {
        let level = self.level();
        if let Some(signal) = self.flow.changed(level) {
            self.tell(signal);
        }
    }

    /// What stands in the way of the next byte. What the transport below has buffered counts only while it is full,
    /// for only then does it say when it has shrunk.
    fn level(&self) -> usize {
        let below = self.below().filter(|_| self.below_paused.get());
        self.outgoing.borrow().len() + below.map_or(0, |below| below.get_write_buffer_size())
    }

    #[cold]
    fn tell(&self, signal: Signal) {
        let Some(above) = self.above().filter(|_| self.made.get()) else { return };
        match signal {
            Signal::Pause => self.guarded("pause_writing", || above.pause_writing()),
            Signal::Resume => self.guarded("resume_writing", || above.resume_writing()),
        }
    }

    /// All that was written and that the kernel has not taken yet.
    pub(in crate::tls) fn unsent(&self) -> usize {
        self.outgoing.borrow().len() + self.below().map_or(0, |below| below.get_write_buffer_size())
    }

    pub(in crate::tls) fn limits(&self) -> (usize, usize) {
        self.flow.limits()
    }

    /// Sets our marks. Low ones go for the transport below too: else it would hold more than was asked for.
    #[track_caller]
    pub(in crate::tls) fn set_limits(&self, high: Option<usize>, low: Option<usize>) {
        self.flow.set_limits(high, low);
        if let Some(below) = self.below() {
            let (own_low, own_high) = self.flow.limits();
            let (low, high) = FlowControl::<DEFAULT_HIGH_WATER>::new().limits();
            below.set_write_buffer_limits(Some(own_high.min(high)), Some(own_low.min(low)));
        }
        // As on other transports only the pause is looked at: a resume waits for the next send.
        if let Some(signal) = self.flow.grew(self.level()) {
            self.tell(signal);
        }
    }

    /// TLS starts in the middle of a connection, over a transport that may have bytes buffered and may have told its
    /// protocol, the one above us, to pause. Finds out, so that whoever was told to pause will be told to resume.
    pub(in crate::tls) fn take_over_pause(&self) {
        let Some(below) = self.below() else { return };
        if below.get_write_buffer_size() == 0 {
            return;
        }
        // With a mark of 0 the transport has to pause, and tells us so, unless it has told before.
        let (low, high) = below.get_write_buffer_limits();
        below.set_write_buffer_limits(Some(0), Some(0));
        below.set_write_buffer_limits(Some(high), Some(low));
        let told_now = self.below_paused.replace(true);
        if !told_now {
            // The protocol above was told before: only our own account of it is to be put right.
            let _ = self.flow.grew(usize::MAX);
        }
    }
}

impl Unsent for TlsProtocol {
    fn send_gathered(&self) {
        self.enlisted.set(false);
        if matches!(self.phase.get(), Phase::Open | Phase::Flushing) {
            self.flush();
        }
    }
}
