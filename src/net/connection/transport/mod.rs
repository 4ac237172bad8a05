//! The transport of a connected conduit.
//!
//! ```text
//!            1          2              3              4
//!  (opening) ──► Open ──────► Closing ──────► Losing ──────► Lost
//!                 │ │                          ▲  ▲
//!                 │ └──────────────────────────┘  │
//!                 │             5                 │
//!                 └─────────► Receiving ──────────┘
//!                       6                  7
//! ```
//!
//! 1 `open`, after which `made` tells the protocol; 2 `close`; 3 `all_sent`, when the last byte went out; 4
//! `deliver_lost`, from a turn, which tells the protocol, closes the conduit and lets go of both; 5 `lose`, at an
//! error, an abort, or a close with nothing to send; 6 `send_failed`: nothing more goes out, and what the peer has sent
//! is still delivered; 7 `lose`, when the peer's side has ended too, or at a close. `let_go`, when the loop closes,
//! leads from anywhere to Lost.
//!
//! Whatever a state is, every method may be called in it, from inside any callback: what is borrowed here is never
//! borrowed while the protocol is called.

// This file has the states, opening and the end; `reading` and `writing` the two directions; `calls` what happens when
// the protocol panics.

mod calls;
mod face;
mod reading;
mod writing;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use crate::errors::ConnectionError;
use crate::event_loop::LoopHandle;
use crate::interface::Protocol;
use crate::net::connection::linger::Lingering;
use crate::net::connection::{Attachment, Conduit, Made, Names, Watch, Ways};
use crate::reactor::{Again, Direction, Registration, Source};
use crate::transports::Gathering;

pub(crate) struct ConduitTransport<C> {
    this: Weak<ConduitTransport<C>>,
    event_loop: LoopHandle,
    registration: Registration,
    /// `None` from Lost on: the descriptor is closed then, whoever still holds the transport.
    conduit: Cell<Option<Rc<C>>>,
    /// `None` from Lost on: that cuts the cycle between the two.
    protocol: Cell<Option<Rc<dyn Protocol>>>,
    ways: Ways,
    phase: Cell<Phase>,
    reading: Cell<Reading>,
    writing: Cell<Writing>,
    gathering: Gathering,
    /// From Receiving or Losing on: what went wrong, if something did.
    failure: Cell<Option<ConnectionError>>,
    parting: Cell<Parting>,
    names: Names,
    /// The server that accepted the connection counts it for as long as this is here.
    attachment: Cell<Option<Attachment>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Bytes go both ways, as far as `Reading` and `Writing` say.
    Open,
    /// `close` was called: nothing is received any more, and what is buffered still goes out. There is some.
    Closing,
    /// A send failed, so our direction has ended: nothing is buffered, and what is written is dropped. What the peer has
    /// sent still goes to the protocol, however long that pauses reading. When the peer's direction has ended too, the
    /// connection is lost, with the error of the send.
    Receiving,
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
    /// By an error of the socket. If a send had failed before, that was the first error, and stays the one that is told.
    Failed(ConnectionError),
    /// By a panic of the protocol, whatever else had gone wrong before.
    Panicked(ConnectionError),
}

/// How the conduit is closed, as far as it is known by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parting {
    /// Nothing was written yet, so the peer has nothing to lose by a close.
    NothingWritten,
    /// Something was written. If all of it goes out before the end, the peer is to get it: the conduit lingers.
    Lingering,
    /// The connection was aborted, or failed, with nothing unsent: it is closed at once.
    AtOnce,
    /// Bytes were given up. The peer must not take what it got for all there was, so it is told by a reset.
    Reset,
}

