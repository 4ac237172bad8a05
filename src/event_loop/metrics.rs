//! The loop's counters of itself. They are always on, and most are updated once per turn, so they cost next to nothing.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::time::Duration;

use super::{Core, LoopHandle, Phase};
use crate::timers::Moment;

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Count(Cell<u64>);

impl Count {
    #[inline(always)]
    pub(crate) fn add(&self, more: usize) {
        self.0.set(self.0.get() + more as u64);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

thread_local! {
    static BYTES: Bytes = const { Bytes { received: Cell::new(0), sent: Cell::new(0) } };
}

/// The bytes that went through connections in the current step or batch, until the loop takes them in. They are not
/// added to the loop's counters at once, since finding those would cost each message 5 instructions; this costs 2.
///
/// Invariant: outside of a call that receives or sends, and of a batch, both are zero. So these bytes belong to the
/// loop that is running its batch, even if several loops take turns on one thread.
struct Bytes {
    received: Cell<usize>,
    sent: Cell<usize>,
}

/// A connection has received bytes in a batch.
#[inline(always)]
pub(crate) fn count_received(n: usize) {
    BYTES.with(|bytes| bytes.received.set(bytes.received.get() + n));
}

/// A connection has sent bytes. Unless that was at the end of a step, [`Core::take_in_bytes`] must follow.
#[inline(always)]
pub(crate) fn count_sent(n: usize) {
    BYTES.with(|bytes| bytes.sent.set(bytes.sent.get() + n));
}

/// The counters of the loop and of the modules above it. Numbers that can be derived from others are not kept.
#[derive(Default)]
pub(crate) struct Counters {
    turns: Count,
    handles: Count,
    pub(super) looks: Count,
    pub(super) letters: Count,
    /// Queued steps that were not taken, since their tasks had been ended out of their turn.
    pub(super) steps_spared: Count,
    pub(super) timers_armed: Count,
    pub(super) timers_fired: Count,
    /// How many of those only woke a task.
    pub(super) timers_woke: Count,
    pub(crate) bytes_received: Count,
    pub(crate) bytes_sent: Count,
    pub(crate) connections_accepted: Count,
    pub(crate) connections_made: Count,
    pub(crate) connections_closed: Count,
    stretch: Stretch,
}

/// A stretch is the time between two readings of the clock by turns, if the loop ran handles and did not wait in
/// between. The clock is read between batches, so a stretch consists of whole batches.
#[derive(Default)]
struct Stretch {
    /// When the current stretch began. `None` if the loop has waited since the last reading, since the wait must not
    /// count.
    since: Cell<Option<Moment>>,
    /// How many handles had run by then, excluding those that only wake a task.
    handles: Cell<u64>,
    /// The longest stretch, in nanoseconds.
    longest: Cell<u64>,
    /// The longest time that one handle took for certain, in nanoseconds: a stretch divided by the number of its
    /// handles.
    longest_step: Cell<u64>,
}

impl Counters {
    /// A turn runs a batch of this many handles.
    #[inline(always)]
    pub(super) fn batch(&self, handles: usize) {
        self.turns.add(1);
        self.handles.add(handles);
    }

    /// A turn has read the clock.
    #[inline]
    pub(super) fn clock_was_read(&self, now: Moment) {
        // A handle that only wakes a task takes no time. Counting it would make the following step look shorter.
        let handles = self.handles.get() - self.timers_woke.get();
        let ran = handles - self.stretch.handles.replace(handles);
        let since = self.stretch.since.replace(Some(now));
        let (Some(since), Some(ran)) = (since, NonZeroU64::new(ran)) else { return };
        let took = now.nanoseconds_since(since);
        self.stretch.longest.set(self.stretch.longest.get().max(took));
        // A handle's share of this stretch can be a new maximum only if the whole stretch is longer than the old one.
        if took > self.stretch.longest_step.get() {
            self.handle_took(took / ran);
        }
    }

    /// A handle took at least this many nanoseconds.
    pub(super) fn handle_took(&self, nanoseconds: u64) {
        self.stretch.longest_step.set(self.stretch.longest_step.get().max(nanoseconds));
    }

    /// Time has passed while the loop waited or did not run.
    #[inline]
    pub(super) fn time_has_passed(&self) {
        self.stretch.since.set(None);
    }
}

/// What a loop has done since it was built, and what it holds now; see [`LoopHandle::metrics`].
///
/// Plural names are counters that only grow, whose rate a monitoring system shows; names that end in `_now` are gauges
/// that go up and down.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// How many turns the loop took. `handles / turns` is the mean size of a batch: near 1 on an idle loop, and large
    /// when many things become ready at once.
    pub turns: u64,
    /// How many handles ran: callbacks, steps of tasks, sources that were ready, and timers. Those of the current batch
    /// that have not run yet are included.
    pub handles: u64,
    /// How many handles are in the queue for the next turn.
    pub ready_now: usize,
    /// How often the loop polled the selector. Each poll is a system call. Fewer polls than turns mean a busy loop,
    /// which skips polls. Many polls but few handles mean needless wakes, unless
    /// [`Builder::spin`](crate::Builder::spin) explains them.
    pub looks: u64,
    /// How often a wake put a task into the queue. Waking a task that is in the queue already does not count.
    pub wakes: u64,
    /// How often a task was polled, including the steps of the current batch. Each spawned task takes its first step
    /// without having been woken. If steps grow much faster than messages, a task spins or is woken for nothing.
    pub steps: u64,
    /// How many callbacks and wakes of other threads the loop took in. If this lags behind the number that they send,
    /// the loop is too slow for them.
    pub letters: u64,
    /// How many tasks were spawned.
    pub tasks_spawned: u64,
    /// How many tasks are not over, excluding the main future. If it only grows, tasks never end.
    pub tasks_now: usize,
    /// How many timers fired.
    pub timers_fired: u64,
    /// How many timers were cancelled before they fired, such as those of timeouts that were not needed.
    pub timers_cancelled: u64,
    /// How many timers are armed.
    pub timers_now: usize,
    /// How many bytes were received through connections, pipes and datagram sockets. With TLS, encrypted bytes are
    /// counted.
    pub bytes_received: u64,
    /// How many of the bytes written to connections, pipes and datagram sockets the kernel took. With TLS, encrypted
    /// bytes are counted.
    pub bytes_sent: u64,
    /// How many connections were accepted by servers and given a protocol.
    pub connections_accepted: u64,
    /// How many connections were made other than by accepting: by connecting, from a ready socket, or as one end of a
    /// pair.
    pub connections_made: u64,
    /// How many connections are open: `connection_lost` of their protocols was not yet called. If it only grows,
    /// connections leak. Pipes do not count.
    pub connections_now: usize,
    /// The longest callback or step of a task took at least this long, and stopped everything else on this loop. See
    /// [`longest_wait`](Metrics::longest_wait) for how the loop estimates it. While a [trace](crate::Builder::trace) is
    /// written, each step is timed, and this is exact.
    pub longest_step: Duration,
    /// The longest time that the loop was seen to run handles without a break. A handle that became ready during that
    /// time waited for at most this long.
    ///
    /// The loop does not read the clock for this, since that takes as long as waking two tasks. It uses the readings
    /// that it makes anyway: after each poll of the selector, before each wait while a timer is armed, and under load
    /// after 64 handles, or after each batch if handles are slow. The time between two readings is a stretch. This is
    /// the longest stretch, and `longest_step` is the largest quotient of a stretch and the number of handles that ran
    /// in it. Both are exact for a stretch of one handle. Handles that run between the last reading and a wait are not
    /// seen: on a loop that has no timer and mostly waits, these are nearly all. A program that wants these figures
    /// keeps a timer armed, such as an [`interval`](crate::interval).
    pub longest_wait: Duration,
}

impl LoopHandle {
    /// The loop's counters. They are always on and cost next to nothing; [`Metrics`] says what each number means.
    ///
    /// This resets nothing: to get a rate, subtract an earlier value. On a closed loop the counters keep their last
    /// values. A call visits each task once.
    ///
    /// ```
    /// use waterwheel::{get_running_loop, yield_now};
    ///
    /// waterwheel::run(async {
    ///     yield_now().await;
    ///     let metrics = get_running_loop().metrics();
    ///     assert_eq!((metrics.turns, metrics.steps, metrics.wakes), (2, 2, 2));
    /// });
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.core().metrics()
    }
}

