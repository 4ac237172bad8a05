//! Scheduling callbacks: soon, later, and from other threads.

use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Core, Due, LoopHandle, Phase};
use crate::constants::FAR_FUTURE;
use crate::executor::{Entry, Letter, Mailbox, Waiter, of_this_thread};
use crate::handle::{Callback, Handle, RemoteCall, Runnable};
use crate::reactor::{Direction, Source};
use crate::timers::TimerKey;

impl LoopHandle {
    /// Runs `callback` in the next turn, after all that was scheduled before it.
    ///
    /// Cancelling the [`Handle`] drops the callback at once. On a closed loop it is dropped at once too.
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + 'static) -> Handle {
        self.schedule(Callback::new(callback))
    }

    /// Schedules a callback of any type: compiled once.
    fn schedule(&self, callback: Rc<dyn Runnable>) -> Handle {
        let handle = Handle::new(Rc::clone(&callback));
        if self.is_closed() {
            handle.cancel();
        } else {
            self.core().executor.ready.push(Entry::Callback(callback));
        }
        handle
    }

    /// Runs `callback` after `delay`, never earlier. A delay that the clock cannot add is taken for thirty years.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, callback: impl FnOnce() + 'static) -> TimerHandle {
        self.schedule_after(delay, Callback::new(callback))
    }

    /// Runs `callback` at `when`, never earlier; if that has passed, in the next turn. Equal times come in the order
    /// in which they were asked for.
    #[track_caller]
    pub fn call_at(&self, when: Instant, callback: impl FnOnce() + 'static) -> TimerHandle {
        self.schedule_at(when, Callback::new(callback))
    }

    fn schedule_after(&self, delay: Duration, callback: Rc<dyn Runnable>) -> TimerHandle {
        self.schedule_at(self.core().deadline_after(delay), callback)
    }

    /// As [`schedule`](LoopHandle::schedule), for later.
    fn schedule_at(&self, when: Instant, callback: Rc<dyn Runnable>) -> TimerHandle {
        let handle = Handle::new(Rc::clone(&callback));
        let key = self.core().arm(when, Due::Call(callback));
        if key.is_none() {
            handle.cancel();
        }
        TimerHandle { handle, when, key, event_loop: self.clone() }
    }

    /// The time by the loop's clock, which `call_at` and the timers go by.
    pub fn time(&self) -> Instant {
        self.core().now()
    }

    /// Ends [`run_forever`](crate::EventLoop::run_forever) after the current turn.
    pub fn stop(&self) {
        self.core().stop();
    }

    /// Whether the loop is running now.
    pub fn is_running(&self) -> bool {
        self.core().phase.get() == Phase::Running
    }

    /// Whether the loop's owner has dropped it.
    pub fn is_closed(&self) -> bool {
        self.core().phase.get() == Phase::Closed
    }

    /// A handle that other threads may use.
    #[doc(alias = "call_soon_threadsafe")]
    pub fn remote(&self) -> RemoteHandle {
        RemoteHandle { mailbox: Arc::clone(&self.core().executor.mailbox) }
    }
}

/// A callback scheduled by [`call_later`](LoopHandle::call_later) or [`call_at`](LoopHandle::call_at). Dropping it
/// lets the callback run.
#[derive(Clone)]
pub struct TimerHandle {
    handle: Handle,
    when: Instant,
    key: Option<TimerKey>,
    event_loop: LoopHandle,
}

impl TimerHandle {
    /// Takes the callback back: it is dropped now, and the timer is gone. After it ran this does nothing.
    pub fn cancel(&self) {
        if let Some(key) = self.key {
            drop(self.event_loop.core().disarm(key));
        }
        self.handle.cancel();
    }

    /// Whether the callback was cancelled before it ran.
    #[doc(alias = "cancelled")]
    pub fn is_cancelled(&self) -> bool {
        self.handle.is_cancelled()
    }

