//! Tasks with an owner: each tells its owner how it has ended.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::errors::{JoinError, PanicPayload};
use crate::event_loop::LoopHandle;
use crate::task::Task;

/// The owner of several tasks, which has to know how each of them ends.
pub(super) trait Owner: 'static {
    type Output;

    /// The task in this place has ended. Called once for each task, from its last step or when it is dropped.
    fn ended(&self, place: usize, outcome: Result<Self::Output, JoinError>);
}

/// Starts a task that tells its owner how it has ended.
pub(super) fn spawn_child<F: Future + 'static, O: Owner<Output = F::Output>>(
    event_loop: &LoopHandle,
    future: F,
    owner: &Rc<O>,
    place: usize,
    spawned_at: &'static Location<'static>,
) -> Task<()> {
    event_loop.create_task_at(Child { future, owner: Some(Rc::clone(owner)), place }, spawned_at)
}

pin_project! {
    struct Child<F: Future, O: Owner<Output = F::Output>> {
        #[pin]
        future: F,
        // `None` once the owner was told.
        owner: Option<Rc<O>>,
        place: usize,
    }

    impl<F: Future, O: Owner<Output = F::Output>> PinnedDrop for Child<F, O> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(owner) = this.owner.take() {
                owner.ended(*this.place, Err(JoinError::Cancelled));
            }
        }
    }
}

impl<F: Future, O: Owner<Output = F::Output>> Future for Child<F, O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        // The owner gets the panic here, and not through the task's handle, which the owner holds as well.
        let outcome = match catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(JoinError::Panicked(PanicPayload::new(payload))),
        };
        if let Some(owner) = this.owner.take() {
            owner.ended(*this.place, outcome);
        }
        Poll::Ready(())
    }
}

/// The tasks of an owner, which cancels them when their results are no longer wanted.
///
/// An owner holds its tasks, and each task holds its owner until it has ended. The loop ends all tasks when it closes,
/// so this cycle is always broken.
#[derive(Default)]
pub(super) struct Children(RefCell<Vec<Task<()>>>);

impl Children {
    pub(super) fn set(&self, tasks: Vec<Task<()>>) {
        self.0.replace(tasks);
    }

    /// Cancels the tasks that have not ended.
    pub(super) fn cancel(&self) {
        self.0.take().iter().for_each(Task::cancel);
    }

    /// Drops the handles, and lets the tasks go on.
    pub(super) fn detach(&self) {
        drop(self.0.take());
    }
}
