//! Writers over their high mark, for debug mode, which checks whether they are drained.

use std::cell::RefCell;
use std::panic::Location;
use std::ptr;
use std::rc::{Rc, Weak};

use super::{Core, Incident};
use crate::constants::TURNS_UNDRAINED;
use crate::executor::{Waited, last_write};

/// The writers that were told to pause and not yet to resume, if the line that wrote is known. It is not known for
/// writes through an adapter, which wait before each write and need no drain.
#[derive(Default)]
pub(super) struct AllUndrained(RefCell<Vec<Undrained>>);

struct Undrained {
    writer: Weak<dyn Waited>,
    wrote_at: &'static Location<'static>,
    /// For how many turns the writer has not been drained.
    turns: u32,
}

impl AllUndrained {
    /// A turn ends. Returns the writers that have not been drained for too many turns, each only once.
    fn turn_ends(&self) -> Vec<(Rc<dyn Waited>, &'static Location<'static>)> {
        let mut found = Vec::new();
        let mut looked_at = self.0.take();
        looked_at.retain_mut(|undrained| {
            let Some(writer) = undrained.writer.upgrade().filter(|writer| writer.is_over_high_mark()) else {
                return false;
            };
            if writer.is_drained() {
                undrained.turns = 0;
                return true;
            }
            undrained.turns += 1;
            if undrained.turns == TURNS_UNDRAINED {
                found.push((writer, undrained.wrote_at));
            }
            true
        });
        self.0.borrow_mut().append(&mut looked_at);
        found
    }

    /// Forgets all writers.
    pub(super) fn forget(&self) {
        drop(self.0.take());
    }

    /// Forgets a writer. Returns the line that has written to it.
    fn take(&self, writer: &dyn Waited) -> Option<&'static Location<'static>> {
        let mut all = self.0.borrow_mut();
        let place = all.iter().position(|undrained| ptr::addr_eq(undrained.writer.as_ptr(), writer))?;
        Some(all.swap_remove(place).wrote_at)
    }
}

impl Core {
    /// A writer was told to pause. In debug mode the loop checks from now on whether it is drained.
    #[cold]
    pub(crate) fn writer_paused(&self, writer: Weak<dyn Waited>) {
        if let (true, Some(wrote_at)) = (self.executor.is_debugged(), last_write()) {
            let undrained = Undrained { writer, wrote_at, turns: 0 };
            self.watch.debug.undrained.0.borrow_mut().push(undrained);
        }
    }

    /// A paused writer was dropped, and the connection was not closed.
    ///
    /// This is a mistake only if a running task dropped it without ever having drained it. A task that was cancelled,
    /// or that gave up waiting for its peer, could do no more.
    #[cold]
    pub(crate) fn paused_writer_dropped(&self, writer: &dyn Waited) {
        let Some(wrote_at) = self.watch.debug.undrained.take(writer) else { return };
        if self.executor.is_debugged() && self.executor.current_task().is_some() && !writer.was_drained() {
            let incident = Incident::new("A writer was dropped over its high mark, and nobody had drained it");
            self.report(&incident.with_detail(writer.describe().1).with_line("written at", wrote_at));
        }
    }

    pub(super) fn report_undrained(&self) {
        for (writer, wrote_at) in self.watch.debug.undrained.turn_ends() {
            let detail = format!("for {TURNS_UNDRAINED} turns; {}", writer.describe().1);
            let incident = Incident::new("A writer stays above its high-water mark and is never drained");
            self.report(&incident.with_detail(detail).with_line("written at", wrote_at));
        }
        self.finish_step();
    }
}