impl Core {
    /// Reads the clock between two batches.
    #[inline(always)]
    pub(super) fn read_clock_in_turn(&self) -> Moment {
        self.now();
        let now = self.timeline.moment();
        self.counters.clock_was_read(now);
        now
    }

    /// Adds the bytes that were received and sent since the last call to the loop's counters.
    #[inline]
    pub(crate) fn take_in_bytes(&self) {
        BYTES.with(|bytes| {
            // Most turns of a loop that only runs tasks receive and send nothing.
            if bytes.received.get() | bytes.sent.get() != 0 {
                self.counters.bytes_received.add(bytes.received.take());
                self.counters.bytes_sent.add(bytes.sent.take());
            }
        });
    }

    fn metrics(&self) -> Metrics {
        if self.phase.get() == Phase::Running {
            self.take_in_bytes();
        }
        let Core { counters, executor, .. } = self;
        let timers_now = self.timers.borrow().len();
        let (armed, fired) = (counters.timers_armed.get(), counters.timers_fired.get());
        let (accepted, made) = (counters.connections_accepted.get(), counters.connections_made.get());
        let open = accepted + made - counters.connections_closed.get();
        let queued = counters.handles.get() + executor.ready.len() as u64;
        let queued_steps = queued - executor.ready.others();
        Metrics {
            turns: counters.turns.get(),
            handles: counters.handles.get(),
            ready_now: executor.ready.len(),
            looks: counters.looks.get(),
            wakes: queued_steps - executor.spawned(),
            steps: queued_steps - executor.ready.steps() as u64 - counters.steps_spared.get(),
            letters: counters.letters.get(),
            tasks_spawned: executor.spawned(),
            tasks_now: executor.live_tasks().len(),
            timers_fired: fired,
            timers_cancelled: armed - fired - timers_now as u64,
            timers_now,
            bytes_received: counters.bytes_received.get(),
            bytes_sent: counters.bytes_sent.get(),
            connections_accepted: accepted,
            connections_made: made,
            connections_now: open as usize,
            longest_step: Duration::from_nanos(counters.stretch.longest_step.get()),
            longest_wait: Duration::from_nanos(counters.stretch.longest.get()),
        }
    }
}