impl<C: Conduit + 'static> ConduitTransport<C> {
    /// Opens a transport on a connected conduit. `connection_made` comes in the next turn; reading starts after it.
    ///
    /// # Errors
    ///
    /// If the selector refuses the descriptor. The conduit is closed then.
    pub(crate) fn open(
        event_loop: &LoopHandle,
        conduit: Rc<C>,
        names: Names,
        watch: Option<Watch>,
        protocol: Rc<dyn Protocol>,
    ) -> io::Result<(Rc<ConduitTransport<C>>, Made)> {
        let (fd, ways, is_always_ready) = (conduit.fd(), conduit.ways(), conduit.is_always_ready());
        let registration = Registration::new();
        if ways != Ways::Both {
            // Behind one way may be a terminal.
            registration.doubt_short_receives();
        }
        let writing = if ways == Ways::In { Writing::Ended } else { Writing::Open };
        let transport = Rc::new_cyclic(|this| ConduitTransport {
            this: this.clone(),
            event_loop: event_loop.clone(),
            registration,
            conduit: Cell::new(Some(conduit)),
            protocol: Cell::new(Some(protocol)),
            ways,
            phase: Cell::new(Phase::Open),
            reading: Cell::new(Reading::NotYet),
            writing: Cell::new(writing),
            gathering: Gathering::new(),
            failure: Cell::new(None),
            parting: Cell::new(Parting::NothingWritten),
            names,
            attachment: Cell::new(None),
        });
        match watch {
            Some(watch) => watch.hand_over(transport.clone())?,
            None if is_always_ready => event_loop.keep_ready(fd, transport.clone())?,
            None => event_loop.watch(fd, transport.clone())?,
        }
        let made = Made::new();
        let (opened, told) = (Rc::clone(&transport), made.clone());
        event_loop.call_soon(move || opened.made(&told));
        Ok((transport, made))
    }

    /// A server counts the connection until it is lost, and while its socket lingers.
    pub(crate) fn attach(&self, attachment: Attachment) {
        self.attachment.set(Some(attachment));
    }

    fn made(self: Rc<Self>, told: &Made) {
        let Some(protocol) = self.protocol() else { return };
        let outcome = self.call_protocol("connection_made", || protocol.connection_made(self.clone()));
        let is_made = outcome.is_ok();
        // It was never told before: only this tells. Whoever waits for it goes on before the first data comes.
        let _ = told.set(outcome);
        if is_made {
            self.start_reading();
            if self.phase.get() != Phase::Open {
                self.tell_closing();
            }
        }
    }

    #[inline]
    fn protocol(&self) -> Option<Rc<dyn Protocol>> {
        let protocol = self.protocol.take();
        self.protocol.set(protocol.clone());
        protocol
    }

    /// Lends the conduit; `None` if it is closed.
    #[inline(always)]
    fn with_conduit<R>(&self, call: impl FnOnce(&Rc<C>) -> R) -> Option<R> {
        let conduit = self.conduit.take()?;
        let answer = call(&conduit);
        self.conduit.set(Some(conduit));
        Some(answer)
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
        self.give_up_outgoing();
        if !matches!(ending, Ending::Closed) && self.parting.get() != Parting::Reset {
            self.parting.set(Parting::AtOnce);
        }
        match ending {
            Ending::Closed | Ending::Aborted => {}
            Ending::Failed(error) => self.failure.set(self.failure.take().or(Some(error))),
            Ending::Panicked(error) => self.failure.set(Some(error)),
        }
        if earlier == Phase::Open {
            self.tell_closing();
        }
        // What that has scheduled comes before the end.
        if let Some(transport) = self.this.upgrade() {
            self.event_loop.call_soon(move || transport.deliver_lost());
        }
    }

    /// The connection is open no longer: tells the protocol, unless that is to hear of `connection_made` before.
    fn tell_closing(&self) {
        if matches!(self.reading.get(), Reading::NotYet | Reading::NotYetPaused) {
            return;
        }
        let Some(protocol) = self.protocol() else { return };
        let error = self.failure();
        // That it panicked is reported, and the connection is lost by it.
        let _ = self.call_protocol("connection_closing", || protocol.connection_closing(error));
    }

    fn failure(&self) -> Option<ConnectionError> {
        let failure = self.failure.take();
        self.failure.set(failure.clone());
        failure
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
        // Last, since its destructor is user code.
        drop(protocol);
    }

    /// Closes the conduit, or leaves it to linger, so that input that comes late does not cost the peer what we sent
    /// last. The server no longer counts the connection among those that are not lost.
    fn close_conduit(&self) {
        let (conduit, attachment) = (self.conduit.take(), self.attachment.take());
        let Some(conduit) = conduit else { return };
        if self.parting.get() == Parting::Reset {
            conduit.reset_on_close();
        }
        let source = if self.should_linger() && self.end_our_side(&*conduit) {
            Lingering::begin(&self.event_loop, &self.registration, conduit, attachment)
        } else {
            self.event_loop.core().reactor.unwatch(&self.registration)
        };
        drop(source);
    }

    /// Whether the peer has something to lose by a close: we sent something, and it may still send, which a closed
    /// socket would answer with a reset. A pipe's peer has no reply to lose, and what is left in a pipe may be for
    /// another reader.
    fn should_linger(&self) -> bool {
        self.parting.get() == Parting::Lingering && self.ways == Ways::Both && self.reading.get() != Reading::Ended
    }

    /// Tells the peer that nothing follows. Returns whether it can still be told anything.
    fn end_our_side(&self, conduit: &C) -> bool {
        self.writing.get() == Writing::Ended || conduit.shutdown_write().is_ok()
    }

    fn want(&self, direction: Direction) {
        self.event_loop.core().want(&self.this, direction);
    }
}

impl<C: Conduit + 'static> Source for ConduitTransport<C> {
    #[inline]
    fn registration(&self) -> &Registration {
        &self.registration
    }

    #[inline(always)]
    fn on_ready(&self, direction: Direction) -> Again {
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
        let attachment = self.attachment.take();
        self.give_up_outgoing();
        let conduit = self.conduit.take();
        if let (Some(conduit), Parting::Reset) = (&conduit, self.parting.get()) {
            conduit.reset_on_close();
        }
        let protocol = self.protocol.take();
        drop(conduit);
        drop(protocol);
        drop(attachment);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<C: Conduit + 'static> fmt::Debug for ConduitTransport<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConduitTransport")
            .field("phase", &self.phase.get())
            .field("reading", &self.reading.get())
            .field("writing", &self.writing.get())
            .field("buffered", &self.gathering.len())
            .field("peer", &self.names.peer)
            .field("local", &self.names.local)
            .finish()
    }
}
