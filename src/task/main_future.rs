//! The main future: polled where it stands, so it may borrow from its caller's stack.

use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::event_loop::EventLoop;

impl EventLoop {
    /// Runs until `main` is done, and returns what it gives. `main` need not be `'static`.
    ///
    /// What is ready when `main` is done still runs; tasks that are not done keep their state, and go on when the
    /// loop is run again.
    ///
    /// # Panics
    ///
    /// If a loop runs on this thread already; if [`stop`](crate::LoopHandle::stop) is called before `main` is done;
    /// if the selector fails. A panic of `main` comes out here, and the loop can be run again.
    #[doc(alias = "run_until_complete")]
    #[track_caller]
    pub fn run<F: IntoFuture>(&mut self, main: F) -> F::Output {
        let running = self.enter();
        let core = self.core();
        let mut main = pin!(Some(main.into_future()));
        let mut outcome = None;
        let node = core.executor.seat_main();
        node.wake();
        core.run_turns(&mut |node, lent| {
            // A wake that was on its way when the future finished must not poll it again.
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
        // What is left of the future is dropped while the loop runs: its destructors may use the loop, and what they
        // schedule runs in the turn below.
        let dropped = catch_unwind(AssertUnwindSafe(|| main.set(None)));
        if let (Err(payload), None | Some(Ok(_))) = (dropped, &outcome) {
            outcome = Some(Err(payload));
        }
        // As asyncio does: what became ready together with the end of main still runs.
        core.stop();
        core.run_turns(&mut |_, _| {});
        drop(running);
        assert!(!stopped_early, "the event loop was stopped before its main future was done");
        match outcome.expect("the loop above ends with an outcome or stopped") {
            Ok(output) => output,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Cancels every task, and lets run what their destructors schedule, a connection's loss above all.
    pub(crate) fn cancel_tasks(&mut self) {
        let _running = self.enter();
        let core = self.core();
        for node in core.executor.live_tasks() {
            node.cancel();
        }
        // One turn drops the futures, the next two run what that scheduled: a loss, and whoever waited for it.
        for _ in 0..3 {
            if core.executor.ready.is_empty() {
                break;
            }
            core.stop();
            core.run_turns(&mut |_, _| {});
        }
    }
}
