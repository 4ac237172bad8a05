//! Groups of tasks that end together.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use slab::Slab;

use crate::errors::JoinError;
use crate::event_loop::{LoopHandle, get_running_loop};
use crate::executor::{Awaited, Reason, Waiter, leave};
use crate::task::Task;
use crate::task::child::{Owner, spawn_child};
use crate::task::failure::{GroupError, TaskFailure};
use crate::transports::Guard;

/// Several tasks that belong together, like asyncio's `TaskGroup`: none of them outlives the group, and the first
/// failure ends all of them.
///
/// [`TaskGroup::run`] passes its body a group, in which the body creates tasks. The run ends when the body and all
/// tasks have ended, including those that were created meanwhile.
///
/// - If a task or the body returns an error, or a task panics, the other tasks are cancelled and the body is dropped
///   where it waits. When all have ended, the run returns a [`GroupError`] with all failures.
/// - If the future of the run is dropped, every task of the group is dropped before that drop returns.
/// - If the body panics, the tasks are dropped, and then the panic propagates out of the run.
///
/// A group can be cloned, so that its tasks can create tasks in it.
///
/// # Examples
///
/// ```
/// use std::io;
/// use waterwheel::{TaskGroup, sleep};
/// # use std::time::Duration;
///
/// waterwheel::run(async {
///     let failed = TaskGroup::run(async |group| {
///         group.create_task(async {
///             sleep(Duration::from_secs(3600)).await; // It is cancelled.
///             Ok(())
///         });
///         group.create_task(async { Err(io::Error::other("no more tea")) });
///         sleep(Duration::from_secs(3600)).await; // The body is dropped here.
///         Ok(())
///     });
///     assert_eq!(failed.await.unwrap_err().to_string(), "no more tea");
/// });
/// ```
pub struct TaskGroup<E: 'static> {
    members: Rc<Members<E>>,
}

struct Members<E> {
    event_loop: LoopHandle,
    phase: Cell<Phase>,
    tasks: RefCell<Slab<Option<Task<()>>>>,
    failures: RefCell<Vec<TaskFailure<E>>>,
    /// The waiter of the run.
    waiter: Cell<Waiter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Tasks may be created.
    Open,
    /// Something failed, or the group was cancelled. The tasks are cancelled, and the run waits until they have ended.
    Ending,
    /// The run is over.
    Ended,
}

impl<E: 'static> TaskGroup<E> {
    /// Runs a body with a group in which it may create tasks, and waits until all of them have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the body and every task of the group before that drop returns. The only exception is a
    /// task that drops the future in its own step: it is dropped when that step ends.
    ///
    /// # Errors
    ///
    /// Fails with a [`GroupError`] that has all failures in the group.
    ///
    /// # Panics
    ///
    /// Panics if no loop runs on this thread, or if the body panics.
    #[track_caller]
    pub fn run<T>(
        body: impl AsyncFnOnce(&TaskGroup<E>) -> Result<T, E>,
    ) -> impl Future<Output = Result<T, GroupError<E>>> {
        TaskGroup::run_at(body, Location::caller())
    }

    async fn run_at<T>(
        body: impl AsyncFnOnce(&TaskGroup<E>) -> Result<T, E>,
        at: &'static Location<'static>,
    ) -> Result<T, GroupError<E>> {
        let group = TaskGroup { members: Rc::new(Members::new(get_running_loop())) };
        let members = &*group.members;
        let on_drop = Guard::new(|| members.drop_all());
        let outcome = {
            let mut body = pin!(body(&group));
            poll_fn(|cx| {
                members.end_if_failed();
                if !members.is_open() {
                    return Poll::Ready(None);
                }
                if let Poll::Ready(outcome) = body.as_mut().poll(cx) {
                    return Poll::Ready(Some(outcome));
                }
                members.poll_when(cx, !members.is_open()).map(|()| None)
            })
            .await
        };
        let value = match outcome {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => {
                members.failures.borrow_mut().push(TaskFailure::Error(error));
                None
            }
            None => None,
        };
        poll_fn(|cx| {
            members.end_if_failed();
            let over = members.poll_when(cx, members.tasks.borrow().is_empty());
            if over.is_pending() {
                leave(Reason::new(Awaited::TaskGroup, at));
            }
            over
        })
        .await;
        members.phase.set(Phase::Ended);
        on_drop.disarm();
        let failures = members.failures.take();
        match value {
            Some(value) if failures.is_empty() => Ok(value),
            _ => Err(GroupError { failures }),
        }
    }

    /// Creates a task in the group. Its first step runs in the next turn.
    ///
    /// # Panics
    ///
    /// Panics if the group is ending or has ended, where asyncio raises a `RuntimeError`. In a task of the group, this
    /// panic counts as one more failure. If the group may end at any time, use
    /// [`try_create_task`](TaskGroup::try_create_task).
    #[track_caller]
    pub fn create_task<F>(&self, future: F)
    where
        F: IntoFuture<Output = Result<(), E>, IntoFuture: 'static>,
    {
        assert!(self.try_create_task(future), "no task can be created in a task group that is ending or has ended");
    }

    /// Creates a task in the group, unless the group is ending or has ended. Returns whether the task was created; if
    /// not, the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use waterwheel::TaskGroup;
    ///
    /// waterwheel::run(async {
    ///     let mut kept = None;
    ///     let run = TaskGroup::run(async |group| {
    ///         kept = Some(group.clone()); // for tasks that are created from outside at any time
    ///         assert!(group.try_create_task(async { io::Result::Ok(()) }));
    ///         Ok(())
    ///     });
    ///     run.await?;
    ///     assert!(!kept.expect("the body ran").try_create_task(async { Ok(()) }));
    ///     Ok::<(), waterwheel::GroupError<io::Error>>(())
    /// })
    /// # .unwrap()
    /// ```
    #[track_caller]
    pub fn try_create_task<F>(&self, future: F) -> bool
    where
        F: IntoFuture<Output = Result<(), E>, IntoFuture: 'static>,
    {
        let is_open = self.members.is_open();
        if is_open {
            self.members.spawn(future.into_future(), Location::caller());
        }
        is_open
    }

    /// Ends the group early: cancels its tasks, and drops its body where it waits. The run then fails with a
    /// [`GroupError`] without failures, unless the body has already returned its value.
    pub fn cancel(&self) {
        self.members.end();
    }
}

