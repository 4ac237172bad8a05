//! TLS as the transport below sees it: a protocol. The application gets a transport of its own when the handshake is
//! done.
//!
//! ```text
//!                1           2              3              4           5
//!  Handshaking ────► Open ──────► Flushing ────► Notified ────► Ending ────► Lost
//!       │             │              │               │            ▲
//!       └─────────────┴──────────────┴───────────────┴────────────┘
//!                                6
//! ```
//!
//! 1 `opened`, at the end of the handshake, calls `connection_made`; 2 `close`, by the application or because the peer
//! has ended the session; 3 `notify`, when the last byte is encrypted, sends our close_notify; 4 `end`, when the peer
//! has ended the session or the connection; 5 `connection_lost`, from the transport below; 6 `fail` and `abort`, on an
//! error, a timeout, or a panic of the application's protocol.
//!
//! Neither neighbor is called while the session is borrowed. The session is borrowed to encrypt or to decrypt, into
//! memory that is ready; after the borrow has ended, the protocol above or the transport below is called.

// This file has the states, the handshake and the end; `reading` and `writing` the two directions; `above` what
// the application's protocol was told, and what happens if it panics.

mod above;
mod reading;
mod writing;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use super::below::Below;
use super::session::{Intake, TlsSession};
use super::session_factory::{Policy, SessionFactory};
use super::{TlsError, TlsErrorKind};
use crate::constants::tls::HIGH_WATER;
use crate::errors::ConnectionError;
use crate::event_loop::{LoopHandle, TimerHandle};
use crate::interface::{AfterEof, BufferedProtocol, Protocol, ReceiveBuffer, Transport};
use crate::net::{Made, traced};
use crate::transports::Gathering;
use above::Above;
pub(super) use above::Told;

pub(crate) struct TlsProtocol {
    this: Weak<TlsProtocol>,
    event_loop: LoopHandle,
    session: RefCell<TlsSession>,
    policy: Policy,
    below: Rc<Below>,
    /// The transport that the application gets.
    transport: Rc<dyn Transport>,
    above: Above,
    phase: Cell<Phase>,
    /// Set when the handshake is done and `connection_made` has returned, or with the reason why that never happens.
    made: Made,
    /// Received, and not yet decrypted.
    incoming: Cell<ReceiveBuffer>,
    /// Written, and not yet encrypted.
    gathering: Gathering<HIGH_WATER>,
    input: Cell<Input>,
    /// The transport below has told us to pause writing, and not yet to resume. Noted here, since not every transport
    /// can be asked.
    below_paused: Cell<bool>,
    /// Bounds the handshake, then the shutdown.
    timer: Cell<Option<TimerHandle>>,
    /// Why the connection ends: the fault that TLS found, or else the failed send of the transport below.
    failure: Cell<Option<ConnectionError>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The application's protocol waits for `connection_made`. A timer runs.
    Handshaking,
    /// Plaintext goes both ways.
    Open,
    /// Nothing is delivered or accepted any more. What was written before is still encrypted and sent. A timer runs.
    Flushing,
    /// Our close_notify was sent, and we wait for the peer's. A timer runs.
    Notified,
    /// The transport below was told to close, and will say when the connection is lost. The timer may still run, in
    /// case the peer does not receive the remaining bytes.
    Ending,
    /// The transport below has said that the connection is lost.
    Lost,
}

/// Whether the application or the peer has stopped the incoming bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Neither has. Bytes are received, decrypted and delivered.
    Flowing,
    /// The application paused reading, which is possible while the phase is `Open`. The transport below is paused too.
    Paused,
    /// The peer has ended its side of the connection, so its close_notify can no longer come.
    Ended,
}

impl TlsProtocol {
    /// A protocol for the transport below. `told` says whether `above` knows of its connection, as it may if TLS starts
    /// in the middle of one. `transport` makes the transport that the application gets.
    pub(super) fn new(
        event_loop: &LoopHandle,
        sessions: &SessionFactory,
        above: Rc<dyn Protocol>,
        told: Told,
        transport: impl FnOnce(Weak<TlsProtocol>, Rc<Below>) -> Rc<dyn Transport>,
    ) -> io::Result<Rc<TlsProtocol>> {
        let session = sessions.session()?;
        let below = Rc::new(Below::default());
        Ok(Rc::new_cyclic(|this| TlsProtocol {
            this: this.clone(),
            event_loop: event_loop.clone(),
            session: RefCell::new(session),
            policy: sessions.policy,
            transport: transport(this.clone(), Rc::clone(&below)),
            below,
            above: Above::new(traced(event_loop, above), told),
            phase: Cell::new(Phase::Handshaking),
            made: Made::new(),
            incoming: Cell::default(),
            gathering: Gathering::new(),
            input: Cell::new(Input::Flowing),
            below_paused: Cell::new(false),
            timer: Cell::new(None),
            failure: Cell::new(None),
        }))
    }

