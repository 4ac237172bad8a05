//! The executor: what is ready to run, the tasks, and how they are woken.
//!
//! It knows no clock and no socket. On the loop's thread, [`TaskNode::wake`] wakes a task: it sets a state and pushes
//! to the queue. Any thread may hold a [`std::task::Waker`]; a wake on another thread goes through the
//! [mailbox](Mailbox).

mod alarm;
mod budget;
mod current;
mod late_wakes;
mod leaving;
mod mailbox;
mod node;
mod polled;
mod ready;
mod reason;
mod record;
mod thread_loops;
mod waited;
mod waiter;
mod waiters;
mod waker;
mod wrote_at;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

pub(crate) use budget::{
    costly_operation, count_system_call, operation, poll_operation, return_operation, take_operation,
};
pub(crate) use current::{Current, Entered, enter};
pub(crate) use late_wakes::LateWakes;
pub(crate) use leaving::{ReasonsBefore, because, leave, one_of};
pub(crate) use mailbox::{Letter, Mailbox};
pub(crate) use node::{Body, Payload, TaskNode, Unheard, UnheardEnd};
use polled::NO_SEAT;
pub(crate) use polled::{Polled, Running};
pub(crate) use ready::{Entry, ReadyQueue};
pub(crate) use reason::{Awaited, ReaderReason, Reason};
pub(crate) use record::milliseconds;
pub(crate) use thread_loops::of_this_thread;
pub(crate) use waited::{AllWaited, Waited};
pub(crate) use waiter::{Waiter, WaiterCell, YieldOnce, yield_once};
pub(crate) use waiters::Waiters;
pub(crate) use waker::LentWaker;
pub(crate) use wrote_at::{last_write, note_write};

use crate::reactor::Bell;
use crate::slots::{Slots, shrink_map};
use record::first_step_at;

/// How many nodes of finished tasks are kept for new tasks.
const KEPT_NODES: usize = 1024;

/// The tasks of one loop, and the queue of everything that is ready to run.
pub(crate) struct Executor {
    pub(crate) ready: ReadyQueue,
    pub(crate) mailbox: Arc<Mailbox>,
    /// The nodes, by seat number.
    seats: RefCell<Slots<Rc<TaskNode>>>,
    /// Nodes without a task, to be reused by new tasks. Each keeps its seat.
    vacant: RefCell<Vec<Rc<TaskNode>>>,
    /// The names that were given to tasks, by seat. They are not in the nodes, since most tasks have none.
    names: RefCell<HashMap<u32, String>>,
    /// The task or callback that is running. Other threads may read it.
    pub(crate) polled: Arc<Polled>,
    /// The earlier reasons of tasks that wait for several things at once.
    earlier_reasons: leaving::EarlierReasons,
    /// The current step, or the last one. Steps are numbered in order, and the number also encodes when the step was:
    /// see [`milliseconds`].
    step: Cell<u64>,
    /// The number that was last given to a task, even to a refused one, or to a main future. It wraps.
    last_number: Cell<u32>,
    /// The streams of this loop.
    pub(crate) waited: AllWaited,
    /// Whether a task has yielded since the last poll of the selector. If so, the next turn polls it, so that bytes on
    /// their way arrive.
    yielded: Cell<bool>,
    /// How many tasks were ever spawned.
    spawned: Cell<u64>,
    /// Whether the loop is in debug mode. It is kept in this low layer, since every layer asks for it.
    debugged: Cell<bool>,
    late_wakes: late_wakes::LateWakesCounted,
    closed: Cell<bool>,
}

impl Executor {
    pub(crate) fn new(bell: Box<dyn Bell>) -> Rc<Self> {
        let executor = Rc::new(Executor {
            ready: ReadyQueue::default(),
            mailbox: Arc::new(Mailbox::new(bell)),
            seats: RefCell::default(),
            vacant: RefCell::default(),
            names: RefCell::default(),
            polled: Arc::new(Polled::none()),
            earlier_reasons: leaving::EarlierReasons::default(),
            step: Cell::new(0),
            last_number: Cell::new(0),
            waited: AllWaited::default(),
            yielded: Cell::new(false),
            spawned: Cell::new(0),
            debugged: Cell::new(false),
            late_wakes: late_wakes::LateWakesCounted::default(),
            closed: Cell::new(false),
        });
        thread_loops::add(&executor);
        executor
    }

    /// Gives a task a seat and queues its first step. On a closed loop the task is cancelled before it begins.
    pub(crate) fn spawn(
        self: &Rc<Self>,
        body: Pin<Box<dyn Body>>,
        spawned_at: &'static Location<'static>,
    ) -> Rc<TaskNode> {
        if self.closed.get() {
            return TaskNode::refused(self, body, spawned_at);
        }
        let vacant = self.vacant.borrow_mut().pop();
        let node = vacant.unwrap_or_else(|| self.new_node());
        node.begin(body, spawned_at);
        self.spawned.set(self.spawned.get() + 1);
        self.ready.push_task(&node);
        node
    }

    /// A node for the main future of a run. The future itself is on the stack of the caller, which polls it there.
    pub(crate) fn seat_main(self: &Rc<Self>, run_at: &'static Location<'static>) -> Rc<TaskNode> {
        let node = self.new_node();
        node.begin_main(run_at);
        node
    }

