//! What the network sees of a program's connections, and what must be true of it at the beginning of every step: a
//! layer in front of the simulated network, which counts the bytes that pass.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::pin::pin;
use std::rc::{Rc, Weak};

use waterwheel::Address;
use waterwheel::network::{Conduit, Connected, Ways};

use super::ledger::Direction;
use super::link::{Conversation, Link};

/// How many operations of futures a step of a task may complete, according to the documentation of `resources`.
const OPERATIONS_PER_STEP: usize = 512;

/// All connections of a program, and the step that runs.
#[derive(Clone, Default)]
pub(super) struct Wires(Rc<State>);

#[derive(Default)]
struct State {
    conversations: RefCell<Vec<Conversation>>,
    pipes: RefCell<Vec<(RawFd, Rc<Direction>)>>,
    links: RefCell<Vec<Weak<Link>>>,
    /// How many operations the current step of a task has completed.
    completed: Cell<usize>,
}

impl Wires {
    /// A client has connected, and has not sent anything yet: it will send one byte before the conversation.
    pub(super) fn add_plain(&self, client: Option<&Address>, to_server: &Rc<Direction>, to_client: &Rc<Direction>) {
        self.add(client, false, to_server, to_client);
    }

    /// A client has shaken hands, and has not written anything since.
    pub(super) fn add_encrypted(&self, client: Option<&Address>, to_server: &Rc<Direction>, to_client: &Rc<Direction>) {
        self.add(client, true, to_server, to_client);
    }

    fn add(&self, client: Option<&Address>, is_encrypted: bool, to_server: &Rc<Direction>, to_client: &Rc<Direction>) {
        let client = client.expect("connections have names").clone();
        let (to_server, to_client) = (Rc::clone(to_server), Rc::clone(to_client));
        self.0.conversations.borrow_mut().push(Conversation { client, is_encrypted, to_server, to_client });
        // What passes from now on is of the conversation.
        self.for_each_link(|link| link.find(&self.0.conversations.borrow()));
    }

    /// Both ends of a pipe, before they are opened.
    pub(super) fn add_pipe(&self, ends: [&OwnedFd; 2], direction: &Rc<Direction>) {
        self.0.pipes.borrow_mut().extend(ends.map(|end| (end.as_raw_fd(), Rc::clone(direction))));
    }

    /// A step of a task or a callback begins, so all steps before it are over.
    pub(super) fn begin_step(&self) {
        self.0.completed.set(0);
        self.for_each_link(Link::check_sent);
    }

    fn for_each_link(&self, check: impl Fn(&Link)) {
        self.0.links.borrow().iter().filter_map(Weak::upgrade).for_each(|link| check(&link));
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
        let client = if is_client { local.as_deref().cloned() } else { peer.clone() };
        let wire = self.wire(inner, Link::new(client, is_client));
        Connected::new(wire).with_names(peer, local)
    }

    /// Puts a wire in front of one end of a pipe that has this descriptor.
    pub(super) fn connect_pipe(&self, connected: Connected, descriptor: RawFd) -> Connected {
        let (inner, peer, local) = connected.into_parts();
        let mut pipes = self.0.pipes.borrow_mut();
        let known = pipes.iter().position(|(known, _)| *known == descriptor).expect("the pipe was added");
        let link = Link::of_pipe(inner.ways(), pipes.swap_remove(known).1);
        Connected::new(self.wire(inner, link)).with_names(peer, local)
    }

    fn wire(&self, inner: Rc<dyn Conduit>, link: Link) -> Wire {
        let link = Rc::new(link);
        link.find(&self.0.conversations.borrow());
        let mut links = self.0.links.borrow_mut();
        links.retain(|link| link.strong_count() > 0);
        links.push(Rc::downgrade(&link));
        drop(links);
        Wire { inner, link, wires: self.clone() }
    }
}

/// A conduit that counts the bytes that pass.
struct Wire {
    inner: Rc<dyn Conduit>,
    link: Rc<Link>,
    wires: Wires,
}

impl Conduit for Wire {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        // A receive is never part of a task's step, so it begins a step of its own.
        self.wires.begin_step();
        let outcome = self.inner.recv(into);
        match &outcome {
            Ok(0) => {}
            Ok(n) => self.link.received(&into[..*n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.link.break_off(),
        }
        outcome
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        let outcome = self.inner.send(data);
        self.link.sent(&[IoSlice::new(data)], &outcome);
        outcome
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let outcome = self.inner.send_vectored(pieces);
        self.link.sent(pieces, &outcome);
        outcome
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.inner.shutdown_write()
    }

    fn reset_on_close(&self) {
        self.link.break_off();
        self.inner.reset_on_close();
    }

    fn fd(&self) -> RawFd {
        self.inner.fd()
    }

    fn ways(&self) -> Ways {
        self.inner.ways()
    }
}