    /// The transport that the application gets.
    pub(super) fn transport(&self) -> Rc<dyn Transport> {
        Rc::clone(&self.transport)
    }

    pub(super) fn made(&self) -> Made {
        self.made.clone()
    }

    pub(super) fn above(&self) -> Option<Rc<dyn Protocol>> {
        self.above.protocol()
    }

    pub(super) fn set_above(&self, protocol: Rc<dyn Protocol>) {
        if self.phase.get() != Phase::Lost {
            self.above.replace(traced(&self.event_loop, protocol));
        }
    }

    fn below(&self) -> Option<&Rc<dyn Transport>> {
        self.below.transport()
    }

    fn failure(&self) -> Option<ConnectionError> {
        let failure = self.failure.take();
        self.failure.set(failure.clone());
        failure
    }

    /// The transport below may already be closing, and tell us only later.
    pub(super) fn is_closing(&self) -> bool {
        !matches!(self.phase.get(), Phase::Handshaking | Phase::Open) || self.is_below_closing()
    }

    fn is_below_closing(&self) -> bool {
        self.below().is_some_and(|below| below.is_closing())
    }

    /// Starts the handshake over the transport below. The bytes in `early` were received before.
    pub(super) fn begin(&self, below: Rc<dyn Transport>, early: &[u8]) {
        self.below.set_transport(below);
        self.take_over_pause();
        let limit = self.policy.handshake_timeout;
        self.arm(limit, move |tls| {
            if tls.phase.get() == Phase::Handshaking {
                tls.break_off(TlsError::from(TlsErrorKind::HandshakeTimedOut(limit)).into());
            }
        });
        let mut incoming = self.incoming.take();
        incoming.extend_from_slice(early);
        self.incoming.set(incoming);
        self.shake_hands();
    }

    /// Continues the handshake as far as the received bytes allow.
    fn shake_hands(&self) {
        match self.take_in() {
            Intake::Failed => self.engine_failed(),
            // The end of the session may have come together with the last bytes of the handshake. It is delivered after
            // `connection_made`.
            _ if !self.session.borrow().is_handshaking() => self.opened(),
            Intake::Closed => self.fail(TlsErrorKind::ClosedInHandshake.into()),
            Intake::Plaintext | Intake::Nothing => self.give_back_incoming(),
        }
    }

    fn opened(&self) {
        self.phase.set(Phase::Open);
        self.disarm();
        self.below.set_info(self.session.borrow().info());
        self.tell_made();
        if self.is_below_closing() {
            self.tell_closing();
        }
        let _ = self.made.set(Ok(()));
        self.deliver();
    }

    /// Ends the session cleanly: sends the bytes written before, then our close_notify, then waits for the peer's.
    pub(super) fn close(&self) {
        match self.phase.get() {
            Phase::Handshaking => return self.abort(),
            Phase::Open => self.phase.set(Phase::Flushing),
            Phase::Flushing | Phase::Notified | Phase::Ending | Phase::Lost => return,
        }
        self.flush();
        // The timeout starts after this step: its bytes are offered to the kernel when it ends, and the kernel taking
        // them is not progress by the peer.
        self.event_loop.call_soon(self.callback(TlsProtocol::bound_shutdown));
        // From now on, unread bytes are thrown away, up to the peer's end of the session.
        self.deliver_soon();
        self.tell_closing();
    }

    /// Aborts the connection if the shutdown timeout passes without a byte being sent. If some were sent, the timeout
    /// starts again.
    fn bound_shutdown(&self) {
        if !matches!(self.phase.get(), Phase::Flushing | Phase::Notified) {
            return;
        }
        let (limit, unsent_before) = (self.policy.shutdown_timeout, self.unsent());
        self.arm(limit, move |tls| {
            if tls.unsent() < unsent_before {
                tls.bound_shutdown();
            } else {
                tls.break_off(TlsError::from(TlsErrorKind::ShutdownTimedOut(limit)).into());
            }
        });
    }

    /// Everything that was written is encrypted. Tells the peer that nothing follows.
    fn notify(&self) {
        self.phase.set(Phase::Notified);
        self.session.borrow_mut().send_close_notify();
        self.send_sealed();
        // If a send has failed, our close_notify cannot reach the peer, so it will not answer.
        if self.input.get() == Input::Ended || self.session.borrow().is_closed_by_peer() || self.is_below_closing() {
            self.end();
        }
    }

