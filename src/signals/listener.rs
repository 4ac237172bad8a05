//! One signal as one loop hears it.
//!
//! ```text
//!   the first handler or stream ──► listening ──► the last handler or stream is gone, or the loop closes ──► dropped
//! ```
//!
//! The loop's reader owns the listener, and all others have weak references. So whatever drops the reader, a removal or
//! the end of the loop, ends the listening: the closures are dropped, the descriptors closed, and the default action of
//! the signal is back.

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

/// How many deliveries of a signal one turn takes in.
const DELIVERIES_PER_TURN: usize = 64;

/// The signals that a loop listens to. An entry may be of a listener that is gone.
type Listeners = RefCell<BTreeMap<i32, Weak<Listener>>>;

pub(super) struct Listener {
    /// One byte for each delivery of the signal.
    deliveries: UnixStream,
    handler: RefCell<Option<Rc<Handler>>>,
    inboxes: RefCell<Vec<Rc<Inbox>>>,
    signal: i32,
    _caught: Caught,
}

impl Listener {
    /// The listener of this loop to this signal. If it is new, somebody has to be added at once.
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

    /// Takes in what has come.
    fn hear(&self, event_loop: &LoopHandle) {
        let mut bytes = [0; DELIVERIES_PER_TURN];
        // If nothing is there after all, the next event tells.
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

    /// Ends the listening if nobody is left for whom it is done.
    fn end_if_unused(&self, event_loop: &LoopHandle) {
        if self.handler.borrow().is_none() && self.inboxes.borrow().is_empty() {
            listeners(event_loop).borrow_mut().remove(&self.signal);
            event_loop.remove_reader(&self.deliveries);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The calls that it has scheduled still have it.
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
    // The default action is back before the closure is dropped, which is user code.
    drop(listener);
    let Some(handler) = handler else { return false };
    handler.remove();
    true
}

/// Takes a stream's inbox away from the listener of a signal.
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
