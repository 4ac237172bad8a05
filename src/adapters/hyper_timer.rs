//! Timers for hyper, whose sleeps have to be `Send` and `Sync`, as nothing is that belongs to a loop.
//!
//! A sleep shares a slot with its loop. The loop's timer, armed when the sleep is first polled, marks the slot and wakes
//! whoever has left a waker in it. What the sleep keeps besides is the name of the timer, and the door to the loop.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use ::hyper::rt::{Sleep, Timer};

use crate::event_loop::{LoopHandle, RemoteHandle, get_running_loop, try_get_running_loop};
use crate::executor::{Awaited, Reason, Waiter, leave};
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
        if !own.is_some_and(|mut sleep| sleep.move_to(deadline)) {
            *sleep = self.sleep_until(deadline);
        }
    }
}

/// hyper makes a sleep for each request, and polls it only where the request does not come at once. So the timer is armed at
/// the first poll: a sleep that is never polled costs its own memory and nothing else.
struct LoopSleep {
    deadline: Instant,
    home: RemoteHandle,
    /// `None` until the first poll.
    armed: Option<Armed>,
}

struct Armed {
    slot: Arc<Slot>,
    /// `None` if the sleep was first polled elsewhere than in its loop, or on a closed loop, where it never ends.
    timer: Option<TimerKey>,
}

impl Armed {
    /// The sleep is polled elsewhere than in its loop, which is asked to arm the timer in a turn. Nobody knows its name, so
    /// it stays until it fires, and wakes nobody if the sleep is gone.
    #[cold]
    fn from_elsewhere(deadline: Instant, home: &RemoteHandle) -> Armed {
        let slot = Arc::new(Slot::default());
        let rings = Waker::from(Arc::clone(&slot));
        home.call_soon(move || {
            if let Some(event_loop) = try_get_running_loop() {
                event_loop.core().wake_at(deadline, Waiter::Foreign(Box::new(rings)));
            }
        });
        Armed { slot, timer: None }
    }
}

impl LoopSleep {
    fn new(event_loop: &LoopHandle, deadline: Instant) -> LoopSleep {
        LoopSleep { deadline, home: event_loop.remote(), armed: None }
    }

    /// Has it end at another time. Returns false if that needs a new sleep: the old one is over, or is not of this loop.
    fn move_to(&mut self, deadline: Instant) -> bool {
        self.deadline = deadline;
        let Some(armed) = &self.armed else { return true };
        let (Some(timer), Some(event_loop)) = (armed.timer, self.home.as_running()) else { return false };
        event_loop.core().reschedule(timer, deadline)
    }

    fn arm(&mut self) -> &Armed {
        let (deadline, home) = (self.deadline, &self.home);
        self.armed.get_or_insert_with(|| {
            let Some(event_loop) = home.as_running() else { return Armed::from_elsewhere(deadline, home) };
            let (slot, rings) = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| {
                let slot = Arc::new(Slot::default());
                (Arc::clone(&slot), Waiter::Foreign(Box::new(Waker::from(slot))))
            });
            Armed { timer: event_loop.core().wake_at(deadline, rings), slot }
        })
    }
}

thread_local! {
    /// What a sleep leaves that is dropped before its time, for the next one, so that a server that sets a time limit for
    /// each request allocates for the first only. Invariant: nobody else has the slot, and no waker is in it.
    static SPARE: Cell<Option<(Arc<Slot>, Waiter)>> = const { Cell::new(None) };
}

impl Sleep for LoopSleep {}

impl Future for LoopSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let slept = self.arm().slot.poll(cx);
        if slept.is_pending() {
            leave(Reason::polled(Awaited::Sleep));
        }
        slept
    }
}

impl Drop for LoopSleep {
    fn drop(&mut self) {
        let Some(Armed { slot, timer: Some(timer) }) = self.armed.take() else { return };
        if let Some(event_loop) = self.home.as_running() {
            // Nobody but the timer, if it has not fired, and this had the slot.
            if let (Some(rings), true) = (event_loop.core().take_timer_waiter(timer), slot.forget_waker()) {
                // A thread that ends may have dropped it already. Then there is no next sleep either.
                drop(SPARE.try_with(|spare| spare.replace(Some((slot, rings)))));
            }
            return;
        }
        if slot.is_over() {
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

    /// Drops the waker that was left. Returns false if the time is over.
    fn forget_waker(&self) -> bool {
        let mut state = self.state();
        let State::Waiting(waker) = &mut *state else { return false };
        let waker = waker.take();
        drop(state);
        drop(waker);
        true
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        // Before the lock, since cloning and dropping a waker may run any code. Nearly every poll needs it.
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
        let is_over = self.armed.as_ref().is_some_and(|armed| armed.slot.is_over());
        f.debug_struct("LoopSleep").field("is_over", &is_over).finish_non_exhaustive()
    }
}
