//! A turn of a watched loop: the same turn, with its steps timed for debug mode and for the trace.
//!
//! Only a watched loop pays for this. Other loops check once per turn whether they are watched.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use super::debug::Debug;
use super::{Core, LoopHandle};
use crate::executor::{Entry, TaskNode, note_write};
use crate::reactor::Direction;
use crate::trace::{Counter, Name, Phase as Part, Tracer};

/// The watchers of a loop, and the state that they need.
pub(super) struct Watch {
    tracer: Option<Tracer>,
    /// The state of debug mode. Whether debug mode is on is a field of the executor.
    pub(super) debug: Debug,
    /// The handles of the batch that have not run yet. Empty between two turns.
    rest: RefCell<VecDeque<Entry>>,
    /// The step that runs now.
    step: Cell<Option<Step>>,
}

/// A step that is timed.
pub(super) struct Step {
    began: Instant,
    pub(super) name: Name,
    /// The task's seat and its number, if it is the step of a task.
    pub(super) task: Option<(u32, u32)>,
}

impl Watch {
    pub(super) fn new(tracer: Option<Tracer>, debug: Debug) -> Watch {
        Watch { tracer, debug, rest: RefCell::default(), step: Cell::new(None) }
    }
}

impl Core {
    /// Whether turns and steps are to be timed.
    #[inline(always)]
    pub(super) fn is_watched(&self) -> bool {
        self.watch.tracer.is_some() || self.executor.is_debugged()
    }

    #[inline]
    fn tracer(&self) -> Option<&Tracer> {
        self.watch.tracer.as_ref()
    }

    /// A turn begins. The slices of its parts fill its slice without a gap.
    #[cold]
    pub(super) fn watch_turn(&self) {
        let Some(tracer) = self.tracer() else { return };
        tracer.queued_outside(self.executor.ready.len());
        tracer.begin_turn(self.clock.now());
    }

    /// The turn is about to poll the selector, and may block there. If the trace is due to be saved, that happens
    /// before.
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
        self.look_for_a_late_timer();
        if let Some(tracer) = self.tracer() {
            tracer.begin_part(self.clock.now(), Part::Collect);
        }
    }

    /// The turn runs this batch. Only the first handle stays in it; the others are put aside, so that each runs alone.
    #[cold]
    pub(super) fn watch_batch(&self, batch: &mut Vec<Entry>) {
        if let Some(tracer) = self.tracer() {
            let now = self.clock.now();
            tracer.queued(now, batch.len());
            tracer.begin_part(now, Part::Batch);
            tracer.count(now, Counter::Ready, batch.len());
            tracer.count(now, Counter::Timers, self.timers.borrow().len());
            tracer.begin_batch();
        }
        self.watch.rest.borrow_mut().extend(batch.drain(..));
        self.report_between_steps();
        self.watch_next(batch);
    }

    /// The step that ran has ended. Puts the next handle into the batch; if there is none, ends the turn and returns
    /// false.
    ///
    /// This is the only place where the time of a step is measured.
    #[cold]
    pub(super) fn watch_next(&self, batch: &mut Vec<Entry>) -> bool {
        if let Some(step) = self.watch.step.take() {
            self.step_ended(&step);
        }
        let entry = self.watch.rest.borrow_mut().pop_front();
        if entry.is_none() {
            self.report_undrained();
        }
        note_write(None);
        let now = self.clock.now();
        let Some(entry) = entry else {
            self.tracer().inspect(|tracer| tracer.end_turn(now));
            return false;
        };
        let name = self.name_of(&entry);
        if let Some(tracer) = self.tracer() {
            tracer.begin(now, name.clone());
            tracer.follow(now);
        }
        self.last_step.begins(name.clone());
        let task = if let Entry::Task(node) = &entry { Some((node.seat(), node.record().number())) } else { None };
        self.watch.step.set(Some(Step { began: now, name, task }));
        batch.push(entry);
        true
    }

    fn step_ended(&self, step: &Step) {
        let now = self.clock.now();
        let took = now.saturating_duration_since(step.began);
        self.last_step.ended();
        self.counters.handle_took(took.as_nanos() as u64);
        if let Some(tracer) = self.tracer() {
            tracer.queued(now, self.executor.ready.len());
            tracer.end(now);
        }
        self.note_poll(step, took);
        self.report_slow(step, took);
        self.report_between_steps();
    }

    /// Runs `call` as a slice of its own in the trace, within the step that runs now.
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

    /// A transport holds this many bytes that the kernel did not take.
    #[cold]
    pub(crate) fn trace_unsent<T>(&self, transport: *const T, bytes: usize) {
        if let Some(tracer) = self.tracer() {
            tracer.unsent(self.clock.now(), transport.addr(), bytes);
        }
    }

    /// Something panicked and the loop goes on. The trace up to here is saved, since the program may not go on for
    /// long. Of panics that follow each other within a second, only the first saves it.
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
        let spawned_at = node.record().spawned_at();
        if node.is_main() {
            Name::Main(spawned_at)
        } else {
            Name::Task { name: self.executor.name(node).into(), spawned_at }
        }
    }
}

/// Ends a slice of the trace when it is dropped, even by a panic.
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
    /// Writes the records of the trace that are kept to its file now; see [`Builder::trace`](crate::Builder::trace).
    /// The loop goes on recording, and later saves replace the file.
    ///
    /// A program that ends with [`std::process::exit`] should call this first, since its loop is never dropped.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the loop writes no trace. Otherwise the system's error of writing the file.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("waterwheel-saved-{}.json", std::process::id()));
    /// # let file = path.clone();
    /// // The loop keeps the last 1000 records, however long it runs.
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
