//! The step that is running, for other threads: what to tell of a loop that does not answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Clock, SystemClock};
use crate::trace::Name;

/// What runs now, and since when. It is `None` between two steps, and while steps are not timed.
///
/// The time is that of the system, whatever clock the loop has: whoever asks lives in that time.
#[derive(Default)]
pub(crate) struct LastStep(Mutex<Option<(Name, Instant)>>);

impl LastStep {
    pub(super) fn begins(&self, name: Name) {
        *self.lock() = Some((name, SystemClock.now()));
    }

    pub(super) fn ended(&self) {
        *self.lock() = None;
    }

    /// What is running, and for how long it has been.
    pub(super) fn running(&self) -> Option<(Name, Duration)> {
        let (name, since) = self.lock().clone()?;
        Some((name, SystemClock.now().saturating_duration_since(since)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Name, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