impl<E: 'static> Members<E> {
    fn new(event_loop: LoopHandle) -> Self {
        Members {
            event_loop,
            phase: Cell::new(Phase::Open),
            tasks: RefCell::default(),
            failures: RefCell::default(),
            waiter: Cell::default(),
        }
    }

    fn spawn<F>(self: &Rc<Self>, future: F, spawned_at: &'static Location<'static>)
    where
        F: Future<Output = Result<(), E>> + 'static,
    {
        let place = self.tasks.borrow_mut().insert(None);
        let task = spawn_child(&self.event_loop, future, self, place, spawned_at);
        // On a closed loop the task is dropped already, and its slot is gone.
        if let Some(slot) = self.tasks.borrow_mut().get_mut(place) {
            *slot = Some(task);
        }
    }

    fn is_open(&self) -> bool {
        self.phase.get() == Phase::Open
    }

    /// Ends the group if something has failed. The run does this, and not the task that fails, so that all failures of
    /// one turn are recorded.
    fn end_if_failed(&self) {
        if !self.failures.borrow().is_empty() {
            self.end();
        }
    }

    /// Is ready if the wait is `over`. Otherwise the run is woken at the next change.
    fn poll_when(&self, cx: &Context<'_>, over: bool) -> Poll<()> {
        if over {
            return Poll::Ready(());
        }
        self.waiter.set(Waiter::of(cx));
        Poll::Pending
    }

    /// Cancels the tasks. The run goes on when all have ended.
    fn end(&self) {
        if self.is_open() {
            self.phase.set(Phase::Ending);
            self.tasks.borrow().iter().filter_map(|(_, task)| task.as_ref()).for_each(Task::cancel);
            self.waiter.take().wake();
        }
    }

    /// Drops every task, one after the other, since the destructors of their futures are user code.
    fn drop_all(&self) {
        self.phase.set(Phase::Ended);
        // The run is gone, so there is no one to wake.
        drop(self.waiter.take());
        loop {
            let task = self.tasks.borrow_mut().iter_mut().find_map(|(_, task)| task.take());
            let Some(task) = task else { return };
            task.end_now();
        }
    }
}

impl<E: 'static> Owner for Members<E> {
    type Output = Result<(), E>;

    fn ended(&self, place: usize, outcome: Result<Result<(), E>, JoinError>) {
        let task = self.tasks.borrow_mut().try_remove(place);
        // This drops only the handle: the caller still has the future.
        drop(task);
        let failure = match outcome {
            // Cancelling a single task must not end the others.
            Ok(Ok(())) | Err(JoinError::Cancelled) => None,
            Ok(Err(error)) => Some(TaskFailure::Error(error)),
            Err(error) => Some(TaskFailure::Join(error)),
        };
        let has_failed = failure.is_some();
        self.failures.borrow_mut().extend(failure);
        if has_failed || self.tasks.borrow().is_empty() {
            self.waiter.take().wake();
        }
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        TaskGroup { members: Rc::clone(&self.members) }
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("phase", &self.members.phase.get())
            .field("tasks", &self.members.tasks.borrow().len())
            .field("failures", &self.members.failures.borrow().len())
            .finish()
    }
}
