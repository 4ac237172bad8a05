//! Taking turns from outside: the loop as the guest of another loop, of a game or of a simulation.

use std::time::{Duration, Instant};

use super::{Core, EventLoop, no_main, running};
use crate::executor::LentWaker;

/// The state in which [`EventLoop::turn`] left the loop: whether another turn has something to run, and if not, when
/// the next timer is due.
///
/// It does not include anything that this thread schedules after the turn; the methods of [`EventLoop`] with the same
/// names always return the current state.
///
/// # Examples
///
/// A host loop that takes turns of this one until it is stopped:
///
/// ```
/// use std::time::Duration;
/// use waterwheel::EventLoop;
///
/// let mut event_loop = EventLoop::new()?;
/// let handle = event_loop.handle();
/// let timer = handle.call_later(Duration::from_millis(5), {
///     let handle = handle.clone();
///     move || handle.stop()
/// });
/// loop {
///     let turned = event_loop.turn(Some(Duration::ZERO));
///     if turned.is_stopped() {
///         break;
///     }
///     if !turned.is_ready() {
///         assert_eq!(turned.next_deadline(), Some(timer.when()));
///         // With sockets, this would wait on the loop's descriptor, no longer than until the deadline.
///         std::thread::sleep(timer.when().saturating_duration_since(handle.time()));
///     }
/// }
/// assert!(handle.time() >= timer.when());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "something may be ready to run now, or at a deadline, and the loop's descriptor tells of neither"]
pub struct Turned {
    is_ready: bool,
    next_deadline: Option<Instant>,
    is_stopped: bool,
}

impl Turned {
    /// Whether something is ready to run now. The next turn then runs it without waiting.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The time of the next timer, by the loop's clock. If nothing is ready, you may wait on the loop's descriptor
    /// until then.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Whether [`stop`](crate::LoopHandle::stop) was called, in this turn or since the one before. Whether to stop is
    /// up to the caller: a further turn is taken as usual.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }
}

impl EventLoop {
    /// Takes one turn: waits for at most `timeout`, collects what is ready, and runs exactly that. `None` waits for
    /// ever, [`Duration::ZERO`] polls without waiting. If something is ready already, the turn does not wait.
    ///
    /// This is how another loop, a game or a simulation drives this loop. Between two turns, the host waits on the
    /// loop's [descriptor](EventLoop#impl-AsFd-for-EventLoop), unless [`is_ready`](EventLoop::is_ready) returns true,
    /// and no longer than until [`next_deadline`](EventLoop::next_deadline). [`run`](EventLoop::run) and
    /// [`run_forever`](EventLoop::run_forever) take the same turns, and may be called in between.
    ///
    /// The turn may end without having run anything, for example after a very long wait. Anything that is scheduled
    /// during the turn runs in the next one. The loop is the [running](crate::get_running_loop) one of the thread
    /// during the turn only, so several loops can take turns on one thread.
    ///
    /// # Panics
    ///
    /// Panics if a loop runs on this thread already, or if the selector fails. A panic in a callback or a task is
    /// reported, as in a run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterwheel::{EventLoop, sleep};
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// let task = event_loop.handle().create_task(sleep(Duration::from_millis(10)));
    /// while !task.is_finished() {
    ///     let _turned = event_loop.turn(Some(Duration::from_millis(16)));
    ///     // Here a game would draw its next frame.
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "_run_once")]
    #[doc(alias = "run_once")]
    #[track_caller]
    pub fn turn(&mut self, timeout: Option<Duration>) -> Turned {
        let running = running::enter(&self.core);
        let mut lent = LentWaker::new(&self.core.executor.mailbox);
        self.core.turn(&mut self.batch, &mut lent, &mut no_main, timeout);
        drop(running);
        Turned {
            is_stopped: self.core.stopping.replace(false),
            is_ready: self.is_ready(),
            next_deadline: self.next_deadline(),
        }
    }

    /// Whether something is ready to run, so that a [`turn`](EventLoop::turn) would not wait: callbacks and tasks that
    /// were scheduled or woken during the last turn, or by this thread since then, or a call of
    /// [`stop`](crate::LoopHandle::stop). The loop's descriptor does not become readable for them.
    ///
    /// Sockets that are ready and timers that are due do not count until a turn has collected them.
    pub fn is_ready(&self) -> bool {
        let Core { executor, stopping, .. } = &*self.core;
        // Letters that a turn left in the mailbox do not ring the bell again.
        !executor.ready.is_empty() || stopping.get() || executor.mailbox.has_letters()
    }

    /// The time of the next timer, by the [loop's clock](crate::LoopHandle::time); `None` if there is no timer. It may
    /// have passed.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.timers.borrow().next_deadline().map(|deadline| self.core.timeline.instant_of(deadline))
    }
}
