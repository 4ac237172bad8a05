//! A server: listeners, the connections they brought, and how all that ends.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::{Rc, Weak};

use slab::Slab;
use socket2::{Socket, Type};

use crate::constants::DEFAULT_BACKLOG;
use crate::errors::loop_is_closed;
use crate::event_loop::{Incident, LoopHandle};
use crate::executor::{Waiters, yield_once};
use crate::interface::{Protocol, Transport};
use crate::net::conduit::{Conduit, prepare};
use crate::net::endpoint::{Endpoint, Target};
use crate::net::listener::{Listener, bind};
use crate::net::resolve::{Purpose, resolve};
use crate::net::socket_transport::{Names, SocketTransport};

impl LoopHandle {
    /// Listens, and makes a protocol with `factory` for each connection that is accepted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done closes whatever it had opened.
    ///
    /// # Errors
    ///
    /// What the system says of binding and listening, with the address; an endpoint that is none; a socket that is
    /// not of a stream; a closed loop.
    pub fn create_server<P: Protocol + 'static>(
        &self,
        factory: impl Fn() -> Rc<P> + 'static,
        at: impl Into<Endpoint>,
    ) -> CreateServer {
        let options = ServeOptions::new(at.into());
        CreateServer { event_loop: self.clone(), factory: Box::new(move || factory()), options }
    }
}

type Factory = Box<dyn Fn() -> Rc<dyn Protocol>>;
type SharedFactory = Rc<dyn Fn() -> Rc<dyn Protocol>>;

/// What [`LoopHandle::create_server`] makes: await it.
#[must_use = "nothing is served unless this is awaited"]
pub struct CreateServer {
    event_loop: LoopHandle,
    factory: Factory,
    options: ServeOptions,
}

impl CreateServer {
    /// How many connections may wait in the kernel to be accepted, and how many are accepted in one turn at the
    /// most. The default is 100.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.options.backlog = connections;
        self
    }

    /// Whether to accept connections at once, as by default, or only from [`Server::start_serving`] on: until then
    /// the address is taken but connecting to it is refused.
    pub fn start_serving(mut self, at_once: bool) -> Self {
        self.options.start_serving = at_once;
        self
    }
}

impl IntoFuture for CreateServer {
    type Output = io::Result<Server>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<Server>>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.options.serve(&self.event_loop, self.factory).await })
    }
}

impl fmt::Debug for CreateServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateServer").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How to listen, for streams and protocols alike.
#[derive(Debug)]
pub(crate) struct ServeOptions {
    at: Endpoint,
    pub(crate) backlog: u32,
    pub(crate) start_serving: bool,
}

impl ServeOptions {
    pub(crate) fn new(at: Endpoint) -> Self {
        ServeOptions { at, backlog: DEFAULT_BACKLOG, start_serving: true }
    }

    pub(crate) async fn serve(self, event_loop: &LoopHandle, factory: Factory) -> io::Result<Server> {
        if event_loop.is_closed() {
            return Err(loop_is_closed());
        }
        let bound = match self.at.0 {
            Target::Socket(socket) => vec![adopt(socket)?],
            Target::Address(address) => vec![bind(address)?],
            Target::Hosts(hosts, port) => bind_all(&hosts, port)?,
            Target::Invalid(reason) => return Err(io::Error::new(io::ErrorKind::InvalidInput, reason)),
        };
        let state = Rc::new(ServerState {
            event_loop: event_loop.clone(),
            factory: RefCell::new(Some(factory.into())),
            backlog: self.backlog,
            phase: Cell::new(Phase::Bound),
            bound: RefCell::new(bound),
            listeners: RefCell::default(),
            clients: RefCell::default(),
            changed: Waiters::default(),
        });
        let server = Server { state };
        if self.start_serving {
            server.start_serving().await?;
        }
        Ok(server)
    }
}

fn adopt(socket: Socket) -> io::Result<Socket> {
    if socket.r#type()? != Type::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a stream socket was expected"));
    }
    prepare(&socket)?;
    Ok(socket)
}

