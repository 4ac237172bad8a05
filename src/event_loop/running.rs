//! Which loop runs on this thread.

use std::rc::Rc;

use super::{Core, LoopHandle, Phase};
use crate::executor::{self, Current};

thread_local! {
    static RUNNING: Current<Core> = const { Current::nothing() };
}

/// The loop that runs on this thread.
///
/// # Panics
///
/// If none does, as outside of [`run`](crate::run). [`try_get_running_loop`] asks without panicking.
#[track_caller]
pub fn get_running_loop() -> LoopHandle {
    try_get_running_loop().expect(
        "no event loop is running on this thread: call this from a task or a callback of a loop, as inside waterwheel::run",
    )
}

/// The loop that runs on this thread, if one does.
pub fn try_get_running_loop() -> Option<LoopHandle> {
    let core = RUNNING.with(|running| running.with(Rc::clone));
    core.map(LoopHandle::of)
}

/// Makes the loop the running one of this thread until the guard is dropped.
///
/// # Panics
///
/// If a loop runs on this thread already. Nothing has changed then, and that loop can go on.
#[track_caller]
pub(super) fn enter(core: &Rc<Core>) -> Running {
    assert!(
        try_get_running_loop().is_none(),
        "an event loop is already running on this thread: spawn a task on it instead of running another one inside it",
    );
    core.phase.set(Phase::Running);
    core.pace.begin(core.now());
    lend_thread(core)
}

/// Makes the loop reachable by `get_running_loop` for as long as it closes: destructors ask for it.
pub(super) fn lend_thread(core: &Rc<Core>) -> Running {
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
