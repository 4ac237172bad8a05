//! The network seam: where a loop's connections, listeners and datagrams come from.
//!
//! A [`Network`] looks names up, connects, binds and opens datagram sockets. One implementation uses the operating
//! system; every loop has it unless its [builder](crate::Builder::network) is given another one. Code above the seam
//! cannot tell the difference: transports, protocols, streams, servers and TLS are the same on all networks.
//!
//! A network of your own usually brings its own [`Selector`](crate::Selector) too: descriptors are only numbers to a
//! loop, and the selector says when the number of a [`Conduit`], an [`Acceptor`] or a [`DatagramConduit`] is ready. An
//! operation that cannot go on returns [`WouldBlock`](io::ErrorKind::WouldBlock), and the selector has to report an
//! event when it can. No method may block. Only the futures that a network returns may call the loop, its transports
//! or its protocols: the methods may be called in the middle of anything.
//!
//! A network in which no host can be reached:
//!
//! ```
//! use std::io;
//! use std::net::SocketAddr;
//! use std::rc::Rc;
//!
//! use waterwheel::network::{Acceptor, BindOptions, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending};
//! use waterwheel::{Address, EventLoop, LoopHandle, open_connection};
//!
//! struct Desert;
//!
//! fn nobody<'a, T>() -> Pending<'a, T> {
//!     Box::pin(async { Err(io::ErrorKind::HostUnreachable.into()) })
//! }
//!
//! impl Network for Desert {
//!     fn look_up<'a>(&'a self, _: &'a LoopHandle, _: &'a str, _: u16, _: Hints) -> Pending<'a, Vec<SocketAddr>> {
//!         nobody()
//!     }
//!     fn connect<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: &'a [SocketAddr]) -> Pending<'a, Connected> {
//!         nobody()
//!     }
//!     fn bind<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
//!         nobody()
//!     }
//!     fn open_datagrams<'a>(&'a self, _: &'a LoopHandle, _: DatagramOptions) -> Pending<'a, Rc<dyn DatagramConduit>> {
//!         nobody()
//!     }
//! }
//!
//! let mut event_loop = EventLoop::builder().network(Rc::new(Desert)).build()?;
//! let error = event_loop.run(async { open_connection("192.0.2.1:80").await.unwrap_err() });
//! assert_eq!(error.kind(), io::ErrorKind::HostUnreachable);
//! # Ok::<(), io::Error>(())
//! ```

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;

use crate::event_loop::LoopHandle;
use crate::interface::Address;
pub use crate::net::address::Hints;
pub use crate::net::connection::{Conduit, Connected, Ways};

/// The future of an operation of a network. Dropping the future gives up the operation.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + 'a>>;

