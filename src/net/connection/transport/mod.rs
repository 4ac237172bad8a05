//! The transport of a connected conduit.
//!
//! Its phases and their diagram are in [`Life`](crate::transports::Life). `close` leads to Closing; `send_failed` to
//! Receiving, while the peer may still send; `lose` to Losing, at an error, an abort, the last byte sent after
//! `close`, or the end of the peer's direction. `deliver_lost`, called from a turn, leads to Lost: it tells the
//! protocol, closes the conduit and lets go of both.
//!
//! Every method may be called in every phase, from inside any callback: nothing here is borrowed while the protocol is
//! called.

// This file has the struct and how it is opened; `reading` and `writing` have the two directions; `ending` has the
// end, `face` the methods for the protocol, and `calls` what happens when a protocol panics.

mod calls;
mod ending;
mod face;
mod reading;
mod writing;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use crate::event_loop::LoopHandle;
use crate::interface::Protocol;
use crate::net::connection::{Attachment, Conduit, Made, Names, Watch, Ways, labelled, traced};
use crate::reactor::{Again, Direction, Registration, Source};
use crate::transports::{Gathering, Life};
use ending::Parting;
use reading::ReadingSide;
use writing::WritingSide;

pub(crate) struct ConduitTransport<C> {
    this: Weak<ConduitTransport<C>>,
    event_loop: LoopHandle,
    registration: Registration,
    /// `None` once the protocol was told `connection_lost`: the descriptor is then closed or lingers, even if the
    /// transport is still held.
    conduit: Cell<Option<Rc<C>>>,
    ways: Ways,
    life: Life<dyn Protocol>,
    reading: ReadingSide,
    writing: WritingSide,
    gathering: Gathering,
    parting: Parting,
    names: Names,
    /// The server that accepted the connection counts it as long as this is present.
    attachment: Cell<Option<Attachment>>,
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
        let (fd, ways, is_unwatched) = (conduit.fd(), conduit.ways(), conduit.is_unwatched());
        let registration = Registration::new();
        if ways != Ways::Both || is_unwatched {
            // A one-way conduit may be a terminal, and no event says that an unwatched conduit has more.
            registration.doubt_short_receives();
        }
        let transport = Rc::new_cyclic(|this| ConduitTransport {
            this: this.clone(),
            event_loop: event_loop.clone(),
            registration,
            conduit: Cell::new(Some(conduit)),
            ways,
            life: Life::new(traced(event_loop, protocol)),
            reading: ReadingSide::new(),
            writing: WritingSide::new(ways),
            gathering: Gathering::new(),
            parting: Parting::new(),
            names,
            attachment: Cell::new(None),
        });
        match watch {
            Some(watch) => watch.hand_over(transport.clone())?,
            None if is_unwatched => event_loop.keep_ready(fd, transport.clone())?,
            None => event_loop.watch(fd, transport.clone())?,
        }
        let made = Made::new();
        let (opened, told) = (Rc::clone(&transport), made.clone());
        event_loop.call_soon(move || opened.made(&told));
        Ok((transport, made))
    }

    /// Makes a server count the connection until it is lost and its socket no longer lingers.
    pub(crate) fn attach(&self, attachment: Attachment) {
        self.attachment.set(Some(attachment));
    }

    fn made(self: Rc<Self>, told: &Made) {
        let Some(protocol) = self.life.protocol() else { return };
        let outcome = self.call_protocol("connection_made", || protocol.connection_made(self.clone()));
        let is_made = outcome.is_ok();
        // This is the only place that sets it. The waiting caller goes on before the first data comes.
        let _ = told.set(outcome);
        if is_made {
            self.start_reading();
            if !self.life.is_open() {
                self.tell_closing();
            }
        }
    }

    /// Calls with the conduit; `None` if it is closed.
    #[inline(always)]
    fn with_conduit<R>(&self, call: impl FnOnce(&Rc<C>) -> R) -> Option<R> {
        let conduit = self.conduit.take()?;
        let answer = call(&conduit);
        self.conduit.set(Some(conduit));
        Some(answer)
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
        let (protocol, _) = self.life.end();
        self.give_up_outgoing();
        drop(self.take_conduit());
        drop(protocol);
        drop(self.attachment.take());
    }

    fn label(&self) -> String {
        let kind = if self.ways == Ways::Both { "connection" } else { "pipe" };
        labelled(kind, self.names.peer.as_ref())
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<C: Conduit + 'static> fmt::Debug for ConduitTransport<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConduitTransport")
            .field("phase", &self.life.phase())
            .field("reading", &self.reading.get())
            .field("writing", &self.writing.get())
            .field("buffered", &self.gathering.len())
            .field("peer", &self.names.peer)
            .field("local", &self.names.local)
            .finish()
    }
}
