//! A server: listeners, the connections they brought, and how all that ends.

mod create_server;
mod listener;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Socket};

use crate::constants::LINGER_TIME;
use crate::event_loop::{Incident, LoopHandle};
use crate::executor::{Waiters, yield_once};
use crate::interface::{ExtraInfo, Protocol, Transport};
use crate::net::connection::Clients;
use crate::net::connection::Wrap;
use crate::net::connection::{Acceptor, Conduit, family_of};
use crate::net::connection::{ConduitTransport, Names};
use crate::net::system::unix_path::SocketFile;
use crate::time::timeout;
use crate::transports::Guard;
pub use create_server::CreateServer;
pub(crate) use create_server::{ServeOptions, serve_options};
use listener::Listener;

/// Makes the protocol of each connection.
pub(crate) type Factory = Rc<dyn Fn() -> Rc<dyn Protocol>>;

/// What is put on each connection: a protocol, and under it a layer where there is one.
#[derive(Clone)]
pub(crate) struct Assembly {
    pub(crate) factory: Factory,
    pub(crate) layer: Option<Wrap>,
}

/// A server, until it is dropped: that closes the listeners, and leaves the connections open.
#[doc(alias = "AbstractServer")]
#[must_use = "dropping a server closes its listeners: keep it, and await `serve_forever()` or `wait_closed()`"]
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
    /// `None` once the server is closed.
    assembly: RefCell<Option<Assembly>>,
    backlog: u32,
    /// The file at the path that this server has bound, if `close` is to remove it.
    file: Cell<Option<SocketFile>>,
    phase: Cell<Phase>,
    /// The sockets, in Bound.
    bound: RefCell<Vec<Socket>>,
    /// The listeners, in Serving.
    listeners: RefCell<Vec<Rc<Listener>>>,
    clients: Rc<Clients>,
    /// Woken when it is closed.
    closed: Waiters,
}

/// What [`Server::shutdown`] did to the connections that there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// These ended by themselves within the grace.
    pub finished: usize,
    /// These were closed after it, and all that had been written to them was sent.
    pub closed: usize,
    /// These were aborted after it, since their peers did not take what was left to send. Each peer that still listens
    /// was told so by a reset.
    pub aborted: usize,
}

impl Server {
    pub(crate) fn new(
        event_loop: &LoopHandle,
        assembly: Assembly,
        bound: Vec<Socket>,
        file: Option<SocketFile>,
        backlog: u32,
    ) -> Server {
        let state = ServerState {
            event_loop: event_loop.clone(),
            assembly: RefCell::new(Some(assembly)),
            backlog,
            file: Cell::new(file),
            phase: Cell::new(Phase::Bound),
            bound: RefCell::new(bound),
            listeners: RefCell::default(),
            clients: Rc::default(),
            closed: Waiters::default(),
        };
        Server { state: Rc::new(state) }
    }

