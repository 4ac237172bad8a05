//! Waiting for tasks by reference: until the first of several has ended, or all have.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::executor::poll_operation;
use crate::task::Task;

/// The condition that [`wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "FIRST_COMPLETED")]
#[doc(alias = "ALL_COMPLETED")]
pub enum Until {
    /// One of the tasks has ended.
    First,
    /// All tasks have ended.
    All,
}

/// Waits until one of the tasks has ended, or until all have. This cancels no tasks and takes no results: ask each task
/// whether it [is finished](Task::is_finished), and await it to get its result.
///
/// # Cancel safety
///
/// Dropping the future changes nothing.
///
/// # Panics
///
/// Panics if `until` is [`Until::First`] and there are no tasks.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{Until, sleep, spawn, wait};
///
/// waterwheel::run(async {
///     let after = |milliseconds| spawn(sleep(Duration::from_millis(milliseconds)));
///     let mut tasks = [after(1), after(3_600_000)];
///     wait(&mut tasks, Until::First).await;
///     assert!(tasks[0].is_finished() && !tasks[1].is_finished());
/// });
/// ```
#[track_caller]
pub fn wait<T>(tasks: &mut [Task<T>], until: Until) -> Wait<'_, T> {
    assert!(until == Until::All || !tasks.is_empty(), "wait() for the first of no tasks would never end");
    Wait { tasks, until }
}

/// The future of [`wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<'a, T> {
    tasks: &'a mut [Task<T>],
    until: Until,
}

impl<T> Future for Wait<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut unfinished = self.tasks.iter().filter(|task| !task.is_finished());
        let is_over = match self.until {
            Until::First => self.tasks.iter().any(Task::is_finished),
            Until::All => unfinished.clone().next().is_none(),
        };
        if is_over {
            return poll_operation(cx);
        }
        match self.until {
            Until::First => unfinished.for_each(|task| task.wake_when_finished(cx)),
            // The other tasks are checked when this one has ended.
            Until::All => unfinished.next().into_iter().for_each(|task| task.wake_when_finished(cx)),
        }
        Poll::Pending
    }
}

impl<T> fmt::Debug for Wait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("tasks", &self.tasks).field("until", &self.until).finish()
    }
}
