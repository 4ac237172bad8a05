//! Timers for hyper, whose sleeps have to be `Send` and `Sync`, although nothing that belongs to a loop is.
//!
//! A sleep has a `RemoteHandle` to its loop, and the key of its timer there. Both may go to any thread. When the sleep
//! is polled in its loop, which is the usual case, the timer wakes the task that polls it, as for any sleep of this
//! crate. When it is polled outside its loop, it shares a slot with the loop: the timer marks the slot and wakes the
//! waker in it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use ::hyper::rt::{Sleep, Timer};

use crate::event_loop::{LoopHandle, RemoteHandle, try_get_running_loop, with_running_loop};
use crate::executor::{Awaited, Reason, Waiter, leave};
use crate::timers::TimerKey;

/// Makes hyper's timeouts use the clock of the running loop.
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

/// hyper makes a sleep for each request, and polls it only if the request does not arrive at once. So the timer is
/// armed at the first poll: a sleep that is never polled costs its own memory and nothing else.
///
/// The alignment makes it 48 bytes. At 40 bytes it had the size of another allocation that hyper makes for each
/// request, and glibc was seen to search and consolidate its bins for each request, which cost 300 instructions.
#[repr(align(16))]
struct LoopSleep {
    deadline: Instant,
    home: RemoteHandle,
    stage: Stage,
}

enum Stage {
    /// Not polled yet, or polled only in its loop after that was closed, where it never ends.
    New,
    /// The timer is armed in the loop, or has fired. The sleep was polled there only.
    Armed(TimerKey),
    /// The sleep was polled outside its loop. The loop arms a timer that wakes the slot, and leaves its key there.
    Shared(Arc<Slot>),
    /// The sleep is over.
    Over,
}

impl LoopSleep {
    /// Makes it end at another time. Returns false if that needs a new sleep: this one is over, or is not used in its
    /// own loop.
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

    /// Outside of `drop`, which usually has nothing to do when requests arrive in quick succession.
    #[inline(never)]
    fn disarm(&self, timer: TimerKey) {
        if let Some(event_loop) = self.home.as_running() {
            return drop(event_loop.core().disarm(timer));
        }
        // Outside its loop: the loop removes the timer in its next turn. If it takes no more turns, the timer was
        // already removed.
        self.home.call_soon(move || {
            if let Some(event_loop) = try_get_running_loop() {
                drop(event_loop.core().disarm(timer));
            }
        });
    }

    /// Lets go of the waker at once, and of the timer in the loop's next turn.
    #[cold]
    fn unshare(home: &RemoteHandle, slot: &Arc<Slot>) {
        drop(slot.take_waker());
        // The loop takes in calls in their order, so the timer is armed by then.
        let slot = Arc::clone(slot);
        home.call_soon(move || {
            if let (Some(event_loop), Some(timer)) = (try_get_running_loop(), slot.timer.get()) {
                drop(event_loop.core().disarm(*timer));
            }
        });
    }

    /// The sleep is polled outside its loop: asks the loop to arm a timer that wakes a slot.
    #[cold]
    fn share(&mut self) -> &Slot {
        let (slot, deadline) = (Arc::new(Slot::default()), self.deadline);
        let earlier = if let Stage::Armed(timer) = self.stage { Some(timer) } else { None };
        let in_loop = Arc::clone(&slot);
        self.home.call_soon(move || {
            let Some(event_loop) = try_get_running_loop() else { return };
            drop(earlier.map(|timer| event_loop.core().disarm(timer)));
            let rings = Waker::from(Arc::clone(&in_loop));
            if let Some(timer) = event_loop.core().wake_at(deadline, Waiter::Foreign(Box::new(rings))) {
                let _ = in_loop.timer.set(timer); // nothing else sets it
            }
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
        match &self.stage {
            Stage::Armed(timer) => self.disarm(*timer),
            Stage::Shared(slot) => LoopSleep::unshare(&self.home, slot),
            Stage::New | Stage::Over => {}
        }
    }
}

/// The state that a sleep polled outside its loop shares with the timer in the loop.
#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    /// The key of the timer, once the loop has armed it.
    timer: OnceLock<TimerKey>,
}

enum State {
    /// The time is not over. When it is, the task that polled last is woken.
    Waiting(Option<Waker>),
    Over,
}

impl Default for State {
    fn default() -> State {
        State::Waiting(None)
    }
}

impl Slot {
    /// Locks the state. The lock is never poisoned, since no waker is cloned, woken or dropped under it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_waker(&self) -> Option<Waker> {
        match &mut *self.state() {
            State::Waiting(place) => place.take(),
            State::Over => None,
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        // Cloned before the lock is taken, since cloning and dropping a waker may run any code. Nearly every poll needs
        // the clone.
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
