//! One turn. This is the event loop.
//!
//! 1. Decide how long to wait: not at all while something is ready, else until the next deadline, else for ever.
//!    Cancelled timers are gone by then. While something is ready, nobody has yielded, and little ran since the last
//!    look, the selector is not asked at all.
//! 2. Wait: ask the selector once. A loop that was built to spin first asks for a while without blocking.
//! 3. Collect: append the sources that became ready, then some of what other threads sent, then the timers that are
//!    due.
//! 4. Run exactly the batch that is ready now. What it schedules runs in the next turn.
//!
//! [`Core::turn`] is the only place where callbacks are called. Steps 1 to 3 call no user code, so no event of a
//! batch can be stale. After each handle of step 4 what it wrote is sent, and what it panicked is reported.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::{Core, Incident};
use crate::constants::{LETTERS_PER_TURN, LONGEST_WAIT, SPARE_ENTRIES};
use crate::executor::{Entry, LentWaker, Letter, Payload, TaskNode};
use crate::handle::Runnable;
use crate::reactor::{Direction, Source};

/// Polls the main future, when the turn of its node comes.
pub(crate) type PollMain<'a> = dyn FnMut(&Rc<TaskNode>, &mut LentWaker) + 'a;

impl Core {
    /// Takes one turn after the other until someone asks to stop: at least one.
    ///
    /// # Panics
    ///
    /// If the selector fails.
    pub(crate) fn run_turns(&self, main: &mut PollMain<'_>) {
        let mut batch = Vec::new();
        let mut lent = LentWaker::new(&self.executor.mailbox);
        // What a main future wrote while it was dropped belongs to no step.
        self.finish_step();
        loop {
            self.turn(&mut batch, &mut lent, main);
            if self.stopping.get() {
                break;
            }
        }
        self.stopping.set(false);
    }

    /// Takes one turn. `batch` is the memory of the last batch, empty, for the next one; `lent` is what tasks without a
    /// waker of their own are polled with.
    #[inline]
    fn turn(&self, batch: &mut Vec<Entry>, lent: &mut LentWaker, main: &mut PollMain<'_>) {
        let idle = self.executor.ready.is_empty();
        let look = idle || self.executor.has_yielded() || self.is_poll_due();
        if look {
            // What an earlier turn left in the mailbox has rung, and rings no more.
            self.wait(idle && !self.stopping.get() && !self.executor.mailbox.is_full());
        }
        if self.executor.mailbox.is_full() {
            self.collect_letters();
        }
        self.collect_timers(look);
        self.run_batch(batch, lent, main);
    }

    fn wait(&self, may_block: bool) {
        let wait = if may_block { self.until_next_deadline() } else { Some(Duration::ZERO) };
        let timeout = self.clock.blocking(wait);
        let came = if may_block && !self.spin.is_zero() { self.spin(timeout) } else { self.reactor.wait(timeout) };
        self.executor.forget_yields();
        match came {
            Ok(true) => self.collect_events(),
            Ok(false) => self.clock.slept(wait.unwrap_or_default()),
            Err(error) => panic!("the event loop cannot go on, its selector failed: {error}"),
        }
        self.pace.polled(may_block);
    }

    /// Whether enough ran since the last look for another, though there is work.
    #[inline]
    fn is_poll_due(&self) -> bool {
        self.pace.is_to_be_checked() && self.pace.is_poll_due(|| self.now())
    }

    fn collect_events(&self) {
        self.executor.ready.append(|entries| {
            self.reactor.collect(|source, direction| entries.push(Entry::Io(source, direction)));
        });
    }

    fn until_next_deadline(&self) -> Option<Duration> {
        let deadline = self.timers.borrow().next_deadline()?;
        Some(deadline.saturating_duration_since(self.now()).min(LONGEST_WAIT))
    }

    #[cold]
    fn collect_letters(&self) {
        for letter in self.executor.mailbox.collect(LETTERS_PER_TURN) {
            match letter {
                Letter::Wake(waker) => self.executor.wake_seat(waker.delivered()),
                Letter::Call(call) => self.executor.ready.push(Entry::Callback(call.into_callback())),
            }
        }
    }

    /// Appends the timers that are due. The clock is read once per look at the selector; between two looks only a
    /// deadline that a clock reading has already passed counts, as one without any delay has.
    fn collect_timers(&self, looked: bool) {
        let timers = self.timers.borrow();
        if timers.is_empty() || (!looked && !timers.is_any_due(self.latest.get())) {
            return;
        }
        drop(timers);
        let now = self.now();
        self.executor.ready.append(|entries| self.timers.borrow_mut().take_due(now, entries));
    }

    fn run_batch(&self, batch: &mut Vec<Entry>, lent: &mut LentWaker, main: &mut PollMain<'_>) {
        self.executor.ready.swap_batch(batch);
        self.pace.ran(batch.len());
        if batch.capacity() > SPARE_ENTRIES {
            shrink_after_burst(batch);
        }
        let mut entries = batch.drain(..);
        while entries.len() > 0 {
            // A panic ends this call behind the entry that it came from, and the next call goes on from there.
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

    /// Runs what is ready and lets go of it.
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
        match node.begin_step() {
            Some(body) => {
                if let Some(unheard) = node.run(body, lent) {
                    self.report_unheard(&unheard);
                }
            }
            // The main future is not in its node: whoever runs the loop holds it.
            None if node.is_main() => main(node, lent),
            None => {}
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
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback.run())) {
            let incident = Incident::new("A callback panicked").with_location(callback.location());
            self.report_panic(incident, &payload);
        }
    }

    /// Sends what was written; what panics over it (a protocol that is told to pause) is reported and the rest sent.
    pub(super) fn finish_step(&self) {
        while let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.step.send_all())) {
            self.report_panic(Incident::new("A protocol panicked while bytes were sent"), &payload);
        }
    }

    /// A source whose protocol panicked may still want what it is ready for, as a datagram endpoint does: it is called
    /// again in the next turn. It is taken by value, so that it need not be in memory where nothing panics.
    #[cold]
    fn source_panicked(&self, source: Rc<dyn Source>, direction: Direction, payload: &Payload) {
        self.report(&Incident::of_protocol(payload, &source));
        if source.registration().take_due(direction) {
            self.executor.ready.push(Entry::Io(source, direction));
        }
    }

    #[cold]
    pub(super) fn report_panic(&self, incident: Incident, payload: &Payload) {
        self.report(&incident.with_panic(payload));
    }
}

/// What a burst needed is not kept for ever.
#[cold]
fn shrink_after_burst(batch: &mut Vec<Entry>) {
    if batch.len() < batch.capacity() / 4 {
        batch.shrink_to_fit();
    }
}
