//! What a loop counts of itself, always: once in a turn where that is enough, so that it costs next to nothing.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::{Core, LoopHandle, Phase};

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
/// counted in the loop at once, since each message would pay 5 instructions to find its counters; this takes 2.
///
/// Invariant: outside of a call that receives or sends, and of a batch, both are zero. So what is here is of the loop that
/// is running its batch, also where several take turns on one thread.
struct Bytes {
    received: Cell<usize>,
    sent: Cell<usize>,
}

/// A connection has received bytes in a batch.
#[inline(always)]
pub(crate) fn count_received(n: usize) {
    BYTES.with(|bytes| bytes.received.set(bytes.received.get() + n));
}

/// A connection has sent bytes. If that was not the end of a step, [`Core::take_in_bytes`] must follow.
#[inline(always)]
pub(crate) fn count_sent(n: usize) {
    BYTES.with(|bytes| bytes.sent.set(bytes.sent.get() + n));
}

/// What the loop and the rooms above it count. What can be derived from other counts is not here.
#[derive(Default)]
pub(crate) struct Counters {
    turns: Count,
    handles: Count,
    pub(super) looks: Count,
    pub(super) letters: Count,
    /// Steps that were not taken, since their tasks had been ended out of their turn.
    pub(super) steps_spared: Count,
    pub(super) timers_armed: Count,
    pub(super) timers_fired: Count,
    /// Those of them that only wake a task.
    pub(super) timers_woke: Count,
    pub(crate) bytes_received: Count,
    pub(crate) bytes_sent: Count,
    pub(crate) connections_accepted: Count,
    pub(crate) connections_made: Count,
    pub(crate) connections_closed: Count,
    stretch: Stretch,
}

/// The time between two readings of the clock by turns, in which the loop ran handles and did not wait. Readings are
/// between two batches, so a stretch consists of whole batches.
#[derive(Default)]
struct Stretch {
    /// When it began. `None` if the loop has waited since the last reading, and nobody knows for how long.
    since: Cell<Option<Instant>>,
    /// How many handles had run by then, without those that only wake a task.
    handles: Cell<u64>,
    /// The longest one.
    longest: Cell<Duration>,
    /// The most that one handle took for certain: a stretch divided by the number of its handles.
    longest_step: Cell<Duration>,
}

impl Counters {
    /// A turn runs a batch of so many handles.
    #[inline(always)]
    pub(super) fn batch(&self, handles: usize) {
        self.turns.add(1);
        self.handles.add(handles);
    }

    /// A turn has read the clock.
    pub(super) fn clock_was_read(&self, now: Instant) {
        // What only wakes a task takes no time. Its share would make the step that follows look shorter.
        let handles = self.handles.get() - self.timers_woke.get();
        let ran = handles - self.stretch.handles.replace(handles);
        let Some(since) = self.stretch.since.replace(Some(now)) else { return };
        if ran > 0 {
            let took = now.saturating_duration_since(since);
            self.stretch.longest.set(self.stretch.longest.get().max(took));
            // Its share of a stretch is the longest step only if the whole stretch is longer than that.
            if took > self.stretch.longest_step.get() {
                self.step_took(took / u32::try_from(ran).unwrap_or(u32::MAX));
            }
        }
    }

    /// A step took so long, or longer.
    pub(super) fn step_took(&self, took: Duration) {
        self.stretch.longest_step.set(self.stretch.longest_step.get().max(took));
    }

    /// Time has passed in which the loop waited, or did not run.
    #[inline]
    pub(super) fn time_has_passed(&self) {
        self.stretch.since.set(None);
    }
}

