//! Running several tasks and collecting all their outputs.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::errors::JoinError;
use crate::event_loop::get_running_loop;
use crate::executor::{Awaited, Reason, Waiter, leave};
use crate::task::child::{Children, Owner, spawn_child};
use crate::task::failure::TaskFailure;

/// Runs each future as a task of its own, and returns their outputs in the order of the futures.
///
/// The tasks start when this is called, not when it is awaited. If one of them panics, the panic is returned and the
/// other tasks go on. [`try_gather`] cancels the other tasks, and a [`TaskGroup`](crate::TaskGroup) also waits until
/// they have ended.
///
/// # Cancel safety
///
/// Dropping the future before it is done cancels all tasks.
///
/// # Errors
///
/// Fails with the [`JoinError`] of the first task that panicked.
///
/// # Panics
///
/// Panics if no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{gather, sleep};
///
/// waterwheel::run(async {
///     let square = |n: u64| async move {
///         sleep(Duration::from_millis(10 - n)).await;
///         n * n
///     };
///     assert_eq!(gather((1..=3).map(square)).await.unwrap(), [1, 4, 9]);
/// });
/// ```
#[track_caller]
pub fn gather<I, T: 'static>(futures: I) -> Gather<T>
where
    I: IntoIterator<Item: IntoFuture<IntoFuture: 'static, Output = T>>,
{
    Gather(Gathering::start(futures, Location::caller()))
}

/// Runs each future as a task of its own, and returns the values of their results in the order of the futures. The
/// first failure is returned at once, and cancels the other tasks: each is dropped in the next turn.
///
/// The tasks start when this is called, not when it is awaited.
///
/// # Cancel safety
///
/// Dropping the future before it is done cancels all tasks.
///
/// # Errors
///
/// Fails with the first error or panic of a task.
///
/// # Panics
///
/// Panics if no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use waterwheel::{TaskFailure, try_gather};
///
/// waterwheel::run(async {
///     let parse = |text: &'static str| async move { text.parse::<i32>() };
///     assert_eq!(try_gather(["1", "2"].map(parse)).await.unwrap(), [1, 2]);
///     let failure = try_gather(["1", "two"].map(parse)).await.unwrap_err();
///     assert!(matches!(failure, TaskFailure::Error(_)));
/// });
/// ```
#[track_caller]
pub fn try_gather<I, T: 'static, E: 'static>(futures: I) -> TryGather<T, E>
where
    I: IntoIterator<Item: IntoFuture<IntoFuture: 'static, Output = Result<T, E>>>,
{
    TryGather(Gathering::start(futures, Location::caller()))
}

/// The future of [`gather`].
#[must_use = "dropping it cancels the tasks"]
pub struct Gather<T: 'static>(Rc<Gathering<T, JoinError>>);

/// The future of [`try_gather`].
#[must_use = "dropping it cancels the tasks"]
pub struct TryGather<T: 'static, E: 'static>(Rc<Gathering<T, TaskFailure<E>>>);

/// The outputs of several tasks, as far as the tasks have ended.
struct Gathering<T, E> {
    outputs: RefCell<Vec<Option<T>>>,
    /// How many tasks have not ended.
    left: Cell<usize>,
    /// The first failure, if there is one.
    failure: Cell<Option<E>>,
    tasks: Children,
    waiter: Cell<Waiter>,
    /// Where `gather` or `try_gather` was called.
    at: &'static Location<'static>,
}

impl<T: 'static, E: 'static> Gathering<T, E> {
    fn start<I, F>(futures: I, spawned_at: &'static Location<'static>) -> Rc<Self>
    where
        Self: Owner<Output = F::Output>,
        I: IntoIterator<Item = F>,
        F: IntoFuture<IntoFuture: 'static>,
    {
        let event_loop = get_running_loop();
        let futures: Vec<_> = futures.into_iter().map(IntoFuture::into_future).collect();
        let gathering = Rc::new(Gathering {
            outputs: RefCell::new(futures.iter().map(|_| None).collect()),
            left: Cell::new(futures.len()),
            failure: Cell::new(None),
            tasks: Children::default(),
            waiter: Cell::default(),
            at: spawned_at,
        });
        let spawn = |(place, future)| spawn_child(&event_loop, future, &gathering, place, spawned_at);
        gathering.tasks.set(futures.into_iter().enumerate().map(spawn).collect());
        gathering
    }

    fn arrived(&self, place: usize, output: T) {
        // A task that ends after a failure is not waited for, and its output is dropped here.
        if let Some(slot) = self.outputs.borrow_mut().get_mut(place) {
            *slot = Some(output);
        }
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.waiter.take().wake();
        }
    }

    fn failed(&self, failure: E) {
        self.left.set(self.left.get() - 1);
        let first = self.failure.take();
        let is_first = first.is_none();
        self.failure.set(first.or(Some(failure)));
        if is_first {
            self.waiter.take().wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Result<Vec<T>, E>> {
        if let Some(failure) = self.failure.take() {
            self.tasks.detach();
            return Poll::Ready(Err(failure));
        }
        if self.left.get() > 0 {
            leave(Reason::new(Awaited::Gather, self.at));
            self.waiter.set(Waiter::of(cx));
            return Poll::Pending;
        }
        self.tasks.detach();
        Poll::Ready(Ok(self.outputs.take().into_iter().flatten().collect()))
    }
}

impl<T: 'static> Owner for Gathering<T, JoinError> {
    type Output = T;

    fn ended(&self, place: usize, outcome: Result<T, JoinError>) {
        match outcome {
            Ok(output) => self.arrived(place, output),
            Err(error) => self.failed(error),
        }
    }
}

impl<T: 'static, E: 'static> Owner for Gathering<T, TaskFailure<E>> {
    type Output = Result<T, E>;

    fn ended(&self, place: usize, outcome: Result<Result<T, E>, JoinError>) {
        let failure = match outcome {
            Ok(Ok(output)) => return self.arrived(place, output),
            Ok(Err(error)) => TaskFailure::Error(error),
            Err(error) => TaskFailure::Join(error),
        };
        self.tasks.cancel();
        self.failed(failure);
    }
}

impl<T> Future for Gather<T> {
    type Output = Result<Vec<T>, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<T, E> Future for TryGather<T, E> {
    type Output = Result<Vec<T>, TaskFailure<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<T> Drop for Gather<T> {
    fn drop(&mut self) {
        self.0.tasks.cancel();
    }
}

impl<T, E> Drop for TryGather<T, E> {
    fn drop(&mut self) {
        self.0.tasks.cancel();
    }
}

impl<T> fmt::Debug for Gather<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("left", &self.0.left.get()).finish_non_exhaustive()
    }
}

impl<T, E> fmt::Debug for TryGather<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryGather").field("left", &self.0.left.get()).finish_non_exhaustive()
    }
}
