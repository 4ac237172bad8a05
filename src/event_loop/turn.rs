//! One turn. This is the event loop.
//!
//! 1. Decide how long to wait: not at all if something is ready, otherwise until the next deadline, or for ever if
//!    there is none. A caller of `EventLoop::turn` may set a shorter limit. If something is ready, no task has yielded,
//!    and only a few handles ran since the last poll, this turn does not poll the selector.
//! 2. Wait: poll the selector once. A loop that was built to spin first polls without blocking for a while.
//! 3. Collect: queue the sources that became ready, then what other threads sent (a limited number), then the timers
//!    that are due.
//! 4. Run exactly the batch that is ready now. Anything that it schedules runs in the next turn.
//!
//! [`Core::turn`] is the only place where callbacks are called. Steps 1 to 3 call no callback, task or protocol, so
//! nothing can change between an event and its place in the batch. After each entry of step 4, the bytes that it wrote
//! are sent.

use std::io;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::{Core, Incident};
use crate::constants::{LETTERS_PER_TURN, LONGEST_WAIT, SPARE_ENTRIES};
use crate::errors::panic_text;
use crate::executor::{Entry, LentWaker, Letter, Payload, TaskNode};
use crate::handle::Runnable;
use crate::reactor::{Direction, Readiness, Source};

/// Polls the main future, when its node is run.
pub(crate) type PollMain<'a> = dyn FnMut(&Rc<TaskNode>, &mut LentWaker) + 'a;

/// The [`PollMain`] of turns without a main future. It is never called.
pub(crate) fn no_main(_main: &Rc<TaskNode>, _lent: &mut LentWaker) {
    unreachable!("there is no main future");
}

impl Core {
    /// Takes turns until `stop` is called, and at least one.
    ///
    /// # Panics
    ///
    /// Panics if the selector fails.
    pub(crate) fn run_turns(&self, main: &mut PollMain<'_>) {
        let mut batch = Vec::new();
        let mut lent = LentWaker::new(&self.executor.mailbox);
        // The last run's main future may have written when it was dropped, after its last step had ended.
        self.finish_step();
        self.watch.debug.begin_run();
        loop {
            self.turn(&mut batch, &mut lent, main, None);
            if self.stopping.get() {
                break;
            }
        }
        self.stopping.set(false);
    }

    /// Takes one turn. `batch` is empty; it is the vector of the last batch, whose memory is reused. Tasks without a
    /// waker of their own are polled with `lent`. The turn waits for at most `longest`; `None` is for ever.
    #[inline]
    pub(super) fn turn(
        &self,
        batch: &mut Vec<Entry>,
        lent: &mut LentWaker,
        main: &mut PollMain<'_>,
        longest: Option<Duration>,
    ) {
        let watched = self.is_watched();
        if watched {
            self.watch_turn();
        }
        let idle = self.executor.ready.is_empty();
        let look = idle
            || self.executor.has_yielded()
            || (self.pace.take_check_due() && self.pace.check(|| self.read_clock_in_turn()));
        let mut came = false;
        if look {
            // Letters that an earlier turn left in the mailbox do not ring the bell again, so the selector must not
            // block.
            let may_block = idle && !self.stopping.get() && !self.executor.mailbox.has_letters();
            if watched {
                self.watch_wait(may_block);
            }
            came = self.wait(may_block, longest);
        }
        if watched {
            self.watch_collect();
        }
        if came {
            self.collect_events();
        }
        if self.executor.mailbox.has_letters() {
            self.collect_letters();
        }
        self.collect_timers();
        self.take_batch(batch);
        if watched {
            self.watch_batch(batch);
        }
        self.last_step.batch_begins(self.executor.step());
        // If the loop is watched, `batch` holds one handle at a time.
        loop {
            self.run_batch(batch, lent, main);
            if !watched || !self.watch_next(batch) {
                break;
            }
        }
        self.last_step.batch_ended();
        self.take_in_bytes();
    }

