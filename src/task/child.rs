//! Tasks that belong to somebody: each tells its owner how it has ended.

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

/// Whoever has started several tasks, and has to know how each of them ends.
pub(super) trait Owner: 'static {
    type Output;

    /// The task in this place has ended. It is called once for each task, from its last step or when it is dropped.
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
        // `None` once it was told.
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
        // The owner gets the panic instead of whoever holds the task, which is the owner as well.
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

/// The tasks of an owner, which it cancels if nobody wants their results any more.
///
/// An owner holds its tasks, and each task holds its owner until it has ended. The loop ends all tasks when it closes, so
/// this circle is always opened.
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

    /// Lets the tasks go on by themselves.
    pub(super) fn detach(&self) {
        drop(self.0.take());
    }
}
