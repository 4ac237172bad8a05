//! A descriptor that a user of the loop owns and watches: its callbacks and waits, and the table of all such
//! descriptors.
//!
//! ```text
//!   add, or begin_wait ──► watched ──► the last callback removed and the last wait over ──► forgotten
//!                           │    ▲ └──► found to be closed: its callbacks dropped, its waits ended ──► abandoned
//!                     ready │    │ registered again
//!                           ▼    │
//!                     callback, then waits
//! ```
//!
//! The loop does not see the user's reads and writes, so it cannot know when nothing is left. After each event the
//! descriptor is registered with the selector again, so the next poll reports it again if it is still ready. Users of
//! `add_reader` expect this: the callback is called for as long as the descriptor is ready.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::{Rc, Weak};

use super::{Incident, LoopHandle};
use crate::errors::loop_is_closed;
use crate::executor::{Awaited, Payload, Reason, Waiters};
use crate::reactor::{Again, Direction, Registration, Source};
use crate::slots::shrink_map;

/// The watched descriptors, by number. No user code runs while the table is borrowed.
#[derive(Default)]
pub(super) struct Descriptors(RefCell<HashMap<RawFd, Rc<Descriptor>>>);

impl Descriptors {
    pub(super) fn get(&self, fd: RawFd) -> Option<Rc<Descriptor>> {
        self.0.borrow().get(&fd).cloned()
    }

    fn forget(&self, descriptor: &Rc<Descriptor>) {
        let mut table = self.0.borrow_mut();
        if table.get(&descriptor.fd).is_some_and(|current| Rc::ptr_eq(current, descriptor)) {
            table.remove(&descriptor.fd);
            shrink_map(&mut table);
        }
    }

    /// The selector has accepted this number for another source. So the descriptor that had it was closed without being
    /// removed first, and the selector has forgotten it.
    pub(super) fn superseded(&self, fd: RawFd) {
        if let Some(descriptor) = self.get(fd) {
            descriptor.abandon();
        }
    }

    /// Empties the table of a loop that closes. The reactor has already called `let_go` of every descriptor.
    pub(super) fn clear(&self) {
        let table = self.0.take();
        drop(table);
    }
}

pub(super) struct Descriptor {
    this: Weak<Descriptor>,
    event_loop: LoopHandle,
    fd: RawFd,
    registration: Registration,
    read: Side,
    write: Side,
}

/// The callback and the waits of one direction.
#[derive(Default)]
struct Side {
    callback: Cell<Slot>,
    /// How many waits for the next event there are.
    waiting: Cell<usize>,
    /// How many events there have been. A wait is over when this number has changed.
    events: Cell<u64>,
    waiters: Waiters,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Idle(UserCallback),
    /// The callback is being called. If the slot has another state when it returns, the callback was removed or
    /// replaced meanwhile.
    Running,
}

pub(super) struct UserCallback {
    pub(super) closure: Box<dyn FnMut()>,
    pub(super) added_at: &'static Location<'static>,
}

impl Side {
    fn is_wanted(&self) -> bool {
        self.waiting.get() > 0 || self.has_callback()
    }

    /// An event has come. No wait for the next one has begun yet.
    fn count_event(&self) {
        self.events.set(self.events.get() + 1);
        self.waiting.set(0);
    }

    fn has_callback(&self) -> bool {
        let slot = self.callback.take();
        let has = !matches!(slot, Slot::Empty);
        self.callback.set(slot);
        has
    }
}

