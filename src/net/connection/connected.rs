//! A connection that has no transport yet, made by accepting or by connecting.

use std::fmt;
use std::io;
use std::rc::Rc;

use crate::event_loop::LoopHandle;
use crate::interface::{Address, Protocol, Transport};
use crate::net::connection::{Clients, Conduit, ConduitTransport, Made, Names, Watch, Ways, until_made};

/// A connection that has no transport yet. A [`Network`](crate::network::Network) makes one from a [`Conduit`].
///
/// It can open a transport that is compiled for its type of conduit, so that no `recv` on the path from a socket to a
/// protocol needs dynamic dispatch.
///
/// # Examples
///
/// A network in which every peer sends its own address, and then nothing more:
///
/// ```
/// use std::cell::RefCell;
/// use std::collections::VecDeque;
/// use std::io::{self, IoSlice, Read};
/// use std::os::fd::RawFd;
/// use std::rc::Rc;
///
/// use waterwheel::network::{Conduit, Connected, Network, Pending};
/// # use std::net::SocketAddr;
/// # use waterwheel::network::{Acceptor, BindOptions, DatagramConduit, DatagramOptions, Hints};
/// use waterwheel::{Address, EventLoop, LoopHandle, open_connection};
///
/// /// What a peer still has to say.
/// struct Speech(RefCell<VecDeque<u8>>);
///
/// impl Conduit for Speech {
///     fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
///         self.0.borrow_mut().read(into)
///     }
///     fn send(&self, data: &[u8]) -> io::Result<usize> {
///         Ok(data.len()) // The bytes are ignored.
///     }
///     fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
///         Ok(pieces.iter().map(|piece| piece.len()).sum())
///     }
///     fn shutdown_write(&self) -> io::Result<()> {
///         Ok(())
///     }
///     fn fd(&self) -> RawFd {
///         -1
///     }
///     fn is_unwatched(&self) -> bool {
///         true // An attempt never has to wait.
///     }
/// }
///
/// struct Speakers;
///
/// impl Network for Speakers {
///     fn connect<'a>(&'a self, _: &'a LoopHandle, to: &'a Address, _: &'a [SocketAddr]) -> Pending<'a, Connected> {
///         let speech = Speech(RefCell::new(to.to_string().into_bytes().into()));
///         Box::pin(async { Ok(Connected::new(speech).with_names(Some(to.clone()), None)) })
///     }
///     // ... and the same for names, listeners and datagrams ...
/// #     fn look_up<'a>(&'a self, _: &'a LoopHandle, _: &'a str, _: u16, _: Hints) -> Pending<'a, Vec<SocketAddr>> {
/// #         Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
/// #     }
/// #     fn bind<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
/// #         Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
/// #     }
/// #     fn open_datagrams<'a>(&'a self, _: &'a LoopHandle, _: DatagramOptions) -> Pending<'a, Rc<dyn DatagramConduit>> {
/// #         Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
/// #     }
/// }
///
/// let mut event_loop = EventLoop::builder().network(Rc::new(Speakers)).build()?;
/// event_loop.run(async {
///     let (mut reader, writer) = open_connection("192.0.2.1:7").await?;
///     assert_eq!(writer.peer_addr(), Some("192.0.2.1:7".parse().unwrap()));
///     assert_eq!(reader.read_to_end().await?, b"192.0.2.1:7");
///     io::Result::Ok(())
/// })?;
/// # Ok::<(), io::Error>(())
/// ```
pub struct Connected {
    /// A watch of the descriptor, if there is one already. It is the first field, so that the selector lets go of the
    /// descriptor before it is closed.
    watch: Option<Watch>,
    conduit: Rc<dyn Open>,
    names: Names,
}

/// A connection that was opened: its transport, and a promise that is set when its protocol knows of it.
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

    /// Sets the names of the peer and of our end. The latter is shared, since connections of one listener usually have
    /// the same one.
    pub fn with_names(mut self, peer: Option<Address>, local: Option<Rc<Address>>) -> Self {
        self.names = Names { peer, local };
        self
    }

    /// The conduit, the name of the peer, and the name of our end. With this, a network that wraps another one can
    /// wrap the conduit too: to count, record or spoil the bytes that pass.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::io::{self, IoSlice};
    /// use std::os::fd::RawFd;
    /// use std::rc::Rc;
    ///
    /// use waterwheel::network::{Conduit, Connected, Ways};
    ///
    /// struct Counted {
    ///     inner: Rc<dyn Conduit>,
    ///     received: Rc<Cell<usize>>,
    /// }
    ///
    /// impl Conduit for Counted {
    ///     fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
    ///         let n = self.inner.recv(into)?;
    ///         self.received.set(self.received.get() + n);
    ///         Ok(n)
    ///     }
    ///     fn send(&self, data: &[u8]) -> io::Result<usize> {
    ///         self.inner.send(data)
    ///     }
    ///     fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    ///         self.inner.send_vectored(pieces)
    ///     }
    ///     fn shutdown_write(&self) -> io::Result<()> {
    ///         self.inner.shutdown_write()
    ///     }
    ///     fn reset_on_close(&self) {
    ///         self.inner.reset_on_close();
    ///     }
    ///     fn fd(&self) -> RawFd {
    ///         self.inner.fd()
    ///     }
    ///     fn ways(&self) -> Ways {
    ///         self.inner.ways()
    ///     }
    /// }
    ///
    /// /// For the `connect` of a network that wraps another one.
    /// fn counted(connected: Connected, received: &Rc<Cell<usize>>) -> Connected {
    ///     let (inner, peer, local) = connected.into_parts();
    ///     Connected::new(Counted { inner, received: Rc::clone(received) }).with_names(peer, local)
    /// }
    /// ```
    pub fn into_parts(self) -> (Rc<dyn Conduit>, Option<Address>, Option<Rc<Address>>) {
        // The next watch registers the descriptor anew, which reports its readiness once more.
        drop(self.watch);
        (self.conduit.into_conduit(), self.names.peer, self.names.local)
    }

    /// Gives the transport a watch that exists already, which saves a registration with the selector.
    pub(crate) fn with_watch(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    pub(crate) fn peername(&self) -> Option<&Address> {
        self.names.peer.as_ref()
    }

    /// Opens a transport. `connection_made` comes in the next turn; reading starts after it. If the connection belongs
    /// to a server, it is counted among the server's `clients`.
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

/// Opens the transport for its type of conduit.
trait Open {
    fn open(
        self: Rc<Self>,
        event_loop: &LoopHandle,
        names: Names,
        watch: Option<Watch>,
        protocol: Rc<dyn Protocol>,
        clients: Option<&Rc<Clients>>,
    ) -> io::Result<Opened>;

    fn into_conduit(self: Rc<Self>) -> Rc<dyn Conduit>;
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

    fn into_conduit(self: Rc<Self>) -> Rc<dyn Conduit> {
        self
    }
}
