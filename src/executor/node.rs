//! A task as the executor sees it.
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
//! 1 `begin` (by `Executor::spawn`); 2 `run`, from a turn; 3 the body is done, was cancelled, or panicked; 4 `run`
//! after a pending poll, and back by `wake`; 5 `retire`, when the handle is gone too; 6 `wake` during the poll, after
//! which `run` schedules the next step.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::errors::{JoinError, PanicPayload};
use crate::executor::leaving::leave;
use crate::executor::polled::Who;
use crate::executor::reason::{Awaited, Reason};
use crate::executor::record::Record;
use crate::executor::{Executor, LentWaker, NO_SEAT, WaiterCell, budget};

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send>;

/// A future and, later, its result, in one place. A node runs it without knowing the future's type.
pub(crate) trait Body {
    /// Polls the future. When it is done, its output takes its place.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the future and puts an error in its place. If the drop panics, returns the payload.
    fn end(self: Pin<&mut Self>, error: JoinError) -> Option<Payload>;

    /// Moves the result into `to`, an `Option` of the result's type.
    fn take_result(self: Pin<&mut Self>, to: &mut dyn Any);

    /// The end that must be reported if nobody takes the result: the panic that ended the future, whose payload is
    /// taken, or, if `errors_too`, the error that it returned.
    fn take_unheard(self: Pin<&mut Self>, errors_too: bool) -> Option<UnheardEnd>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The node has no task and is free for one. A wake does nothing.
    Vacant,
    /// The task waits for a wake. The body is in the node, and the node is not in the queue.
    Idle,
    /// The node is in the ready queue, exactly once.
    Scheduled,
    /// The task is being polled. `run` has taken the body out.
    Running,
    /// The task is being polled, and was woken meanwhile.
    Rerun,
    /// The body has the result, for the handle to take. A wake does nothing.
    Finished,
    /// Like `Finished`, but the node is still in the ready queue, since the task was ended out of its turn.
    FinishedInQueue,
    /// The main future of a run, waiting for a wake. Its node has no body.
    MainIdle,
    /// The main future of a run, in the ready queue.
    MainScheduled,
}

pub(crate) struct TaskNode {
    executor: Rc<Executor>,
    state: Cell<State>,
    /// The task is to be cancelled: its next step drops the future.
    cancelled: Cell<bool>,
    /// A `Task` handle exists. It wants the result and keeps the seat.
    has_handle: Cell<bool>,
    body: Cell<Option<Pin<Box<dyn Body>>>>,
    /// The waiter that awaits the handle.
    joiner: WaiterCell,
    /// The waker of this seat, if a task with this seat has ever kept one. It is boxed, since most never do.
    waker: OnceCell<Box<Waker>>,
    /// Facts about the task, for reports.
    record: Record,
}

/// The end of a task that nobody awaits.
pub(crate) struct Unheard {
    pub(crate) end: UnheardEnd,
    pub(crate) spawned_at: &'static Location<'static>,
}

pub(crate) enum UnheardEnd {
    Panic(Payload),
    /// An error, as text. Only debug mode asks for it.
    Error(String),
}

impl TaskNode {
    pub(super) fn new(executor: &Rc<Executor>, seat: u32) -> Rc<Self> {
        Rc::new(TaskNode {
            executor: Rc::clone(executor),
            state: Cell::new(State::Vacant),
            cancelled: Cell::new(false),
            has_handle: Cell::new(false),
            body: Cell::new(None),
            joiner: WaiterCell::default(),
            waker: OnceCell::new(),
            record: Record::empty(seat),
        })
    }

    /// A task that a closed loop has refused. It has no seat and is in no table.
    pub(super) fn refused(
        executor: &Rc<Executor>,
        mut body: Pin<Box<dyn Body>>,
        spawned_at: &'static Location<'static>,
    ) -> Rc<Self> {
        let node = TaskNode::new(executor, NO_SEAT);
        node.introduce(Who::task(node.seat(), spawned_at));
        drop(body.as_mut().end(JoinError::Cancelled));
        node.body.set(Some(body));
        node.has_handle.set(true);
        node.state.set(State::Finished);
        node
    }