    /// Polls the selector. Returns whether it has events.
    #[inline(always)]
    fn wait(&self, may_block: bool, longest: Option<Duration>) -> bool {
        let wait = if may_block { self.until_next_deadline(longest) } else { Some(Duration::ZERO) };
        let timeout = self.clock.blocking(wait);
        // A clock that jumps stands still while a task awaits a thread, since the thread needs real time. When the
        // thread has a result, the bell rings.
        let stands_still = timeout == Some(Duration::ZERO) && wait != timeout && self.threads.is_awaited();
        let timeout = if stands_still { longest } else { timeout };
        let came = if may_block && !self.spin.is_zero() { self.spin(timeout) } else { self.look(timeout) };
        self.executor.forget_yields();
        let came = came.unwrap_or_else(|error| panic!("the event loop cannot go on, its selector failed: {error}"));
        if !came && !stands_still {
            self.clock.slept(wait.unwrap_or_default());
        }
        self.pace.polled(may_block);
        if may_block {
            self.counters.time_has_passed();
        }
        // After a poll that did not block, as after each yield, the time is needed only if a timer may have become due.
        if may_block || !self.timers.borrow().is_empty() {
            self.look_at_the_clock();
        }
        came
    }

    /// Polls the selector.
    #[inline]
    pub(super) fn look(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.counters.looks.add(1);
        self.reactor.wait(timeout)
    }

    fn collect_events(&self) {
        self.executor.ready.append(|entries| {
            self.reactor.collect(|source, direction| entries.push(Entry::Io(source, direction)));
        });
    }

    /// Code on this thread has made a source ready that no selector watches. The source is called in the next turn.
    pub(crate) fn became_ready(&self, fd: RawFd, readiness: Readiness) {
        self.executor.ready.append(|entries| {
            self.reactor.became_ready(fd, readiness, |source, direction| entries.push(Entry::Io(source, direction)));
        });
    }

    #[inline]
    fn until_next_deadline(&self, longest: Option<Duration>) -> Option<Duration> {
        let longest = longest.map(|longest| longest.min(LONGEST_WAIT));
        let next = self.timers.borrow().next_deadline();
        let Some(deadline) = next else { return longest };
        let left = deadline.since(self.read_clock_in_turn());
        Some(left.min(longest.unwrap_or(LONGEST_WAIT)))
    }

    #[cold]
    fn collect_letters(&self) {
        let letters = self.executor.mailbox.take_letters(LETTERS_PER_TURN);
        self.counters.letters.add(letters.len());
        for letter in letters {
            match letter {
                Letter::Wake(waker) => self.executor.wake_seat(waker.delivered()),
                Letter::Call(call) => self.executor.ready.push(Entry::Callback(call.into_callback())),
            }
        }
    }

    /// Reads the clock, for the timers and for the times in the records of tasks.
    #[inline]
    fn look_at_the_clock(&self) {
        self.executor.set_time(self.read_clock_in_turn().milliseconds());
    }

    /// Reads the clock for a report, in the middle of a batch or outside of one.
    pub(crate) fn note_time(&self) {
        self.now();
        self.executor.set_time(self.timeline.moment().milliseconds());
    }

    /// Queues the timers that are due by the last reading of the clock. Between two readings of the clock, only a timer
    /// that is armed without delay can become due.
    fn collect_timers(&self) {
        let next = self.timers.borrow().next_deadline();
        if next.is_some_and(|deadline| deadline <= self.timeline.moment()) {
            self.take_due_timers();
        }
    }

    fn take_due_timers(&self) {
        self.executor.ready.append(|entries| {
            let before = entries.len();
            self.timers.borrow_mut().take_due(self.timeline.moment(), entries);
            let fired = &entries[before..];
            self.counters.timers_fired.add(fired.len());
            self.counters.timers_woke.add(fired.iter().filter(|entry| matches!(entry, Entry::Wake(_))).count());
        });
    }

