//! Introspection: what each task waits for, and what else a loop has to do.

mod dump;
mod limit;
mod look;
mod remote;
mod text;
mod words;

pub use dump::{JobDump, LoopDump, TaskDump, TaskState, TimerDump, WaitDump};
pub use limit::Hung;
pub use remote::{NoDump, RunningStep};

use crate::event_loop::{LoopHandle, try_get_running_loop};
use crate::task::TaskId;

/// The task that is running now. `None` in a callback, and outside a running loop.
///
/// ```
/// use waterwheel::{current_task, spawn};
///
/// waterwheel::run(async {
///     let task = spawn(async { current_task() });
///     let id = task.id();
///     assert_eq!(task.await.unwrap(), Some(id));
/// });
/// assert_eq!(current_task(), None);
/// ```
pub fn current_task() -> Option<TaskId> {
    try_get_running_loop()?.core().executor.current_task().map(TaskId::new)
}

impl LoopHandle {
    /// The unfinished tasks, in the order in which they were spawned.
    ///
    /// ```
    /// # waterwheel::run(async {
    /// let task = waterwheel::spawn(std::future::pending::<()>());
    /// assert!(waterwheel::get_running_loop().all_tasks().contains(&task.id()));
    /// # });
    /// ```
    pub fn all_tasks(&self) -> Vec<TaskId> {
        look::live_nodes(&self.core().executor).iter().map(|node| TaskId::new(node.record().number())).collect()
    }

    /// What each task waits for, with the line that spawned it and the line that waits, and what else the loop has to
    /// do: timers, descriptors, work on threads. It is always available, and costs nothing until it is called.
    ///
    /// Printed with `{}`, the dump is a tree: each task is listed under the task that spawned it.
    ///
    /// If a task waits for something outside this crate, such as another crate's channel or lock, the loop knows only
    /// that nothing has woken the task. If a task waits for several things, as in a [`race`](crate::race), the dump
    /// lists all that its last step has polled.
    ///
    /// How long a task has been waiting is only as exact as the time that the loop knew when it ran the task: the
    /// loop reads its clock after it has waited for events.
    ///
    /// ```
    /// use waterwheel::{Promise, get_running_loop, spawn, yield_now};
    ///
    /// waterwheel::run(async {
    ///     let promise = Promise::<()>::new();
    ///     let task = spawn(async move { promise.wait().await });
    ///     task.set_name("waiter");
    ///     yield_now().await;
    ///     let dump = get_running_loop().dump_tasks();
    ///     let waiter = dump.tasks.iter().find(|task| task.name == "waiter").unwrap();
    ///     assert_eq!(waiter.waits[0].what, "a promise");
    ///     println!("{dump}");
    /// });
    /// ```
    #[doc(alias = "print_call_graph")]
    #[doc(alias = "capture_call_graph")]
    pub fn dump_tasks(&self) -> LoopDump {
        look::look_at(self.core())
    }
}
