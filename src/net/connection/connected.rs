//! A connection that has no transport yet: what was accepted, or what connecting made.

use std::fmt;
use std::io;
use std::rc::Rc;

use crate::event_loop::LoopHandle;
use crate::interface::{Address, Protocol, Transport};
use crate::net::connection::{Clients, Conduit, ConduitTransport, Made, Names, Watch, Ways, until_made};

/// A connection that has no transport yet. A [`Network`](crate::network::Network) makes it of a [`Conduit`].
///
/// It knows how to open a transport that is compiled in one piece with its conduit, so that nothing on the way from a
/// socket to a protocol has to look for the right kind of `recv`.
pub struct Connected {
    /// The descriptor is watched already. First, so that the selector lets go of it before it is closed.
    watch: Option<Watch>,
    conduit: Rc<dyn Open>,
    names: Names,
}

/// What a connection has become: its transport, and who is told when its protocol knows of it.
pub(crate) struct Opened {
    pub(crate) transport: Rc<dyn Transport>,
    made: Made,
}

impl Opened {
    /// The transport, when the protocol knows of the connection. See [`until_made`].
    pub(crate) async fn until_made(self) -> io::Result<Rc<dyn Transport>> {
        until_made(&self.made, || self.transport.abort()).await?;
        Ok(self.transport)
    }

    /// The transport at once. The protocol knows of the connection in the next turn.
    pub(crate) fn into_transport(self) -> Rc<dyn Transport> {
        self.transport
    }
}

impl Connected {
    /// A connection without names.
    pub fn new(conduit: impl Conduit) -> Self {
        Connected { watch: None, conduit: Rc::new(conduit), names: Names::default() }
    }

    /// The names of the peer and of our end. The latter is shared, since the connections of one listener mostly have
    /// one and the same.
    pub fn with_names(mut self, peer: Option<Address>, local: Option<Rc<Address>>) -> Self {
        self.names = Names { peer, local };
        self
    }

    /// The transport takes over a watch that there is already, which saves the selector a registration.
    pub(crate) fn with_watch(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    pub(crate) fn peername(&self) -> Option<&Address> {
        self.names.peer.as_ref()
    }

    /// Opens a transport. `connection_made` comes in the next turn; reading starts after it. If it is the connection of a
    /// server, that counts it among its `clients`.
    ///
    /// # Errors
    ///
    /// If the selector refuses the descriptor. The connection is closed then.
    pub(crate) fn open(
        self,
        event_loop: &LoopHandle,
        protocol: Rc<dyn Protocol>,
        clients: Option<&Rc<Clients>>,
    ) -> io::Result<Opened> {
        self.conduit.open(event_loop, self.names, self.watch, protocol, clients)
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected").field("peer", &self.names.peer).field("local", &self.names.local).finish()
    }
}

/// Every conduit opens the transport of its kind.
trait Open {
    fn open(
        self: Rc<Self>,
        event_loop: &LoopHandle,
        names: Names,
        watch: Option<Watch>,
        protocol: Rc<dyn Protocol>,
        clients: Option<&Rc<Clients>>,
    ) -> io::Result<Opened>;
}

impl<C: Conduit> Open for C {
    fn open(
        self: Rc<Self>,
        event_loop: &LoopHandle,
        names: Names,
        watch: Option<Watch>,
        protocol: Rc<dyn Protocol>,
        clients: Option<&Rc<Clients>>,
    ) -> io::Result<Opened> {
        let ways = self.ways();
        let (transport, made) = ConduitTransport::open(event_loop, self, names, watch, protocol)?;
        let opened = Opened { transport: transport.clone(), made };
        let counters = &event_loop.core().counters;
        if let Some(clients) = clients {
            transport.attach(clients.add(&opened.transport));
            counters.connections_accepted.add(1);
        } else if ways == Ways::Both {
            counters.connections_made.add(1);
        }
        Ok(opened)
    }
}
