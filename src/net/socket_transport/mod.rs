//! The transport of a connected conduit.
//!
//! ```text
//!            1          2              3              4
//!  (opening) ──► Open ──────► Closing ──────► Losing ──────► Lost
//!                 │                            ▲
//!                 └────────────────────────────┘
//!                              5
//! ```
//!
//! 1 `open`, after which `made` tells the protocol; 2 `close`; 3 `sent`, when the last byte went out; 4
//! `deliver_lost`, from a turn, which tells the protocol, closes the conduit and lets go of both; 5 `lose`, at an
//! error, an abort, or a close with nothing to send. `let_go`, when the loop closes, leads from anywhere to Lost.
//!
//! Whatever a state is, every method may be called in it, from inside any callback: what is borrowed here is never
//! borrowed while the protocol is called.

// This file has the states, opening and the end; `reading` and `writing` the two directions; `calls` what happens when
// the protocol panics.

mod calls;
mod reading;
mod transport;
mod writing;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use crate::errors::ConnectionError;
use crate::event_loop::LoopHandle;
use crate::executor::Entry;
use crate::flow_control::{FlowControl, LostWrites};
use crate::interface::{Address, Protocol};
use crate::net::conduit::{Conduit, Ways};
use crate::net::linger::Lingering;
use crate::net::made::Made;
use crate::net::server::Attachment;
use crate::outgoing::Outgoing;
use crate::reactor::{Again, Direction, Registration, Source};
use calls::OnPanic;

pub(crate) struct SocketTransport<C> {
    this: Weak<SocketTransport<C>>,
    event_loop: LoopHandle,
    registration: Registration,
    wire: RefCell<Wire<C>>,
    /// `None` from Lost on: that cuts the cycle between the two.
    protocol: Cell<Option<Rc<dyn Protocol>>>,
    ways: Ways,
    phase: Cell<Phase>,
    reading: Cell<Reading>,
    writing: Cell<Writing>,
    flow: FlowControl,
    /// What is written in this step goes out when the step ends: it stands in the loop's list of those who wrote, or
    /// the step is its own.
    enlisted: Cell<bool>,
    lost_writes: LostWrites,
    /// From Losing on: what went wrong, if something did.
    failure: Cell<Option<ConnectionError>>,
    /// From Losing on: whether the peer is to get all that was sent, though we have not read all of its bytes.
    may_linger: Cell<bool>,
    names: Names,
    /// The server that accepted the connection counts it for as long as this lives.
    attachment: Cell<Option<Attachment>>,
}

/// The conduit, and what waits to go into it.
struct Wire<C> {
    /// `None` from Lost on: the descriptor is closed then, whoever still holds the transport.
    conduit: Option<Rc<C>>,
    outgoing: Outgoing,
}

/// The names of both ends, as they were when the connection was made.
#[derive(Clone, Default)]
pub(crate) struct Names {
    pub(crate) peer: Option<Address>,
    /// Shared with the listener, whose connections mostly have one local name.
    pub(crate) local: Option<Rc<Address>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Bytes go both ways, as far as `Reading` and `Writing` say.
    Open,
    /// `close` was called: nothing is received any more, and what is buffered still goes out. There is some.
    Closing,
    /// `connection_lost` is scheduled. Nothing is buffered, nothing is watched.
    Losing,
    /// `connection_lost` was called, or the loop closed. The conduit and the protocol are gone.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The protocol has not been told `connection_made` yet: it must come before any data.
    NotYet,
    /// As `NotYet`, and it was paused meanwhile.
    NotYetPaused,
    /// Received bytes go to the protocol.
    Flowing,
    /// The protocol wants none for now. They stay in the kernel, and so does the end of the stream.
    Paused,
    /// The peer ended its side, and the protocol stayed open.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// Bytes may be written.
    Open,
    /// `write_eof` was called: our side ends when what is buffered has gone out. There is some.
    Ending,
    /// Our side has ended, or never was.
    Ended,
}

/// How a connection ends.
enum Ending {
    /// By `close`, or the peer did and our side followed: what was written has gone out.
    Closed,
    /// By `abort`: the socket is closed without any ado.
    Aborted,
    /// By an error of the socket, or a panic of the protocol.
    Failed(ConnectionError),
}

