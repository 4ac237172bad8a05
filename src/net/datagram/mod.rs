//! The transport of a datagram endpoint.
//!
//! It lives like a connection's transport ([`Life`]). The difference is that each datagram goes alone: nothing is
//! gathered, an error concerns one datagram and not the endpoint, and there is no end of a stream.

// This file has opening, receiving and the end; `queue` has sending; `create_datagram_endpoint` has the user's
// builder, and `open` makes a socket from its options.

mod create_datagram_endpoint;
mod open;
mod queue;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use crate::constants::DATAGRAMS_PER_TURN;
use crate::errors::protocol_panicked;
use crate::event_loop::LoopHandle;
use crate::interface::{Address, DatagramProtocol, DatagramTransport, ExtraInfo};
use crate::net::connection::{Made, labelled};
use crate::net::port::DatagramConduit;
use crate::reactor::{Again, Direction, Registration, Source};
use crate::transports::{Ending, FlowControl, Guard, Life};

pub use create_datagram_endpoint::CreateDatagramEndpoint;
use queue::{Queue, Retry};

struct DatagramSocketTransport {
    this: Weak<DatagramSocketTransport>,
    event_loop: LoopHandle,
    registration: Registration,
    /// `None` in Lost.
    conduit: RefCell<Option<Rc<dyn DatagramConduit>>>,
    life: Life<dyn DatagramProtocol>,
    queue: RefCell<Queue>,
    flow: FlowControl,
    peer: Peer,
    local: Option<Address>,
    retry: Retry,
}

/// Where the endpoint sends its datagrams.
enum Peer {
    /// To an address that is given with each datagram.
    Any,
    /// Only to this peer, whose address is passed to the kernel with each datagram.
    One(Address),
    /// Only to this peer, to which the socket is connected.
    Connected(Address),
}

impl Peer {
    fn address(&self) -> Option<&Address> {
        match self {
            Peer::Any => None,
            Peer::One(address) | Peer::Connected(address) => Some(address),
        }
    }
}

/// A socket that is bound or connected, with its fixed destination if there is one.
struct Opened {
    conduit: Rc<dyn DatagramConduit>,
    /// The destination of all datagrams, if the network does not know it.
    remote: Option<Address>,
}

impl DatagramSocketTransport {
    /// Opens a transport on a socket. `connection_made` comes in the next turn; receiving starts after it.
    ///
    /// # Errors
    ///
    /// If the selector refuses the descriptor. The socket is closed then.
    fn open(
        event_loop: &LoopHandle,
        opened: Opened,
        protocol: Rc<dyn DatagramProtocol>,
    ) -> io::Result<(Rc<DatagramSocketTransport>, Made)> {
        let Opened { conduit, remote } = opened;
        let fd = conduit.fd();
        let peer = match (conduit.peername(), remote) {
            (Some(peer), _) => Peer::Connected(peer),
            (None, Some(remote)) => Peer::One(remote),
            (None, None) => Peer::Any,
        };
        let transport = Rc::new_cyclic(|this| DatagramSocketTransport {
            this: this.clone(),
            event_loop: event_loop.clone(),
            registration: Registration::new(),
            life: Life::new(protocol),
            queue: RefCell::default(),
            flow: FlowControl::new(),
            peer,
            local: conduit.sockname(),
            retry: Retry::default(),
            conduit: RefCell::new(Some(conduit)),
        });
        event_loop.watch(fd, transport.clone())?;
        let made = Made::new();
        let (opened, told) = (Rc::clone(&transport), made.clone());
        event_loop.call_soon(move || opened.made(&told));
        Ok((transport, made))
    }

    fn made(self: Rc<Self>, told: &Made) {
        let Some(protocol) = self.life.protocol() else { return };
        let on_panic = Guard::new(|| {
            let error = protocol_panicked("connection_made");
            let _ = told.set(Err(error.clone()));
            self.lose(Ending::Panicked(error));
        });
        self.traced("connection_made", || protocol.connection_made(self.clone()));
        on_panic.disarm();
        if self.life.is_open() {
            self.want(Direction::Read);
        }
        // It was not set before: only this and the guard above set it.
        let _ = told.set(Ok(()));
    }

