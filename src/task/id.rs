//! The number of a task.

use std::fmt;

/// A number that identifies a task of a loop. Tasks are numbered in the order in which they are spawned. A number is
/// not reused when its task is over, at least not before 2^32 others. `{}` prints it as the task's default name, such
/// as `Task-7`.
///
/// ```
/// # waterwheel::run(async {
/// let (one, other) = (waterwheel::spawn(async {}), waterwheel::spawn(async {}));
/// assert!(one.id() < other.id());
/// assert_eq!(one.id().to_string(), one.name());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u32);

impl TaskId {
    pub(crate) fn new(number: u32) -> Self {
        TaskId(number)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task-{}", self.0)
    }
}
