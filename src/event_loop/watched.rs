//! A turn while somebody watches: the same turn, with the time of each of its parts, written to the trace.
//!
//! What this costs is paid by a loop that is watched. One that is not asks once in a turn.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use super::{Core, LoopHandle};
use crate::executor::{Entry, TaskNode};
use crate::reactor::Direction;
use crate::trace::{Counter, Name, Phase as Part, Tracer};

/// What a loop has that is watched.
pub(super) struct Watch {
    tracer: Tracer,
    /// The handles of the batch that have not run yet. Empty between two turns.
    rest: RefCell<VecDeque<Entry>>,
    /// When the step began that runs now.
    step_began: Cell<Option<Instant>>,
}

impl Watch {
    pub(super) fn new(tracer: Tracer) -> Box<Watch> {
        Box::new(Watch { tracer, rest: RefCell::default(), step_began: Cell::new(None) })
    }
}

impl Core {
    /// Whether turns and steps are to be timed.
    #[inline(always)]
    pub(super) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    #[inline]
    fn tracer(&self) -> Option<&Tracer> {
        self.watch.as_deref().map(|watch| &watch.tracer)
    }

    /// A turn begins. Its slice consists of those of its parts, without a gap.
    #[cold]
    pub(super) fn watch_turn(&self) {
        let Some(tracer) = self.tracer() else { return };
        tracer.queued_outside(self.executor.ready.len());
        tracer.begin_turn(self.clock.now());
    }

    /// The turn looks at the selector, and may wait for it. The trace is saved before that.
    #[cold]
    pub(super) fn watch_wait(&self, may_block: bool) {
        let Some(tracer) = self.tracer() else { return };
        let now = self.clock.now();
        if may_block && tracer.is_save_due(now) {
            tracer.begin_part(now, Part::Save);
            tracer.save(now);
        }
        tracer.begin_part(self.clock.now(), Part::Wait);
    }

    /// The turn collects what has become ready.
    #[cold]
    pub(super) fn watch_collect(&self) {
        if let Some(tracer) = self.tracer() {
            tracer.begin_part(self.clock.now(), Part::Collect);
        }
    }

    /// The turn runs this batch. Only its first handle is left in it; the others are put aside, so that each runs alone.
    #[cold]
    pub(super) fn watch_batch(&self, batch: &mut Vec<Entry>) {
        let Some(Watch { tracer, rest, .. }) = self.watch.as_deref() else { return };
        let now = self.clock.now();
        tracer.queued(now, batch.len());
        tracer.begin_part(now, Part::Batch);
        tracer.count(now, Counter::Ready, batch.len());
        tracer.count(now, Counter::Timers, self.timers.borrow().len());
        tracer.begin_batch();
        rest.borrow_mut().extend(batch.drain(..));
        self.watch_next(batch);
    }

    /// The step that ran has ended. Puts the next handle into the batch; if there is none, ends the turn and returns false.
    ///
    /// This is where the time of a step is measured, for whoever wants to know it.
    #[cold]
    pub(super) fn watch_next(&self, batch: &mut Vec<Entry>) -> bool {
        let Some(Watch { tracer, rest, step_began }) = self.watch.as_deref() else { return false };
        let now = self.clock.now();
        if let Some(began) = step_began.take() {
            self.counters.step_took(now.saturating_duration_since(began));
            tracer.queued(now, self.executor.ready.len());
            tracer.end(now);
        }
        let Some(entry) = rest.borrow_mut().pop_front() else {
            tracer.end_turn(now);
            return false;
        };
        tracer.begin(now, self.name_of(&entry));
        tracer.follow(now);
        step_began.set(Some(now));
        batch.push(entry);
        true
    }

    /// Calls something that is to have a slice of its own in the trace, within the step that runs now.
    #[inline]
    pub(crate) fn traced<R>(&self, name: &'static str, call: impl FnOnce() -> R) -> R {
        let Some(tracer) = self.tracer() else { return call() };
        tracer.begin(self.clock.now(), Name::Call(name));
        let _until_it_returns = Call { core: self, tracer };
        call()
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.tracer().is_some()
    }

    /// A transport keeps so many bytes that the kernel did not take.
    #[cold]
    pub(crate) fn trace_unsent<T>(&self, transport: *const T, bytes: usize) {
        if let Some(tracer) = self.tracer() {
            tracer.unsent(self.clock.now(), transport.addr(), bytes);
        }
    }

    /// Something panicked and the loop goes on. The trace of what led to it is saved, since nobody knows whether the
    /// program goes on for long; of panics that follow each other quickly, that is the first.
    #[cold]
    pub(super) fn trace_panic(&self, text: &str) {
        if let Some(tracer) = self.tracer() {
            let now = self.clock.now();
            tracer.mark(now, &format!("panic: {text}"));
            if tracer.takes_panic(now) {
                tracer.save(now);
            }
        }
    }

    /// Saves the trace of a loop that closes.
    pub(super) fn end_trace(&self) {
        if let Some(tracer) = self.tracer() {
            tracer.save(self.clock.now());
        }
    }

    fn name_of(&self, entry: &Entry) -> Name {
        match entry {
            Entry::Callback(callback) => Name::Callback(callback.location()),
            Entry::Task(node) => self.name_of_task(node),
            Entry::Wake(_) => Name::Timer,
            Entry::Io(source, direction) => {
                let direction = if *direction == Direction::Read { "read" } else { "write" };
                Name::Source { label: source.label().into(), direction }
            }
        }
    }

    fn name_of_task(&self, node: &Rc<TaskNode>) -> Name {
        if node.is_main() {
            return Name::Main;
        }
        Name::Task { name: self.executor.name(node).into(), spawned_at: node.record().spawned_at() }
    }
}

/// A slice that ends when this is dropped, on the way out of a panic too.
struct Call<'a> {
    core: &'a Core,
    tracer: &'a Tracer,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.tracer.end(self.core.clock.now());
    }
}

impl LoopHandle {
    /// Writes the trace to its file now, as far as it is kept; see [`Builder::trace`](crate::Builder::trace). The loop goes
    /// on with it, and writes the file anew later.
    ///
    /// A program that ends by [`std::process::exit`] calls this before, since its loop is never dropped.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the loop writes no trace. Otherwise what the system says of the file.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("waterwheel-saved-{}.json", std::process::id()));
    /// # let file = path.clone();
    /// // A loop that runs for long keeps the last 1000 records.
    /// let mut event_loop = waterwheel::EventLoop::builder().trace(path).trace_records(1000).build()?;
    /// event_loop.run(async { waterwheel::get_running_loop().save_trace() })?;
    /// # std::fs::remove_file(file)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn save_trace(&self) -> io::Result<()> {
        let core = self.core();
        let Some(tracer) = core.tracer() else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this loop was not built to write a trace"));
        };
        tracer.try_save(core.clock.now())
    }
}
