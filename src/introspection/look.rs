//! Collects what each part of a loop has to do.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::dump::{JobDump, LoopDump, TaskDump, TaskState, TimerDump, WaitDump};
use super::words::{Time, name_of};
use crate::event_loop::{Core, Planned};
use crate::executor::{Executor, Reason, TaskNode, Waited, milliseconds};
use crate::reactor::Source;
use crate::task::TaskId;

/// The unfinished tasks and the main future, in the order in which they were spawned.
pub(super) fn live_nodes(executor: &Executor) -> Vec<Rc<TaskNode>> {
    let mut nodes = executor.all_nodes();
    nodes.retain(|node| node.is_live() || node.is_main());
    nodes.sort_by_key(|node| node.record().number());
    nodes
}

pub(super) fn look_at(core: &Core) -> LoopDump {
    core.note_time();
    let nodes = live_nodes(&core.executor);
    let asked = Asked {
        core,
        executor: &core.executor,
        nodes: &nodes,
        streams: core.executor.waited.all(),
        timers: core.planned(),
        now: milliseconds(core.executor.step()),
    };
    LoopDump {
        times_steps: core.times_steps(),
        tasks: nodes.iter().map(|node| asked.task(node)).collect(),
        timers: asked.timers.iter().map(|timer| asked.timer(timer)).collect(),
        sources: core.reactor.sources().iter().map(|source| Described(&**source).to_string()).collect(),
        jobs: core
            .threads
            .jobs()
            .into_iter()
            .map(|(started_at, is_running)| JobDump { started_at, is_running })
            .collect(),
    }
}

/// What is collected once, for all tasks.
struct Asked<'a> {
    core: &'a Core,
    executor: &'a Executor,
    nodes: &'a [Rc<TaskNode>],
    streams: Vec<Rc<dyn Waited>>,
    timers: Vec<Planned>,
    /// In milliseconds.
    now: u64,
}

impl Asked<'_> {
    fn task(&self, node: &TaskNode) -> TaskDump {
        let record = node.record();
        let (waits, state) = if node.is_being_polled() {
            (Vec::new(), TaskState::Running)
        } else if node.is_scheduled() {
            (Vec::new(), TaskState::Ready)
        } else {
            let waited = self.now.saturating_sub(milliseconds(record.step()));
            (self.waits(node), TaskState::Waiting(Duration::from_millis(waited)))
        };
        TaskDump {
            id: TaskId::new(record.number()),
            name: self.executor.name(node),
            parent: (record.parent() > 0).then(|| TaskId::new(record.parent())),
            is_main: node.is_main(),
            spawned_at: record.spawned_at(),
            age: Duration::from_millis(u64::from((self.now as u32).wrapping_sub(record.spawned()))),
            polls: record.polls(),
            longest_poll: self.core.longest_poll(node.seat(), record.number()),
            state,
            waits,
        }
    }

    fn waits(&self, node: &TaskNode) -> Vec<WaitDump> {
        let mut waits: Vec<_> = node.reasons_left().into_iter().map(|reason| self.wait(node, reason)).collect();
        for stream in &self.streams {
            let reading = stream.reading(node.seat(), node.record().step());
            // A reason without a line comes from a poll method. It is left out if the function that calls the method
            // has already given a reason.
            if let Some(reason) = reading.filter(|reason| reason.at().is_some() || waits.is_empty()) {
                waits.push(WaitDump {
                    what: reason.what().to_string(),
                    at: reason.at(),
                    detail: Some(stream.describe().0),
                });
            }
        }
        waits.dedup();
        waits
    }

    fn wait(&self, node: &TaskNode, reason: Reason) -> WaitDump {
        let what = reason.what();
        let detail = if what.is_task() {
            let awaited = self.nodes.iter().find(|other| other.is_joined_by(node.seat()));
            awaited.map(|awaited| format!("{}, spawned at {}", self.name(awaited), awaited.record().spawned_at()))
        } else if what.is_time() {
            // A task may have several timers. Only if it has exactly one is it clear which timer this wait is for.
            let mut own = self
                .timers
                .iter()
                .filter(|timer| timer.wakes.as_deref().is_some_and(|woken| std::ptr::eq(woken, node)));
            own.next().filter(|_| own.next().is_none()).map(|timer| format!("{} left", Time(timer.left)))
        } else if what.is_output() {
            let stream = self.streams.iter().find(|stream| stream.is_awaited_by(node.seat()));
            stream.map(|stream| stream.describe().1)
        } else {
            None
        };
        WaitDump { what: what.to_string(), at: reason.at(), detail }
    }

    fn timer(&self, timer: &Planned) -> TimerDump {
        let what = match (&timer.wakes, timer.scheduled_at) {
            (Some(node), _) => format!("wakes {}", self.name(node)),
            (None, Some(location)) => format!("a callback, scheduled at {location}"),
            (None, None) => "wakes a task through a waker of another crate".to_owned(),
        };
        TimerDump { left: timer.left, what }
    }

    fn name(&self, node: &TaskNode) -> String {
        name_of(TaskId::new(node.record().number()), &self.executor.name(node))
    }
}

/// A source, displayed by its own description.
struct Described<'a>(&'a dyn Source);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f)
    }
}
