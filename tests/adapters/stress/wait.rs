//! A wait for an answer, and a check that it is woken as it should be: once it can go on, and not twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::dribble::Random;

/// A wait that can go on is woken within this many turns. The wire pauses for a few turns, and rarely many times in a
/// row.
pub(super) const PATIENCE: usize = 40;

#[derive(Default)]
struct Rung(AtomicUsize);

impl Wake for Rung {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The polls of one operation that may wait.
pub(super) struct Wait {
    name: &'static str,
    bell: Arc<Rung>,
    /// How many polls with this bell had to wait: each may ring it once.
    left: usize,
    /// If the last poll had to wait, how often the bell had rung by then.
    since: Option<usize>,
    overdue: usize,
}

impl Wait {
    pub(super) fn of(name: &'static str) -> Wait {
        Wait { name, bell: Arc::default(), left: 0, since: None, overdue: 0 }
    }

    fn rung(&self) -> usize {
        self.bell.0.load(Ordering::Relaxed)
    }

    /// Whether the last poll had to wait and its waker was not woken since.
    pub(super) fn waits(&self) -> bool {
        self.since == Some(self.rung())
    }

    /// Polls, sometimes with a new waker.
    pub(super) fn poll<T>(&mut self, random: &mut Random, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        if random.below(3) == 0 {
            self.replace_waker();
        }
        let rung = self.rung();
        let waker = Waker::from(Arc::clone(&self.bell));
        let answer = poll(&mut Context::from_waker(&waker));
        self.overdue = 0;
        self.since = answer.is_pending().then_some(rung);
        self.left += usize::from(answer.is_pending());
        answer
    }

    /// Stops waiting, as if a future was dropped.
    pub(super) fn forget(&mut self) {
        self.replace_waker();
        self.since = None;
    }

    fn replace_waker(&mut self) {
        assert!(self.rung() <= self.left, "{}: a waker was woken more often than it was left", self.name);
        *self = Wait { since: None, bell: Arc::default(), left: 0, ..*self };
    }

    /// A turn has passed. Fails if a wait that can go on is left asleep.
    pub(super) fn turn(&mut self, can_go_on: bool) {
        assert!(self.rung() <= self.left, "{}: a waker was woken more often than it was left", self.name);
        self.overdue = if can_go_on && self.waits() { self.overdue + 1 } else { 0 };
        assert!(self.overdue < PATIENCE, "{}: a wait that can go on is not woken", self.name);
    }
}
