//! One task as the executor sees it.
//!
//! ```text
//!            1              2               3
//!  Vacant ───────► Scheduled ────► Running ───────► Finished ──► Vacant
//!                   ▲  ▲             │  │              5
//!                   │  │      4      │  │ 6
//!                   │  └──── Idle ◄──┘  ▼
//!                   └─────────────── Rerun
//! ```
//!
//! 1 `begin` (by `Executor::spawn`); 2 `run`, from a turn; 3 the body is done, or is cancelled, or panicked;
//! 4 `run` after a pending poll, and back by `wake`; 5 `retire`, when the handle is gone too; 6 `wake` while it is
//! being polled, after which `run` schedules it again.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::errors::{JoinError, PanicPayload};
use crate::executor::{Executor, LentWaker, NO_SEAT, WaiterCell, budget};

/// What a panic leaves.
pub(crate) type Payload = Box<dyn Any + Send>;

/// A future with the place for its result: what a node runs without knowing its type.
pub(crate) trait Body {
    /// Polls the future and, when it is done, puts its output where it was.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the future and puts an error where it was. A panic of that drop is given back.
    fn end(self: Pin<&mut Self>, error: JoinError) -> Option<Payload>;

    /// Moves the result into `to`, an `Option` of the result's type.
    fn take_result(self: Pin<&mut Self>, to: &mut dyn Any);

    /// The payload of the panic that ended it, if one did.
    fn take_panic(self: Pin<&mut Self>) -> Option<Payload>;

    /// Where it was spawned.
    fn spawned_at(&self) -> &'static Location<'static>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No task: the node waits in the executor for one. A wake does nothing.
    Vacant,
    /// It waits for a wake. The body is here, and the node is not in the queue.
    Idle,
    /// It stands in the ready queue, exactly once.
    Scheduled,
    /// It is being polled: the body is out, in the hands of `run`.
    Running,
    /// It is being polled and was woken meanwhile.
    Rerun,
    /// The body holds the result, for the handle to take. A wake does nothing.
    Finished,
    /// The main future of a run: it has no body here. Awake, it stands in the queue.
    MainIdle,
    /// The main future, in the queue.
    MainScheduled,
}

pub(crate) struct TaskNode {
    executor: Rc<Executor>,
    seat: u32,
    state: Cell<State>,
    /// Someone asked to cancel the task; its next step is to drop the future.
    cancelled: Cell<bool>,
    /// A `Task` handle exists, which wants the result and keeps the seat.
    held: Cell<bool>,
    body: Cell<Option<Pin<Box<dyn Body>>>>,
    /// Who awaits the handle.
    joiner: WaiterCell,
    /// The waker of this seat, if a task that sat here kept one. Most never do: it has its room elsewhere.
    waker: OnceCell<Box<Waker>>,
}

/// Something that went wrong in a task and that nobody awaits.
pub(crate) struct Unheard {
    pub(crate) payload: Payload,
    pub(crate) spawned_at: &'static Location<'static>,
}

impl TaskNode {
    pub(super) fn new(executor: &Rc<Executor>, seat: u32) -> Rc<Self> {
        Rc::new(TaskNode {
            executor: Rc::clone(executor),
            seat,
            state: Cell::new(State::Vacant),
            cancelled: Cell::new(false),
            held: Cell::new(false),
            body: Cell::new(None),
            joiner: WaiterCell::default(),
            waker: OnceCell::new(),
        })
    }

    /// A task that was refused by a closed loop. Its seat is none, and no table knows it.
    pub(super) fn cancelled(executor: &Rc<Executor>, mut body: Pin<Box<dyn Body>>) -> Rc<Self> {
        let node = TaskNode::new(executor, NO_SEAT);
        drop(body.as_mut().end(JoinError::Cancelled));
        node.body.set(Some(body));
        node.held.set(true);
        node.state.set(State::Finished);
        node
    }

    pub(super) fn begin(&self, body: Pin<Box<dyn Body>>) {
        debug_assert_eq!(self.state.get(), State::Vacant);
        self.body.set(Some(body));
        self.cancelled.set(false);
        self.held.set(true);
        self.state.set(State::Scheduled);
    }

    pub(super) fn begin_main(&self) {
        self.state.set(State::MainIdle);
    }

    pub(super) fn seat(&self) -> u32 {
        self.seat
    }

    /// Schedules the next step, unless it is scheduled already or the task is over. Only on the loop's thread.
    #[inline]
    pub(crate) fn wake(self: &Rc<Self>) {
        if self.state.get() == State::Idle {
            self.schedule(State::Scheduled);
        } else {
            self.wake_another();
        }
    }

    /// Wakes what is no waiting task: the main future, or a task that is being polled, scheduled or over.
    #[inline(never)]
    fn wake_another(self: &Rc<Self>) {
        match self.state.get() {
            State::MainIdle => self.schedule(State::MainScheduled),
            State::Running => self.state.set(State::Rerun),
            _ => {}
        }
    }

    #[inline(always)]
    fn schedule(self: &Rc<Self>, scheduled: State) {
        self.state.set(scheduled);
        self.executor.ready.push_task(self);
    }

    pub(crate) fn is_main(&self) -> bool {
        matches!(self.state.get(), State::MainIdle | State::MainScheduled)
    }

