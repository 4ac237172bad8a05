//! Which task.

use std::fmt;

/// A number that names a task of a loop, in the order in which they were spawned. It stays the task's own when that is
/// over, and comes again after 2^32 others at the earliest. `{}` prints it as the name of a task without another:
/// `Task-7`.
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
