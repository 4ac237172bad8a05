//! The step that is running, for other threads, which report it when the loop does not answer.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Clock, SystemClock};
use crate::executor::{Polled, Running, milliseconds};
use crate::trace::Name;

/// The step that runs now, and when it began.
///
/// Every loop records by plain stores which batch runs and which task is polled. A watched loop records more, behind a
/// lock: the name of the step and when exactly it began.
///
/// The times are those of the system clock, whatever clock the loop has, since the asking thread lives in real time.
pub(crate) struct LastStep {
    polled: Arc<Polled>,
    started: Instant,
    /// One more than the number of the last step before the running batch. That step number encodes when the batch
    /// began. It is 0 between two batches.
    batch: AtomicU64,
    watched: Mutex<Option<(Name, Instant)>>,
}

/// A step that has been running for too long.
pub(crate) struct Stuck {
    pub(crate) what: String,
    /// The line that spawned the task or scheduled the callback.
    pub(crate) at: Option<&'static Location<'static>>,
    pub(crate) running_for: Duration,
}

impl LastStep {
    pub(super) fn new(polled: &Arc<Polled>) -> LastStep {
        LastStep {
            polled: Arc::clone(polled),
            started: SystemClock.now(),
            batch: AtomicU64::new(0),
            watched: Mutex::new(None),
        }
    }

    /// A batch begins after this step.
    #[inline]
    pub(super) fn batch_begins(&self, after: u64) {
        self.batch.store(after + 1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn batch_ended(&self) {
        self.batch.store(0, Ordering::Relaxed);
    }

    /// A step of a watched loop begins.
    pub(super) fn begins(&self, name: Name) {
        *self.lock() = Some((name, SystemClock.now()));
    }

    /// The step of a watched loop has ended.
    pub(super) fn ended(&self) {
        *self.lock() = None;
    }

    /// The step that is running. `None` if none is.
    pub(super) fn stuck(&self) -> Option<Stuck> {
        let now = SystemClock.now();
        if let Some((name, since)) = self.lock().clone() {
            let running_for = now.saturating_duration_since(since);
            return Some(Stuck { what: name.to_string(), at: name.location(), running_for });
        }
        let step = self.batch.load(Ordering::Relaxed).checked_sub(1)?;
        let since = self.started + Duration::from_millis(milliseconds(step));
        let (what, at) = match self.polled.running() {
            Some(Running::Task(line)) => ("a task", Some(line)),
            Some(Running::Main(line)) => ("the main future", Some(line)),
            Some(Running::Callback(line)) => ("a callback", Some(line)),
            None => ("an event of a connection or the drop of a task", None),
        };
        Some(Stuck { what: what.to_owned(), at, running_for: now.saturating_duration_since(since) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Name, Instant)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
