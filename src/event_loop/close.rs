//! Closing a loop, which drops everything that it holds.
//!
//! Destructors that run here may do anything, such as schedule more callbacks. So the phase is set first, after which
//! the loop refuses everything new. Scheduled entries are dropped in a loop until none is left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::{Core, Incident, Phase, running};

impl Core {
    pub(super) fn close(self: &Rc<Self>) {
        self.phase.set(Phase::Closed);
        let _running = running::make_current(self);
        for letter in self.executor.close() {
            self.dropping(|| drop(letter));
        }
        self.threads.close();
        #[cfg(feature = "signals")]
        drop(self.at_quit.take());
        // Tasks come first, since their destructors may still use their connections.
        for node in self.executor.live_tasks() {
            self.dropping(|| {
                if let Some(unheard) = node.end_now() {
                    self.report_unheard(unheard);
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
            // A callback is cancelled and not only dropped, since its handle keeps it alive, and the callback itself
            // may hold that handle.
            entries.into_iter().for_each(|entry| self.dropping(|| entry.cancel()));
        }
        self.dropping(|| self.step.clear());
        self.executor.release_nodes();
        self.buffers.clear();
        let handler = self.exception_handler.take();
        self.dropping(|| drop(handler));
        // The selector goes last, since the destructors above may take descriptors out of it.
        let selector = self.reactor.close();
        self.dropping(|| drop(selector));
        self.end_trace();
    }

    /// Runs a user's destructors. A panic in one is reported, and the others still run.
    fn dropping(&self, destructors: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(destructors)) {
            self.report_panic(Incident::new("A panic while the loop was closing"), &payload);
        }
    }
}