    /// Starts the record of a new task.
    fn introduce(&self, who: Who) {
        let executor = &self.executor;
        let parent = executor.current_task().unwrap_or(0);
        self.record.begin(executor.next_number(), parent, who, executor.step());
    }

    pub(super) fn begin(&self, body: Pin<Box<dyn Body>>, spawned_at: &'static Location<'static>) {
        debug_assert_eq!(self.state.get(), State::Vacant);
        self.introduce(Who::task(self.seat(), spawned_at));
        self.body.set(Some(body));
        self.cancelled.set(false);
        self.has_handle.set(true);
        self.state.set(State::Scheduled);
    }

    pub(super) fn begin_main(&self, run_at: &'static Location<'static>) {
        self.introduce(Who::main(self.seat(), run_at));
        self.state.set(State::MainIdle);
    }

    #[inline]
    pub(crate) fn seat(&self) -> u32 {
        self.record.who().seat()
    }

    pub(super) fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Schedules the next step, unless it is scheduled already or the task is over.
    #[inline]
    pub(crate) fn wake(self: &Rc<Self>) {
        if self.state.get() == State::Idle {
            self.schedule(State::Scheduled);
        } else {
            self.wake_another();
        }
    }

    /// Wakes a node that is not an idle task. Separate from `wake`, so that waking an idle task, as each message does,
    /// is 6 instructions shorter.
    #[inline(never)]
    fn wake_another(self: &Rc<Self>) {
        match self.state.get() {
            State::MainIdle => self.schedule(State::MainScheduled),
            State::Running => self.state.set(State::Rerun),
            State::Vacant | State::Finished | State::FinishedInQueue if self.executor.is_debugged() => {
                self.executor.late_wakes.count(self.seat(), &self.record);
            }
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

    /// The main future is over, which frees its seat. If the node is still in the queue, it is not reused, since the
    /// entry would run the node's next task too early.
    pub(crate) fn retire_main(self: &Rc<Self>) {
        if self.state.replace(State::Vacant) == State::MainScheduled {
            self.executor.discard(self);
        } else {
            self.executor.vacate(self);
        }
    }

    /// Takes the body out for a step. `None` for the main future, and for a task that has been ended meanwhile.
    #[inline(always)]
    pub(crate) fn take_body_to_run(&self) -> Option<Pin<Box<dyn Body>>> {
        self.body.take()
    }

    /// Takes a step with the body that was taken out for it. If the task ends and nobody awaits it, returns its end.
    #[inline(always)]
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
            Err(payload) => self.finish(body, Some(JoinError::Panicked(PanicPayload::new(payload)))),
        }
    }

