//! The budget of a step: how much a task may do before it lets the others run.
//!
//! A task that never has to wait, because it writes to a fast peer or reads what has arrived already, would keep the
//! loop from running anything else. So every future of this crate that may be ready again and again takes one operation
//! from the step's budget when it is ready. When the budget is used up, the future wakes its task and returns `Pending`
//! before it does anything, so nothing is lost, even if the future is dropped.
//!
//! The budget belongs to the thread and not to a loop, since a thread takes one step at a time, and since promises and
//! hand-fed streams have no loop. It has no destructor, so it can be used for as long as the thread exists.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use crate::constants::{MOST_REFUSALS, OPERATIONS_PER_STEP, OPERATIONS_PER_SYSTEM_CALL};
use crate::executor::current;
use crate::executor::waiter::yield_to_others;

thread_local! {
    /// How many operations are left. Below zero, it counts the refusals in this step.
    static LEFT: Cell<i32> = const { Cell::new(0) };
}

#[inline(always)]
pub(super) fn begin_step() {
    LEFT.set(OPERATIONS_PER_STEP);
}

/// Takes one operation from the step's budget and returns whether there was one. A caller that gets none must call
/// [`poll_operation`], which wakes the task.
#[inline(always)]
pub(crate) fn take_operation() -> bool {
    // This only counts, so it takes 2 instructions.
    LEFT.set(LEFT.get() - 1);
    LEFT.get() >= 0
}

/// Takes one operation from the step's budget. If none is left, this wakes the polling task, and the caller must return
/// `Pending` without doing anything.
#[inline]
pub(crate) fn poll_operation(cx: &Context<'_>) -> Poll<()> {
    if take_operation() { Poll::Ready(()) } else { used_up(cx) }
}

/// Gives an operation back, since its taker has to wait after all. Otherwise a task that waits for more things at once
/// than there are operations would use up its budget on the first ones in every step, and the others would never be
/// polled.
#[inline]
pub(crate) fn return_operation() {
    LEFT.set(LEFT.get() + 1);
}

/// [`poll_operation`] for an async function, which must call it before it does anything.
pub(crate) fn operation() -> impl Future<Output = ()> {
    poll_fn(|cx| poll_operation(cx))
}

/// [`operation`] for a future that may fail at once after one or several system calls.
pub(crate) fn costly_operation() -> impl Future<Output = ()> {
    poll_fn(|cx| poll_operation(cx).map(|()| count_system_call()))
}

/// Counts a system call in the middle of a step, which takes as long as many other operations.
pub(crate) fn count_system_call() {
    LEFT.set((LEFT.get() - OPERATIONS_PER_SYSTEM_CALL).max(0));
}

#[cold]
fn used_up(cx: &Context<'_>) -> Poll<()> {
    // In a callback, or under another executor, no task of ours is polled, so there is no step to end. And if a step
    // goes on in spite of many refusals, another executor runs inside it and keeps polling: refusing would make that
    // executor spin for ever.
    let is_step = current::with(|executor| executor.polled.is_polling()) == Some(true);
    if !is_step || LEFT.get() < -MOST_REFUSALS {
        begin_step();
        return Poll::Ready(());
    }
    yield_to_others(cx);
    Poll::Pending
}
