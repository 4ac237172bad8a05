//! How one loop listens to one signal.
//!
//! ```text
//!   the first handler or stream ──► listening ──► the last handler or stream is gone, or the loop closes ──► dropped
//! ```
//!
//! The loop's reader owns the listener, and all other references are weak. So the listening ends when the reader is
//! dropped, by its removal or with the loop: the closures are dropped, the descriptors are closed, and the default
//! action of the signal is restored.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::rc::{Rc, Weak};

use super::handler::Handler;
use super::inbox::Inbox;
use super::process::Caught;
use crate::errors::loop_is_closed;
use crate::event_loop::LoopHandle;

/// How many deliveries of a signal one turn reads.
const DELIVERIES_PER_TURN: usize = 64;

/// The signals that a loop listens to. The listener of an entry may be gone.
type Listeners = RefCell<BTreeMap<i32, Weak<Listener>>>;

pub(super) struct Listener {
    /// Carries one byte for each delivery of the signal.
    deliveries: UnixStream,
    handler: RefCell<Option<Rc<Handler>>>,
    inboxes: RefCell<Vec<Rc<Inbox>>>,
    signal: i32,
    _caught: Caught,
}

impl Listener {
    /// This loop's listener for this signal. The caller must add a handler or an inbox to a new one at once.
    pub(super) fn of(event_loop: &LoopHandle, signal: i32) -> io::Result<Rc<Listener>> {
        if event_loop.is_closed() {
            return Err(loop_is_closed());
        }
        if let Some(listener) = get(event_loop, signal) {
            return Ok(listener);
        }
        let (deliveries, to) = UnixStream::pair()?;
        deliveries.set_nonblocking(true)?;
        let listener = Rc::new(Listener {
            deliveries,
            handler: RefCell::default(),
            inboxes: RefCell::default(),
            signal,
            _caught: Caught::new(signal, to)?,
        });
        event_loop.add_reader(&listener.deliveries, {
            let (event_loop, listener) = (event_loop.clone(), Rc::clone(&listener));
            move || listener.hear(&event_loop)
        })?;
        listeners(event_loop).borrow_mut().insert(signal, Rc::downgrade(&listener));
        Ok(listener)
    }

    /// Sets the handler, and drops the earlier one.
    pub(super) fn set_handler(&self, handler: Rc<Handler>) {
        let earlier = self.handler.replace(Some(handler));
        if let Some(earlier) = earlier {
            earlier.remove();
        }
    }

    pub(super) fn add_inbox(&self, inbox: Rc<Inbox>) {
        self.inboxes.borrow_mut().push(inbox);
    }

    /// Reads the deliveries, and passes them to the handler and the inboxes.
    fn hear(&self, event_loop: &LoopHandle) {
        let mut bytes = [0; DELIVERIES_PER_TURN];
        // If there is nothing to read after all, there will be another event.
        let count = (&self.deliveries).read(&mut bytes).unwrap_or(0);
        if count == 0 {
            return;
        }
        let handler = self.handler.borrow().clone();
        if let Some(handler) = handler {
            (0..count).for_each(|_| handler.schedule(event_loop));
        }
        let inboxes = self.inboxes.borrow().clone();
        for inbox in inboxes {
            inbox.put(self.signal);
        }
    }

    /// Ends the listening if no handler and no inbox is left.
    fn end_if_unused(&self, event_loop: &LoopHandle) {
        if self.handler.borrow().is_none() && self.inboxes.borrow().is_empty() {
            listeners(event_loop).borrow_mut().remove(&self.signal);
            event_loop.remove_reader(&self.deliveries);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Calls that are already scheduled still hold the handler.
        if let Some(handler) = self.handler.take() {
            handler.remove();
        }
    }
}

/// Removes the handler of a signal. Returns whether there was one.
pub(super) fn remove_handler(event_loop: &LoopHandle, signal: i32) -> bool {
    let Some(listener) = get(event_loop, signal) else { return false };
    let handler = listener.handler.take();
    listener.end_if_unused(event_loop);
    // The default action is restored before the closure is dropped, since its destructor is user code.
    drop(listener);
    let Some(handler) = handler else { return false };
    handler.remove();
    true
}

/// Removes a stream's inbox from the listener of a signal.
pub(super) fn remove_inbox(event_loop: &LoopHandle, signal: i32, inbox: &Rc<Inbox>) {
    let Some(listener) = get(event_loop, signal) else { return };
    listener.inboxes.borrow_mut().retain(|one| !Rc::ptr_eq(one, inbox));
    listener.end_if_unused(event_loop);
}

fn get(event_loop: &LoopHandle, signal: i32) -> Option<Rc<Listener>> {
    listeners(event_loop).borrow().get(&signal)?.upgrade()
}

fn listeners(event_loop: &LoopHandle) -> &Listeners {
    let listeners = event_loop.core().signals.get_or_init(|| Box::new(Listeners::default()));
    listeners.downcast_ref().expect("only the table of listeners is put there")
}