    /// Polls with the waker of this seat, or with the lent one while the seat has none. Returns the payload of a panic.
    #[inline(always)]
    fn poll<R>(&self, lent: &mut LentWaker, poll: impl FnOnce(&mut Context<'_>) -> R) -> Result<R, Payload> {
        budget::begin_step();
        let polled = &*self.executor.polled;
        let who = self.record.begin_poll(self.executor.next_step());
        let result = catch_unwind(AssertUnwindSafe(|| {
            if let Some(waker) = self.waker.get() {
                return polled.during(who, waker, poll);
            }
            let result = polled.during(who, lent.to(who.seat()), poll);
            if lent.is_kept() {
                // The seat still has no waker, since a task is not polled while it is being polled.
                let _ = self.waker.set(Box::new(lent.give_away()));
            }
            result
        }));
        if result.is_err() {
            // The panicking poll may have kept a clone, so this waker cannot be lent again.
            drop(lent.give_away());
        }
        result
    }

    #[cold]
    fn end_body(&self, body: &mut Pin<Box<dyn Body>>, error: JoinError) -> Option<Unheard> {
        let payload = body.as_mut().end(error)?;
        Some(self.unheard(UnheardEnd::Panic(payload)))
    }

    /// The end of this task, for a report.
    #[cold]
    pub(crate) fn unheard(&self, end: UnheardEnd) -> Unheard {
        Unheard { end, spawned_at: self.record.spawned_at() }
    }

    fn finish(self: &Rc<Self>, mut body: Pin<Box<dyn Body>>, error: Option<JoinError>) -> Option<Unheard> {
        let mut unheard = error.and_then(|error| self.end_body(&mut body, error));
        self.state.set(State::Finished);
        if self.has_handle.get() {
            self.body.set(Some(body));
            self.joiner.wake(Some(&self.executor));
        } else {
            if let Some(end) = body.as_mut().take_unheard(self.executor.is_debugged()) {
                unheard = Some(self.unheard(end));
            }
            self.retire();
            // Dropped last, since dropping the result is user code, which may spawn a task on this node.
            drop(body);
        }
        unheard
    }

    /// Asks for the task to be cancelled: its next step drops the future. A task that is over is not changed.
    pub(crate) fn cancel(self: &Rc<Self>) {
        self.cancelled.set(true);
        self.wake();
    }

    /// Ends the task now instead of in the next turn. A task that is in the middle of a step ends after that step.
    pub(crate) fn end_now(self: &Rc<Self>) -> Option<Unheard> {
        let is_queued = match self.state.get() {
            State::Idle => false,
            State::Scheduled => true,
            _ => {
                self.cancel();
                return None;
            }
        };
        let body = self.body.take()?;
        // If the future's destructor wakes this task, the task must not be queued once more.
        self.state.set(State::Running);
        let unheard = self.finish(body, Some(JoinError::Cancelled));
        if is_queued && self.state.get() == State::Finished {
            self.state.set(State::FinishedInQueue);
        }
        unheard
    }

    /// Whether the task is being polled now.
    pub(crate) fn is_being_polled(&self) -> bool {
        self.executor.polled.seat() == Some(self.seat())
    }

    /// Whether the task's next step is in the queue.
    pub(crate) fn is_scheduled(&self) -> bool {
        matches!(self.state.get(), State::Scheduled | State::MainScheduled)
    }

    /// Whether the task of this seat awaits this one.
    pub(crate) fn is_joined_by(&self, seat: u32) -> bool {
        self.joiner.is_seat(seat)
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state.get(), State::Idle | State::Scheduled | State::Running | State::Rerun)
    }

    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.state.get(), State::Finished | State::FinishedInQueue)
    }

    /// Remembers the waiter that awaits the handle, in place of the one before.
    ///
    /// # Panics
    ///
    /// Panics if that is this task itself, which nothing could wake.
    pub(crate) fn set_joiner(&self, cx: &Context<'_>) {
        leave(Reason::polled(Awaited::Task));
        self.joiner.set(Some(&self.executor), cx);
        assert!(!self.joiner.is_seat(self.seat()), "a task that awaits itself would never end");
    }

    /// The body of a finished task, if its result was not taken before.
    pub(crate) fn take_body(&self) -> Option<Pin<Box<dyn Body>>> {
        if self.is_finished() { self.body.take() } else { None }
    }

    /// The handle is dropped. Returns the body of a finished task, for the caller to report its panic and drop it.
    pub(crate) fn release(self: &Rc<Self>) -> Option<Pin<Box<dyn Body>>> {
        self.has_handle.set(false);
        self.joiner.clear();
        if !self.is_finished() {
            return None;
        }
        let body = self.body.take();
        self.retire();
        body
    }

    fn retire(self: &Rc<Self>) {
        if self.state.replace(State::Vacant) == State::FinishedInQueue {
            // The entry in the queue would run the node's next task out of turn.
            self.executor.abandon(self);
        } else {
            self.executor.vacate(self);
        }
    }
}
