//! Which loop runs on this thread.

use std::rc::Rc;

use super::{Core, LoopHandle, Phase};
use crate::executor::{self, Current};
use crate::sync;

sync::thread_local! {
    static RUNNING: Current<Core> = const { Current::nothing() };
}

/// The loop that runs on this thread.
///
/// # Panics
///
/// Panics if no loop runs on this thread. [`try_get_running_loop`] returns `None` instead.
#[track_caller]
pub fn get_running_loop() -> LoopHandle {
    try_get_running_loop().expect(NO_LOOP)
}

const NO_LOOP: &str =
    "no event loop is running on this thread: call this from a task or a callback of a loop, as inside waterwheel::run";

/// Calls `look` with the loop that runs on this thread. `look` must not call user code. Panics if no loop runs.
#[cfg(feature = "hyper")]
#[inline]
#[track_caller]
pub(crate) fn with_running_loop<R>(look: impl FnOnce(&Rc<Core>) -> R) -> R {
    RUNNING.with(|running| running.with(look)).expect(NO_LOOP)
}

/// The loop that runs on this thread, or `None` if none does.
///
/// # Examples
///
/// Code that may be called with or without a running loop:
///
/// ```
/// use waterwheel::try_get_running_loop;
///
/// /// Calls `say` after this turn. If no loop runs, there are no turns, and this calls it at once.
/// fn afterwards(say: impl FnOnce() + 'static) {
///     match try_get_running_loop() {
///         Some(event_loop) => drop(event_loop.call_soon(say)),
///         None => say(),
///     }
/// }
///
/// let said = std::rc::Rc::new(std::cell::Cell::new(0));
/// let say = || {
///     let said = said.clone();
///     move || said.set(said.get() + 1)
/// };
/// afterwards(say());
/// assert_eq!(said.get(), 1);
/// waterwheel::run(async {
///     afterwards(say());
///     assert_eq!(said.get(), 1);
///     waterwheel::yield_now().await;
///     assert_eq!(said.get(), 2);
/// });
/// ```
pub fn try_get_running_loop() -> Option<LoopHandle> {
    let core = RUNNING.with(|running| running.with(Rc::clone));
    core.map(LoopHandle::of)
}

/// Makes the loop the running one on this thread until the guard is dropped.
///
/// # Panics
///
/// Panics if a loop runs on this thread already. That loop is not affected.
#[track_caller]
pub(super) fn enter(core: &Rc<Core>) -> Running {
    assert!(
        try_get_running_loop().is_none(),
        "an event loop is already running on this thread: spawn a task on it instead of running another one inside it",
    );
    core.phase.set(Phase::Running);
    core.counters.time_has_passed();
    core.pace.begin_run(core.read_clock_in_turn());
    make_current(core)
}

/// Makes `get_running_loop` return the loop until the guard is dropped. A closing loop needs this, since the
/// destructors that it runs may call that function.
pub(super) fn make_current(core: &Rc<Core>) -> Running {
    let outer = RUNNING.with(|running| running.replace(Some(Rc::clone(core))));
    Running { core: Rc::clone(core), outer, _executor: executor::enter(&core.executor) }
}

pub(crate) struct Running {
    core: Rc<Core>,
    outer: Option<Rc<Core>>,
    _executor: executor::Entered,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.core.phase.get() == Phase::Running {
            self.core.phase.set(Phase::Idle);
        }
        let inner = RUNNING.with(|running| running.replace(self.outer.take()));
        drop(inner);
    }
}
