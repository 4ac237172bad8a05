//! The end of a loop: every chain is cut.
//!
//! What is dropped here may do anything in its destructor, also schedule more. So the phase is set first, after
//! which everything new is refused, and the rest is repeated until nothing is left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::{Core, Incident, Phase, running};

impl Core {
    pub(super) fn close(self: &Rc<Self>) {
        self.phase.set(Phase::Closed);
        let _running = running::lend_thread(self);
        for letter in self.executor.close() {
            self.dropping(|| drop(letter));
        }
        self.threads.close();
        // Tasks first: their destructors may still look at their connections.
        for node in self.executor.live_tasks() {
            self.dropping(|| {
                if let Some(unheard) = node.cancel_now() {
                    self.report_unheard(&unheard);
                }
            });
        }
        for source in self.reactor.take_all() {
            self.dropping(|| source.let_go());
            self.dropping(|| drop(source));
        }
        self.descriptors.clear();
        loop {
            let mut entries = Vec::new();
            self.executor.ready.swap_batch(&mut entries);
            self.timers.borrow_mut().take_all(&mut entries);
            if entries.is_empty() {
                break;
            }
            // A callback is cancelled, not only dropped here: who holds its handle must not keep it alive, least of
            // all the callback itself.
            entries.into_iter().for_each(|entry| self.dropping(|| entry.cancel()));
        }
        self.dropping(|| self.step.clear());
        self.executor.release_nodes();
        self.buffers.clear();
        let handler = self.exception_handler.take();
        self.dropping(|| drop(handler));
        // Last, since what was dropped above may have taken descriptors out of it.
        let selector = self.reactor.close();
        self.dropping(|| drop(selector));
    }

    /// Runs destructors of users: a panic in one must not keep the others from running.
    fn dropping(&self, destructors: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(destructors)) {
            self.report_panic(Incident::new("A panic while the loop was closing"), &payload);
        }
    }
}
