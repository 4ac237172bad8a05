//! Scheduling callbacks: soon, later, and from other threads.

use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Stuck;
use super::last_step::LastStep;
use super::{Core, Due, LoopHandle, Phase};
use crate::constants::FAR_FUTURE;
use crate::executor::{Entry, Letter, Mailbox, TaskNode, Waiter, of_this_thread};
use crate::handle::{Callback, Handle, RemoteCall, Runnable};
use crate::reactor::{Direction, Source};
use crate::timers::TimerKey;

impl LoopHandle {
    /// Runs `callback` in the next turn, after everything that was scheduled before it.
    ///
    /// Cancelling the [`Handle`] drops the callback at once. On a closed loop, the callback is dropped at once, too.
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + 'static) -> Handle {
        self.schedule(Callback::new(callback))
    }

    /// Like [`call_soon`](LoopHandle::call_soon), but reports name the line `origin` and not the caller's.
    #[cfg(feature = "signals")]
    pub(crate) fn call_soon_for(&self, origin: &'static Location<'static>, callback: impl FnOnce() + 'static) {
        self.schedule(Callback::scheduled_at(callback, origin));
    }

    /// Schedules a callback. Separate from `call_soon`, so that it is compiled once and not for each type of callback.
    fn schedule(&self, callback: Rc<dyn Runnable>) -> Handle {
        let handle = Handle::new(Rc::clone(&callback));
        if self.is_closed() {
            handle.cancel();
        } else {
            self.core().executor.ready.push(Entry::Callback(callback));
        }
        handle
    }

    /// Runs `callback` after `delay`, never earlier. If the clock cannot represent the deadline, the delay is thirty
    /// years.
    ///
    /// # Examples
    ///
    /// A time limit that is cancelled when it is no longer needed:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut event_loop = waterwheel::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let limit = handle.call_later(Duration::from_secs(3600), || panic!("it took too long"));
    /// handle.call_later(Duration::from_millis(1), {
    ///     let (handle, limit) = (handle.clone(), limit.clone());
    ///     move || {
    ///         limit.cancel();
    ///         handle.stop();
    ///     }
    /// });
    /// event_loop.run_forever();
    /// assert!(limit.is_cancelled() && handle.time() < limit.when());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn call_later(&self, delay: Duration, callback: impl FnOnce() + 'static) -> TimerHandle {
        self.schedule_at(self.core().deadline_after(delay), Callback::new(callback))
    }

    /// Runs `callback` at `when`, never earlier. If that time has passed, it runs in the next turn. Callbacks for the
    /// same time run in the order in which they were scheduled.
    ///
    /// # Examples
    ///
    /// Steps at fixed times from one start, however long each step takes:
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    /// use waterwheel::{EventLoop, testing::ManualClock};
    ///
    /// let mut event_loop = EventLoop::builder().clock(Rc::new(ManualClock::new())).build()?;
    /// let (handle, seen) = (event_loop.handle(), Rc::new(RefCell::new(Vec::new())));
    /// let start = handle.time();
    /// for step in [3, 1, 2] {
    ///     let (handle, seen) = (handle.clone(), seen.clone());
    ///     let note = move || seen.borrow_mut().push((step, (handle.time() - start).as_secs()));
    ///     event_loop.handle().call_at(start + Duration::from_secs(10) * step, note);
    /// }
    /// event_loop.run(waterwheel::sleep(Duration::from_secs(60)));
    /// assert_eq!(*seen.borrow(), [(1, 10), (2, 20), (3, 30)]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn call_at(&self, when: Instant, callback: impl FnOnce() + 'static) -> TimerHandle {
        self.schedule_at(when, Callback::new(callback))
    }

    /// Like [`schedule`](LoopHandle::schedule), for a callback that runs later.
    fn schedule_at(&self, when: Instant, callback: Rc<dyn Runnable>) -> TimerHandle {
        let handle = Handle::new(Rc::clone(&callback));
        let key = self.core().arm(when, Due::Call(callback));
        if key.is_none() {
            handle.cancel();
        }
        TimerHandle { handle, when, key, event_loop: self.clone() }
    }

    /// The time by the loop's clock, which `call_at` and all timers use.
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
    ///
    /// # Examples
    ///
    /// ```
    /// let mut event_loop = waterwheel::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let in_a_run = handle.clone();
    /// assert!(event_loop.run(async move { in_a_run.is_running() }));
    /// assert!(!handle.is_running());
    ///
    /// drop(event_loop);
    /// assert!(handle.is_closed());
    /// // A handle may outlive its loop. Callbacks that it schedules then are dropped.
    /// assert!(handle.call_soon(|| unreachable!()).is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.core().phase.get() == Phase::Closed
    }

    /// A handle for other threads.
    #[doc(alias = "call_soon_threadsafe")]
    pub fn remote(&self) -> RemoteHandle {
        self.core().remote()
    }
}

/// A handle to a callback that was scheduled by [`call_later`](LoopHandle::call_later) or
/// [`call_at`](LoopHandle::call_at). Dropping the handle does not cancel the callback.
#[derive(Clone)]
pub struct TimerHandle {
    handle: Handle,
    when: Instant,
    key: Option<TimerKey>,
    event_loop: LoopHandle,
}

impl TimerHandle {
    /// Cancels the callback: it is dropped now and will not run, and its timer is removed. After the callback has run,
    /// this does nothing.
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

/// A handle to a loop for other threads, the only one that is `Send`.
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
pub struct RemoteHandle(Arc<Remote>);

/// The parts of a loop that other threads can reach. They share one `Arc`, so cloning a handle counts one reference.
struct Remote {
    mailbox: Arc<Mailbox>,
    last_step: Arc<LastStep>,
}

impl RemoteHandle {
    pub(super) fn new(mailbox: &Arc<Mailbox>, last_step: &Arc<LastStep>) -> RemoteHandle {
        RemoteHandle(Arc::new(Remote { mailbox: Arc::clone(mailbox), last_step: Arc::clone(last_step) }))
    }

