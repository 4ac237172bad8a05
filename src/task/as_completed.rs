//! Running several tasks and taking their outputs in the order in which they end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::errors::JoinError;
use crate::event_loop::get_running_loop;
use crate::executor::{Awaited, Waiter, because, operation};
use crate::task::child::{Children, Owner, spawn_child};

/// Runs each future as a task of its own, and yields their outputs in the order in which they end.
///
/// The tasks start when this is called. Dropping the returned [`AsCompleted`] cancels those that have not ended.
///
/// # Panics
///
/// Panics if no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{as_completed, sleep};
///
/// waterwheel::run(async {
///     let after = |milliseconds| async move {
///         sleep(Duration::from_millis(milliseconds)).await;
///         milliseconds
///     };
///     let mut outputs = as_completed([5, 1].map(after));
///     assert_eq!(outputs.next().await.unwrap().unwrap(), 1);
///     assert_eq!(outputs.next().await.unwrap().unwrap(), 5);
///     assert!(outputs.next().await.is_none());
/// });
/// ```
#[track_caller]
pub fn as_completed<I, T: 'static>(futures: I) -> AsCompleted<T>
where
    I: IntoIterator<Item: IntoFuture<IntoFuture: 'static, Output = T>>,
{
    let (event_loop, spawned_at) = (get_running_loop(), Location::caller());
    let futures: Vec<_> = futures.into_iter().map(IntoFuture::into_future).collect();
    let ends = Rc::new(Ends { outcomes: RefCell::default(), tasks: Children::default(), waiter: Cell::default() });
    let left = futures.len();
    let spawn = |(place, future)| spawn_child(&event_loop, future, &ends, place, spawned_at);
    ends.tasks.set(futures.into_iter().enumerate().map(spawn).collect());
    AsCompleted { ends, left }
}

/// The outputs of several tasks, in the order in which the tasks end. It is made by [`as_completed`].
#[must_use = "dropping it cancels the tasks"]
pub struct AsCompleted<T: 'static> {
    ends: Rc<Ends<T>>,
    /// How many outputs have not been returned yet.
    left: usize,
}

struct Ends<T> {
    /// The outcomes that have not been returned yet.
    outcomes: RefCell<VecDeque<Result<T, JoinError>>>,
    tasks: Children,
    waiter: Cell<Waiter>,
}

impl<T> AsCompleted<T> {
    /// The output of the task that ends next, or its panic; `None` after the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call returns the output that this one would have returned.
    #[expect(clippy::should_implement_trait, reason = "an asynchronous iterator has this name for it, too")]
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Option<Result<T, JoinError>>> {
        because(Awaited::AsCompleted, Location::caller(), async move {
            operation().await;
            if self.left == 0 {
                return None;
            }
            let outcome = poll_fn(|cx| self.ends.poll_next(cx)).await;
            self.left -= 1;
            Some(outcome)
        })
    }

    /// How many outputs are still to come.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Whether no output is still to come.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<T> Ends<T> {
    fn poll_next(&self, cx: &Context<'_>) -> Poll<Result<T, JoinError>> {
        if let Some(outcome) = self.outcomes.borrow_mut().pop_front() {
            return Poll::Ready(outcome);
        }
        self.waiter.set(Waiter::of(cx));
        Poll::Pending
    }
}

impl<T: 'static> Owner for Ends<T> {
    type Output = T;

    fn ended(&self, _place: usize, outcome: Result<T, JoinError>) {
        self.outcomes.borrow_mut().push_back(outcome);
        self.waiter.take().wake();
    }
}

impl<T> Drop for AsCompleted<T> {
    fn drop(&mut self) {
        self.ends.tasks.cancel();
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left).finish_non_exhaustive()
    }
}