    /// The internet addresses it listens at; none once it is closed.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets().iter().filter_map(|info| info.sockname()?.as_inet()).collect()
    }

    /// Name and socket of each listener; none once it is closed. The sockets are duplicates: drop them before you
    /// expect the address to be free.
    pub fn sockets(&self) -> Vec<ExtraInfo> {
        let info = |sockname, socket: io::Result<Socket>| ExtraInfo {
            peername: None,
            sockname,
            socket: socket.ok().map(|socket| -> Rc<dyn AsFd> { Rc::new(socket) }),
            layer: None,
        };
        let bound = self.state.bound.borrow();
        let listeners = self.state.listeners.borrow();
        let of_bound = bound.iter().map(|socket| info(Conduit::sockname(socket), socket.try_clone()));
        let of_listeners = listeners.iter().map(|listener| info(listener.sockname().cloned(), listener.try_clone()));
        of_bound.chain(of_listeners).collect()
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
        let on_cancel = Guard::new(|| {
            self.state.close();
            self.state.clients.close_all();
        });
        self.state.closed.wait(|| (self.state.phase.get() == Phase::Closed).then_some(())).await;
        on_cancel.disarm();
        Ok(())
    }

    /// Closes the listeners: no connection is accepted any more, and those that wait in the kernel are reset.
    /// Established connections go on.
    pub fn close(&self) {
        self.state.close();
    }

    /// Closes the connections; each sends what it has still buffered, and ends its session where there is TLS. The
    /// listeners are not touched.
    pub fn close_clients(&self) {
        self.state.clients.close_all();
    }

    /// Closes the connections at once, those with unsent bytes by a reset. The listeners are not touched.
    pub fn abort_clients(&self) {
        self.state.clients.abort_all();
    }

    /// Waits until the server is closed and its last connection is lost. The sockets of some may linger for a while
    /// after that; [`shutdown`](Server::shutdown) waits for them too.
    ///
    /// # Cancel safety
    ///
    /// There is nothing to lose.
    pub async fn wait_closed(&self) {
        self.state.clients.all_lost().await;
    }

    /// Ends the server: closes the listeners, waits up to `grace` for the connections to end by themselves, closes
    /// those that are left, and aborts those whose peers do not take what was written to them. Then it waits for the
    /// peers to end their sides, so that a process that exits afterwards takes no reply from anyone.
    ///
    /// It always ends, whatever the peers do: after the grace and five seconds more at the latest. Peers that close when
    /// they are told the end do not keep it waiting, nor do those that nothing was ever sent to.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
    /// # waterwheel::run(async {
    /// # let handler = async |mut reader: StreamReader, _writer: StreamWriter| { let _ = reader.read(1).await; };
    /// let server = start_server(handler, "127.0.0.1:0").await?;
    /// let idle = open_connection(server.local_addrs()[0]).await?;
    /// # while server.connections() == 0 { waterwheel::yield_now().await; }
    /// let report = server.shutdown(Duration::from_millis(10)).await;
    /// assert_eq!((report.finished, report.closed, report.aborted), (0, 1, 0));
    /// # drop(idle);
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the listeners closed and the connections as they are; it may be called again.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.close();
        let clients = &self.state.clients;
        let before = clients.connected();
        // Either all have ended, or the grace is over: what is left says which.
        let _ = timeout(grace, clients.all_lost()).await;
        let left = clients.connected();
        clients.close_all();
        // The kernel has taken what it can when this is over.
        for _ in 0..2 {
            yield_once().await;
        }
        let mut stuck = clients.transports();
        stuck.retain(|client| client.get_write_buffer_size() > 0);
        stuck.iter().for_each(|client| client.abort());
        // What the others were sent is out of our hands: they only wait for their peers.
        if timeout(LINGER_TIME, clients.all_closed()).await.is_err() {
            clients.abort_all();
            clients.stop_lingering(&self.state.event_loop);
        }
        clients.all_lost().await;
        let finished = before.saturating_sub(left);
        ShutdownReport { finished, closed: left.saturating_sub(stuck.len()), aborted: stuck.len() }
    }

    /// How many connections there are that are not yet lost.
    pub fn connections(&self) -> usize {
        self.state.clients.connected()
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
            .field("connections", &self.connections())
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
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX)).map_err(|error| {
            let name = socket.sockname().map(|name| format!(" at {name}")).unwrap_or_default();
            io::Error::new(error.kind(), format!("cannot listen{name}: {error}"))
        })?;
        let acceptor: Box<dyn Acceptor> = if family_of(&socket)? == Domain::UNIX {
            Box::new(mio::net::UnixListener::from_std(socket.into()))
        } else {
            Box::new(mio::net::TcpListener::from_std(socket.into()))
        };
        Listener::start(&self.event_loop, acceptor, self, self.backlog)
    }

    pub(crate) fn close(&self) {
        if self.phase.replace(Phase::Closed) == Phase::Closed {
            return;
        }
        drop(self.file.take());
        let bound = self.bound.take();
        let listeners = self.listeners.take();
        for listener in &listeners {
            listener.close();
        }
        // Nobody is accepted any more. What the factory holds may well be this server.
        let assembly = self.assembly.take();
        self.clients.no_more_come();
        self.closed.wake_all();
        drop((bound, listeners, assembly));
    }

    /// An accepted connection becomes a transport with a protocol, from a turn.
    pub(crate) fn set_up(self: &Rc<Self>, conduit: Rc<Socket>, names: Names) {
        let assembly = self.assembly.borrow().clone();
        let (Phase::Serving, Some(assembly)) = (self.phase.get(), assembly) else {
            // Closed between the accept and now: nobody will serve this connection.
            return;
        };
        let peer = names.peer.clone();
        match self.open(assembly, conduit, names) {
            Ok(transport) => {
                let client: Rc<dyn Transport> = transport.clone();
                transport.attach(self.clients.add(&client));
            }
            Err(error) => {
                let incident = Incident::new("An accepted connection could not be set up");
                self.event_loop.core().report(&incident.with_error(error).with_peer(peer));
            }
        }
    }

    fn open(&self, assembly: Assembly, conduit: Rc<Socket>, names: Names) -> io::Result<Rc<ConduitTransport<Socket>>> {
        let protocol = (assembly.factory)();
        let facing_wire = match assembly.layer {
            None => protocol,
            Some(wrap) => wrap(&self.event_loop, protocol)?.below,
        };
        let (transport, _made) = ConduitTransport::open(&self.event_loop, conduit, names, facing_wire)?;
        Ok(transport)
    }
}
