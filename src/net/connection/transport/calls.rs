//! Calls of the protocol. If one panics, the protocol loses its connection, and nothing else is harmed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ConduitTransport;
use crate::errors::{ConnectionError, protocol_panicked};
use crate::event_loop::Incident;
use crate::executor::Payload;
use crate::net::connection::Conduit;
use crate::transports::{Ending, Guard};

impl<C: Conduit + 'static> ConduitTransport<C> {
    /// Calls the protocol where a panic must not go further: because the call may come from inside an innocent
    /// caller's write (another connection's protocol in a proxy), or because there is more to do after the call.
    ///
    /// # Errors
    ///
    /// If the protocol panicked. The panic has been reported, and the connection is lost.
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

    /// Loses the connection if the protocol's method that is being called panics; the turn reports the panic. The
    /// guard costs nothing on the path from the socket to the protocol.
    #[inline(always)]
    pub(super) fn on_panic(&self, method: &'static str) -> Guard<impl Fn() + Copy> {
        Guard::new(move || self.lose_by_panic(method))
    }

    #[cold]
    #[inline(never)]
    fn lose_by_panic(&self, method: &'static str) {
        self.lose(Ending::Panicked(protocol_panicked(method)));
    }
}
