//! The failures of several tasks.

use std::error::Error;
use std::fmt;
use std::io;

use crate::errors::JoinError;

/// Why one of several tasks failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskFailure<E> {
    /// The task returned this error.
    Error(E),
    /// The task panicked or, in [`try_gather`](crate::try_gather), was cancelled.
    Join(JoinError),
}

impl<E: fmt::Display> fmt::Display for TaskFailure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskFailure::Error(error) => error.fmt(f),
            TaskFailure::Join(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TaskFailure<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TaskFailure::Error(error) => error.source(),
            TaskFailure::Join(error) => error.source(),
        }
    }
}

impl<E: Into<io::Error>> From<TaskFailure<E>> for io::Error {
    fn from(failure: TaskFailure<E>) -> Self {
        match failure {
            TaskFailure::Error(error) => error.into(),
            TaskFailure::Join(error) => error.into(),
        }
    }
}

/// Why a [`TaskGroup`](crate::TaskGroup) returned no value: all failures in it, in the order in which they happened.
///
/// # Examples
///
/// ```
/// use waterwheel::TaskGroup;
///
/// let error = waterwheel::run(TaskGroup::run(async |group: &TaskGroup<&str>| {
///     group.create_task(async { Err("no such file") });
///     Ok(())
/// }))
/// .unwrap_err();
/// assert!(!error.is_cancelled());
/// assert_eq!(error.failures().len(), 1);
/// println!("{}", error.failures()[0]);
/// assert_eq!(error.into_failures().len(), 1);
/// ```
#[derive(Debug)]
#[doc(alias = "ExceptionGroup")]
pub struct GroupError<E> {
    pub(super) failures: Vec<TaskFailure<E>>,
}

impl<E> GroupError<E> {
    /// All failures of the tasks and of the body. There are none if the group was [cancelled](crate::TaskGroup::cancel)
    /// while its body ran.
    pub fn failures(&self) -> &[TaskFailure<E>] {
        &self.failures
    }

    /// All failures, by value.
    pub fn into_failures(self) -> Vec<TaskFailure<E>> {
        self.failures
    }

    /// Whether there are no failures, because the group was [cancelled](crate::TaskGroup::cancel) while its body ran.
    pub fn is_cancelled(&self) -> bool {
        self.failures.is_empty()
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.failures {
            [] => f.write_str("the task group was cancelled"),
            [failure] => failure.fmt(f),
            [first, others @ ..] => {
                write!(f, "{} failures in a task group: {first}", self.failures.len())?;
                others.iter().try_for_each(|failure| write!(f, "; {failure}"))
            }
        }
    }
}

impl<E: Error + 'static> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures.first().map(|failure| failure as _)
    }
}

impl<E: Error + Send + Sync + 'static> From<GroupError<E>> for io::Error {
    fn from(error: GroupError<E>) -> Self {
        io::Error::other(error)
    }
}