/// Binds to every address of every host, each once. If one cannot be bound, none is; an address that this machine
/// does not have is passed over, as long as one is left.
fn bind_all(hosts: &[String], port: u16) -> io::Result<Vec<Socket>> {
    let mut addresses = Vec::new();
    for host in hosts {
        for address in resolve(host, port, Purpose::Listen)? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    let mut bound = Vec::new();
    let mut missing = None;
    for &address in &addresses {
        match bind(address) {
            Ok(socket) => bound.push(socket),
            Err(error) if is_unavailable(&error) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (bound.is_empty(), missing) {
        (false, _) => Ok(bound),
        (true, Some(error)) => Err(error),
        (true, None) => Err(io::Error::new(io::ErrorKind::InvalidInput, "no address to listen at")),
    }
}

/// This machine has no such address, or not even the family.
fn is_unavailable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
}

/// A server, until it is dropped: that closes the listeners, and leaves the connections open.
#[doc(alias = "AbstractServer")]
pub struct Server {
    state: Rc<ServerState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The addresses are taken, but nobody listens: connecting is refused.
    Bound,
    /// Connections are accepted.
    Serving,
    /// The listeners are closed. There may still be connections.
    Closed,
}

pub(crate) struct ServerState {
    event_loop: LoopHandle,
    /// `None` once the loop has let go.
    factory: RefCell<Option<SharedFactory>>,
    backlog: u32,
    phase: Cell<Phase>,
    /// The sockets, in Bound.
    bound: RefCell<Vec<Socket>>,
    /// The listeners, in Serving.
    listeners: RefCell<Vec<Rc<Listener>>>,
    /// The connections that are not yet lost. Each holds an [`Attachment`] to its place here.
    clients: RefCell<Slab<Weak<SocketTransport>>>,
    /// Woken when the phase or the number of connections has changed.
    changed: Waiters,
}

/// Counts a connection at its server for as long as it lives.
pub(crate) struct Attachment {
    server: Rc<ServerState>,
    place: usize,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let gone = self.server.clients.borrow_mut().try_remove(self.place);
        drop(gone);
        if self.server.phase.get() == Phase::Closed {
            self.server.changed.wake_all();
        }
    }
}

impl Server {
    /// The addresses it listens at; none once it is closed.
    #[doc(alias = "sockets")]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        let bound = self.state.bound.borrow();
        let listeners = self.state.listeners.borrow();
        let of_bound = bound.iter().filter_map(Conduit::sockname);
        let of_listeners = listeners.iter().filter_map(|listener| listener.sockname().cloned());
        of_bound.chain(of_listeners).filter_map(|address| address.as_inet()).collect()
    }

    /// Whether it accepts connections.
    pub fn is_serving(&self) -> bool {
        self.state.phase.get() == Phase::Serving
    }

    /// Accepts connections from now on. If it does already, nothing changes.
    ///
    /// # Cancel safety
    ///
    /// It listens from the first poll on; what is waited for is one turn.
    ///
    /// # Errors
    ///
    /// If the server is closed, or the system refuses to listen; the server is closed then.
    pub async fn start_serving(&self) -> io::Result<()> {
        self.state.start()?;
        yield_once().await;
        Ok(())
    }

    /// Serves until the server is closed by someone else.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the server and its connections, those with unsent bytes when these have gone out.
    ///
    /// # Errors
    ///
    /// As [`start_serving`](Server::start_serving).
    pub async fn serve_forever(&self) -> io::Result<()> {
        self.state.start()?;
        let on_cancel = CloseOnDrop(&self.state);
        self.state.changed.wait(|| (self.state.phase.get() == Phase::Closed).then_some(())).await;
        std::mem::forget(on_cancel);
        Ok(())
    }

    /// Closes the listeners: no connection is accepted any more, and those that wait in the kernel are reset.
    /// Established connections go on.
    pub fn close(&self) {
        self.state.close();
    }

    /// Closes the connections; each sends what it has still buffered. The listeners are not touched.
    pub fn close_clients(&self) {
        self.state.for_each_client(|client| client.close());
    }

    /// Closes the connections at once. The listeners are not touched.
    pub fn abort_clients(&self) {
        self.state.for_each_client(|client| client.abort());
    }

    /// Waits until the server is closed and its last connection is lost.
    ///
    /// # Cancel safety
    ///
    /// There is nothing to lose.
    pub async fn wait_closed(&self) {
        let over = || (self.state.phase.get() == Phase::Closed && self.state.clients.borrow().is_empty()).then_some(());
        self.state.changed.wait(over).await;
    }
}

struct CloseOnDrop<'a>(&'a Rc<ServerState>);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.for_each_client(|client| client.close());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("phase", &self.state.phase.get())
            .field("local_addrs", &self.local_addrs())
            .field("connections", &self.state.clients.borrow().len())
            .finish()
    }
}

impl ServerState {
    fn start(self: &Rc<Self>) -> io::Result<()> {
        match self.phase.get() {
            Phase::Serving => return Ok(()),
            Phase::Closed => return Err(io::Error::new(io::ErrorKind::NotConnected, "the server is closed")),
            Phase::Bound => self.phase.set(Phase::Serving),
        }
        for socket in self.bound.take() {
            let started = self.listen(socket);
            match started {
                Ok(listener) => self.listeners.borrow_mut().push(listener),
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn listen(self: &Rc<Self>, socket: Socket) -> io::Result<Rc<Listener>> {
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        let acceptor = mio::net::TcpListener::from_std(socket.into());
        Listener::start(&self.event_loop, Box::new(acceptor), self, self.backlog)
    }

    fn close(&self) {
        if self.phase.replace(Phase::Closed) == Phase::Closed {
            return;
        }
        let bound = self.bound.take();
        let listeners = self.listeners.take();
        for listener in &listeners {
            listener.close();
        }
        drop((bound, listeners));
        self.changed.wake_all();
    }

    /// An accepted connection becomes a transport with a protocol, from a turn.
    pub(crate) fn set_up(self: &Rc<Self>, conduit: Rc<dyn Conduit>, names: Names) {
        let factory = self.factory.borrow().clone();
        let (Phase::Serving, Some(factory)) = (self.phase.get(), factory) else {
            // Closed between the accept and now: nobody will serve this connection.
            return;
        };
        let protocol = factory();
        let place = self.clients.borrow_mut().insert(Weak::new());
        let attachment = Attachment { server: Rc::clone(self), place };
        let peer = names.peer.clone();
        match SocketTransport::open(&self.event_loop, conduit, names, protocol, Some(attachment)) {
            Ok((transport, _made)) => {
                if let Some(client) = self.clients.borrow_mut().get_mut(place) {
                    *client = Rc::downgrade(&transport);
                }
            }
            Err(error) => {
                let incident = Incident::new("An accepted connection could not be set up");
                self.event_loop.core().report(&incident.with_error(error).with_peer(peer));
            }
        }
    }

    fn for_each_client(&self, act: impl Fn(&SocketTransport)) {
        let clients: Vec<_> = self.clients.borrow().iter().filter_map(|(_, client)| client.upgrade()).collect();
        for client in clients {
            act(&client);
        }
    }

    /// The loop closes: nothing is held any more.
    pub(crate) fn let_go(&self) {
        self.phase.set(Phase::Closed);
        let listeners = self.listeners.take();
        let factory = self.factory.take();
        drop((listeners, factory));
    }
}
