//! Making a datagram endpoint: its options, its transport and its protocol.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use super::DatagramSocketTransport;
use super::open::Options;
use crate::event_loop::{LoopHandle, Unawaited};
use crate::executor::{Awaited, because, costly_operation};
use crate::interface::{DatagramProtocol, DatagramTransport};
use crate::net::address::Endpoint;
use crate::net::address::Family;
use crate::net::connection::until_made;

impl LoopHandle {
    /// Makes an endpoint for datagrams, over UDP or a Unix socket, and returns its transport and the protocol that
    /// `factory` made. By then the protocol has been told `connection_made`.
    ///
    /// A Unix endpoint that is bound to a path takes it as [`create_unix_server`](LoopHandle::create_unix_server)
    /// does: it replaces a socket there that no process has open any more. The path is removed when the endpoint is
    /// gone, if the same socket is still there.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it completes closes the socket.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if no local address, remote address, family or socket is given, if they do not fit together, or
    /// if the socket is not an internet or Unix datagram socket. If no address could be used, the system's error for
    /// the first one. `AddrInUse` if a socket at the path is still open, or if the path is a file that is not a
    /// socket. It also fails if the loop is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use waterwheel::DatagramProtocol;
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    ///
    /// # fn main() -> std::io::Result<()> {
    /// waterwheel::run(async {
    ///     let event_loop = waterwheel::get_running_loop();
    ///     let endpoint = event_loop.create_datagram_endpoint(|| Rc::new(Quiet)).local_addr("127.0.0.1:0");
    ///     let (transport, _protocol) = endpoint.await?;
    ///     assert!(transport.extra_info().sockname().is_some());
    ///     transport.close();
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// Writes to the system's log, whose daemon receives at a path:
    ///
    /// ```no_run
    /// # use std::rc::Rc;
    /// # use waterwheel::DatagramProtocol;
    /// # struct Quiet;
    /// # impl DatagramProtocol for Quiet {}
    /// # async fn log() -> std::io::Result<()> {
    /// let event_loop = waterwheel::get_running_loop();
    /// let endpoint = event_loop.create_datagram_endpoint(|| Rc::new(Quiet));
    /// let (transport, _protocol) = endpoint.remote_addr(std::path::Path::new("/dev/log")).await?;
    /// transport.sendto(b"<13>example: hello", None)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn create_datagram_endpoint<'f, P: DatagramProtocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P> + 'f,
    ) -> CreateDatagramEndpoint<'f, P> {
        CreateDatagramEndpoint {
            event_loop: self.clone(),
            factory: Box::new(factory),
            options: Options::default(),
            unawaited: Unawaited::new("create_datagram_endpoint"),
        }
    }
}

/// The builder that [`LoopHandle::create_datagram_endpoint`] returns: await it. The factory may borrow for `'f`.
///
/// # Examples
///
/// Two endpoints that share a port, and one that may broadcast:
///
/// ```
/// use std::rc::Rc;
/// use waterwheel::{DatagramProtocol, get_running_loop};
///
/// struct Quiet;
/// impl DatagramProtocol for Quiet {}
///
/// # fn main() -> std::io::Result<()> {
/// waterwheel::run(async {
///     let event_loop = get_running_loop();
///     let endpoint = || event_loop.create_datagram_endpoint(|| Rc::new(Quiet));
///     let (first, _) = endpoint().local_addr("127.0.0.1:0").reuse_port(true).await?;
///     let at = first.extra_info().sockname().and_then(|name| name.as_inet()).expect("it has a port");
///     let (second, _) = endpoint().local_addr(at).reuse_port(true).await?;
///     assert_eq!(second.extra_info().sockname(), first.extra_info().sockname());
///
///     // The system refuses to send to a broadcast address without this.
///     let (asks, _) = endpoint().local_addr("127.0.0.1:0").allow_broadcast(true).await?;
///     assert!(asks.extra_info().socket().expect("it is the system's").broadcast()?);
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "there is no endpoint unless this is awaited"]
pub struct CreateDatagramEndpoint<'f, P> {
    event_loop: LoopHandle,
    factory: Box<dyn FnOnce() -> Rc<P> + 'f>,
    options: Options,
    unawaited: Unawaited,
}

impl<P> CreateDatagramEndpoint<'_, P> {
    /// The address to receive at; port 0 takes a free port. A [`Path`](std::path::Path) is that of a Unix socket.
    pub fn local_addr(mut self, at: impl Into<Endpoint>) -> Self {
        self.options.local = Some(at.into());
        self
    }

    /// The only peer: all datagrams are sent to it, and only datagrams from it are received. A
    /// [`Path`](std::path::Path) is that of a Unix socket. Such a peer can answer only if this endpoint has a local
    /// address too.
    pub fn remote_addr(mut self, to: impl Into<Endpoint>) -> Self {
        self.options.remote = Some(to.into());
        self
    }

    /// Uses addresses of one family only. If no address is given, the endpoint takes a free port of every interface; a
    /// Unix endpoint then has no name, and can only send.
    pub fn family(mut self, family: Family) -> Self {
        self.options.hints.family = family;
        self
    }

    /// Whether several endpoints, of this process or of others, may share the local address. Not for Unix sockets.
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.options.reuse_port = on;
        self
    }

    /// Whether datagrams may be sent to a broadcast address. All datagrams are then sent to the remote address, but
    /// answers are received from any address. Not for Unix sockets.
    pub fn allow_broadcast(mut self, on: bool) -> Self {
        self.options.allow_broadcast = on;
        self
    }

    /// A ready socket, instead of all other options (asyncio's `sock=`): a [`UdpSocket`](std::net::UdpSocket), a
    /// [`UnixDatagram`](std::os::unix::net::UnixDatagram), or a `Socket` of socket2. It is made non-blocking. If it is
    /// bound to a path, the path stays when the endpoint is gone.
    pub fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.options.socket = Some(socket.into());
        self
    }
}

impl<'f, P: DatagramProtocol + 'static> IntoFuture for CreateDatagramEndpoint<'f, P> {
    type Output = io::Result<(Rc<dyn DatagramTransport>, Rc<P>)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + 'f>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::CreateDatagramEndpoint, Location::caller(), async move {
            // Opening may fail at once, and a task that tries again in a loop must not hog the thread.
            costly_operation().await;
            let opened = self.options.open(&self.event_loop).await?;
            let protocol = (self.factory)();
            let (transport, made) = DatagramSocketTransport::open(&self.event_loop, opened, protocol.clone())?;
            until_made(&made, || transport.abort()).await?;
            let transport: Rc<dyn DatagramTransport> = transport;
            Ok((transport, protocol))
        }))
    }
}

impl<P> fmt::Debug for CreateDatagramEndpoint<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateDatagramEndpoint").field("options", &self.options).finish_non_exhaustive()
    }
}
