//! A task that is cancelled when its handle is dropped.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::errors::JoinError;
use crate::task::Task;

/// A handle to a task that cancels the task when it is dropped, whereas dropping a [`Task`] lets it go on. See
/// [`Task::cancel_on_drop`].
#[derive(Debug)]
#[must_use = "dropping it cancels the task"]
#[doc(alias = "AbortOnDrop")]
pub struct CancelOnDrop<T> {
    /// `None` only while this is being dropped or detached.
    task: Option<Task<T>>,
}

impl<T> Task<T> {
    /// Turns the handle into one that cancels the task when it is dropped.
    ///
    /// ```
    /// use waterwheel::{spawn, yield_now};
    ///
    /// waterwheel::run(async {
    ///     let task = spawn(std::future::pending::<()>()).cancel_on_drop();
    ///     drop(task);
    ///     yield_now().await; // Its future is dropped here.
    /// });
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop { task: Some(self) }
    }
}

impl<T> CancelOnDrop<T> {
    /// Returns the plain handle, whose drop no longer cancels the task.
    ///
    /// # Examples
    ///
    /// Work that is cancelled with its caller, until it has begun and must be finished:
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use waterwheel::{spawn, yield_now};
    ///
    /// waterwheel::run(async {
    ///     let saved = Rc::new(Cell::new(false));
    ///     let saving = spawn({
    ///         let saved = saved.clone();
    ///         async move {
    ///             yield_now().await;
    ///             saved.set(true);
    ///         }
    ///     });
    ///     let saving = saving.cancel_on_drop();
    ///     yield_now().await; // It has begun, and half a file is of no use.
    ///     drop(saving.detach());
    ///     yield_now().await;
    ///     assert!(saved.get());
    /// });
    /// ```
    pub fn detach(mut self) -> Task<T> {
        self.task.take().expect(THERE)
    }
}

const THERE: &str = "the task is there until this is dropped";

impl<T> Deref for CancelOnDrop<T> {
    type Target = Task<T>;

    fn deref(&self) -> &Task<T> {
        self.task.as_ref().expect(THERE)
    }
}

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(self.task.as_mut().expect(THERE)).poll(cx)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.cancel();
        }
    }
}