    /// Runs `callback` on the loop's thread, in a turn, and wakes the loop if it sleeps. If the loop is closed, this
    /// drops the callback on the calling thread and returns false.
    ///
    /// # Order
    ///
    /// Callbacks that one thread sends run in that order. On the loop's own thread, during a run and between runs, this
    /// is [`LoopHandle::call_soon`] without a handle: the callback runs after everything that was scheduled there
    /// before and before everything that is scheduled later. A turn takes in callbacks of other threads before it runs
    /// anything, and queues them behind what is ready already. There is no other order between the callbacks of
    /// different threads.
    ///
    /// # Fairness
    ///
    /// A turn takes in at most 128 callbacks and wakes of other threads, so a thread that sends without pause does not
    /// keep the loop from its connections and timers. The queue of callbacks that have not been taken in is unbounded:
    /// a thread that sends them faster than the loop runs them fills the memory.
    #[doc(alias = "call_soon_threadsafe")]
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + Send + 'static) -> bool {
        let (call, mailbox) = (RemoteCall::new(callback), &self.0.mailbox);
        let Some(executor) = of_this_thread(mailbox) else { return mailbox.post(Letter::Call(call)) };
        executor.ready.push(Entry::Callback(call.into_callback()));
        true
    }
}

impl RemoteHandle {
    /// The step that is running. `None` if none is.
    pub(crate) fn stuck_step(&self) -> Option<Stuck> {
        self.0.last_step.stuck()
    }

    /// The loop, if it runs on this thread.
    pub(crate) fn as_running(&self) -> Option<LoopHandle> {
        let running = super::try_get_running_loop()?;
        Arc::ptr_eq(&running.core().remote.0, &self.0).then_some(running)
    }
}

impl fmt::Debug for RemoteHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteHandle").finish_non_exhaustive()
    }
}

/// A timer, for reports.
pub(crate) struct Planned {
    /// The time that is left.
    pub(crate) left: Duration,
    /// The task that it wakes, if it wakes one.
    pub(crate) wakes: Option<Rc<TaskNode>>,
    /// Where its callback was scheduled, if it has one.
    pub(crate) scheduled_at: Option<&'static Location<'static>>,
}

/// For tasks and transports: sources, stopping and timers.
impl Core {
    /// Has a turn call a source when it is ready in this direction. If it is ready already, it is queued now.
    pub(crate) fn want<S: Source + 'static>(&self, source: &Weak<S>, direction: Direction) {
        let Some(source) = source.upgrade() else { return };
        if source.registration().want(direction) {
            self.executor.ready.push(Entry::Io(source, direction));
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.set(true);
    }

    /// The handle for other threads.
    #[inline]
    pub(crate) fn remote(&self) -> RemoteHandle {
        self.remote.clone()
    }

    /// Reads the clock.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        let now = self.clock.now();
        self.timeline.note(now);
        now
    }

    pub(crate) fn deadline_after(&self, delay: Duration) -> Instant {
        let now = self.now();
        now.checked_add(delay).unwrap_or_else(|| now + FAR_FUTURE)
    }

    /// Wakes `waiter` at `when`. On a closed loop this returns `None` and never wakes.
    pub(crate) fn wake_at(&self, when: Instant, waiter: Waiter) -> Option<TimerKey> {
        self.arm(when, Due::Wake(waiter))
    }

    fn arm(&self, when: Instant, due: Due) -> Option<TimerKey> {
        if self.phase.get() == Phase::Closed {
            return None;
        }
        self.counters.timers_armed.add(1);
        let key = self.timers.borrow_mut().arm(self.timeline.moment_of(when), due);
        self.executor.ready.alarm.ring();
        Some(key)
    }

    /// Whether a timer has neither fired nor been cancelled.
    #[inline]
    pub(crate) fn is_armed(&self, key: TimerKey) -> bool {
        self.timers.borrow().is_armed(key)
    }

    /// Moves a timer to another time. Returns whether it has not fired yet.
    pub(crate) fn reschedule(&self, key: TimerKey, when: Instant) -> bool {
        let is_moved = self.timers.borrow_mut().reschedule(key, self.timeline.moment_of(when));
        self.executor.ready.alarm.ring();
        is_moved
    }

    /// Replaces the waiter of a timer.
    pub(crate) fn set_timer_waiter(&self, key: TimerKey, waiter: Waiter) {
        let mut timers = self.timers.borrow_mut();
        let earlier = timers.payload_mut(key).map(|payload| std::mem::replace(payload, Due::Wake(waiter)));
        drop(timers);
        drop(earlier);
    }

    /// All timers, in the order of their deadlines.
    pub(crate) fn planned(&self) -> Vec<Planned> {
        let timers = self.timers.borrow();
        let planned = |(left, due): (Duration, &Due)| match due {
            Due::Call(callback) => Planned { left, wakes: None, scheduled_at: Some(callback.location()) },
            Due::Wake(waiter) => Planned { left, wakes: waiter.task().cloned(), scheduled_at: None },
        };
        timers.left(self.timeline.moment()).into_iter().map(planned).collect()
    }

    /// Cancels a timer. Returns its callback or waiter, for the caller to drop.
    pub(crate) fn disarm(&self, key: TimerKey) -> impl Sized {
        self.timers.borrow_mut().cancel(key)
    }
}
