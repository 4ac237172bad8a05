//! The transport of a datagram endpoint.
//!
//! Its states are those of a connection's transport: open, closing while something is queued, losing until
//! `connection_lost` was called, lost. What differs is that a datagram goes alone. So nothing is gathered, an error
//! concerns one datagram and not the endpoint, and there is no end of a stream.

// This file has the states, opening, receiving and the end; `queue` the sending; `create_datagram_endpoint` what a user says of one, and `open` how that makes a socket.

mod create_datagram_endpoint;
mod open;
mod queue;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crate::constants::DATAGRAMS_PER_TURN;
use crate::errors::{ConnectionError, protocol_panicked};
use crate::event_loop::{LoopHandle, TimerHandle};
use crate::interface::{Address, DatagramProtocol, DatagramTransport, ExtraInfo};
use crate::net::connection::Made;
use crate::net::port::DatagramConduit;
use crate::reactor::{Again, Direction, Registration, Source};
use crate::transports::{FlowControl, Guard};

pub use create_datagram_endpoint::CreateDatagramEndpoint;
use queue::Queue;

struct DatagramSocketTransport {
    this: Weak<DatagramSocketTransport>,
    event_loop: LoopHandle,
    registration: Registration,
    /// `None` from Lost on.
    conduit: RefCell<Option<Rc<dyn DatagramConduit>>>,
    /// `None` from Lost on: that cuts the cycle between the two.
    protocol: RefCell<Option<Rc<dyn DatagramProtocol>>>,
    phase: Cell<Phase>,
    queue: RefCell<Queue>,
    flow: FlowControl,
    /// What `connection_lost` will be told, in Losing.
    lost_with: Cell<Option<ConnectionError>>,
    /// Where all datagrams go, if the endpoint was made for one peer.
    remote: Option<Address>,
    /// The kernel knows the peer.
    connected: bool,
    local: Option<Address>,
    /// Runs while a Unix peer's queue is full and the kernel will not say when there is room.
    retry: Cell<Option<TimerHandle>>,
    /// How long that is from the next attempt on that fails. It doubles until one does not.
    retry_after: Cell<Duration>,
}

const FIRST_RETRY: Duration = Duration::from_millis(1);

