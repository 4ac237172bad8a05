//! What the network sees of a program's connections, and what must be true of it at the beginning of every step: a
//! layer in front of the simulated network, which counts the bytes that pass.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::RawFd;
use std::pin::pin;
use std::rc::{Rc, Weak};

use waterwheel::network::{Conduit, Connected, Ways};

use super::ledger::Direction;

/// How many operations of futures a step of a task may complete, according to the documentation of `resources`.
const OPERATIONS_PER_STEP: usize = 512;

/// All connections of a program whose bytes are not encrypted, and the step that runs.
#[derive(Clone, Default)]
pub(super) struct Wires(Rc<State>);

#[derive(Default)]
struct State {
    /// By the number that a client sends first: the direction to the server, and the one from it. `None` if encrypted.
    known: RefCell<Vec<Option<[Rc<Direction>; 2]>>>,
    links: RefCell<Vec<Weak<Link>>>,
    /// How many operations the current step of a task has completed.
    completed: Cell<usize>,
}

impl Wires {
    /// Adds the next conversation, with the next number. `None` stands for an encrypted one.
    pub(super) fn add(&self, directions: Option<[&Rc<Direction>; 2]>) {
        self.0.known.borrow_mut().push(directions.map(|both| both.map(Rc::clone)));
    }

    /// A step of a task or a callback begins, so all steps before it are over.
    pub(super) fn begin_step(&self) {
        self.0.completed.set(0);
        self.0.links.borrow_mut().retain(|link| link.upgrade().inspect(|link| link.check_sent()).is_some());
    }

    /// An operation was completed that may have been ready at once.
    pub(super) fn completed(&self) {
        self.0.completed.set(self.0.completed.get() + 1);
        assert!(self.0.completed.get() <= OPERATIONS_PER_STEP, "a step has completed more than its budget allows");
    }

    /// A future of which each poll is a step.
    pub(super) async fn in_steps<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|cx| {
            self.begin_step();
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Puts a wire in front of a connection's conduit.
    pub(super) fn connect(&self, connected: Connected, is_client: bool) -> Connected {
        let (inner, peer, local) = connected.into_parts();
        let link = Rc::new(Link::new(is_client));
        self.0.links.borrow_mut().push(Rc::downgrade(&link));
        Connected::new(Wire { inner, link, wires: self.clone() }).with_names(peer, local)
    }
}

/// One end of a connection.
struct Link {
    is_client: bool,
    /// The incoming direction, and the outgoing one.
    ends: OnceCell<Option<[Rc<Direction>; 2]>>,
    received: Cell<usize>,
    sent: Cell<usize>,
    sending: Cell<Sending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// The network has taken everything that was offered.
    TookAll,
    /// The network has taken less. An event will come when it takes more.
    TookLess,
    /// The connection has failed, or was aborted. Bytes that are written now go nowhere.
    Over,
}

impl Link {
    fn new(is_client: bool) -> Link {
        let sending = Cell::new(Sending::TookAll);
        Link { is_client, ends: OnceCell::new(), received: Cell::default(), sent: Cell::default(), sending }
    }

    /// The first byte that a client sends tells which conversation it is. The ledger does not count it.
    fn begin(&self, wires: &Wires, first: u8) {
        self.ends.get_or_init(|| {
            let known = wires.0.known.borrow();
            let [to_server, to_client] = known.get(usize::from(first)).cloned().flatten()?;
            Some(if self.is_client { [to_client, to_server] } else { [to_server, to_client] })
        });
    }

    fn ends(&self) -> Option<&[Rc<Direction>; 2]> {
        self.ends.get()?.as_ref()
    }

    /// Checks that everything that earlier steps wrote was handed over, unless the network has taken less than was
    /// offered.
    fn check_sent(&self) {
        let Some([_, out]) = self.ends() else { return };
        if self.sending.get() == Sending::TookAll && !out.is_aborted() {
            let written = out.written() + usize::from(self.is_client);
            assert_eq!(self.sent.get(), written, "a step has begun before what another one wrote was handed over");
        }
    }

    /// Bytes were received.
    fn received(&self, n: usize) {
        let before = self.received.replace(self.received.get() + n);
        if let Some([from, _]) = self.ends() {
            from.has_come(before.saturating_sub(usize::from(!self.is_client)));
        }
    }

    /// Records the outcome of a send of `offered` bytes.
    fn sent(&self, offered: usize, outcome: &io::Result<usize>) {
        self.sending.set(match outcome {
            _ if self.sending.get() == Sending::Over => Sending::Over,
            Ok(n) if *n == offered => Sending::TookAll,
            Ok(_) => Sending::TookLess,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Sending::TookLess,
            Err(_) => Sending::Over,
        });
        self.sent.set(self.sent.get() + outcome.as_ref().unwrap_or(&0));
    }
}

/// A conduit that counts the bytes that pass.
struct Wire {
    inner: Rc<dyn Conduit>,
    link: Rc<Link>,
    wires: Wires,
}

impl Wire {
    fn begin_sending(&self, first: Option<&u8>) {
        if let Some(&first) = first.filter(|_| self.link.is_client) {
            self.link.begin(&self.wires, first);
        }
    }
}

impl Conduit for Wire {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        // A receive is never part of a task's step, so it begins a step of its own.
        self.wires.begin_step();
        let outcome = self.inner.recv(into);
        match &outcome {
            Ok(0) => {}
            Ok(n) => {
                if !self.link.is_client {
                    self.link.begin(&self.wires, into[0]);
                }
                self.link.received(*n);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.link.sending.set(Sending::Over),
        }
        outcome
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.begin_sending(data.first());
        let outcome = self.inner.send(data);
        self.link.sent(data.len(), &outcome);
        outcome
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.begin_sending(pieces.iter().find_map(|piece| piece.first()));
        let outcome = self.inner.send_vectored(pieces);
        self.link.sent(pieces.iter().map(|piece| piece.len()).sum(), &outcome);
        outcome
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.inner.shutdown_write()
    }

    fn reset_on_close(&self) {
        self.link.sending.set(Sending::Over);
        self.inner.reset_on_close();
    }

    fn fd(&self) -> RawFd {
        self.inner.fd()
    }

    fn ways(&self) -> Ways {
        self.inner.ways()
    }
}