impl<C: Conduit + 'static> SocketTransport<C> {
    /// Opens a transport on a connected conduit. `connection_made` comes in the next turn; reading starts after it.
    ///
    /// # Errors
    ///
    /// If the selector refuses the descriptor. The conduit is closed then.
    pub(crate) fn open(
        event_loop: &LoopHandle,
        conduit: Rc<C>,
        names: Names,
        protocol: Rc<dyn Protocol>,
        attachment: Option<Attachment>,
    ) -> io::Result<(Rc<SocketTransport<C>>, Made)> {
        let (fd, ways) = (conduit.fd(), conduit.ways());
        let registration = Registration::new();
        if ways != Ways::Both {
            // Behind one way may be a terminal.
            registration.doubt_short_receives();
        }
        let writing = if ways == Ways::In { Writing::Ended } else { Writing::Open };
        let transport = Rc::new_cyclic(|this| SocketTransport {
            this: this.clone(),
            event_loop: event_loop.clone(),
            registration,
            wire: RefCell::new(Wire { conduit: Some(conduit), outgoing: Outgoing::default() }),
            protocol: Cell::new(Some(protocol)),
            ways,
            phase: Cell::new(Phase::Open),
            reading: Cell::new(Reading::NotYet),
            writing: Cell::new(writing),
            flow: FlowControl::new(),
            enlisted: Cell::new(false),
            lost_writes: LostWrites::default(),
            failure: Cell::new(None),
            may_linger: Cell::new(false),
            names,
            attachment: Cell::new(attachment),
        });
        event_loop.watch(fd, transport.clone())?;
        let made = Made::new();
        let (opened, told) = (Rc::clone(&transport), made.clone());
        event_loop.call_soon(move || opened.made(&told));
        Ok((transport, made))
    }

    fn made(self: Rc<Self>, told: &Made) {
        let Some(protocol) = self.protocol() else { return };
        let outcome = self.call_protocol("connection_made", || protocol.connection_made(self.clone()));
        if outcome.is_ok() {
            self.start_reading();
            if self.phase.get() != Phase::Open {
                self.tell_closing();
            }
        }
        // It was never told before: only this tells.
        let _ = told.set(outcome);
    }

    #[inline]
    fn protocol(&self) -> Option<Rc<dyn Protocol>> {
        let protocol = self.protocol.take();
        self.protocol.set(protocol.clone());
        protocol
    }

    fn buffered_len(&self) -> usize {
        self.wire.borrow().outgoing.len()
    }

    fn nothing_buffered(&self) -> bool {
        self.wire.borrow().outgoing.is_empty()
    }

    fn take_conduit(&self) -> Option<Rc<C>> {
        self.wire.borrow_mut().conduit.take()
    }

    /// The connection ends now: nothing is sent or received any more, and the protocol is told in a later turn.
    fn lose(&self, ending: Ending) {
        let earlier = self.phase.get();
        if matches!(earlier, Phase::Losing | Phase::Lost) {
            return;
        }
        self.phase.set(Phase::Losing);
        self.registration.unwant(Direction::Read);
        self.registration.unwant(Direction::Write);
        self.send_last();
        self.discard_outgoing();
        match ending {
            Ending::Closed => self.may_linger.set(true),
            Ending::Aborted => {}
            Ending::Failed(error) => self.failure.set(Some(error)),
        }
        if let Some(transport) = self.this.upgrade() {
            self.event_loop.call_soon(move || transport.deliver_lost());
        }
        if earlier == Phase::Open {
            self.tell_closing();
        }
    }

    /// The connection is open no longer: tells the protocol, unless that is to hear of `connection_made` before.
    fn tell_closing(&self) {
        if matches!(self.reading.get(), Reading::NotYet | Reading::NotYetPaused) {
            return;
        }
        let Some(protocol) = self.protocol() else { return };
        // That it panicked is reported, and the connection is lost by it.
        let _ = self.call_protocol("connection_closing", || protocol.connection_closing());
    }

    /// Tells the protocol, closes the conduit, lets go of both, and is no longer counted by the server; in this
    /// order, also if the protocol panics.
    fn deliver_lost(&self) {
        self.phase.set(Phase::Lost);
        let error = self.failure.take();
        let protocol = self.protocol.take();
        if let Some(protocol) = &protocol {
            // That it panicked is reported; there is nothing more to lose by it.
            let _ = self.call_protocol("connection_lost", || protocol.connection_lost(error));
        }
        self.close_conduit();
        drop(self.attachment.take());
        // Last, since its destructor is user code.
        drop(protocol);
    }

    /// Closes the conduit. Input that nobody read must not cost the peer what we sent last.
    fn close_conduit(&self) {
        let Some(conduit) = self.take_conduit() else { return };
        // A pipe's peer has no reply to lose, and what is left in a pipe may be for another reader.
        let may_linger = self.may_linger.get() && self.ways == Ways::Both;
        let source = if may_linger && self.reading.get() != Reading::Ended {
            Lingering::close(&self.event_loop, &self.registration, conduit)
        } else {
            self.event_loop.core().reactor.unwatch(&self.registration)
        };
        drop(source);
    }

    fn queue(&self, direction: Direction) {
        if let Some(transport) = self.this.upgrade() {
            self.event_loop.core().executor.ready.push(Entry::Io(transport, direction));
        }
    }
}

impl<C: Conduit + 'static> Source for SocketTransport<C> {
    #[inline]
    fn registration(&self) -> &Registration {
        &self.registration
    }

    #[inline(always)]
    fn ready(&self, direction: Direction) -> Again {
        match direction {
            Direction::Read => self.receive_once(),
            Direction::Write => {
                self.send_now();
                Again::No
            }
        }
    }

    fn let_go(&self) {
        self.phase.set(Phase::Lost);
        let conduit = self.take_conduit();
        let attachment = self.attachment.take();
        self.discard_outgoing();
        let protocol = self.protocol.take();
        drop(conduit);
        drop(protocol);
        drop(attachment);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<C: Conduit + 'static> fmt::Debug for SocketTransport<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketTransport")
            .field("phase", &self.phase.get())
            .field("reading", &self.reading.get())
            .field("writing", &self.writing.get())
            .field("buffered", &self.buffered_len())
            .field("peer", &self.names.peer)
            .field("local", &self.names.local)
            .finish()
    }
}
