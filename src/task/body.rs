//! A task's future and, later, its result, in one box.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::errors::JoinError;
use crate::executor::{Body, Payload, UnheardEnd};
use crate::task::unheard::error_in;

pin_project! {
    /// The future or the result of a task, as a node of the executor runs it.
    pub(super) struct TaskBody<F: Future> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F: Future> {
        // The future is not done.
        Running { #[pin] future: F },
        // The future is dropped. The result is here until it is taken.
        Finished { result: Option<Result<F::Output, JoinError>> },
    }
}

impl<F: Future> TaskBody<F> {
    pub(super) fn new(future: F) -> Self {
        TaskBody { stage: Stage::Running { future } }
    }
}

/// Takes the result of a finished body whose future's output is `T`.
pub(super) fn take_result<T: 'static>(body: Pin<&mut dyn Body>) -> Result<T, JoinError> {
    let mut result: Option<Result<T, JoinError>> = None;
    body.take_result(&mut result);
    result.expect("a finished task has a result of its own type")
}

impl<F: Future + 'static> Body for TaskBody<F> {
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let StageProjection::Running { future } = this.stage.as_mut().project() else { return Poll::Ready(()) };
        let Poll::Ready(output) = future.poll(cx) else { return Poll::Pending };
        this.stage.set(Stage::Finished { result: Some(Ok(output)) });
        Poll::Ready(())
    }

    fn end(self: Pin<&mut Self>, error: JoinError) -> Option<Payload> {
        // Setting the stage drops the future. Even if that drop panics, the new stage is set.
        let mut stage = self.project().stage;
        catch_unwind(AssertUnwindSafe(|| stage.set(Stage::Finished { result: Some(Err(error)) }))).err()
    }

    fn take_result(self: Pin<&mut Self>, to: &mut dyn Any) {
        let StageProjection::Finished { result } = self.project().stage.project() else { return };
        if let Some(to) = to.downcast_mut::<Option<Result<F::Output, JoinError>>>() {
            *to = result.take();
        }
    }

    fn take_unheard(self: Pin<&mut Self>, errors_too: bool) -> Option<UnheardEnd> {
        let StageProjection::Finished { result } = self.project().stage.project() else { return None };
        if let (true, Some(Ok(output))) = (errors_too, &*result) {
            return error_in(output).map(UnheardEnd::Error);
        }
        match result.take_if(|result| matches!(result, Err(JoinError::Panicked(_)))) {
            Some(Err(JoinError::Panicked(payload))) => Some(UnheardEnd::Panic(payload.into_inner())),
            _ => None,
        }
    }
}