    /// The deadline.
    pub fn when(&self) -> Instant {
        self.when
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle").field("when", &self.when).field("handle", &self.handle).finish()
    }
}

/// The way into a loop from other threads: the only part of it that is `Send`.
///
/// ```
/// let mut event_loop = waterwheel::EventLoop::new()?;
/// let (handle, remote) = (event_loop.handle(), event_loop.handle().remote());
/// let thread = std::thread::spawn(move || remote.call_soon(|| waterwheel::get_running_loop().stop()));
/// event_loop.run_forever();
/// assert!(thread.join().unwrap());
/// # drop(handle);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct RemoteHandle {
    mailbox: Arc<Mailbox>,
}

impl RemoteHandle {
    /// Runs `callback` on the loop's thread, in a turn, and wakes the loop if it sleeps. Returns false, and drops the
    /// callback here, if the loop is closed.
    ///
    /// # Order
    ///
    /// Callbacks of one thread run in the order in which it sent them. On the loop's own thread, during a run and
    /// between runs, this is [`LoopHandle::call_soon`] without a handle: the callback stands behind all that was
    /// scheduled there before, and before all that is scheduled after. What comes from another thread stands behind what
    /// is ready when a turn takes it in, which it does before it runs anything; between the callbacks of different
    /// threads no other order is promised.
    ///
    /// # Fairness
    ///
    /// A turn takes in at most 128 callbacks and wakes of other threads, so a thread that sends without pause does not
    /// keep the loop from its connections and timers. What has not been taken in is kept without a bound: whoever sends
    /// faster than the loop runs it fills the memory.
    #[doc(alias = "call_soon_threadsafe")]
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + Send + 'static) -> bool {
        let call = RemoteCall::new(callback);
        match of_this_thread(&self.mailbox) {
            Some(executor) => executor.ready.push(Entry::Callback(call.into_callback())),
            None => return self.mailbox.post(Letter::Call(call)),
        }
        true
    }
}

impl fmt::Debug for RemoteHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteHandle").finish_non_exhaustive()
    }
}

/// Stopping and timers, for what is built on the loop.
impl Core {
    /// Has a source called when it is ready in this direction, from a turn. If it is ready already, it is queued now.
    pub(crate) fn want<S: Source + 'static>(&self, source: &Weak<S>, direction: Direction) {
        let Some(source) = source.upgrade() else { return };
        if source.registration().want(direction) {
            self.executor.ready.push(Entry::Io(source, direction));
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.set(true);
    }

    /// Reads the clock.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        let now = self.clock.now();
        self.latest.set(now);
        now
    }

    pub(crate) fn deadline_after(&self, delay: Duration) -> Instant {
        let now = self.now();
        now.checked_add(delay).unwrap_or_else(|| now + FAR_FUTURE)
    }

    /// Wakes `waiter` at `when`; `None`, and never, on a closed loop.
    pub(crate) fn wake_at(&self, when: Instant, waiter: Waiter) -> Option<TimerKey> {
        self.arm(when, Due::Wake(waiter))
    }

    fn arm(&self, when: Instant, due: Due) -> Option<TimerKey> {
        if self.phase.get() == Phase::Closed {
            return None;
        }
        Some(self.timers.borrow_mut().arm(when, due))
    }

    /// Whether a timer has not fired yet.
    #[inline]
    pub(crate) fn is_armed(&self, key: TimerKey) -> bool {
        self.timers.borrow().is_armed(key)
    }

    /// Someone else waits for this timer now.
    pub(crate) fn rearm(&self, key: TimerKey, waiter: Waiter) {
        let mut timers = self.timers.borrow_mut();
        let earlier = timers.payload_mut(key).map(|payload| std::mem::replace(payload, Due::Wake(waiter)));
        drop(timers);
        drop(earlier);
    }

    /// Takes a timer back; what it would have done is given to the caller, to be dropped.
    pub(crate) fn disarm(&self, key: TimerKey) -> impl Sized {
        self.timers.borrow_mut().cancel(key)
    }
}
