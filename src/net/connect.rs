//! Connecting: from an endpoint to a transport and its protocol.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;

use socket2::{Domain, Protocol as IpProtocol, SockAddr, Socket, Type};

use crate::event_loop::LoopHandle;
use crate::interface::{Protocol, Transport};
use crate::net::conduit::{Conduit, prepare};
use crate::net::endpoint::{Endpoint, Target};
use crate::net::resolve::{Purpose, resolve};
use crate::net::socket_transport::{Names, SocketTransport};
use crate::net::watch::Watch;
use crate::reactor::Direction;

impl LoopHandle {
    /// Connects and gives the transport, and the protocol that `factory` made once the connection was there. The
    /// protocol has been told `connection_made` by then, and no data yet.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done closes whatever it had opened.
    ///
    /// # Errors
    ///
    /// What the system says of the last address tried, with the address; an endpoint that is none; a socket that is
    /// not of a stream; a closed loop.
    pub fn create_connection<P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P> + 'static,
        to: impl Into<Endpoint>,
    ) -> CreateConnection<P> {
        let options = ConnectOptions::new(to.into());
        CreateConnection { event_loop: self.clone(), factory: Box::new(factory), options }
    }
}

/// What [`LoopHandle::create_connection`] makes: await it.
#[must_use = "nothing is connected unless this is awaited"]
pub struct CreateConnection<P> {
    event_loop: LoopHandle,
    factory: Box<dyn FnOnce() -> Rc<P>>,
    options: ConnectOptions,
}

impl<P: Protocol + 'static> IntoFuture for CreateConnection<P> {
    type Output = io::Result<(Rc<dyn Transport>, Rc<P>)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.options.connect(&self.event_loop, self.factory).await })
    }
}

impl<P> fmt::Debug for CreateConnection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateConnection").field("to", &self.options.to).finish()
    }
}

/// How to connect, for streams and protocols alike.
#[derive(Debug)]
pub(crate) struct ConnectOptions {
    to: Endpoint,
}

impl ConnectOptions {
    pub(crate) fn new(to: Endpoint) -> Self {
        ConnectOptions { to }
    }

    pub(crate) async fn connect<P: Protocol + 'static>(
        self,
        event_loop: &LoopHandle,
        factory: impl FnOnce() -> Rc<P>,
    ) -> io::Result<(Rc<dyn Transport>, Rc<P>)> {
        let socket = match self.to.0 {
            Target::Socket(socket) => adopt(socket)?,
            Target::Address(address) => connect_any(event_loop, &[address]).await?,
            Target::Hosts(hosts, port) => {
                let mut addresses = Vec::new();
                for host in hosts {
                    addresses.extend(resolve(&host, port, Purpose::Connect)?);
                }
                connect_any(event_loop, &addresses).await?
            }
            Target::Invalid(reason) => return Err(io::Error::new(io::ErrorKind::InvalidInput, reason)),
        };
        let names = Names { peer: socket.peername(), local: socket.sockname().map(Rc::new) };
        let protocol = factory();
        let (transport, made) = SocketTransport::open(event_loop, Rc::new(socket), names, protocol.clone(), None)?;
        // Until the caller has the transport, giving up means that nobody wants the connection.
        let mut unwanted = AbortOnDrop(Some(transport));
        made.wait().await?;
        let transport: Rc<dyn Transport> = unwanted.0.take().expect("only taken here");
        Ok((transport, protocol))
    }
}

struct AbortOnDrop(Option<Rc<SocketTransport>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(transport) = &self.0 {
            transport.abort();
        }
    }
}

/// Takes a socket that the caller made. Whether it is connected is found out by using it.
fn adopt(socket: Socket) -> io::Result<Socket> {
    if socket.r#type()? != Type::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a stream socket was expected"));
    }
    prepare(&socket)?;
    set_nodelay(&socket);
    Ok(socket)
}

fn set_nodelay(socket: &Socket) {
    // A Unix socket has no such option, and a reset connection no longer: neither is a reason to fail.
    let inet = socket.local_addr().is_ok_and(|name| name.as_socket().is_some());
    if inet {
        if let Err(error) = socket.set_tcp_nodelay(true) {
            log::debug!("TCP_NODELAY: {error}");
        }
    }
}

/// Tries the addresses in turn. The first that accepts wins; if none does, the error names them all.
async fn connect_any(event_loop: &LoopHandle, addresses: &[SocketAddr]) -> io::Result<Socket> {
    let mut failures: Vec<io::Error> = Vec::new();
    for &address in addresses {
        match connect_one(event_loop, address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => {
                let text = format!("connect to {address} failed: {error}");
                failures.push(io::Error::new(error.kind(), text));
            }
        }
    }
    match failures.len() {
        0 => Err(io::Error::new(io::ErrorKind::InvalidInput, "no address to connect to")),
        1 => Err(failures.remove(0)),
        _ => {
            let kind = failures[0].kind();
            let texts: Vec<String> = failures.iter().map(io::Error::to_string).collect();
            Err(io::Error::new(kind, texts.join("; ")))
        }
    }
}

async fn connect_one(event_loop: &LoopHandle, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(IpProtocol::TCP))?;
    prepare(&socket)?;
    set_nodelay(&socket);
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => return Ok(socket),
        Err(error) if is_in_progress(&error) => {}
        Err(error) => return Err(error),
    }
    // Declared after the socket, so dropped before it: the selector lets go before the descriptor is closed.
    let watch = Watch::new(event_loop, socket.as_raw_fd())?;
    loop {
        watch.ready(Direction::Write).await;
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        // Readiness is a hint: only a peer says that there is one.
        if socket.peer_addr().is_ok() {
            drop(watch);
            return Ok(socket);
        }
        watch.exhausted(Direction::Write);
    }
}

/// `EINPROGRESS` has no `ErrorKind` in stable Rust: it is told by its numbers on Linux and on the BSDs.
fn is_in_progress(error: &io::Error) -> bool {
    let number = if cfg!(any(target_os = "linux", target_os = "android")) { 115 } else { 36 };
    error.raw_os_error() == Some(number)
}
