//! Tasks that are started by another thread, and whose results go back to it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::errors::{JoinError, PanicPayload};
use crate::event_loop::{RemoteHandle, get_running_loop, try_get_running_loop};
use crate::sync::{Condvar, Mutex, MutexGuard};

impl RemoteHandle {
    /// Makes a future on the loop's thread, runs it as a task there, and returns its output to this thread.
    ///
    /// Only `make` and the output have to be `Send`. The future is made and polled on the loop's thread, and need not
    /// be `Send`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use std::thread;
    /// use waterwheel::{Promise, get_running_loop};
    ///
    /// waterwheel::run(async {
    ///     let remote = get_running_loop().remote();
    ///     let done = Promise::new();
    ///     let other = thread::spawn(move || {
    ///         let task = remote.spawn(|| async {
    ///             let here = Rc::new(20); // It never leaves the loop's thread.
    ///             waterwheel::yield_now().await;
    ///             *here + 1
    ///         });
    ///         task.wait().unwrap()
    ///     });
    ///     # let finished = done.clone();
    ///     # get_running_loop().create_task(async move {
    ///     #     while !other.is_finished() { waterwheel::yield_now().await; }
    ///     #     finished.set(other.join().unwrap()).unwrap();
    ///     # });
    ///     assert_eq!(done.wait().await, 21);
    /// });
    /// ```
    #[doc(alias = "run_coroutine_threadsafe")]
    #[track_caller]
    pub fn spawn<M, F>(&self, make: M) -> RemoteTask<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: IntoFuture<IntoFuture: 'static, Output: Send + 'static>,
    {
        let (shared, spawned_at) = (Arc::new(Shared::new()), Location::caller());
        let ending = Ending { shared: Some(Arc::clone(&shared)) };
        // If the loop is closed, this drops the callback, and with it the `Ending`, which then reports that the task
        // was cancelled.
        self.call_soon(move || match catch_unwind(AssertUnwindSafe(|| make().into_future())) {
            Ok(future) => drop(get_running_loop().create_task_at(Running { future, ending }, spawned_at)),
            Err(payload) => ending.end(Err(JoinError::Panicked(PanicPayload::new(payload)))),
        });
        RemoteTask { shared }
    }
}

/// A handle to a task on the loop of another thread, made by [`RemoteHandle::spawn`]. Dropping it lets the task go on.
#[doc(alias = "concurrent.futures.Future")]
pub struct RemoteTask<T> {
    shared: Arc<Shared<T>>,
}

impl<T> RemoteTask<T> {
    /// Blocks this thread until the task has ended, and returns its output.
    ///
    /// # Errors
    ///
    /// Fails as awaiting a [`Task`](crate::Task) does. If the loop is closed, the task is cancelled.
    ///
    /// # Panics
    ///
    /// Panics if a loop runs on this thread, since it would be blocked meanwhile. Await the task instead.
    #[doc(alias = "result")]
    pub fn wait(self) -> Result<T, JoinError> {
        assert!(
            try_get_running_loop().is_none(),
            "wait() would block the loop that runs on this thread: await the task"
        );
        let has_not_ended = |state: &mut State<T>| state.result.is_none();
        let waited = self.shared.ended.wait_while(self.shared.state(), has_not_ended);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.result.take().expect("it has ended")
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        let state = self.shared.state();
        state.result.is_some() || state.is_taken
    }

    /// Asks for the task to be cancelled, as [`Task::cancel`](crate::Task::cancel) does.
    pub fn cancel(&self) {
        let mut state = self.shared.state();
        state.is_cancelled = true;
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// A remote task may be awaited on any thread.
impl<T> Future for RemoteTask<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// Panics if it is polled again after it returned its output.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.shared.state();
        assert!(!state.is_taken, "a task was polled again after it had given its output");
        if let Some(result) = state.result.take() {
            state.is_taken = true;
            return Poll::Ready(result);
        }
        let earlier = state.joiner.replace(cx.waker().clone());
        drop(state);
        drop(earlier);
        Poll::Pending
    }
}

impl<T> fmt::Debug for RemoteTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTask").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

/// The state that both threads share.
struct Shared<T> {
    state: Mutex<State<T>>,
    ended: Condvar,
}

struct State<T> {
    result: Option<Result<T, JoinError>>,
    /// Whether the result was taken.
    is_taken: bool,
    is_cancelled: bool,
    /// The task's waker, by which the task is woken when it is cancelled.
    task: Option<Waker>,
    /// The waker of the task or thread that awaits the result.
    joiner: Option<Waker>,
}

impl<T> Shared<T> {
    fn new() -> Self {
        let state = State { result: None, is_taken: false, is_cancelled: false, task: None, joiner: None };
        Shared { state: Mutex::new(state), ended: Condvar::new() }
    }

    /// No user code runs under this lock.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the other thread how the task has ended. If it is dropped before that, it says that the task was cancelled.
struct Ending<T> {
    shared: Option<Arc<Shared<T>>>,
}

impl<T> Ending<T> {
    fn end(mut self, result: Result<T, JoinError>) {
        self.tell(result);
    }

    fn tell(&mut self, result: Result<T, JoinError>) {
        let Some(shared) = self.shared.take() else { return };
        let mut state = shared.state();
        state.result = Some(result);
        let joiner = state.joiner.take();
        drop(state);
        shared.ended.notify_all();
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    /// Arranges that cancelling wakes the task. Returns whether it is cancelled already.
    fn is_cancelled(&self, cx: &Context<'_>) -> bool {
        let Some(shared) = &self.shared else { return false };
        let mut state = shared.state();
        let known = state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        let earlier = if known { None } else { state.task.replace(cx.waker().clone()) };
        let is_cancelled = state.is_cancelled;
        drop(state);
        drop(earlier);
        is_cancelled
    }
}

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        self.tell(Err(JoinError::Cancelled));
    }
}

pin_project! {
    struct Running<F: Future> {
        // The first field, so that the future is dropped before the other thread is told.
        #[pin]
        future: F,
        ending: Ending<F::Output>,
    }
}

impl<F: Future> Future for Running<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.ending.is_cancelled(cx) {
            // The future is dropped with this task, and then `ending` reports the cancellation.
            return Poll::Ready(());
        }
        let result = match catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(JoinError::Panicked(PanicPayload::new(payload))),
        };
        this.ending.tell(result);
        Poll::Ready(())
    }
}
