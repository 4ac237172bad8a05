//! From the wire to the application: bytes are decrypted as they arrive, unless the application has paused reading.
//!
//! The selector reports no event for bytes that are received but not decrypted. So if the application pauses while
//! there are some, `resume_reading` schedules `deliver` again.

use super::{Input, Phase, TlsProtocol};
use crate::errors::buffer_without_room;
use crate::event_loop::Incident;
use crate::interface::{BufferedProtocol, ReceiveBuffer};
use crate::tls::TlsErrorKind;
use crate::tls::session::Intake;

impl BufferedProtocol for TlsProtocol {
    fn get_buffer(&self) -> ReceiveBuffer {
        let incoming = self.incoming.take();
        if incoming.capacity() == 0 {
            return self.event_loop.core().buffers.take(true);
        }
        let mut incoming = incoming;
        if incoming.room().is_empty() {
            incoming.reserve(incoming.capacity());
        }
        incoming
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, _received: usize) {
        self.incoming.set(buffer);
        match self.phase.get() {
            Phase::Handshaking => self.shake_hands(),
            _ => self.deliver(),
        }
    }
}

impl TlsProtocol {
    pub(in crate::tls) fn pause_reading(&self) {
        if self.phase.get() != Phase::Open {
            return;
        }
        self.input.set(Input::Paused);
        if let Some(below) = self.below() {
            below.pause_reading();
        }
    }

    pub(in crate::tls) fn resume_reading(&self) {
        if self.is_reading_paused() {
            self.input.set(Input::Flowing);
            self.deliver_soon();
        }
    }

    pub(in crate::tls) fn is_reading(&self) -> bool {
        self.phase.get() == Phase::Open && self.input.get() != Input::Paused
    }

    fn is_reading_paused(&self) -> bool {
        self.phase.get() == Phase::Open && self.input.get() == Input::Paused
    }

    /// Delivers in a later turn, since the application must not be called from inside its own call.
    pub(super) fn deliver_soon(&self) {
        self.event_loop.call_soon(self.callback(TlsProtocol::deliver));
    }

    /// Decrypts and delivers the received bytes, until they are used up or the application pauses. After a close, they
    /// are thrown away.
    pub(super) fn deliver(&self) {
        loop {
            let next = match self.phase.get() {
                Phase::Open if self.is_reading_paused() => return,
                Phase::Open => match self.take_in() {
                    Intake::Plaintext => self.hand_up(),
                    next => next,
                },
                Phase::Flushing | Phase::Notified => self.throw_away_plaintext(),
                Phase::Handshaking | Phase::Ending | Phase::Lost => return self.throw_away_incoming(),
            };
            match next {
                Intake::Plaintext => {}
                Intake::Closed => return self.peer_closed(),
                Intake::Nothing => break,
                Intake::Failed => return self.engine_failed(),
            }
        }
        self.give_back_incoming();
        if let Some(below) = self.below().filter(|_| !self.is_reading_paused()) {
            below.resume_reading();
        }
    }

    /// Gives decrypted bytes to the application: all there are, or as many as fit into its buffer. Returns what comes
    /// next.
    fn hand_up(&self) -> Intake {
        let Some(above) = self.above() else { return Intake::Nothing };
        let (n, next) = match above.buffered() {
            Some(buffered) => self.hand_up_buffered(buffered),
            None => {
                let mut buffer = self.event_loop.core().buffers.take(true);
                let (n, next) = self.read(buffer.room());
                buffer.advance(n);
                self.guarded("data_received", || above.data_received(buffer.filled()));
                buffer.consume(n);
                self.event_loop.core().buffers.give(buffer);
                (n, next)
            }
        };
        match next {
            Intake::Nothing => next,
            // The application may have paused or closed in this call. `deliver` will find the end or the fault again.
            _ if n > 0 => Intake::Plaintext,
            _ => next,
        }
    }

