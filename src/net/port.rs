//! The network seam: where a loop's connections, listeners and datagrams come from.
//!
//! A [`Network`] looks names up, connects, binds and opens datagram sockets. The operating system stands behind one
//! implementation, which every loop has unless its [builder](crate::Builder::network) is given another. What runs above
//! the seam cannot tell the difference: transports, protocols, streams, servers and TLS are the same on all networks.
//!
//! A network of your own usually brings a [`Selector`](crate::Selector) of its own, too: descriptors are only numbers to
//! a loop, and the selector says when the number of a [`Conduit`], an [`Acceptor`] or a [`DatagramConduit`] is ready. An
//! operation that cannot go on says [`WouldBlock`](io::ErrorKind::WouldBlock), and the selector has to bring an event when
//! it can. Nothing here may block, and but for the futures that a network gives nothing may call the loop, its transports
//! or its protocols: what is called here may be called from the middle of anything.
//!
//! A network without anybody in it:
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

/// What a network answers in time. Dropping it gives up what it had begun.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + 'a>>;

/// Where a loop's connections, listeners and datagrams come from. The [module](crate::network) says more.
pub trait Network {
    /// The addresses of a host, which is a name: numeric addresses and `localhost` are known without asking.
    ///
    /// # Errors
    ///
    /// If the name was not found, mostly with a [`LookUpError`](crate::LookUpError) inside.
    fn look_up<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        host: &'a str,
        port: u16,
        hints: Hints,
    ) -> Pending<'a, Vec<SocketAddr>>;

    /// Looks up how an address is called: the names of the host and of the service.
    ///
    /// # Errors
    ///
    /// If the look-up fails, mostly with a [`LookUpError`](crate::LookUpError) inside. `Unsupported`, which is the default,
    /// on a network that does not know names.
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

    /// Connects to one address, from the first of the addresses in `from` that can be used. If there are none, the
    /// network chooses.
    ///
    /// # Errors
    ///
    /// If nobody answers there, or none of `from` can be used. The caller names the address.
    fn connect<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        to: &'a Address,
        from: &'a [SocketAddr],
    ) -> Pending<'a, Connected>;

    /// Takes an address, at which nobody listens yet.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if somebody else has the address; `AddrNotAvailable` if this machine does not have it. The caller
    /// names the address.
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
    /// As [`bind`](Network::bind) and [`connect`](Network::connect), with the address.
    fn open_datagrams<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        options: DatagramOptions,
    ) -> Pending<'a, Rc<dyn DatagramConduit>>;

    /// Takes over a connection that somebody else has made.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not a connection. `Unsupported` on a network that has no descriptors of the system.
    fn adopt_connection(&self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Connected> {
        let _ = (event_loop, socket);
        Err(no_descriptors())
    }

    /// Takes over a socket that somebody else has bound, and that may listen already.
    ///
    /// # Errors
    ///
    /// As [`adopt_connection`](Network::adopt_connection).
    fn adopt_listener(&self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Box<dyn Acceptor>> {
        let _ = (event_loop, socket);
        Err(no_descriptors())
    }

    /// Takes over a datagram socket that somebody else has opened.
    ///
    /// # Errors
    ///
    /// As [`adopt_connection`](Network::adopt_connection).
    fn adopt_datagrams(&self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Rc<dyn DatagramConduit>> {
        let _ = (event_loop, socket);
        Err(no_descriptors())
    }

    /// Takes over one end of a pipe, in which bytes go one way: [`Ways::In`] or [`Ways::Out`].
    ///
    /// # Errors
    ///
    /// As [`adopt_connection`](Network::adopt_connection).
    fn adopt_pipe(&self, event_loop: &LoopHandle, pipe: OwnedFd, ways: Ways) -> io::Result<Connected> {
        let _ = (event_loop, pipe, ways);
        Err(no_descriptors())
    }
}

fn no_descriptors() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this network takes no descriptors of the operating system")
}

/// An address that was taken, and the connections that arrive there. Dropping it gives the address free; connections
/// that were not accepted are lost.
pub trait Acceptor {
    /// From now on connections arrive, and as many as `backlog` says may wait to be accepted.
    ///
    /// # Errors
    ///
    /// Whatever the network says.
    fn listen(&self, backlog: u32) -> io::Result<()>;

    /// The next connection.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if none waits. Other errors are either those of the one connection that was next, such as
    /// `ConnectionAborted`, or say that nothing can be accepted for now; then the server waits for a second.
    fn accept(&self) -> io::Result<Connected>;

    /// The address.
    fn sockname(&self) -> Option<Address>;

    /// The number under which a selector watches it.
    fn fd(&self) -> RawFd;

    /// A duplicate of the socket, where there is one.
    fn socket(&self) -> Option<Rc<dyn AsFd>> {
        None
    }
}

/// A socket for datagrams.
pub trait DatagramConduit {
    /// Receives a datagram with its sender: into `memory` if it fits, else into `larger`, which has to be made long
    /// enough.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; what became of a datagram sent earlier, such as `ConnectionRefused`.
    fn recv_from<'m>(&self, memory: &'m mut [u8], larger: &'m mut Vec<u8>) -> io::Result<(&'m [u8], Address)>;

    /// Sends a datagram to this address, or to the peer that the socket is connected to.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room for it now.
    fn send_to(&self, data: &[u8], to: Option<&Address>) -> io::Result<()>;

    /// The peer, if the socket is connected to one.
    fn peername(&self) -> Option<Address>;

    /// Its own address.
    fn sockname(&self) -> Option<Address>;

    /// The number under which a selector watches it.
    fn fd(&self) -> RawFd;

    /// The socket, where there is one.
    fn socket(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        None
    }
}

/// How an address is taken to listen at.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BindOptions {
    /// The address may be taken while connections of an earlier server there are still closing.
    pub reuse_address: bool,
    /// Several sockets may listen at the address, and each connection goes to one of them.
    pub reuse_port: bool,
    /// The network looks after idle connections by itself.
    pub keep_alive: bool,
    /// The path of a Unix socket is removed when the address is given free.
    pub cleanup_socket: bool,
}

impl Default for BindOptions {
    fn default() -> Self {
        BindOptions { reuse_address: true, reuse_port: false, keep_alive: false, cleanup_socket: true }
    }
}

/// Whether the error says that this machine has no such address, or not even the family of addresses.
pub(crate) fn is_unavailable(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no `ErrorKind`.
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// What a datagram socket is opened for. Addresses that are given are of one kind: of the internet, or Unix names.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DatagramOptions {
    /// Where to receive. If it is missing, and so is `connect_to`, the socket has no name, and is a Unix one.
    pub bind_to: Option<Address>,
    /// The only peer.
    pub connect_to: Option<Address>,
    /// Several sockets may share the address.
    pub reuse_port: bool,
    /// Datagrams may be sent to a broadcast address.
    pub allow_broadcast: bool,
}
