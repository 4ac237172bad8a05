//! The connections of a server.
//!
//! A connection counts as connected until its protocol has lost it. If its socket lingers after that, it counts as
//! lingering until the socket is closed. Each count is held by a value that is dropped at the end, so none is
//! forgotten.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use slab::Slab;

use crate::constants::SPARE_ENTRIES;
use crate::event_loop::LoopHandle;
use crate::executor::{Awaited, Reason, Waiters};
use crate::interface::Transport;
use crate::net::connection::layer::topmost;
use crate::reactor::Source;

/// The connections that a server accepted and that have not ended.
#[derive(Default)]
pub(crate) struct Clients {
    /// Connections that are not lost yet.
    connected: RefCell<Slab<Weak<dyn Transport>>>,
    /// Connections that their protocols have lost and whose sockets are not closed yet.
    lingering: RefCell<Slab<Weak<dyn Source>>>,
    /// No connection will be added, so waiters are woken when the last one has ended. Until this is set, no wait can
    /// be over.
    watched: Cell<bool>,
    changed: Waiters,
}

/// Counts a connection at its server until it is lost.
pub(crate) struct Attachment {
    clients: Rc<Clients>,
    place: usize,
}

/// Counts a connection at its server while its socket lingers.
pub(crate) struct LingeringAttachment {
    clients: Rc<Clients>,
    place: usize,
}

impl Clients {
    /// Counts a connection until the returned value is dropped.
    pub(crate) fn add(self: &Rc<Self>, transport: &Rc<dyn Transport>) -> Attachment {
        let place = self.connected.borrow_mut().insert(Rc::downgrade(transport));
        Attachment { clients: Rc::clone(self), place }
    }

    /// How many connections are not lost yet.
    pub(crate) fn connected(&self) -> usize {
        self.connected.borrow().len()
    }

    /// The topmost transport of each connection that is not lost yet. With TLS, that is the one that ends the session
    /// in order.
    pub(crate) fn transports(&self) -> Vec<Rc<dyn Transport>> {
        let connected: Vec<_> = self.connected.borrow().iter().filter_map(|(_, client)| client.upgrade()).collect();
        connected.into_iter().map(|client| topmost(client)).collect()
    }

    pub(crate) fn close_all(&self) {
        self.transports().iter().for_each(|client| client.close());
    }

    pub(crate) fn abort_all(&self) {
        self.transports().iter().for_each(|client| client.abort());
    }

    /// Closes the lingering sockets, even if their peers still send.
    pub(crate) fn stop_lingering(&self, event_loop: &LoopHandle) {
        let lingering: Vec<_> = self.lingering.borrow().iter().filter_map(|(_, client)| client.upgrade()).collect();
        for client in lingering {
            client.registration().want_nothing();
            drop(event_loop.core().reactor.unwatch(client.registration()));
            client.let_go();
        }
    }

    /// Says that no connection will be added: from now on, waiters have to be woken.
    pub(crate) fn no_more_come(&self) {
        self.watched.set(true);
        self.changed.wake_all();
    }

    /// Waits until `no_more_come` was called and all connections are lost.
    pub(crate) async fn all_lost(&self) {
        self.changed.wait(Reason::polled(Awaited::Shutdown), || self.is_lost().then_some(())).await;
    }

    /// Waits until `no_more_come` was called and all sockets are closed.
    pub(crate) async fn all_closed(&self) {
        self.changed.wait(Reason::polled(Awaited::Shutdown), || self.is_closed().then_some(())).await;
    }

    fn is_lost(&self) -> bool {
        self.watched.get() && self.connected() == 0
    }

    fn is_closed(&self) -> bool {
        self.is_lost() && self.lingering.borrow().is_empty()
    }
}

impl Attachment {
    /// The protocol has lost the connection, but the socket lingers.
    pub(crate) fn linger(self, lingering: &Rc<dyn Source>) -> LingeringAttachment {
        let place = self.clients.lingering.borrow_mut().insert(Rc::downgrade(lingering));
        LingeringAttachment { clients: Rc::clone(&self.clients), place }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        remove(&self.clients.connected, self.place);
        // Waiters wait for the last connection. Waking all of them for every connection would cost connections times
        // waiters. The same is true for sockets that linger.
        if self.clients.is_lost() {
            self.clients.changed.wake_all();
        }
    }
}

impl Drop for LingeringAttachment {
    fn drop(&mut self) {
        remove(&self.clients.lingering, self.place);
        if self.clients.is_closed() {
            self.clients.changed.wake_all();
        }
    }
}

/// Removes an entry. When the list is empty, the memory that a burst of connections needed is freed.
fn remove<T: ?Sized>(list: &RefCell<Slab<Weak<T>>>, place: usize) {
    let mut list = list.borrow_mut();
    drop(list.try_remove(place));
    if list.is_empty() && list.capacity() > SPARE_ENTRIES {
        list.shrink_to_fit();
    }
}
