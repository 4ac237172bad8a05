//! How names and times are shown.

use std::fmt;
use std::time::Duration;

use crate::task::TaskId;

/// `Task-7`, followed by the name if the task has its own.
pub(super) fn name_of(id: TaskId, name: &str) -> String {
    let number = id.to_string();
    if number == name { number } else { format!("{number} \"{name}\"") }
}

/// A time, displayed in milliseconds or seconds.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs_f64() {
            short if short < 1.0 => write!(f, "{} ms", self.0.as_millis()),
            long => write!(f, "{long:.1} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_unit_that_fits() {
        let shown = |millis| Time(Duration::from_millis(millis)).to_string();
        assert_eq!([shown(0), shown(999), shown(1000), shown(12_740)], ["0 ms", "999 ms", "1.0 s", "12.7 s"]);
    }

    #[test]
    fn a_name_stands_beside_the_number() {
        assert_eq!(name_of(TaskId::new(7), "Task-7"), "Task-7");
        assert_eq!(name_of(TaskId::new(7), "reader"), "Task-7 \"reader\"");
    }
}
