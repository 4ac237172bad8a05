//! Calls of the application's protocol, which may panic: it loses its connection then.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::TlsProtocol;
use crate::errors::{ConnectionError, protocol_panicked};
use crate::event_loop::Incident;
use crate::transports::Guard;

impl TlsProtocol {
    /// Calls the application. If it panics the connection is lost; the turn reports the panic.
    pub(super) fn guarded<R>(&self, method: &'static str, call: impl FnOnce() -> R) -> R {
        let on_panic = Guard::new(|| self.break_off(protocol_panicked(method)));
        let answer = call();
        on_panic.disarm();
        answer
    }

    /// The application's transport is closing, by an error of the transport below if one is given: the protocol is told,
    /// once, if it knows of the connection. What TLS itself found to be wrong says more. A panic ends here, since whoever
    /// closes may be somebody who has done nothing wrong.
    pub(super) fn tell_closing(&self, error_below: Option<ConnectionError>) {
        if !self.made.get() || self.closing_told.replace(true) {
            return;
        }
        let Some(above) = self.above() else { return };
        let failure = self.failure.take();
        self.failure.set(failure.clone());
        let error = failure.or(error_below);
        let tell = || self.guarded("connection_closing", || above.connection_closing(error));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(tell)) {
            self.event_loop.core().report(&Incident::of_protocol(&payload, self));
        }
    }
}