    /// Calls the protocol.
    fn traced(&self, method: &'static str, call: impl FnOnce()) {
        self.event_loop.core().traced(method, call);
    }

    fn want(&self, direction: Direction) {
        self.event_loop.core().want(&self.this, direction);
    }

    /// Receives the datagrams that are there, up to the budget of a turn.
    fn receive_some(&self) -> Again {
        let Some(protocol) = self.life.protocol() else { return Again::No };
        let mut loan = self.event_loop.core().buffers.lend();
        for _ in 0..DATAGRAMS_PER_TURN {
            // The protocol may have closed the endpoint in response to the last datagram.
            let conduit = self.conduit.borrow().clone();
            let Some(conduit) = conduit.filter(|_| self.life.is_open()) else { return Again::No };
            match conduit.recv_from(&mut loan.memory, &mut Vec::new()) {
                Ok((data, from)) => {
                    self.event_loop.core().counters.bytes_received.add(data.len());
                    self.traced("datagram_received", || protocol.datagram_received(data, &from));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.exhausted(Direction::Read);
                    return Again::No;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.traced("error_received", || protocol.error_received(error)),
            }
        }
        Again::NextTurn
    }

    /// The endpoint ends now: nothing is sent or received any more, and the protocol is told in a later turn.
    fn lose(&self, ending: Ending) {
        if self.life.begin_losing(ending).is_none() {
            return;
        }
        self.registration.want_nothing();
        drop(self.queue.take());
        self.retry.cancel();
        if let Some(transport) = self.this.upgrade() {
            self.event_loop.call_soon(move || transport.deliver_lost());
        }
    }

    /// Tells the protocol, then closes the socket and lets go of the protocol, even if it panics.
    fn deliver_lost(&self) {
        let (protocol, error) = self.life.end();
        let source = self.event_loop.core().reactor.unwatch(&self.registration);
        let conduit = self.conduit.take();
        if let Some(protocol) = &protocol {
            self.traced("connection_lost", || protocol.connection_lost(error));
        }
        drop((protocol, conduit, source));
    }
}

impl Source for DatagramSocketTransport {
    fn registration(&self) -> &Registration {
        &self.registration
    }

    fn on_ready(&self, direction: Direction) -> Again {
        match direction {
            Direction::Read => self.receive_some(),
            Direction::Write => self.send_queued(),
        }
    }

    fn let_go(&self) {
        let (protocol, _) = self.life.end();
        let conduit = self.conduit.take();
        drop(self.queue.take());
        drop(conduit);
        drop(protocol);
    }

    fn label(&self) -> String {
        labelled("datagrams", self.local.as_ref())
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl DatagramTransport for DatagramSocketTransport {
    fn sendto(&self, data: &[u8], to: Option<&Address>) -> io::Result<()> {
        let to = self.destination(to)?;
        if self.life.is_open() {
            self.send_or_queue(data, to);
        } else {
            self.flow.write_was_lost(self);
        }
        Ok(())
    }

    fn close(&self) {
        if !self.life.begin_closing() {
            return;
        }
        self.registration.unwant(Direction::Read);
        if self.queue.borrow().is_empty() {
            self.lose(Ending::Closed);
        }
    }

    fn abort(&self) {
        self.lose(Ending::Aborted);
    }

    fn is_closing(&self) -> bool {
        !self.life.is_open()
    }

    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) {
        self.flow.set_limits(high, low);
        self.grew();
    }

    fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.flow.limits()
    }

    fn get_write_buffer_size(&self) -> usize {
        self.queued()
    }

    fn extra_info(&self) -> ExtraInfo {
        let conduit = self.conduit.borrow().clone();
        ExtraInfo {
            peername: self.peer.address().cloned(),
            sockname: self.local.clone(),
            socket: conduit.and_then(DatagramConduit::socket),
            pipe: None,
            layer: None,
        }
    }
}

impl fmt::Debug for DatagramSocketTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramTransport")
            .field("phase", &self.life.phase())
            .field("queued", &self.queued())
            .field("remote", &self.peer.address())
            .field("local", &self.local)
            .finish()
    }
}