    /// Moves exactly what is ready now into the batch.
    #[inline(always)]
    fn take_batch(&self, batch: &mut Vec<Entry>) {
        self.executor.ready.swap_batch(batch);
        self.pace.count(batch.len());
        self.counters.batch(batch.len());
        if batch.capacity() > SPARE_ENTRIES && batch.len() < batch.capacity() / 4 {
            batch.shrink_to_fit();
        }
    }

    /// Runs each entry of a batch, and ends its step. It is called in one place only, in [`Core::turn`]: with two calls
    /// the compiler would inline less, which costs a message 20 instructions.
    fn run_batch(&self, batch: &mut Vec<Entry>, lent: &mut LentWaker, main: &mut PollMain<'_>) {
        let mut entries = batch.drain(..);
        while entries.len() > 0 {
            // A panic ends this closure. The next round goes on with the next entry.
            let steps = AssertUnwindSafe(|| {
                for entry in entries.by_ref() {
                    self.run_entry(entry, lent, main);
                    self.step.send_all();
                }
            });
            if let Err(payload) = catch_unwind(steps) {
                self.report_panic(Incident::new("A panic at the end of a step"), &payload);
                self.finish_step();
            }
        }
    }

    /// Runs one entry.
    #[inline]
    fn run_entry(&self, entry: Entry, lent: &mut LentWaker, main: &mut PollMain<'_>) {
        match entry {
            Entry::Io(source, direction) => self.run_source(source, direction),
            Entry::Task(node) => self.run_task(&node, lent, main),
            Entry::Callback(callback) => self.run_callback(&*callback),
            Entry::Wake(waiter) => waiter.wake(),
        }
    }

    #[inline]
    fn run_task(&self, node: &Rc<TaskNode>, lent: &mut LentWaker, main: &mut PollMain<'_>) {
        match node.take_body_to_run() {
            Some(body) => {
                if let Some(unheard) = node.run(body, lent) {
                    self.report_unheard(unheard);
                }
            }
            // The main future is not in its node but with the caller of `run`.
            None if node.is_main() => main(node, lent),
            None => self.counters.steps_spared.add(1),
        }
    }

    #[inline]
    fn run_source(&self, source: Rc<dyn Source>, direction: Direction) {
        match catch_unwind(AssertUnwindSafe(|| source.run_queued(direction))) {
            Ok(false) => {}
            Ok(true) => self.executor.ready.push(Entry::Io(source, direction)),
            Err(payload) => self.source_panicked(source, direction, &payload),
        }
    }

    #[inline]
    fn run_callback(&self, callback: &dyn Runnable) {
        self.executor.polled.callback_begins(callback.location());
        let result = catch_unwind(AssertUnwindSafe(|| callback.run()));
        self.executor.polled.callback_ended();
        if let Err(payload) = result {
            let incident = Incident::new("A callback panicked").with_location(callback.location());
            self.report_panic(incident, &payload);
        }
    }

    /// Sends what was written. If a protocol panics when it is told to pause, that is reported, and the rest is sent.
    pub(super) fn finish_step(&self) {
        while let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.step.send_all())) {
            self.report_panic(Incident::new("A protocol panicked while bytes were sent"), &payload);
        }
    }

    /// A source whose protocol panicked may still want the direction that it is ready for, as a datagram endpoint does.
    /// Then it is called again in the next turn. The source is passed by value, so that it stays in registers when
    /// nothing panics.
    #[cold]
    fn source_panicked(&self, source: Rc<dyn Source>, direction: Direction, payload: &Payload) {
        self.report(&Incident::of_protocol(payload, &source));
        if source.registration().take_due(direction) {
            self.executor.ready.push(Entry::Io(source, direction));
        }
    }

    #[cold]
    pub(super) fn report_panic(&self, incident: Incident, payload: &Payload) {
        self.trace_panic(panic_text(&**payload));
        self.report(&incident.with_panic(payload));
    }
}
