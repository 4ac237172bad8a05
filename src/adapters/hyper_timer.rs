//! Timers for hyper, whose sleeps have to be `Send` and `Sync`, as nothing is that belongs to a loop.
//!
//! A sleep shares a slot with its loop. The loop's timer, armed when the sleep is made, marks the slot and wakes whoever
//! has left a waker in it. What the sleep keeps besides is the name of the timer, and the door to the loop.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use ::hyper::rt::{Sleep, Timer};

use crate::event_loop::{LoopHandle, RemoteHandle, get_running_loop, try_get_running_loop};
use crate::executor::Waiter;
use crate::timers::TimerKey;

/// Has hyper's time limits run by the clock of the running loop.
///
/// # Panics
///
/// Its methods panic where no loop runs.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use hyper::rt::Timer;
/// use waterwheel::LoopTimer;
///
/// waterwheel::run(async {
///     let began = LoopTimer.now();
///     LoopTimer.sleep(Duration::from_millis(2)).await;
///     assert!(LoopTimer.now() - began >= Duration::from_millis(2));
/// });
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[doc(alias = "TokioTimer")]
pub struct LoopTimer;

impl Timer for LoopTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let event_loop = get_running_loop();
        let deadline = event_loop.core().deadline_after(duration);
        Box::pin(LoopSleep::new(&event_loop, deadline))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(LoopSleep::new(&get_running_loop(), deadline))
    }

    fn now(&self) -> Instant {
        get_running_loop().time()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        let own = sleep.as_mut().downcast_mut_pin::<LoopSleep>();
        if !own.is_some_and(|sleep| sleep.move_to(deadline)) {
            *sleep = self.sleep_until(deadline);
        }
    }
}

struct LoopSleep {
    slot: Arc<Slot>,
    /// `None` if the loop was closed when the sleep was made: it never ends.
    timer: Option<TimerKey>,
    home: RemoteHandle,
}

impl LoopSleep {
    fn new(event_loop: &LoopHandle, deadline: Instant) -> LoopSleep {
        let slot = Arc::new(Slot::default());
        let rings = Waiter::Foreign(Box::new(Waker::from(Arc::clone(&slot))));
        LoopSleep { timer: event_loop.core().wake_at(deadline, rings), slot, home: event_loop.remote() }
    }

    /// Moves a timer that runs, which costs less than a new one. Returns false if it has fired, or is not of this loop.
    fn move_to(&self, deadline: Instant) -> bool {
        let (Some(timer), Some(event_loop)) = (self.timer, self.home.as_running()) else { return false };
        event_loop.core().reschedule(timer, deadline)
    }
}

impl Sleep for LoopSleep {}

impl Future for LoopSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.slot.poll(cx)
    }
}

impl Drop for LoopSleep {
    fn drop(&mut self) {
        let Some(timer) = self.timer else { return };
        if self.slot.is_over() {
            return;
        }
        if let Some(event_loop) = self.home.as_running() {
            drop(event_loop.core().disarm(timer));
            return;
        }
        // Elsewhere than in its loop: that removes the timer in a turn. If there will be none, it was removed already.
        self.home.call_soon(move || {
            if let Some(event_loop) = try_get_running_loop() {
                drop(event_loop.core().disarm(timer));
            }
        });
    }
}

/// What a sleep and the timer of its loop share.
#[derive(Default)]
struct Slot(Mutex<State>);

enum State {
    /// The time is not over. Whoever polled last is woken then.
    Waiting(Option<Waker>),
    Over,
}

impl Default for State {
    fn default() -> State {
        State::Waiting(None)
    }
}

impl Slot {
    /// Nothing panics with it, since no waker is cloned, woken or dropped under the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        matches!(*self.state(), State::Over)
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_over() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let mut state = self.state();
        let earlier = match &mut *state {
            State::Waiting(place) => place.replace(waker),
            State::Over => return Poll::Ready(()),
        };
        drop(state);
        drop(earlier);
        Poll::Pending
    }
}

/// The loop's timer wakes the slot.
impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        let earlier = std::mem::replace(&mut *self.state(), State::Over);
        if let State::Waiting(Some(waker)) = earlier {
            waker.wake();
        }
    }
}

impl fmt::Debug for LoopSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopSleep").field("is_over", &self.slot.is_over()).finish_non_exhaustive()
    }
}
