//! A dump as text.

use std::collections::HashMap;
use std::fmt;

use super::dump::{JobDump, LoopDump, TaskDump, TaskState, TimerDump, WaitDump};
use super::words::{Time, name_of};
use crate::task::TaskId;

impl fmt::Display for LoopDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let untimed = if self.times_steps { "" } else { " (their longest polls are known in debug mode only)" };
        writeln!(f, "tasks: {}{untimed}", self.tasks.len())?;
        Tree::of(&self.tasks).write(f)?;
        list(f, "timers", &self.timers)?;
        list(f, "watched", &self.sources)?;
        list(f, "work on threads", &self.jobs)
    }
}

/// The tasks, each below the task that spawned it.
struct Tree<'a> {
    roots: Vec<&'a TaskDump>,
    children: HashMap<TaskId, Vec<&'a TaskDump>>,
}

impl<'a> Tree<'a> {
    fn of(tasks: &'a [TaskDump]) -> Self {
        let mut tree = Tree { roots: Vec::new(), children: HashMap::new() };
        for task in tasks {
            match task.parent.filter(|parent| tasks.iter().any(|other| other.id == *parent)) {
                Some(parent) => tree.children.entry(parent).or_default().push(task),
                None => tree.roots.push(task),
            }
        }
        tree
    }

    /// Writes all tasks, without recursion: a chain of tasks may be long.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left: Vec<_> = self.roots.iter().rev().map(|task| (*task, String::new(), "")).collect();
        while let Some((task, indent, branch)) = left.pop() {
            let children = self.children.get(&task.id).map_or(&[][..], Vec::as_slice);
            let below = match branch {
                "" => indent.clone(),
                "└── " => format!("{indent}    "),
                _ => format!("{indent}│   "),
            };
            writeln!(f, "{indent}{branch}{}", Head(task))?;
            let bar = if children.is_empty() { "    " } else { "│   " };
            for line in waits(task) {
                writeln!(f, "{below}{bar}{line}")?;
            }
            for (place, child) in children.iter().enumerate().rev() {
                let branch = if place + 1 == children.len() { "└── " } else { "├── " };
                left.push((child, below.clone(), branch));
            }
        }
        Ok(())
    }
}

/// The first line of a task.
struct Head<'a>(&'a TaskDump);

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.0;
        let spawned = if task.is_main { "the main future, run" } else { "spawned" };
        let times = if task.polls == 1 { "time" } else { "times" };
        write!(f, "{}, {spawned} at {}, ", name_of(task.id, &task.name), task.spawned_at)?;
        write!(f, "{} old, polled {} {times}", Time(task.age), task.polls)?;
        task.longest_poll.map_or(Ok(()), |longest| write!(f, ", for {} at most", Time(longest)))
    }
}

/// The lines that say what a task is doing.
fn waits(task: &TaskDump) -> Vec<String> {
    match task.state {
        TaskState::Running => vec!["is running".to_owned()],
        TaskState::Ready => vec!["is ready to run".to_owned()],
        TaskState::Waiting(time) if task.waits.is_empty() => {
            let outside = "waits for something outside of waterwheel (a channel, a lock)";
            vec![format!("{outside}, for {}", Time(time))]
        }
        TaskState::Waiting(time) => {
            task.waits.iter().map(|wait| format!("waits for {wait}, for {}", Time(time))).collect()
        }
    }
}

impl fmt::Display for WaitDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(at) = self.at {
            write!(f, " at {at}")?;
        }
        self.detail.iter().try_for_each(|detail| write!(f, ": {detail}"))
    }
}

impl fmt::Display for TimerDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {}: {}", Time(self.left), self.what)
    }
}

impl fmt::Display for JobDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_running { "runs" } else { "waits for a thread" };
        write!(f, "{state}, started at {}", self.started_at)
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, title: &str, lines: &[T]) -> fmt::Result {
    if !lines.is_empty() {
        writeln!(f, "{title}: {}", lines.len())?;
    }
    lines.iter().try_for_each(|line| writeln!(f, "    {line}"))
}
