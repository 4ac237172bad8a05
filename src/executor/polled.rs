//! The step that is running. This lets a future of this crate find its own task without touching the waker, and lets
//! another thread see what a loop that does not answer is doing.

use std::panic::Location;
use std::ptr;
use std::task::{Context, Waker};

use crate::place::Place;
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// The seat number of a task that a closed loop has refused, of a waker that has no task yet, and of a callback.
pub(super) const NO_SEAT: u32 = u32::MAX;

/// The task that is being polled or the callback that is running, if any.
///
/// Only the loop's thread writes. Other threads may read at any time, and nothing else depends on what they read. So
/// all accesses are relaxed, and a store is as cheap as one to a `Cell`.
pub(crate) struct Polled {
    /// The task or callback. After a poll, it is still the task that was polled.
    who: AtomicU64,
    /// The address of the waker that the task is polled with, or null while no task is polled. It is compared, never
    /// dereferenced.
    ///
    /// A waker at this address is this very waker: the poll borrows it, so no other waker can have its address until
    /// the poll is over. A clone has a different address, and is treated as a foreign waker.
    waker: AtomicPtr<Waker>,
}

/// A task or a callback in one word. The lower half is the seat, which is [`NO_SEAT`] for a callback. The upper half is
/// the number of the line that spawned or scheduled it, and its highest bit marks a main future. The line is 0 if there
/// is neither a task nor a callback.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Who(u64);

const MAIN: u64 = 1 << 63;

/// What is running, for another thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Running {
    /// A task that was spawned at this line.
    Task(&'static Location<'static>),
    /// The main future of a loop that was run at this line.
    Main(&'static Location<'static>),
    /// A callback that was scheduled at this line.
    Callback(&'static Location<'static>),
}

impl Who {
    /// A seat without a task.
    pub(super) fn nobody_at(seat: u32) -> Who {
        Who(u64::from(seat))
    }

    pub(super) fn task(seat: u32, spawned_at: &'static Location<'static>) -> Who {
        Who(u64::from(Place::of(spawned_at).number()) << 32 | u64::from(seat))
    }

    pub(super) fn main(seat: u32, run_at: &'static Location<'static>) -> Who {
        Who(Who::task(seat, run_at).0 | MAIN)
    }

    #[inline]
    pub(super) fn seat(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn line(self) -> Option<&'static Location<'static>> {
        let number = ((self.0 & !MAIN) >> 32) as u32;
        (number > 0).then(|| Place::numbered(number).line())
    }
}

impl Polled {
    pub(super) fn none() -> Self {
        Polled { who: AtomicU64::new(Who::nobody_at(NO_SEAT).0), waker: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Whether a task is being polled.
    pub(super) fn is_polling(&self) -> bool {
        !self.waker.load(Ordering::Relaxed).is_null()
    }

    /// The seat of the task that is being polled.
    pub(super) fn seat(&self) -> Option<u32> {
        self.is_polling().then(|| self.who().seat())
    }

    /// Polls a task with this waker.
    #[inline(always)]
    pub(super) fn during<R>(&self, task: Who, waker: &Waker, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.waker.store(ptr::from_ref(waker).cast_mut(), Ordering::Relaxed);
        self.who.store(task.0, Ordering::Relaxed);
        let _until_the_end = Polling(self);
        poll(&mut Context::from_waker(waker))
    }

    /// The seat of the task that is being polled, if `cx` has the waker that the loop polls it with.
    #[inline]
    pub(super) fn seat_of(&self, cx: &Context<'_>) -> Option<u32> {
        ptr::eq(cx.waker(), self.waker.load(Ordering::Relaxed)).then(|| self.who().seat())
    }

    /// A callback that was scheduled at this line begins.
    pub(crate) fn callback_begins(&self, scheduled_at: &'static Location<'static>) {
        self.who.store(Who::task(NO_SEAT, scheduled_at).0, Ordering::Relaxed);
    }

    pub(crate) fn callback_ended(&self) {
        self.who.store(Who::nobody_at(NO_SEAT).0, Ordering::Relaxed);
    }

    /// What is running. `None` between two steps, and while a source is called.
    pub(crate) fn running(&self) -> Option<Running> {
        // The loop may go on meanwhile, and have stored a waker but not yet the task: then there is no line.
        let who = self.who();
        let line = who.line()?;
        if self.is_polling() {
            Some(if who.0 & MAIN != 0 { Running::Main(line) } else { Running::Task(line) })
        } else {
            (who.seat() == NO_SEAT).then_some(Running::Callback(line))
        }
    }

    #[inline]
    fn who(&self) -> Who {
        Who(self.who.load(Ordering::Relaxed))
    }
}

/// A poll that is going on. When it returns or panics, no task is polled any more.
struct Polling<'a>(&'a Polled);

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.waker.store(ptr::null_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_thread_is_told_a_task_or_a_callback_and_nothing_in_between() {
        let (polled, here) = (Polled::none(), Location::caller());
        assert_eq!(polled.running(), None);
        polled.callback_begins(here);
        assert_eq!(polled.running(), Some(Running::Callback(here)));
        polled.callback_ended();
        assert_eq!(polled.running(), None);
        for (who, running) in [(Who::task(3, here), Running::Task(here)), (Who::main(0, here), Running::Main(here))] {
            polled.during(who, Waker::noop(), |_| assert_eq!(polled.running(), Some(running)));
            assert_eq!(polled.running(), None);
        }
        // This is the state between the two stores that begin a poll.
        polled.during(Who::nobody_at(NO_SEAT), Waker::noop(), |_| assert_eq!(polled.running(), None));
    }
}
