//! Making a datagram endpoint: from addresses to a bound or connected socket, its transport and its protocol.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::rc::Rc;

use socket2::{Domain, Protocol as IpProtocol, SockAddr, SockRef, Socket, Type};

use super::UdpTransport;
use crate::event_loop::LoopHandle;
use crate::interface::{DatagramProtocol, DatagramTransport};
use crate::net::conduit::prepare;
use crate::net::endpoint::Endpoint;
use crate::net::made::until_made;
use crate::net::resolve::{Family, Hints, Purpose};

impl LoopHandle {
    /// Makes a UDP endpoint, and gives its transport and the protocol that `factory` made. The protocol has been told
    /// `connection_made` by then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done closes the socket.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not said where: by a local address, a remote one, a family or a socket; if they do not fit
    /// together. What the system says of the first address that could not be used. A closed loop.
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
    pub fn create_datagram_endpoint<'f, P: DatagramProtocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P> + 'f,
    ) -> CreateDatagramEndpoint<'f, P> {
        CreateDatagramEndpoint { event_loop: self.clone(), factory: Box::new(factory), options: Options::default() }
    }
}

/// What [`LoopHandle::create_datagram_endpoint`] makes: await it. `'f` is how long the factory may be kept: it
/// may borrow.
#[must_use = "there is no endpoint unless this is awaited"]
pub struct CreateDatagramEndpoint<'f, P> {
    event_loop: LoopHandle,
    factory: Box<dyn FnOnce() -> Rc<P> + 'f>,
    options: Options,
}

impl<P> CreateDatagramEndpoint<'_, P> {
    /// The address to receive at; port 0 takes a free one.
    pub fn local_addr(mut self, at: impl Into<Endpoint>) -> Self {
        self.options.local = Some(at.into());
        self
    }

    /// The only peer: everything is sent there, and only what comes from there is received.
    pub fn remote_addr(mut self, to: impl Into<Endpoint>) -> Self {
        self.options.remote = Some(to.into());
        self
    }

    /// Uses addresses of one family only. Without an address the endpoint takes a free port of every interface.
    pub fn family(mut self, family: Family) -> Self {
        self.options.hints.family = family;
        self
    }

    /// Whether several endpoints, of this or of other processes, may share the local address.
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.options.reuse_port = on;
        self
    }

    /// Whether datagrams may be sent to a broadcast address. A remote address is then where everything is sent, but
    /// answers are received from anyone.
    pub fn allow_broadcast(mut self, on: bool) -> Self {
        self.options.allow_broadcast = on;
        self
    }

    /// A socket that is ready, instead of all other options (asyncio's `sock=`). It is made non-blocking.
    pub fn socket(mut self, socket: impl Into<UdpSocket>) -> Self {
        self.options.socket = Some(socket.into());
        self
    }
}

impl<'f, P: DatagramProtocol + 'static> IntoFuture for CreateDatagramEndpoint<'f, P> {
    type Output = io::Result<(Rc<dyn DatagramTransport>, Rc<P>)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + 'f>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (socket, remote) = self.options.open(&self.event_loop).await?;
            let protocol = (self.factory)();
            let (transport, made) = UdpTransport::open(&self.event_loop, socket, remote, protocol.clone())?;
            until_made(&made, || transport.abort()).await?;
            let transport: Rc<dyn DatagramTransport> = transport;
            Ok((transport, protocol))
        })
    }
}

impl<P> fmt::Debug for CreateDatagramEndpoint<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateDatagramEndpoint").field("options", &self.options).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Options {
    local: Option<Endpoint>,
    remote: Option<Endpoint>,
    hints: Hints,
    reuse_port: bool,
    allow_broadcast: bool,
    socket: Option<UdpSocket>,
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}

impl Options {
    async fn open(mut self, event_loop: &LoopHandle) -> io::Result<(UdpSocket, Option<SocketAddr>)> {
        if let Some(socket) = self.socket.take() {
            return self.adopt(socket);
        }
        let locals = match self.local.take() {
            Some(local) => local.0.addresses(event_loop, self.hints, Purpose::Listen).await?,
            None => self.anywhere()?,
        };
        let remotes = match self.remote.take() {
            Some(remote) => remote.0.addresses(event_loop, self.hints, Purpose::Connect).await?,
            None => Vec::new(),
        };
        let mut first_error = None;
        for (local, remote) in pairs(&locals, &remotes) {
            match self.open_one(local, remote) {
                Ok(socket) => return Ok((socket, remote)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| invalid("the local and the remote address are of different families")))
    }

    /// Where to receive if nobody said it: with a remote address that is the system's affair, else a free port.
    fn anywhere(&self) -> io::Result<Vec<SocketAddr>> {
        match (&self.remote, self.hints.family) {
            (Some(_), _) => Ok(Vec::new()),
            (None, Family::V4) => Ok(vec![(Ipv4Addr::UNSPECIFIED, 0).into()]),
            (None, Family::V6) => Ok(vec![(Ipv6Addr::UNSPECIFIED, 0).into()]),
            (None, Family::Any) => {
                Err(invalid("a datagram endpoint needs a local address, a remote one, a family, or a socket"))
            }
        }
    }

    fn adopt(self, socket: UdpSocket) -> io::Result<(UdpSocket, Option<SocketAddr>)> {
        let address = self.local.is_some() || self.remote.is_some() || self.hints.family != Family::Any;
        if address || self.reuse_port || self.allow_broadcast {
            return Err(invalid("a ready socket goes with no other option"));
        }
        if SockRef::from(&socket).r#type()? != Type::DGRAM {
            return Err(invalid("a datagram socket was expected"));
        }
        socket.set_nonblocking(true)?;
        Ok((socket, None))
    }

    fn open_one(&self, local: Option<SocketAddr>, remote: Option<SocketAddr>) -> io::Result<UdpSocket> {
        let family = Domain::for_address(local.or(remote).expect("a pair has an address"));
        let socket = Socket::new(family, Type::DGRAM, Some(IpProtocol::UDP))?;
        prepare(&socket)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if self.allow_broadcast {
            socket.set_broadcast(true)?;
        }
        if let Some(local) = local {
            socket.bind(&SockAddr::from(local)).map_err(|error| at("bind to", local, &error))?;
        }
        if let Some(remote) = remote.filter(|_| !self.allow_broadcast) {
            socket.connect(&SockAddr::from(remote)).map_err(|error| at("connect to", remote, &error))?;
        }
        Ok(socket.into())
    }
}

fn at(attempt: &str, address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {attempt} {address}: {error}"))
}

/// The pairs to try, in order: of what is given on both sides those of one family, else each alone.
fn pairs(locals: &[SocketAddr], remotes: &[SocketAddr]) -> Vec<(Option<SocketAddr>, Option<SocketAddr>)> {
    if remotes.is_empty() {
        return locals.iter().map(|&local| (Some(local), None)).collect();
    }
    if locals.is_empty() {
        return remotes.iter().map(|&remote| (None, Some(remote))).collect();
    }
    let fitting = |remote: SocketAddr| locals.iter().filter(move |local| local.is_ipv4() == remote.is_ipv4());
    remotes.iter().flat_map(|&remote| fitting(remote).map(move |&local| (Some(local), Some(remote)))).collect()
}
