//! The main future. It stays on the caller's stack and is polled there, so it may borrow from the caller.

use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::debug;
use crate::event_loop::{EventLoop, no_main};

impl EventLoop {
    /// Runs until `main` is done, and returns its output. `main` need not be `'static`.
    ///
    /// Callbacks and tasks that are ready when `main` is done still run once. Unfinished tasks keep their state, and
    /// continue when the loop runs again.
    ///
    /// # Panics
    ///
    /// Panics if a loop runs on this thread already, if [`stop`](crate::LoopHandle::stop) is called before `main` is
    /// done, or if the selector fails. A panic of `main` is resumed here, and the loop can be run again.
    #[doc(alias = "run_until_complete")]
    #[track_caller]
    pub fn run<F: IntoFuture>(&mut self, main: F) -> F::Output {
        let running = self.enter();
        debug::begin_run(&self.handle());
        let core = self.core();
        let mut main = pin!(Some(main.into_future()));
        let mut outcome = None;
        let node = core.executor.seat_main(Location::caller());
        node.wake();
        core.run_turns(&mut |node, lent| {
            // A node that was queued again before the future was done must not poll it afterwards.
            let (None, Some(main)) = (&outcome, main.as_mut().as_pin_mut()) else { return };
            outcome = match node.poll_main(main, lent) {
                Ok(Poll::Pending) => return,
                Ok(Poll::Ready(output)) => Some(Ok(output)),
                Err(payload) => Some(Err(payload)),
            };
            core.stop();
        });
        let stopped_early = outcome.is_none();
        node.retire_main();
        // The future is dropped while the loop is still the running loop, since destructors may use it. The callbacks
        // and tasks that they schedule run in the turn below.
        let dropped = catch_unwind(AssertUnwindSafe(|| main.set(None)));
        if let (Err(payload), None | Some(Ok(_))) = (dropped, &outcome) {
            outcome = Some(Err(payload));
        }
        // As in asyncio, what became ready in the same turn as the end of `main` still runs.
        core.stop();
        core.run_turns(&mut |_, _| {});
        drop(running);
        assert!(!stopped_early, "the event loop was stopped before its main future was done");
        match outcome.expect("the loop above ends with an outcome or stopped") {
            Ok(output) => output,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Runs until [`stop`](crate::LoopHandle::stop) is called. It may be called again, and continues with whatever is
    /// scheduled.
    ///
    /// If `stop` was called before this, it runs one turn and does not wait for events.
    ///
    /// # Panics
    ///
    /// Panics if a loop runs on this thread already, or if the selector fails.
    #[track_caller]
    pub fn run_forever(&mut self) {
        let _running = self.enter();
        debug::begin_run(&self.handle());
        self.core().run_turns(&mut no_main);
    }

    /// Cancels every task, and runs what the destructors schedule, such as the loss of a connection.
    pub(crate) fn cancel_tasks(&mut self) {
        let _running = self.enter();
        let core = self.core();
        for node in core.executor.live_tasks() {
            node.cancel();
        }
        // The first turn drops the futures. The next two run what this has scheduled: the loss of connections, and
        // then the tasks that wait for the loss.
        for _ in 0..3 {
            if core.executor.ready.is_empty() {
                break;
            }
            core.stop();
            core.run_turns(&mut |_, _| {});
        }
    }
}