impl Descriptor {
    /// The descriptor with this number, watched in this direction from now on. If it is ready already, the next poll
    /// reports it.
    ///
    /// # Errors
    ///
    /// Fails if the loop is closed, a transport has the descriptor, or the selector refuses it.
    pub(super) fn watched_for(event_loop: &LoopHandle, fd: RawFd, direction: Direction) -> io::Result<Rc<Descriptor>> {
        if event_loop.is_closed() {
            return Err(loop_is_closed());
        }
        let core = event_loop.core();
        if let Some(descriptor) = core.descriptors.get(fd) {
            let Err(error) = descriptor.want(direction) else { return Ok(descriptor) };
            descriptor.abandon();
            // `NotFound` means that the watched descriptor was closed, and another open one has its number now, which
            // is watched below.
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
        }
        // The selector cannot do this check: kqueue accepts a descriptor a second time without an error.
        if let Some(holder) = core.reactor.holder_of(fd) {
            let text = format!("descriptor {fd} is used by this loop already: {holder:?}");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        let descriptor = Rc::new_cyclic(|this| Descriptor {
            this: this.clone(),
            event_loop: event_loop.clone(),
            fd,
            registration: Registration::unready(),
            read: Side::default(),
            write: Side::default(),
        });
        core.reactor.watch(fd, descriptor.clone())?;
        core.descriptors.0.borrow_mut().insert(fd, Rc::clone(&descriptor));
        if let Err(error) = descriptor.want(direction) {
            descriptor.settle();
            return Err(error);
        }
        Ok(descriptor)
    }

    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// Sets the callback of a direction and drops the earlier one. The descriptor must be watched in this direction.
    pub(super) fn add(&self, direction: Direction, callback: UserCallback) {
        let earlier = self.side(direction).callback.replace(Slot::Idle(callback));
        drop(earlier);
    }

    /// Removes the callback of a direction. Returns whether there was one.
    pub(super) fn remove(&self, direction: Direction) -> bool {
        let removed = self.side(direction).callback.take();
        self.settle();
        !matches!(removed, Slot::Empty)
        // The closure is dropped here, at the end, since its destructor is user code.
    }

    /// Counts a wait, and returns the number of the event that it waits for. The descriptor must be watched in this
    /// direction.
    pub(super) fn begin_wait(&self, direction: Direction) -> u64 {
        let side = self.side(direction);
        side.waiting.set(side.waiting.get() + 1);
        side.events.get()
    }

    pub(super) async fn event_after(&self, direction: Direction, number: u64) {
        let side = self.side(direction);
        let awaited = if direction == Direction::Read { Awaited::Readable } else { Awaited::Writable };
        side.waiters.wait(Reason::polled(awaited), || (side.events.get() != number).then_some(())).await;
    }

    /// A wait for this event is over, either because the event came or because its future was dropped.
    pub(super) fn end_wait(&self, direction: Direction, number: u64) {
        let side = self.side(direction);
        if side.events.get() == number {
            side.waiting.set(side.waiting.get() - 1);
        }
        self.settle();
    }

    /// Watches this direction. If it is ready already, the next poll reports it.
    fn want(&self, direction: Direction) -> io::Result<()> {
        self.registration.exhausted(direction);
        // The bit has just been cleared, so this cannot be due.
        let _ = self.registration.want(direction);
        self.event_loop.core().reactor.rearm(self.fd, &self.registration)
    }

    /// Stops watching the directions that have neither a callback nor a wait. If neither direction is left, takes the
    /// descriptor out of the selector: it stays open, so no close does that.
    fn settle(&self) {
        for direction in [Direction::Read, Direction::Write] {
            if !self.side(direction).is_wanted() {
                self.registration.unwant(direction);
            }
        }
        if self.read.is_wanted() || self.write.is_wanted() {
            return;
        }
        let Some(this) = self.this.upgrade() else { return };
        let core = self.event_loop.core();
        core.descriptors.forget(&this);
        if core.reactor.unwatch(&self.registration).is_some() {
            if let Err(error) = core.reactor.deregister(self.fd) {
                log::debug!("descriptor {} was closed before it was removed: {error}", self.fd);
            }
        }
    }

    /// The descriptor was closed before it was removed, so it will have no more events. Drops its callbacks and ends
    /// its waits: the waiting tasks try again, and that attempt gives them the error.
    fn abandon(&self) {
        log::debug!("descriptor {} was closed before it was removed", self.fd);
        if let Some(this) = self.this.upgrade() {
            self.event_loop.core().descriptors.forget(&this);
            self.registration.want_nothing();
            let source = self.event_loop.core().reactor.unwatch(&self.registration);
            for side in [&self.read, &self.write] {
                side.count_event();
                side.waiters.wake_all();
            }
            self.let_go();
            drop(source);
        }
    }

    /// Calls the callback of a direction, if there is one. If it panics, the panic is reported and the callback
    /// removed, since it may have read nothing and would be called again at once. Returns the callback if it was
    /// removed, for the caller to drop last.
    fn call(&self, direction: Direction) -> Option<UserCallback> {
        let slot = &self.side(direction).callback;
        let mut callback = match slot.replace(Slot::Running) {
            Slot::Idle(callback) => callback,
            other => {
                slot.set(other);
                return None;
            }
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| (callback.closure)()));
        if let Err(payload) = &outcome {
            self.report(&callback, payload);
        }
        match slot.take() {
            Slot::Running if outcome.is_ok() => {
                slot.set(Slot::Idle(callback));
                return None;
            }
            Slot::Running => {}
            changed => slot.set(changed),
        }
        Some(callback)
    }

    #[cold]
    fn report(&self, callback: &UserCallback, payload: &Payload) {
        let incident = Incident::new("A descriptor's callback panicked, and was removed");
        let incident = incident.with_panic(payload).with_location(callback.added_at).with_source(self);
        self.event_loop.core().report(&incident);
    }
}

impl Source for Descriptor {
    fn registration(&self) -> &Registration {
        &self.registration
    }

    fn on_ready(&self, direction: Direction) -> Again {
        let side = self.side(direction);
        side.count_event();
        self.registration.exhausted(direction);
        let removed = self.call(direction);
        self.settle();
        if side.is_wanted() {
            if let Err(error) = self.event_loop.core().reactor.rearm(self.fd, &self.registration) {
                log::debug!("descriptor {}: {error}", self.fd);
                self.abandon();
            }
        }
        // These come last, since both run user code, which may panic.
        side.waiters.wake_all();
        drop(removed);
        Again::No
    }

    fn let_go(&self) {
        let callbacks = (self.read.callback.take(), self.write.callback.take());
        drop(callbacks);
    }

    fn label(&self) -> String {
        format!("descriptor {}", self.fd)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptor").field("fd", &self.fd).field("registration", &self.registration).finish()
    }
}
