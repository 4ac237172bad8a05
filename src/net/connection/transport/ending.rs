//! The end of a connection: the protocol is told, then the conduit is closed or left to linger.

use std::cell::Cell;
use std::rc::Rc;

use super::ConduitTransport;
use super::reading::Reading;
use super::writing::Writing;
use crate::net::connection::linger::Lingering;
use crate::net::connection::{Conduit, Ways};
use crate::reactor::Direction;
use crate::transports::{Ending, Phase};

/// How the conduit will be closed, as far as is known by now.
pub(super) struct Parting(Cell<Manner>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Nothing was written yet, so the peer has nothing to lose by a close.
    NothingWritten,
    /// Something was written. If all of it goes out before the end, the conduit lingers, so that the peer gets it.
    Lingering,
    /// The connection was aborted, or failed, with nothing unsent: it is closed at once.
    AtOnce,
    /// Bytes were given up. The peer must not mistake what it received for the whole, so it gets a reset.
    Reset,
}

impl Parting {
    pub(super) fn new() -> Parting {
        Parting(Cell::new(Manner::NothingWritten))
    }

    /// Something was written. Not called once the end has come.
    #[inline]
    pub(super) fn written(&self) {
        self.0.set(Manner::Lingering);
    }

    pub(super) fn bytes_given_up(&self) {
        self.0.set(Manner::Reset);
    }
}

impl<C: Conduit + 'static> ConduitTransport<C> {
    /// The connection ends now: nothing is sent or received any more, and the protocol is told in a later turn.
    pub(super) fn lose(&self, ending: Ending) {
        let in_order = matches!(ending, Ending::Closed);
        let Some(earlier) = self.life.begin_losing(ending) else { return };
        self.update_read_interest();
        self.registration.unwant(Direction::Write);
        self.send_last();
        self.give_up_outgoing();
        if !in_order && self.parting.0.get() != Manner::Reset {
            self.parting.0.set(Manner::AtOnce);
        }
        if earlier == Phase::Open {
            self.tell_closing();
        }
        // Queued here, so that whatever that call has scheduled comes before the end.
        if let Some(transport) = self.this.upgrade() {
            self.event_loop.call_soon(move || transport.deliver_lost());
        }
    }

    /// The connection is no longer open: tells the protocol, unless `connection_made` is still to come, which has to
    /// be first.
    pub(super) fn tell_closing(&self) {
        if matches!(self.reading.get(), Reading::NotYet | Reading::NotYetPaused) {
            return;
        }
        let Some(protocol) = self.life.protocol() else { return };
        let error = self.life.failure();
        // A panic has been reported, and has lost the connection.
        let _ = self.call_protocol("connection_closing", || protocol.connection_closing(error));
    }

    /// Tells the protocol, closes the conduit, ends the server's count of the connection, and lets go of the protocol:
    /// in this order, even if the protocol panics.
    fn deliver_lost(&self) {
        let (protocol, error) = self.life.end();
        if let Some(protocol) = &protocol {
            // A panic has been reported; there is nothing more to lose.
            let _ = self.call_protocol("connection_lost", || protocol.connection_lost(error));
        }
        self.close_conduit();
        // Last, since its destructor is user code.
        drop(protocol);
    }

    /// Closes the conduit, or leaves it to linger, so that late input does not cost the peer our last bytes. The
    /// server no longer counts the connection as connected.
    fn close_conduit(&self) {
        let Some(conduit) = self.take_conduit() else { return };
        let attachment = self.attachment.take();
        // A close may cost the peer our bytes if we sent some and the peer may still send: a closed socket would
        // answer with a reset. A pipe's peer has no reply to lose, and bytes that are left in a pipe may be for
        // another reader. If our side cannot be shut down, there is nothing to wait for either.
        let lingers = self.parting.0.get() == Manner::Lingering
            && self.peer_may_send()
            && (self.writing.get() == Writing::Ended || conduit.shutdown_write().is_ok());
        let source = if lingers {
            Lingering::begin(&self.event_loop, &self.registration, conduit, attachment)
        } else {
            self.event_loop.core().reactor.unwatch(&self.registration)
        };
        drop(source);
    }

    /// Takes the conduit out, to be closed. If bytes were given up, the close will be a reset.
    pub(super) fn take_conduit(&self) -> Option<Rc<C>> {
        let conduit = self.conduit.take()?;
        if self.ways == Ways::Both {
            self.event_loop.core().counters.connections_closed.add(1);
        }
        if self.parting.0.get() == Manner::Reset {
            conduit.reset_on_close();
        }
        Some(conduit)
    }

    /// Gives up the bytes that are still buffered. If there are any, the peer will get a reset.
    pub(super) fn give_up_outgoing(&self) {
        self.event_loop.core().trace_unsent(self, 0);
        if self.gathering.give_up() {
            self.parting.bytes_given_up();
        }
    }
}