/// Where a loop's connections, listeners and datagrams come from. The [module](crate::network) says more.
pub trait Network {
    /// Looks up the addresses of a host. `host` is a name: numeric addresses and `localhost` need no look-up.
    ///
    /// # Errors
    ///
    /// If the name was not found, usually with a [`LookUpError`](crate::LookUpError) inside.
    fn look_up<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        host: &'a str,
        port: u16,
        hints: Hints,
    ) -> Pending<'a, Vec<SocketAddr>>;

    /// Looks up the names of an address: the host's and the service's.
    ///
    /// # Errors
    ///
    /// If the look-up fails, usually with a [`LookUpError`](crate::LookUpError) inside. `Unsupported`, which is the
    /// default, on a network that does not know names.
    fn look_up_name<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        address: SocketAddr,
        flags: i32,
    ) -> Pending<'a, (String, String)> {
        let _ = (event_loop, address, flags);
        Box::pin(async {
            Err(io::Error::new(io::ErrorKind::Unsupported, "this network does not know the names of addresses"))
        })
    }

    /// Connects to one address, from the first of the addresses in `from` that can be used. If `from` is empty, the
    /// network chooses.
    ///
    /// # Errors
    ///
    /// If nothing answers there, or if none of `from` can be used. The error need not name the address: the caller
    /// does.
    fn connect<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        to: &'a Address,
        from: &'a [SocketAddr],
    ) -> Pending<'a, Connected>;

    /// Takes an address, without listening on it yet.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if the address is in use; `AddrNotAvailable` if this machine does not have it. The error need not
    /// name the address: the caller does.
    fn bind<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        at: &'a Address,
        options: BindOptions,
    ) -> Pending<'a, Box<dyn Acceptor>>;

    /// Opens a socket for datagrams.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Network::bind) and [`connect`](Network::connect), but the error names the address.
    fn open_datagrams<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        options: DatagramOptions,
    ) -> Pending<'a, Rc<dyn DatagramConduit>>;

    /// Takes over a connection that was made elsewhere.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not a connection. `Unsupported` on a network that has no descriptors of the system.
    fn adopt_connection(&self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Connected> {
        let _ = (event_loop, socket);
        Err(no_descriptors())
    }

    /// Takes over a socket that was bound elsewhere, and that may listen already.
    ///
    /// # Errors
    ///
    /// As for [`adopt_connection`](Network::adopt_connection).
    fn adopt_listener(&self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Box<dyn Acceptor>> {
        let _ = (event_loop, socket);
        Err(no_descriptors())
    }

    /// Takes over a datagram socket that was opened elsewhere.
    ///
    /// # Errors
    ///
    /// As for [`adopt_connection`](Network::adopt_connection).
    fn adopt_datagrams(&self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Rc<dyn DatagramConduit>> {
        let _ = (event_loop, socket);
        Err(no_descriptors())
    }

    /// Takes over one end of a pipe, in which bytes go one way: [`Ways::In`] or [`Ways::Out`].
    ///
    /// # Errors
    ///
    /// As for [`adopt_connection`](Network::adopt_connection).
    fn adopt_pipe(&self, event_loop: &LoopHandle, pipe: OwnedFd, ways: Ways) -> io::Result<Connected> {
        let _ = (event_loop, pipe, ways);
        Err(no_descriptors())
    }
}

fn no_descriptors() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this network takes no descriptors of the operating system")
}

/// An address that was taken, and the connections that arrive there. Dropping the acceptor frees the address;
/// connections that were not accepted are lost.
pub trait Acceptor {
    /// Starts listening. Up to `backlog` connections may wait to be accepted.
    ///
    /// # Errors
    ///
    /// The network's error.
    fn listen(&self, backlog: u32) -> io::Result<()>;

    /// Accepts the next connection.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if no connection is waiting. Other errors either concern only the next connection, such as
    /// `ConnectionAborted`, or say that nothing can be accepted for now; then the server waits for a second.
    fn accept(&self) -> io::Result<Connected>;

    /// The address.
    fn sockname(&self) -> Option<Address>;

    /// The number under which a selector watches the acceptor.
    fn fd(&self) -> RawFd;

    /// A duplicate of the socket, if there is one.
    fn socket(&self) -> Option<Rc<dyn AsFd>> {
        None
    }
}

/// A socket for datagrams.
pub trait DatagramConduit {
    /// Receives a datagram and its sender: into `memory` if the datagram fits, else into `larger`, which the
    /// implementation makes long enough.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none. Errors of datagrams sent earlier, such as `ConnectionRefused`, are returned here
    /// too.
    fn recv_from<'m>(&self, memory: &'m mut [u8], larger: &'m mut Vec<u8>) -> io::Result<(&'m [u8], Address)>;

    /// Sends a datagram to `to`, or to the peer that the socket is connected to.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room for it now.
    fn send_to(&self, data: &[u8], to: Option<&Address>) -> io::Result<()>;

    /// The peer, if the socket is connected to one.
    fn peername(&self) -> Option<Address>;

    /// The socket's own address.
    fn sockname(&self) -> Option<Address>;

    /// The number under which a selector watches the socket.
    fn fd(&self) -> RawFd;

    /// The socket, if there is one.
    fn socket(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        None
    }
}

/// How to take an address to listen on.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BindOptions {
    /// The address may be taken while connections of an earlier server there are still closing.
    pub reuse_address: bool,
    /// Several sockets may listen on the address, and each connection goes to one of them.
    pub reuse_port: bool,
    /// The network probes idle connections, and ends those whose peers are gone.
    pub keep_alive: bool,
    /// The path of a Unix socket is removed when the address is freed.
    pub cleanup_socket: bool,
}

impl Default for BindOptions {
    fn default() -> Self {
        BindOptions { reuse_address: true, reuse_port: false, keep_alive: false, cleanup_socket: true }
    }
}

/// Whether the error says that this machine has no such address, or does not even have its family.
pub(crate) fn is_unavailable(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no `ErrorKind`.
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// How to open a datagram socket. If both addresses are given, they are of one kind: internet addresses or Unix names.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DatagramOptions {
    /// Where to receive. If both this and `connect_to` are missing, the socket is a Unix socket without a name.
    pub bind_to: Option<Address>,
    /// The only peer.
    pub connect_to: Option<Address>,
    /// Several sockets may share the address.
    pub reuse_port: bool,
    /// Datagrams may be sent to a broadcast address.
    pub allow_broadcast: bool,
}