/// A socket that is bound or connected, and what is known of it.
struct Opened {
    conduit: Rc<dyn DatagramConduit>,
    /// Where all datagrams go, if the network does not know it.
    remote: Option<Address>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// `close` was called, and something is queued.
    Closing,
    /// `connection_lost` is scheduled.
    Losing,
    /// `connection_lost` was called, or the loop closed.
    Lost,
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
        let (fd, peer) = (conduit.fd(), conduit.peername());
        let transport = Rc::new_cyclic(|this| DatagramSocketTransport {
            this: this.clone(),
            event_loop: event_loop.clone(),
            registration: Registration::new(),
            phase: Cell::new(Phase::Open),
            queue: RefCell::default(),
            flow: FlowControl::new(),
            lost_with: Cell::new(None),
            connected: peer.is_some(),
            remote: peer.or(remote),
            local: conduit.sockname(),
            retry: Cell::new(None),
            retry_after: Cell::new(FIRST_RETRY),
            conduit: RefCell::new(Some(conduit)),
            protocol: RefCell::new(Some(protocol)),
        });
        event_loop.watch(fd, transport.clone())?;
        let made = Made::new();
        let (opened, told) = (Rc::clone(&transport), made.clone());
        event_loop.call_soon(move || opened.made(&told));
        Ok((transport, made))
    }

    fn made(self: Rc<Self>, told: &Made) {
        let Some(protocol) = self.protocol() else { return };
        let on_panic = Guard::new(|| {
            let error = protocol_panicked("connection_made");
            let _ = told.set(Err(error.clone()));
            self.lose(Some(error));
        });
        protocol.connection_made(self.clone());
        on_panic.disarm();
        if self.phase.get() == Phase::Open {
            self.want(Direction::Read);
        }
        // It was never told before: only this and the guard above tell.
        let _ = told.set(Ok(()));
    }

    fn protocol(&self) -> Option<Rc<dyn DatagramProtocol>> {
        self.protocol.borrow().clone()
    }

    fn want(&self, direction: Direction) {
        self.event_loop.core().want(&self.this, direction);
    }

    /// Receives what is there, up to the budget of a turn.
    fn receive_some(&self) -> Again {
        let Some(protocol) = self.protocol() else { return Again::No };
        let mut loan = self.event_loop.core().buffers.lend();
        for _ in 0..DATAGRAMS_PER_TURN {
            // The protocol may have closed it over the last one.
            let conduit = self.conduit.borrow().clone();
            let Some(conduit) = conduit.filter(|_| self.phase.get() == Phase::Open) else { return Again::No };
            match conduit.recv_from(&mut loan.memory, &mut Vec::new()) {
                Ok((data, from)) => protocol.datagram_received(data, &from),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.exhausted(Direction::Read);
                    return Again::No;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => protocol.error_received(error),
            }
        }
        Again::NextTurn
    }

    /// The endpoint ends now: nothing is sent or received any more, and the protocol is told in a later turn.
    fn lose(&self, error: Option<ConnectionError>) {
        if matches!(self.phase.get(), Phase::Losing | Phase::Lost) {
            return;
        }
        self.phase.set(Phase::Losing);
        self.registration.unwant(Direction::Read);
        self.registration.unwant(Direction::Write);
        drop(self.queue.take());
        if let Some(timer) = self.retry.take() {
            timer.cancel();
        }
        self.lost_with.set(error);
        if let Some(transport) = self.this.upgrade() {
            self.event_loop.call_soon(move || transport.deliver_lost());
        }
    }

    /// Tells the protocol, closes the socket, and lets go of both; in this order, also if the protocol panics.
    fn deliver_lost(&self) {
        self.phase.set(Phase::Lost);
        let source = self.event_loop.core().reactor.unwatch(&self.registration);
        let conduit = self.conduit.take();
        let protocol = self.protocol.take();
        if let Some(protocol) = &protocol {
            protocol.connection_lost(self.lost_with.take());
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
        self.phase.set(Phase::Lost);
        let conduit = self.conduit.take();
        let protocol = self.protocol.take();
        drop(self.queue.take());
        drop(conduit);
        drop(protocol);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl DatagramTransport for DatagramSocketTransport {
    fn sendto(&self, data: &[u8], to: Option<&Address>) -> io::Result<()> {
        let to = self.destination(to)?;
        match self.phase.get() {
            Phase::Open => self.send_or_queue(data, to),
            Phase::Closing | Phase::Losing | Phase::Lost => self.flow.write_was_lost(self),
        }
        Ok(())
    }

    fn close(&self) {
        if self.phase.get() != Phase::Open {
            return;
        }
        self.phase.set(Phase::Closing);
        self.registration.unwant(Direction::Read);
        if self.queue.borrow().is_empty() {
            self.lose(None);
        }
    }

    fn abort(&self) {
        self.lose(None);
    }

    fn is_closing(&self) -> bool {
        self.phase.get() != Phase::Open
    }

    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) {
        self.flow.set_limits(high, low);
        self.grew();
    }

    fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.flow.limits()
    }

    fn get_write_buffer_size(&self) -> usize {
        self.queue.borrow().size()
    }

    fn extra_info(&self) -> ExtraInfo {
        let conduit = self.conduit.borrow().clone();
        ExtraInfo {
            peername: self.remote.clone(),
            sockname: self.local.clone(),
            socket: conduit.and_then(DatagramConduit::socket),
            layer: None,
        }
    }
}

impl fmt::Debug for DatagramSocketTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramTransport")
            .field("phase", &self.phase.get())
            .field("queued", &self.queue.borrow().size())
            .field("remote", &self.remote)
            .field("local", &self.local)
            .finish()
    }
}
