//! The parts of a server: the addresses it has taken, its listeners, and the connections they accepted.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::event_loop::{Incident, LoopHandle};
use crate::executor::{Awaited, Reason, Waiters};
use crate::interface::{ExtraInfo, Protocol};
use crate::net::connection::{Clients, Connected, MakeLayer};
use crate::net::port::Acceptor;
use crate::net::server::listener::{Host, Listener};

/// Makes the protocol of each connection.
pub(super) type Factory = Rc<dyn Fn() -> Rc<dyn Protocol>>;

/// What each connection gets: a protocol and, if there is one, a layer below it.
#[derive(Clone)]
pub(super) struct Assembly {
    pub(super) factory: Factory,
    pub(super) layer: Option<MakeLayer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The addresses are taken, but the server does not listen yet, so connecting is refused.
    Bound,
    /// Connections are accepted.
    Serving,
    /// The listeners are closed. There may still be connections.
    Closed,
}

pub(super) struct ServerState {
    event_loop: LoopHandle,
    /// `None` once the server is closed.
    assembly: RefCell<Option<Assembly>>,
    backlog: u32,
    phase: Cell<Phase>,
    /// The addresses, in Bound.
    bound: RefCell<Vec<Box<dyn Acceptor>>>,
    /// The listeners, in Serving.
    listeners: RefCell<Vec<Rc<Listener>>>,
    clients: Rc<Clients>,
    /// Woken when the server is closed.
    closed: Waiters,
}

impl ServerState {
    pub(super) fn new(
        event_loop: &LoopHandle,
        assembly: Assembly,
        bound: Vec<Box<dyn Acceptor>>,
        backlog: u32,
    ) -> Rc<ServerState> {
        Rc::new(ServerState {
            event_loop: event_loop.clone(),
            assembly: RefCell::new(Some(assembly)),
            backlog,
            phase: Cell::new(Phase::Bound),
            bound: RefCell::new(bound),
            listeners: RefCell::default(),
            clients: Rc::default(),
            closed: Waiters::default(),
        })
    }

    pub(super) fn event_loop(&self) -> &LoopHandle {
        &self.event_loop
    }

    pub(super) fn clients(&self) -> &Rc<Clients> {
        &self.clients
    }

    pub(super) fn is_serving(&self) -> bool {
        self.phase.get() == Phase::Serving
    }

    /// Waits until the server is closed.
    pub(super) async fn closed(&self) {
        self.closed
            .wait(Reason::polled(Awaited::ServeForever), || (self.phase.get() == Phase::Closed).then_some(()))
            .await;
    }

    pub(super) fn sockets(&self) -> Vec<ExtraInfo> {
        let info = |acceptor: &dyn Acceptor| ExtraInfo {
            peername: None,
            sockname: acceptor.sockname(),
            socket: acceptor.socket(),
            pipe: None,
            layer: None,
        };
        let (bound, listeners) = (self.bound.borrow(), self.listeners.borrow());
        let of_listeners = listeners.iter().filter_map(|listener| listener.with_acceptor(info));
        bound.iter().map(|acceptor| info(&**acceptor)).chain(of_listeners).collect()
    }

    pub(super) fn start(self: &Rc<Self>) -> io::Result<()> {
        match self.phase.get() {
            Phase::Serving => return Ok(()),
            Phase::Closed => return Err(io::Error::new(io::ErrorKind::NotConnected, "the server is closed")),
            Phase::Bound => self.phase.set(Phase::Serving),
        }
        for acceptor in self.bound.take() {
            match self.listen(acceptor) {
                Ok(listener) => self.listeners.borrow_mut().push(listener),
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn listen(self: &Rc<Self>, acceptor: Box<dyn Acceptor>) -> io::Result<Rc<Listener>> {
        acceptor.listen(self.backlog).map_err(|error| {
            let name = acceptor.sockname().map(|name| format!(" at {name}")).unwrap_or_default();
            io::Error::new(error.kind(), format!("cannot listen{name}: {error}"))
        })?;
        Listener::start(&self.event_loop, acceptor, self.clone(), self.backlog)
    }

    /// Closes the listeners. Nothing is accepted from now on.
    pub(super) fn close(&self) {
        if self.phase.replace(Phase::Closed) == Phase::Closed {
            return;
        }
        let bound = self.bound.take();
        let listeners = self.listeners.take();
        for listener in &listeners {
            listener.close();
        }
        // The factory may hold this server, so it is dropped with the listeners.
        let assembly = self.assembly.take();
        self.clients.no_more_come();
        self.closed.wake_all();
        drop((bound, listeners, assembly));
    }
}

impl Host for ServerState {
    /// Gives an accepted connection a protocol and a transport.
    fn set_up(&self, connection: Connected) {
        let assembly = self.assembly.borrow().clone();
        let (Phase::Serving, Some(assembly)) = (self.phase.get(), assembly) else {
            // The server was closed after the connection was accepted.
            return;
        };
        let peer = connection.peername().cloned();
        if let Err(error) = self.open(&assembly, connection) {
            let incident = Incident::new("An accepted connection could not be set up");
            self.event_loop.core().report(&incident.with_error(error).with_peer(peer));
        }
    }

    fn loop_closed(&self) {
        self.close();
    }
}

impl ServerState {
    fn open(&self, assembly: &Assembly, connection: Connected) -> io::Result<()> {
        let protocol = (assembly.factory)();
        let facing_wire = match &assembly.layer {
            None => protocol,
            Some(make_layer) => make_layer(&self.event_loop, protocol)?.below,
        };
        connection.open(&self.event_loop, facing_wire, Some(&self.clients)).map(drop)
    }
}

impl fmt::Debug for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.phase.get().fmt(f)
    }
}