/// What a loop has done since it was built, and what it has now; see [`LoopHandle::metrics`].
///
/// Names in the plural are counts that only grow, of which a monitoring system shows the rate; names that end in `_now`
/// go up and down.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// How many turns the loop took. `handles / turns` is the mean size of a batch: near 1 on an idle loop, large where
    /// much becomes ready at once.
    pub turns: u64,
    /// How many handles ran: callbacks, steps of tasks, sources that were ready, and timers. This counts those of the
    /// current batch that have not run yet, too.
    pub handles: u64,
    /// How many handles stand in the queue for the next turn.
    pub ready_now: usize,
    /// How often the loop looked at the selector, each of which is a system call. Fewer looks than turns is a busy loop,
    /// which skips looks. Many more than [`Builder::spin`](crate::Builder::spin) explains are wakes for nothing.
    pub looks: u64,
    /// How often a task was woken and so got into the queue. A wake of a task that is in the queue already does not count.
    pub wakes: u64,
    /// How often a task was polled, the steps of the current batch included. Each task that is spawned takes one step
    /// without having been woken. Steps that grow much faster than messages are a task that spins, or one that is woken
    /// for nothing.
    pub steps: u64,
    /// How many callbacks and wakes of other threads the loop took in. If it stays behind what they send, the loop is too
    /// slow for them.
    pub letters: u64,
    /// How many tasks were spawned.
    pub tasks_spawned: u64,
    /// How many tasks there are that are not over, without the main future. If it only grows, tasks never end.
    pub tasks_now: usize,
    /// How many timers fired.
    pub timers_fired: u64,
    /// How many timers were cancelled before they were due, as that of a timeout that was not needed.
    pub timers_cancelled: u64,
    /// How many timers are armed.
    pub timers_now: usize,
    /// How many bytes came through connections, pipes and datagram sockets. With TLS, these are the encrypted ones.
    pub bytes_received: u64,
    /// How many bytes the kernel took of what was written to connections, pipes and datagram sockets. With TLS, these are
    /// the encrypted ones.
    pub bytes_sent: u64,
    /// How many connections servers have accepted and given a protocol.
    pub connections_accepted: u64,
    /// How many connections were made here and not accepted: by connecting, from a ready socket, or as one end of a pair.
    pub connections_made: u64,
    /// How many connections are open: their protocols were not yet told `connection_lost`. If it only grows, they leak. A
    /// pipe does not count.
    pub connections_now: usize,
    /// At least so long took one callback, or one step of a task; it stopped everything else on this loop. See
    /// [`longest_wait`](Metrics::longest_wait) for what the loop knows of it. While a [trace](crate::Builder::trace) is
    /// written, each step is timed, and this is exact.
    pub longest_step: Duration,
    /// The longest time that the loop was seen to run handles without a break. At most so long had something to wait
    /// that became ready during it.
    ///
    /// The loop does not read the clock for this, since that takes as long as waking two tasks. It takes the readings
    /// that it makes anyway: after each look at the selector, before each wait while a timer is armed, and under load after
    /// 64 handles, or after each batch where handles are slow. What runs between two readings is a stretch. This is the longest, and `longest_step`
    /// is the longest divided by the number of handles that ran in it. Both are exact for a stretch of one handle. What
    /// runs between the last reading and a wait is not seen: on a loop that has no timer and mostly waits, that is nearly
    /// everything. A program that wants to know keeps a timer, such as an [`interval`](crate::interval).
    pub longest_wait: Duration,
}

impl LoopHandle {
    /// What the loop has counted. It counts always, and for next to nothing; [`Metrics`] says what each number tells.
    ///
    /// Nothing is reset by this: whoever wants a rate subtracts what it got before. On a closed loop it is what had been
    /// counted until then. Taking it costs about a look at each task.
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
    pub(super) fn read_clock_in_turn(&self) -> Instant {
        let now = self.now();
        self.counters.clock_was_read(now);
        now
    }

    /// Counts the bytes that were received and sent since the last time.
    #[inline]
    pub(crate) fn take_in_bytes(&self) {
        BYTES.with(|bytes| {
            // In most turns of a loop that only runs tasks, none have gone anywhere.
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
            longest_step: counters.stretch.longest_step.get(),
            longest_wait: counters.stretch.longest.get(),
        }
    }
}
