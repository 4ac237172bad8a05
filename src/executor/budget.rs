//! The budget of a step: how much a task may do before it lets the others run.
//!
//! A task that is never made to wait (it writes to a peer that keeps up, or reads what is there already) would have
//! the loop for itself. So every future of this crate that may be ready again and again takes an operation from the
//! budget of the step when it is ready. When nothing is left it wakes its task and waits, having done nothing yet: so
//! nothing is lost, whatever becomes of the future.
//!
//! The budget belongs to the thread, not to a loop: there is one step at a time, and a stream that is fed by hand, or a
//! promise, knows no loop. It needs no destructor, so it is there for as long as the thread is.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use crate::constants::{MOST_REFUSALS, OPERATIONS_PER_STEP, OPERATIONS_PER_SYSTEM_CALL};
use crate::executor::running;
use crate::executor::waiter::yield_to_others;

thread_local! {
    /// The operations that are left. Below zero it counts those that were refused in this step.
    static LEFT: Cell<i32> = const { Cell::new(0) };
}

#[inline(always)]
pub(super) fn begin_step() {
    LEFT.set(OPERATIONS_PER_STEP);
}

/// Takes an operation from the budget of the step, if one is left. Whoever gets none goes the long way, on which it asks
/// for it by [`poll_operation`].
#[inline(always)]
pub(crate) fn take_operation() -> bool {
    // Nothing else is done here, so this is two instructions.
    LEFT.set(LEFT.get() - 1);
    LEFT.get() >= 0
}

/// Takes an operation from the budget of the step. If none is left whoever polls is woken, and must do nothing now.
#[inline]
pub(crate) fn poll_operation(cx: &Context<'_>) -> Poll<()> {
    if take_operation() { Poll::Ready(()) } else { used_up(cx) }
}

/// Whoever took an operation has to wait after all. Kept, it would be missing where one task waits for more at once than
/// there are operations: those that wait would use them up in every step, and nobody behind them would be asked.
#[inline]
pub(crate) fn return_operation() {
    LEFT.set(LEFT.get() + 1);
}

/// As [`poll_operation`], for an async function, which must have done nothing yet.
pub(crate) fn operation() -> impl Future<Output = ()> {
    poll_fn(|cx| poll_operation(cx))
}

/// As [`operation`], for what may fail at once, after a system call or several.
pub(crate) fn costly_operation() -> impl Future<Output = ()> {
    poll_fn(|cx| poll_operation(cx).map(|()| count_system_call()))
}

/// A system call in the middle of a step takes as long as many other operations.
pub(crate) fn count_system_call() {
    LEFT.set((LEFT.get() - OPERATIONS_PER_SYSTEM_CALL).max(0));
}

#[cold]
fn used_up(cx: &Context<'_>) -> Poll<()> {
    // Where no task is polled there is no step that should end: in a callback, or in another executor. Nor does one end
    // that takes no refusal for an answer, because an executor of its own runs inside it.
    let is_step = running::with(|executor| executor.polled.is_somebody()) == Some(true);
    if !is_step || LEFT.get() < -MOST_REFUSALS {
        begin_step();
        return Poll::Ready(());
    }
    yield_to_others(cx);
    Poll::Pending
}
