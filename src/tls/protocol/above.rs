//! The application's protocol: what it has been told, and the calls to it, which may panic.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::TlsProtocol;
use crate::errors::protocol_panicked;
use crate::event_loop::Incident;
use crate::interface::Protocol;
use crate::transports::Guard;

/// The protocol above TLS, and how much it knows about its connection.
pub(super) struct Above {
    /// `None` once the connection is lost, which cuts the cycle between the protocol and its transport.
    protocol: RefCell<Option<Rc<dyn Protocol>>>,
    told: Cell<Told>,
}

/// What the application's protocol was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tls) enum Told {
    /// Nothing yet. If the handshake fails, the protocol never learns of the connection.
    Nothing,
    /// `connection_made`: by this layer or, if TLS starts in the middle of a connection, before it. So the protocol
    /// will be told `connection_lost`.
    Made,
    /// `connection_closing`, which is told only once.
    Closing,
}

impl Above {
    pub(super) fn new(protocol: Rc<dyn Protocol>, told: Told) -> Self {
        Above { protocol: RefCell::new(Some(protocol)), told: Cell::new(told) }
    }

    pub(super) fn protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.protocol.borrow().clone()
    }

    /// The protocol, if it knows of its connection.
    pub(super) fn informed(&self) -> Option<Rc<dyn Protocol>> {
        if self.told.get() == Told::Nothing { None } else { self.protocol() }
    }

    pub(super) fn replace(&self, protocol: Rc<dyn Protocol>) {
        let earlier = self.protocol.replace(Some(protocol));
        drop(earlier);
    }

    /// Lets go of the protocol. Returns it if it knows of its connection, and so has to be told that the connection is
    /// lost.
    pub(super) fn let_go(&self) -> Option<Rc<dyn Protocol>> {
        let protocol = self.protocol.take();
        protocol.filter(|_| self.told.get() != Told::Nothing)
    }

    /// If the protocol was told `from` last, notes that it is now told `to`, and returns the protocol so that the
    /// caller can tell it.
    fn advance(&self, from: Told, to: Told) -> Option<Rc<dyn Protocol>> {
        if self.told.get() != from {
            return None;
        }
        self.told.set(to);
        self.protocol()
    }
}

impl TlsProtocol {
    /// Calls the application. If the call panics, the connection is lost; the turn reports the panic.
    pub(super) fn guarded<R>(&self, method: &'static str, call: impl FnOnce() -> R) -> R {
        let on_panic = Guard::new(|| self.break_off(protocol_panicked(method)));
        let answer = call();
        on_panic.disarm();
        answer
    }

    /// Tells the protocol `connection_made`, unless it already knows of the connection.
    pub(super) fn tell_made(&self) {
        if let Some(above) = self.above.advance(Told::Nothing, Told::Made) {
            self.guarded("connection_made", || above.connection_made(self.transport()));
        }
    }

    /// Tells the protocol once, if it knows of the connection, that its transport is closing, and why. A panic of the
    /// protocol is reported here and goes no further, since the caller may be application code that only closed the
    /// transport.
    pub(super) fn tell_closing(&self) {
        let Some(above) = self.above.advance(Told::Made, Told::Closing) else { return };
        let tell = || self.guarded("connection_closing", || above.connection_closing(self.failure()));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(tell)) {
            self.event_loop.core().report(&Incident::of_protocol(&payload, self));
        }
    }
}