    fn hand_up_buffered(&self, buffered: &dyn BufferedProtocol) -> (usize, Intake) {
        let mut buffer = self.guarded("get_buffer", || buffered.get_buffer());
        let has_room = !buffer.room().is_empty();
        // The application may have closed or paused in that call.
        let (n, next) = if self.is_reading() { self.read(buffer.room()) } else { (0, Intake::Plaintext) };
        buffer.advance(n);
        self.guarded("buffer_updated", || buffered.buffer_updated(buffer, n));
        if !has_room {
            self.refuse_buffer();
        }
        (n, next)
    }

    #[cold]
    fn refuse_buffer(&self) {
        let error = buffer_without_room();
        let incident = Incident::new("A protocol failed").with_error(error.clone()).with_source(self);
        self.break_off(error);
        self.event_loop.core().report(&incident);
    }

    fn throw_away_plaintext(&self) -> Intake {
        let mut loan = self.event_loop.core().buffers.lend();
        self.read(&mut loan.memory).1
    }

    /// The peer has ended the session, and all bytes that it sent before were delivered.
    fn peer_closed(&self) {
        self.throw_away_incoming();
        match self.phase.get() {
            Phase::Open => {
                if let Some(above) = self.above() {
                    // The answer does not matter, since one side of a TLS session cannot stay open alone.
                    self.guarded("eof_received", || above.eof_received());
                }
                self.close();
            }
            Phase::Notified => self.end(),
            _ => {}
        }
    }

    /// The peer has ended its side of the connection. All bytes before that were decrypted and delivered: while the
    /// application pauses, the transport below pauses too, and sees no end.
    pub(super) fn wire_ended(&self) {
        self.input.set(Input::Ended);
        match self.phase.get() {
            Phase::Open if self.policy.accept_truncation => self.peer_closed(),
            // A send had failed before, and the application gets that error. The peer cannot be blamed for an end
            // without close_notify.
            Phase::Handshaking | Phase::Open if self.is_below_closing() => self.end(),
            Phase::Handshaking => self.fail(TlsErrorKind::ClosedInHandshake.into()),
            Phase::Open => self.fail(TlsErrorKind::Truncated.into()),
            // The application has closed, so it loses nothing if the peer ends without close_notify.
            Phase::Notified => self.end(),
            Phase::Flushing | Phase::Ending | Phase::Lost => {}
        }
    }
}

/// Decrypting. No user code is called while the session is borrowed.
impl TlsProtocol {
    /// Continues the handshake, or finds out what comes next.
    #[inline]
    pub(super) fn take_in(&self) -> Intake {
        let mut incoming = self.incoming.take();
        let next = self.session.borrow_mut().take_in(&mut incoming);
        self.incoming.set(incoming);
        // The engine may have output of its own: its part of the handshake, a new key, or an alert.
        self.send_sealed();
        next
    }

    /// Decrypts into `into`, until it is full. Returns how many bytes were decrypted, and what comes next.
    #[inline]
    fn read(&self, into: &mut [u8]) -> (usize, Intake) {
        let mut incoming = self.incoming.take();
        let read = self.session.borrow_mut().read(&mut incoming, into);
        self.incoming.set(incoming);
        self.send_sealed();
        read
    }

    /// The engine has found a fault in the received bytes.
    #[cold]
    pub(super) fn engine_failed(&self) {
        let failure = self.session.borrow().failure();
        if let Some(error) = failure {
            self.fail(error.into());
        }
    }

    /// Gives the buffer back if it is empty: an idle connection has none.
    pub(super) fn give_back_incoming(&self) {
        let incoming = self.incoming.take();
        if !incoming.is_empty() {
            self.incoming.set(incoming);
        } else if incoming.capacity() > 0 {
            self.event_loop.core().buffers.give(incoming);
        }
    }

    fn throw_away_incoming(&self) {
        let mut incoming = self.incoming.take();
        incoming.consume(incoming.len());
        self.incoming.set(incoming);
        self.give_back_incoming();
    }
}
