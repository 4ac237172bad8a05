//! Timers for hyper, whose sleeps have to be `Send` and `Sync`, as nothing is that belongs to a loop.
//!
//! A sleep knows the door to its loop, and the key of its timer there. Both may go to any thread. Polled in its loop, as
//! it mostly is, it has the timer wake the task that polls it, as any sleep of this crate does. Where it is polled elsewhere
//! it shares a slot with its loop: the timer marks the slot and wakes whoever has left a waker in it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use ::hyper::rt::{Sleep, Timer};

use crate::event_loop::{LoopHandle, RemoteHandle, try_get_running_loop, with_running_loop};
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
        self.sleep_until(with_running_loop(|core| core.deadline_after(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(LoopSleep { deadline, home: with_running_loop(|core| core.remote()), stage: Stage::New })
    }

    fn now(&self) -> Instant {
        with_running_loop(|core| core.now())
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
///
/// The alignment makes it 48 bytes. With its 40 it was of one size with what hyper allocates for each request besides, and
/// glibc was seen to search and consolidate its bins for each request then, for 300 instructions.
#[repr(align(16))]
struct LoopSleep {
    deadline: Instant,
    home: RemoteHandle,
    stage: Stage,
}

enum Stage {
    /// Not polled yet, or only on its closed loop, where it never ends.
    New,
    /// The timer is armed in the loop, or has fired. The sleep was polled there only.
    Armed(TimerKey),
    /// It was polled elsewhere than in its loop. The timer that the loop has armed for that wakes the slot; nobody knows its
    /// key, so it stays until it fires, and wakes nobody if the sleep is gone.
    Shared(Arc<Slot>),
    /// The time is over.
    Over,
}

impl LoopSleep {
    /// Has it end at another time. Returns false if that needs a new sleep: the old one is over, or is not of this loop.
    fn move_to(&mut self, deadline: Instant) -> bool {
        self.deadline = deadline;
        match self.stage {
            Stage::New => true,
            Stage::Armed(timer) => {
                self.home.as_running().is_some_and(|event_loop| event_loop.core().reschedule(timer, deadline))
            }
            Stage::Shared(_) | Stage::Over => false,
        }
    }

    fn poll_at_home(&mut self, event_loop: &LoopHandle, cx: &Context<'_>) -> Poll<()> {
        let core = event_loop.core();
        let why = Reason::polled(Awaited::Sleep);
        match self.stage {
            Stage::New => {
                let timer = core.wake_at(self.deadline, Waiter::leaving(why, cx));
                self.stage = timer.map_or(Stage::New, Stage::Armed);
                Poll::Pending
            }
            Stage::Armed(timer) if core.is_armed(timer) => {
                core.set_timer_waiter(timer, Waiter::leaving(why, cx));
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Apart from `drop`, which mostly has nothing to do where requests come together.
    #[inline(never)]
    fn disarm(&self, timer: TimerKey) {
        if let Some(event_loop) = self.home.as_running() {
            return drop(event_loop.core().disarm(timer));
        }
        // Elsewhere than in its loop: that removes the timer in a turn. If there will be none, it was removed already.
        self.home.call_soon(move || {
            if let Some(event_loop) = try_get_running_loop() {
                drop(event_loop.core().disarm(timer));
            }
        });
    }

    /// The sleep is polled elsewhere than in its loop, which is asked in a turn to wake a slot.
    #[cold]
    fn share(&mut self) -> &Slot {
        let (slot, deadline) = (Arc::new(Slot::default()), self.deadline);
        let earlier = if let Stage::Armed(timer) = self.stage { Some(timer) } else { None };
        let rings = Waker::from(Arc::clone(&slot));
        self.home.call_soon(move || {
            let Some(event_loop) = try_get_running_loop() else { return };
            drop(earlier.map(|timer| event_loop.core().disarm(timer)));
            event_loop.core().wake_at(deadline, Waiter::Foreign(Box::new(rings)));
        });
        self.stage = Stage::Shared(slot);
        let Stage::Shared(slot) = &self.stage else { unreachable!("it was set just now") };
        slot
    }
}

impl Sleep for LoopSleep {}

impl Future for LoopSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let slept = match &this.stage {
            Stage::Shared(slot) => slot.poll(cx),
            Stage::Over => return Poll::Ready(()),
            Stage::New | Stage::Armed(_) => match this.home.as_running() {
                Some(event_loop) => this.poll_at_home(&event_loop, cx),
                None => this.share().poll(cx),
            },
        };
        if slept.is_ready() {
            this.stage = Stage::Over;
        }
        slept
    }
}

impl Drop for LoopSleep {
    #[inline]
    fn drop(&mut self) {
        if let Stage::Armed(timer) = self.stage {
            self.disarm(timer);
        }
    }
}

/// What a sleep that was polled elsewhere and the timer of its loop share.
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
        leave(Reason::polled(Awaited::Sleep));
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
        f.debug_struct("LoopSleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
