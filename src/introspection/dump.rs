//! The contents of a dump.

use std::panic::Location;
use std::time::Duration;

use crate::task::TaskId;

/// What a loop was doing when [`dump_tasks`](crate::LoopHandle::dump_tasks) was called. `{}` prints it for human
/// readers, with the tasks as a tree.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoopDump {
    /// Whether steps are timed, as they are in [debug mode](crate::LoopHandle::set_debug) and while a
    /// [trace](crate::Builder::trace) is written. Otherwise the longest poll of a task is not known.
    pub times_steps: bool,
    /// The unfinished tasks, including the main future, in the order in which they were spawned.
    pub tasks: Vec<TaskDump>,
    /// The timers, the next one first.
    pub timers: Vec<TimerDump>,
    /// What is watched for events: connections with their states and buffers, listeners, and the user's own
    /// descriptors. One line each.
    pub sources: Vec<String>,
    /// Work on threads: first the running jobs, then those that wait for a thread.
    pub jobs: Vec<JobDump>,
}

/// A task, in a [`LoopDump`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TaskDump {
    /// Its id.
    pub id: TaskId,
    /// Its name, as returned by [`Task::name`](crate::Task::name).
    pub name: String,
    /// The task that spawned it, which may have finished. `None` if a callback spawned it, or if it is a main future.
    pub parent: Option<TaskId>,
    /// Whether it is the main future, which the loop was run with.
    pub is_main: bool,
    /// The line that spawned it, or that ran the loop.
    pub spawned_at: &'static Location<'static>,
    /// How long ago it was spawned.
    pub age: Duration,
    /// How many times it was polled.
    pub polls: u32,
    /// How long its longest timed poll took. `None` if none was timed; see [`LoopDump::times_steps`].
    pub longest_poll: Option<Duration>,
    /// Whether it is running, ready or waiting.
    pub state: TaskState,
    /// What it waits for. Empty for a task that waits for something outside this crate, such as a channel or a lock.
    pub waits: Vec<WaitDump>,
}

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// It is being polled: it asked for the dump.
    Running,
    /// Its next step is in the queue.
    Ready,
    /// It has been waiting for this long.
    Waiting(Duration),
}

/// What a task waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitDump {
    /// The function that waits, such as `readline`, or the thing that is waited for, such as `a promise`.
    pub what: String,
    /// The line that called it. `None` for a poll method, and for a task that is awaited.
    pub at: Option<&'static Location<'static>>,
    /// The state of the thing that is waited for, such as `40 bytes unread`.
    pub detail: Option<String>,
}

/// A timer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TimerDump {
    /// The time left. Zero if the timer is due.
    pub left: Duration,
    /// What it does: which task it wakes, or which line scheduled its callback.
    pub what: String,
}

/// Work on a thread.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobDump {
    /// The line that started it.
    pub started_at: &'static Location<'static>,
    /// Whether a thread is running it. Otherwise it waits for a thread.
    pub is_running: bool,
}
