//! What a dump holds.

use std::panic::Location;
use std::time::Duration;

use crate::task::TaskId;

/// What a loop was doing when [`dump_tasks`](crate::LoopHandle::dump_tasks) was called. `{}` prints it as a text for
/// people, with the tasks as a tree.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoopDump {
    /// Whether steps are timed: in [debug mode](crate::LoopHandle::set_debug), and while a
    /// [trace](crate::Builder::trace) is written. Otherwise the longest poll of a task is not known.
    pub times_steps: bool,
    /// The tasks that are not over, the main future among them, in the order in which they were spawned.
    pub tasks: Vec<TaskDump>,
    /// The timers, the next one first.
    pub timers: Vec<TimerDump>,
    /// What is watched for events: connections with their states and buffers, listeners, descriptors of the user's own. A
    /// line each.
    pub sources: Vec<String>,
    /// Work on threads: what runs, then what waits for a thread.
    pub jobs: Vec<JobDump>,
}

/// A task, in a [`LoopDump`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TaskDump {
    /// Who it is.
    pub id: TaskId,
    /// Its name, as [`Task::name`](crate::Task::name) gives it.
    pub name: String,
    /// The task that spawned it, which may be over. `None` if a callback did, or if it is a main future.
    pub parent: Option<TaskId>,
    /// Whether it is the future that the loop was run with.
    pub is_main: bool,
    /// The line that spawned it, or that ran the loop.
    pub spawned_at: &'static Location<'static>,
    /// How long ago it was spawned.
    pub age: Duration,
    /// How often it was polled.
    pub polls: u32,
    /// How long its longest poll took, of those that were timed. `None` if none was; see [`LoopDump::times_steps`].
    pub longest_poll: Option<Duration>,
    /// Whether it waits.
    pub state: TaskState,
    /// What it waits for. Empty for a task that waits for something outside of this crate, such as a channel or a lock.
    pub waits: Vec<WaitDump>,
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// It is being polled: it called for the dump.
    Running,
    /// Its next step is in the queue.
    Ready,
    /// It waits, for so long.
    Waiting(Duration),
}

/// What a task waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitDump {
    /// The function that waits, such as `readline`, or what is waited for, such as `a promise`.
    pub what: String,
    /// The line that called it. `None` for a poll method, and for a task that is awaited.
    pub at: Option<&'static Location<'static>>,
    /// How that stands, such as `40 bytes unread`.
    pub detail: Option<String>,
}

/// A timer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TimerDump {
    /// The time that is left. Zero if it is due.
    pub left: Duration,
    /// What it does: the task that it wakes, or the line that scheduled a callback.
    pub what: String,
}

/// Work on a thread.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobDump {
    /// The line that started it.
    pub started_at: &'static Location<'static>,
    /// Whether a thread does it now. Otherwise it waits for one.
    pub is_running: bool,
}