    /// Frees a node whose task is over and has no handle any more.
    pub(crate) fn vacate(&self, node: &Rc<TaskNode>) {
        self.forget_name(node);
        let mut vacant = self.vacant.borrow_mut();
        if vacant.len() < KEPT_NODES && !self.closed.get() {
            vacant.push(Rc::clone(node));
        } else {
            drop(vacant);
            self.discard(node);
        }
    }

    /// Frees a node whose task is over, and does not keep it for another task.
    pub(crate) fn abandon(&self, node: &TaskNode) {
        self.forget_name(node);
        self.discard(node);
    }

    /// The number of the next task. The first is 1.
    fn next_number(&self) -> u32 {
        let number = self.last_number.get().wrapping_add(1);
        self.last_number.set(number);
        number
    }

    /// The number of the task that is being polled.
    pub(crate) fn current_task(&self) -> Option<u32> {
        self.with_polled(|node| node.record().number())
    }

    /// Calls `look` with the task that is being polled. `look` must not call user code.
    #[inline]
    fn with_polled<R>(&self, look: impl FnOnce(&TaskNode) -> R) -> Option<R> {
        let seat = self.polled.seat()?;
        self.seats.borrow().get(seat).map(|node| look(node))
    }

    #[inline]
    pub(crate) fn step(&self) -> u64 {
        self.step.get()
    }

    #[inline]
    fn next_step(&self) -> u64 {
        let step = self.step.get() + 1;
        self.step.set(step);
        step
    }

    /// The loop has read its clock: `since` milliseconds have passed since it was made.
    pub(crate) fn set_time(&self, since: u64) {
        self.step.set(self.step.get().max(first_step_at(since)));
    }

    fn forget_name(&self, node: &TaskNode) {
        self.earlier_reasons.remove(node.seat());
        if !self.names.borrow().is_empty() {
            let mut names = self.names.borrow_mut();
            names.remove(&node.seat());
            shrink_map(&mut names);
        }
    }

    /// Drops a node and frees its seat.
    pub(crate) fn discard(&self, node: &TaskNode) {
        let node = self.seats.borrow_mut().remove(node.seat());
        drop(node);
    }

    /// Wakes the task that has this seat now. If that is not the task that was meant, it is polled needlessly, which
    /// the contract of `Future` allows.
    #[inline(always)]
    pub(crate) fn wake_seat(&self, seat: u32) {
        if let Some(node) = self.seats.borrow().get(seat) {
            node.wake();
        }
    }

    #[inline]
    pub(crate) fn is_debugged(&self) -> bool {
        self.debugged.get()
    }

    pub(crate) fn set_debug(&self, on: bool) {
        self.debugged.set(on);
    }

    /// Takes out the tasks that are over and are woken again and again, for a report.
    pub(crate) fn take_late_wakes(&self) -> Vec<LateWakes> {
        self.late_wakes.take()
    }

    pub(crate) fn spawned(&self) -> u64 {
        self.spawned.get()
    }

    /// Whether a task has yielded since [`forget_yields`](Executor::forget_yields) was called.
    #[inline]
    pub(crate) fn has_yielded(&self) -> bool {
        self.yielded.get()
    }

    pub(crate) fn forget_yields(&self) {
        self.yielded.set(false);
    }

    /// The task that is being polled, if `cx` has the waker that the loop polls it with.
    #[inline]
    fn own_waiter(&self, cx: &Context<'_>) -> Option<Waiter> {
        let seat = self.polled.seat_of(cx)?;
        let seats = self.seats.borrow();
        Some(Waiter::Task(Rc::clone(seats.get(seat)?)))
    }

    pub(crate) fn set_name(&self, node: &TaskNode, name: String) {
        self.names.borrow_mut().insert(node.seat(), name);
    }

    pub(crate) fn name(&self, node: &TaskNode) -> String {
        let given = self.names.borrow().get(&node.seat()).cloned();
        given.unwrap_or_else(|| format!("Task-{}", node.record().number()))
    }

    /// All nodes, including those without a task.
    pub(crate) fn all_nodes(&self) -> Vec<Rc<TaskNode>> {
        self.seats.borrow().values().cloned().collect()
    }

    /// All tasks that are not over.
    pub(crate) fn live_tasks(&self) -> Vec<Rc<TaskNode>> {
        self.seats.borrow().values().filter(|node| node.is_live()).cloned().collect()
    }

    /// From now on, tasks and letters are refused. Returns the letters that were not taken, for the caller to drop one
    /// by one.
    pub(crate) fn close(&self) -> VecDeque<Letter> {
        self.closed.set(true);
        thread_loops::remove(self);
        self.mailbox.close()
    }

    /// Drops all nodes of a closed loop. Their tasks must have been dropped before.
    pub(crate) fn release_nodes(&self) {
        let seats = self.seats.take();
        let vacant = self.vacant.take();
        drop((seats, vacant));
    }

    fn new_node(self: &Rc<Self>) -> Rc<TaskNode> {
        let mut made = None;
        self.seats.borrow_mut().insert_with(|seat| Rc::clone(made.insert(TaskNode::new(self, seat))));
        made.expect("the table asked for an entry")
    }
}
