//! Tasks: coroutines that the loop runs step by step.

mod as_completed;
mod body;
mod cancel_on_drop;
mod child;
mod failure;
mod gather;
mod group;
mod id;
mod race;
mod remote_task;
mod to_thread;
mod unheard;
mod wait;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::errors::JoinError;
use crate::event_loop::{LoopHandle, get_running_loop};
use crate::executor::{Body, TaskNode, YieldOnce, yield_once};

pub use as_completed::{AsCompleted, as_completed};
pub use cancel_on_drop::CancelOnDrop;
pub use failure::{GroupError, TaskFailure};
pub use gather::{Gather, TryGather, gather, try_gather};
pub use group::TaskGroup;
pub use id::TaskId;
pub use race::{Racers, race};
pub use remote_task::RemoteTask;
pub use to_thread::{ExecutorBusy, ToThread, to_thread};
pub use wait::{Until, Wait, wait};

impl LoopHandle {
    /// Starts a task. Its first step runs in the next turn, and the loop keeps the task until it is done.
    ///
    /// On a closed loop the task is cancelled before it begins.
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: IntoFuture<IntoFuture: 'static>,
    {
        self.create_task_at(future.into_future(), Location::caller())
    }

    /// Starts a task that was spawned on the line `spawned_at`.
    pub(crate) fn create_task_at<F: Future + 'static>(
        &self,
        future: F,
        spawned_at: &'static Location<'static>,
    ) -> Task<F::Output> {
        let body = Box::pin(body::TaskBody::new(future));
        let node = self.core().executor.spawn(body, spawned_at);
        Task { node, event_loop: self.clone(), take: body::take_result::<F::Output> }
    }
}

/// Starts a task on the loop that runs on this thread.
///
/// # Panics
///
/// Panics if no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// waterwheel::run(async {
///     let shared = Rc::new(20);
///     let task = waterwheel::spawn({
///         let shared = Rc::clone(&shared);
///         async move { *shared + 1 }
///     });
///     assert_eq!(task.await.unwrap() + *shared, 41);
/// });
/// ```
#[doc(alias = "create_task")]
#[doc(alias = "ensure_future")]
#[track_caller]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: IntoFuture<IntoFuture: 'static>,
{
    get_running_loop().create_task(future)
}

/// A handle to a task. Awaiting it returns the task's result. Dropping it detaches the task, which goes on, but its
/// result is dropped.
///
/// A panic in a task does not propagate. Awaiting the task returns it as [`JoinError::Panicked`]. If the handle is
/// dropped, the panic is reported as an [`Incident`](crate::Incident), with the line that spawned the task.
///
/// # Cancel safety
///
/// If an await of a `&mut Task` is dropped, nothing is lost: it can be awaited again.
///
/// # Panics
///
/// A task that awaits itself panics, since it would never end. This is not detected behind a combinator of another
/// crate that polls with a waker of its own.
pub struct Task<T> {
    node: Rc<TaskNode>,
    event_loop: LoopHandle,
    take: fn(Pin<&mut dyn Body>) -> Result<T, JoinError>,
}

impl<T> Task<T> {
    /// Asks for the task to be cancelled. In the next turn its future is dropped, and awaiting the task then returns
    /// [`JoinError::Cancelled`]. If the task is done by then, this has no effect.
    ///
    /// # The rules of cancellation
    ///
    /// 1. **When.** The future is dropped in the next turn, where it waits, and never within this call. A task that has
    ///    not begun never begins. Everything that the future holds is dropped with it, in Rust's usual order.
    /// 2. **What the awaiting task gets.** `Cancelled`, after the drop. A result that the future was waiting for stays
    ///    where it is, so that another task can take it.
    /// 3. **In the middle of a step.** A task that is cancelled by itself or by code that it calls goes on to the end
    ///    of that step. If it waits there, it is dropped in the next turn. If it returns, it is done, and its output
    ///    counts.
    /// 4. **Twice** is the same as once, and a task that is done stays done.
    /// 5. **It cannot be refused.** asyncio raises an exception, which a coroutine may catch; here no code of the
    ///    future runs again, except destructors. They can call, write, wake and spawn, but they cannot await: clean-up
    ///    that has to await must be spawned as a task of its own. A destructor that panics is reported as an
    ///    [`Incident`](crate::Incident), and the task is cancelled nevertheless.
    /// 6. **Tasks that the task spawned go on**, unless the future holds them in a [`CancelOnDrop`], a [`TaskGroup`] or
    ///    a [`gather`], whose drop cancels them.
    ///
    /// ```
    /// # waterwheel::run(async {
    /// use waterwheel::{JoinError, spawn};
    ///
    /// let task = spawn(std::future::pending::<()>());
    /// task.cancel();
    /// assert!(!task.is_finished(), "the next turn does it");
    /// assert!(matches!(task.await, Err(JoinError::Cancelled)));
    /// # });
    /// ```
    pub fn cancel(&self) {
        self.node.cancel();
    }

    /// Cancels the task, and drops its future now. If the task is in the middle of a step, that step is its last one.
    fn end_now(self) {
        if let Some(unheard) = self.node.end_now() {
            self.event_loop.core().report_unheard(unheard);
        }
    }

    fn wake_when_finished(&self, cx: &Context<'_>) {
        self.node.set_joiner(cx);
    }

    /// Whether the task has finished, was cancelled, or panicked.
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        self.node.is_finished()
    }

    /// The number of the task.
    pub fn id(&self) -> TaskId {
        TaskId::new(self.node.record().number())
    }

    /// Sets the task's name, which reports show.
    pub fn set_name(&self, name: impl Into<String>) {
        self.event_loop.core().executor.set_name(&self.node, name.into());
    }

    /// The task's name: the one that was set, or one with a number, such as `Task-7`.
    #[doc(alias = "get_name")]
    pub fn name(&self) -> String {
        self.event_loop.core().executor.name(&self.node)
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// Panics if it is polled again after it returned its result, or if the task polls itself.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.node.is_finished() {
            self.node.set_joiner(cx);
            return Poll::Pending;
        }
        let mut body = self.node.take_body().expect("a task was polled again after it had given its result");
        Poll::Ready((self.take)(body.as_mut()))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        let Some(mut body) = self.node.release() else { return };
        let core = self.event_loop.core();
        if let Some(end) = body.as_mut().take_unheard(core.executor.is_debugged()) {
            core.report_unheard(self.node.unheard(end));
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("name", &self.name()).field("finished", &self.is_finished()).finish()
    }
}

/// Lets everything else that is ready run once before this task goes on. The turn in which it goes on polls the
/// selector first, with one system call for all tasks that have yielded. So bytes that are on their way arrive within a
/// few calls of this function.
///
/// # Cancel safety
///
/// Dropping the future has no effect.
#[doc(alias = "sleep(0)")]
pub fn yield_now() -> YieldNow {
    YieldNow(yield_once())
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow(YieldOnce);

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}
