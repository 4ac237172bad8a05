//! The executor: what is ready to run, the tasks, and how they are woken.
//!
//! It knows no clock and no socket. Tasks are woken by [`TaskNode::wake`] on the loop's thread, which is a flag and
//! a push; by a [`std::task::Waker`], which any thread may hold; the [`mailbox`](Mailbox) is the way in from others.

mod budget;
mod here;
mod mailbox;
mod node;
mod polled;
mod ready;
mod running;
mod waiter;
mod waiters;
mod waker;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

pub(crate) use budget::{
    costly_operation, count_system_call, operation, poll_operation, return_operation, take_operation,
};
pub(crate) use here::of_this_thread;
pub(crate) use mailbox::{Letter, Mailbox};
pub(crate) use node::{Body, Payload, TaskNode, Unheard};
pub(crate) use ready::{Entry, ReadyQueue};
pub(crate) use running::{Current, Entered, enter};
pub(crate) use waiter::{Waiter, WaiterCell, YieldOnce, yield_once};
pub(crate) use waiters::Waiters;
pub(crate) use waker::LentWaker;

use crate::reactor::Bell;
use crate::slots::{Slots, shrink_map};
use polled::Polled;

/// How many nodes of finished tasks are kept for tasks to come.
const KEPT_NODES: usize = 1024;

/// The seat of a task that a closed loop refused, and of nobody.
const NO_SEAT: u32 = u32::MAX;

/// The tasks of one loop, and the queue of all that is ready.
pub(crate) struct Executor {
    pub(crate) ready: ReadyQueue,
    pub(crate) mailbox: Arc<Mailbox>,
    /// The nodes by the numbers of their seats.
    seats: RefCell<Slots<Rc<TaskNode>>>,
    /// Nodes without a task. Each still has its seat.
    vacant: RefCell<Vec<Rc<TaskNode>>>,
    /// The names that tasks were given, by seat. Most have none, so nodes have no room for one.
    names: RefCell<HashMap<u32, String>>,
    polled: Polled,
    /// Somebody lets the others run: the next turn looks at the selector too, so that what is on its way arrives.
    yielded: Cell<bool>,
    closed: Cell<bool>,
}

impl Executor {
    pub(crate) fn new(bell: Box<dyn Bell>) -> Rc<Self> {
        let executor = Rc::new(Executor {
            ready: ReadyQueue::new(),
            mailbox: Arc::new(Mailbox::new(bell)),
            seats: RefCell::default(),
            vacant: RefCell::new(Vec::new()),
            names: RefCell::default(),
            polled: Polled::nobody(),
            yielded: Cell::new(false),
            closed: Cell::new(false),
        });
        here::made(&executor);
        executor
    }

    /// Seats a task and queues its first step. On a closed loop the task is cancelled before it begins.
    pub(crate) fn spawn(self: &Rc<Self>, body: Pin<Box<dyn Body>>) -> Rc<TaskNode> {
        if self.closed.get() {
            return TaskNode::cancelled(self, body);
        }
        let vacant = self.vacant.borrow_mut().pop();
        let node = vacant.unwrap_or_else(|| self.new_node());
        node.begin(body);
        self.ready.push_task(&node);
        node
    }

    /// A node for the main future of a run, which lives on the stack of its caller and is polled there.
    pub(crate) fn seat_main(self: &Rc<Self>) -> Rc<TaskNode> {
        let node = self.new_node();
        node.begin_main();
        node
    }

    /// A node's task is over and nobody holds its handle: the seat is free.
    pub(crate) fn vacate(&self, node: &Rc<TaskNode>) {
        if !self.names.borrow().is_empty() {
            let mut names = self.names.borrow_mut();
            names.remove(&node.seat());
            shrink_map(&mut names);
        }
        let mut vacant = self.vacant.borrow_mut();
        if vacant.len() < KEPT_NODES && !self.closed.get() {
            vacant.push(Rc::clone(node));
        } else {
            drop(vacant);
            self.discard(node);
        }
    }

    /// Gives a node up together with its seat.
    pub(crate) fn discard(&self, node: &TaskNode) {
        let node = self.seats.borrow_mut().remove(node.seat());
        drop(node);
    }

    /// Wakes whichever task holds the seat now. A stale number wakes a stranger for nothing, which the contract of
    /// futures allows.
    #[inline(always)]
    pub(crate) fn wake_seat(&self, seat: u32) {
        if let Some(node) = self.seats.borrow().get(seat) {
            node.wake();
        }
    }

    /// Whether somebody has yielded since [`forget_yields`](Executor::forget_yields) was called.
    #[inline]
    pub(crate) fn has_yielded(&self) -> bool {
        self.yielded.get()
    }

    pub(crate) fn forget_yields(&self) {
        self.yielded.set(false);
    }

    /// The task that is being polled, if it came with the waker that it is polled with.
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
        given.unwrap_or_else(|| format!("Task-{}", node.seat()))
    }

    /// Every task that is not over.
    pub(crate) fn live_tasks(&self) -> Vec<Rc<TaskNode>> {
        self.seats.borrow().values().filter(|node| node.is_live()).cloned().collect()
    }

    /// From now on nothing is seated, and the mailbox takes no letter. Those that nobody collected are given back, to
    /// be dropped one by one.
    pub(crate) fn close(&self) -> VecDeque<Letter> {
        self.closed.set(true);
        here::closed(self);
        self.mailbox.close()
    }

    /// Gives up all nodes, of a closed loop; their tasks must have been dropped.
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