    /// Polls the main future, which the caller holds.
    pub(crate) fn poll_main<F: Future>(
        &self,
        main: Pin<&mut F>,
        lent: &mut LentWaker,
    ) -> Result<Poll<F::Output>, Payload> {
        self.state.set(State::MainIdle);
        self.poll(lent, |cx| main.poll(cx))
    }

    /// The main future is over: its seat is free. A node that still stands in the queue is not used again, since that
    /// entry would run the next task out of its turn.
    pub(crate) fn retire_main(self: &Rc<Self>) {
        if self.state.replace(State::Vacant) == State::MainScheduled {
            self.executor.discard(self);
        } else {
            self.executor.vacate(self);
        }
    }

    /// Takes the body out for a step, if there is one: the main future has none, nor has a node that was given up.
    #[inline]
    pub(crate) fn begin_step(&self) -> Option<Pin<Box<dyn Body>>> {
        self.body.take()
    }

    /// Takes a step, from a turn.
    #[inline]
    pub(crate) fn run(self: &Rc<Self>, mut body: Pin<Box<dyn Body>>, lent: &mut LentWaker) -> Option<Unheard> {
        self.state.set(State::Running);
        if self.cancelled.get() {
            return self.finish(body, Some(JoinError::Cancelled));
        }
        match self.poll(lent, |cx| body.as_mut().poll(cx)) {
            Ok(Poll::Pending) => {
                self.body.set(Some(body));
                if self.state.replace(State::Idle) == State::Rerun {
                    self.wake();
                }
                None
            }
            Ok(Poll::Ready(())) => self.finish(body, None),
            Err(payload) => self.finish_panicked(body, payload),
        }
    }

    /// Polls with the waker of this seat or, as long as it has none, with one that is lent. A panic is given back.
    #[inline]
    fn poll<R>(&self, lent: &mut LentWaker, poll: impl FnOnce(&mut Context<'_>) -> R) -> Result<R, Payload> {
        budget::begin_step();
        let polled = &self.executor.polled;
        let result = catch_unwind(AssertUnwindSafe(|| {
            if let Some(waker) = self.waker.get() {
                return polled.during(self.seat, waker, poll);
            }
            let result = polled.during(self.seat, lent.to(self.seat), poll);
            if lent.is_kept() {
                // Nothing set it meanwhile: a task is not polled while it is polled.
                let _ = self.waker.set(Box::new(lent.give_away()));
            }
            result
        }));
        if result.is_err() {
            // A clone that was kept before the panic has no task any more.
            drop(lent.give_away());
        }
        result
    }

    #[cold]
    fn end(body: &mut Pin<Box<dyn Body>>, error: JoinError) -> Option<Unheard> {
        let payload = body.as_mut().end(error)?;
        Some(Unheard { payload, spawned_at: body.spawned_at() })
    }

    #[cold]
    fn finish_panicked(self: &Rc<Self>, body: Pin<Box<dyn Body>>, payload: Payload) -> Option<Unheard> {
        self.finish(body, Some(JoinError::Panicked(PanicPayload::new(payload))))
    }

    fn finish(self: &Rc<Self>, mut body: Pin<Box<dyn Body>>, error: Option<JoinError>) -> Option<Unheard> {
        let mut unheard = error.and_then(|error| TaskNode::end(&mut body, error));
        self.state.set(State::Finished);
        if self.held.get() {
            self.body.set(Some(body));
            self.joiner.wake(Some(&self.executor));
        } else {
            if let Some(payload) = body.as_mut().take_panic() {
                unheard = Some(Unheard { payload, spawned_at: body.spawned_at() });
            }
            self.retire();
            // Last, since dropping the result is user code: the node may be given a new task by it.
            drop(body);
        }
        unheard
    }

    /// Asks for the task to be cancelled: its next step drops the future. Over, it stays what it is.
    pub(crate) fn cancel(self: &Rc<Self>) {
        self.cancelled.set(true);
        self.wake();
    }

    /// Ends the task now, for a loop that closes.
    pub(crate) fn cancel_now(self: &Rc<Self>) -> Option<Unheard> {
        let body = self.body.take()?;
        if self.state.get() == State::Finished {
            self.body.set(Some(body));
            return None;
        }
        self.finish(body, Some(JoinError::Cancelled))
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state.get(), State::Idle | State::Scheduled | State::Running | State::Rerun)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.state.get() == State::Finished
    }

    /// Who awaits the handle now; the earlier one is let go.
    pub(crate) fn set_joiner(&self, cx: &Context<'_>) {
        self.joiner.set(Some(&self.executor), cx);
    }

    /// The result's holder, of a finished task whose result was not taken.
    pub(crate) fn take_body(&self) -> Option<Pin<Box<dyn Body>>> {
        if self.is_finished() { self.body.take() } else { None }
    }

    /// The handle is gone. What a finished task left is given back, to be dropped and reported by the caller.
    pub(crate) fn release(self: &Rc<Self>) -> Option<Pin<Box<dyn Body>>> {
        self.held.set(false);
        self.joiner.clear();
        if !self.is_finished() {
            return None;
        }
        let body = self.body.take();
        self.retire();
        body
    }

    fn retire(self: &Rc<Self>) {
        self.state.set(State::Vacant);
        self.executor.vacate(self);
    }
}
