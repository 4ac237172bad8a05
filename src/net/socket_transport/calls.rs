//! Calls of the protocol, which may panic: it loses its connection then, and nobody else is harmed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Ending, SocketTransport};
use crate::errors::{ConnectionError, protocol_panicked};
use crate::event_loop::Incident;
use crate::executor::Payload;
use crate::net::conduit::Conduit;

impl<C: Conduit + 'static> SocketTransport<C> {
    /// Calls the protocol where the panic must end here: because the call may come from inside a write of somebody
    /// who has done nothing wrong (another connection's protocol in a proxy), or because there is more to do after it.
    ///
    /// # Errors
    ///
    /// If the protocol panicked. It is reported, and the connection is lost.
    pub(super) fn call_protocol(&self, method: &'static str, call: impl FnOnce()) -> Result<(), ConnectionError> {
        catch_unwind(AssertUnwindSafe(call)).map_err(|payload| self.protocol_panicked(method, &payload))
    }

    #[cold]
    fn protocol_panicked(&self, method: &'static str, payload: &Payload) -> ConnectionError {
        let incident = Incident::of_protocol(payload, self);
        self.event_loop.core().report(&incident.with_peer(self.names.peer.clone()));
        let error = protocol_panicked(method);
        self.lose(Ending::Panicked(error.clone()));
        error
    }

    #[cold]
    #[inline(never)]
    fn lose_by_panic(&self, method: &'static str) {
        self.lose(Ending::Panicked(protocol_panicked(method)));
    }
}

/// Loses the connection if the protocol's method that is being called panics; the turn reports the panic. It costs
/// nothing on the way from the socket to the protocol.
pub(super) struct OnPanic<'a, C: Conduit + 'static> {
    transport: &'a SocketTransport<C>,
    method: &'static str,
}

impl<'a, C: Conduit + 'static> OnPanic<'a, C> {
    #[inline]
    pub(super) fn new(transport: &'a SocketTransport<C>, method: &'static str) -> Self {
        OnPanic { transport, method }
    }

    #[inline]
    pub(super) fn disarm(self) {
        std::mem::forget(self);
    }
}

impl<C: Conduit + 'static> Drop for OnPanic<'_, C> {
    // Inlined, so that the guard itself is nowhere in memory.
    #[inline(always)]
    fn drop(&mut self) {
        self.transport.lose_by_panic(self.method);
    }
}