    /// Both sides have ended the session. The transport below sends what it has buffered, and closes.
    fn end(&self) {
        self.phase.set(Phase::Ending);
        if let Some(below) = self.below() {
            below.close();
        }
    }

    /// The session has failed. The bytes that the kernel takes now are still sent, since they may include an alert that
    /// tells the peer why.
    #[cold]
    fn fail(&self, error: TlsError) {
        if matches!(self.phase.get(), Phase::Ending | Phase::Lost) {
            return;
        }
        self.phase.set(Phase::Ending);
        self.failure.set(Some(error.into()));
        self.gathering.give_up();
        let Some(below) = self.below() else { return };
        below.close();
        if below.get_write_buffer_size() > 0 {
            below.abort();
        }
    }

    /// Ends the connection at once, with an error.
    #[cold]
    fn break_off(&self, error: ConnectionError) {
        if self.phase.get() != Phase::Lost {
            self.failure.set(Some(error));
            self.abort();
        }
    }

    /// Ends the connection at once. Of the bytes that this step wrote, those that the kernel takes now are still sent.
    /// All others are given up.
    pub(super) fn abort(&self) {
        if self.phase.get() != Phase::Lost {
            if self.phase.get() == Phase::Open {
                self.seal_gathered();
            }
            self.phase.set(Phase::Ending);
            if let Some(below) = self.below() {
                below.abort();
            }
            self.gathering.give_up();
        }
    }

    /// The transport below can send no more. It still receives, and so do we, until the session ends or an alert says
    /// why the peer has gone.
    #[cold]
    fn below_failed(&self, error: ConnectionError) {
        self.gathering.give_up();
        match self.phase.get() {
            Phase::Handshaking | Phase::Open => {
                self.failure.set(self.failure.take().or(Some(error)));
                // The transport receives the last bytes of the peer before this callback runs. If they are an alert,
                // the application is told the alert instead.
                self.event_loop.call_soon(self.callback(TlsProtocol::tell_closing));
            }
            // The application has closed, so it does not wait for bytes that the peer may still send.
            Phase::Flushing | Phase::Notified => self.end(),
            Phase::Ending | Phase::Lost => {}
        }
    }

    /// Starts a timer, in place of the one that may be running.
    fn arm(&self, limit: std::time::Duration, due: impl FnOnce(&TlsProtocol) + 'static) {
        self.disarm();
        let timer = self.event_loop.call_later(limit, self.callback(due));
        self.timer.set(Some(timer));
    }

    /// A callback for the loop. It does nothing if the connection is gone by then.
    fn callback(&self, act: impl FnOnce(&TlsProtocol) + 'static) -> impl FnOnce() + 'static {
        let this = self.this.clone();
        move || {
            if let Some(tls) = this.upgrade() {
                act(&tls);
            }
        }
    }

    fn disarm(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }
}

impl Protocol for TlsProtocol {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.begin(transport, &[]);
    }

    fn eof_received(&self) -> AfterEof {
        self.wire_ended();
        // This protocol closes the transport itself, when the session has ended.
        AfterEof::KeepOpen
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        let phase = self.phase.replace(Phase::Lost);
        self.disarm();
        let error = self.failure.take().or(error);
        self.gathering.give_up();
        drop(self.incoming.take());
        if !self.made.is_set() {
            let error = error.clone().unwrap_or_else(|| TlsError::from(TlsErrorKind::ClosedInHandshake).into());
            log::debug!("a TLS handshake failed: {error}; {:?}, it was {phase:?}", self.transport);
            let _ = self.made.set(Err(error));
        }
        if let Some(above) = self.above.let_go() {
            above.connection_lost(error);
        }
    }

    fn pause_writing(&self) {
        self.below_paused.set(true);
    }

    fn resume_writing(&self) {
        self.below_paused.set(false);
        self.flush();
    }

    fn connection_closing(&self, error: Option<ConnectionError>) {
        match error {
            Some(error) => self.below_failed(error),
            None => self.tell_closing(),
        }
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }

    fn transport_above(&self) -> Option<Rc<dyn Transport>> {
        Some(self.transport())
    }
}

impl fmt::Debug for TlsProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsProtocol")
            .field("phase", &self.phase.get())
            .field("unencrypted", &self.gathering.len())
            .field("input", &self.input.get())
            .field("below_paused", &self.below_paused.get())
            .finish_non_exhaustive()
    }
}
