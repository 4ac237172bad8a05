//! The records that make up a trace.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// An event, `at` nanoseconds after the beginning of the trace.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) at: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// A slice begins.
    Begins(Name),
    /// The slice that began last ends.
    Ends,
    /// The current slice has queued a handle.
    FlowBegins(u64),
    /// The slice that has just begun is the handle that was queued.
    FlowEnds(u64),
    Counts(Counter, u64),
    /// A single moment, with a text.
    Mark(Box<str>),
}

/// The name of a slice. It may be sent to another thread that asks what is running.
#[derive(Debug, Clone)]
pub(crate) enum Name {
    Phase(Phase),
    /// A step of a task.
    Task {
        name: Arc<str>,
        spawned_at: &'static Location<'static>,
    },
    /// A step of the main future, and where the loop was run.
    Main(&'static Location<'static>),
    /// A callback, and where it was scheduled.
    Callback(&'static Location<'static>),
    /// A timer that wakes a task.
    Timer,
    /// A source that is ready in a direction.
    Source {
        label: Arc<str>,
        direction: &'static str,
    },
    /// A call of a protocol's method.
    Call(&'static str),
}

impl Name {
    /// The line of code that spawned or scheduled it.
    pub(crate) fn location(&self) -> Option<&'static Location<'static>> {
        match self {
            Name::Task { spawned_at: location, .. } | Name::Main(location) | Name::Callback(location) => Some(location),
            Name::Phase(_) | Name::Timer | Name::Source { .. } | Name::Call(_) => None,
        }
    }
}

/// The name in words, for reports about one step.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Phase(phase) => f.write_str(phase.name()),
            Name::Task { name, .. } => write!(f, "task \"{name}\""),
            Name::Main(_) => f.write_str("the main future"),
            Name::Callback(_) => f.write_str("a callback"),
            Name::Timer => f.write_str("a timer that wakes a task"),
            Name::Source { label, direction } => write!(f, "{label}, ready to {direction}"),
            Name::Call(method) => write!(f, "a call of {method}"),
        }
    }
}

/// A turn and its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Turn,
    Wait,
    Collect,
    Batch,
    /// The trace itself is saved.
    Save,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Turn => "turn",
            Phase::Wait => "wait",
            Phase::Collect => "collect",
            Phase::Batch => "batch",
            Phase::Save => "save",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    /// Handles that the turn runs.
    Ready,
    /// Timers that are armed.
    Timers,
    /// Bytes that the kernel did not take.
    Unsent,
    /// Transports that have such bytes.
    Behind,
}

impl Counter {
    pub(super) fn name(self) -> &'static str {
        match self {
            Counter::Ready => "ready handles",
            Counter::Timers => "timers",
            Counter::Unsent => "unsent bytes",
            Counter::Behind => "connections with unsent bytes",
        }
    }
}
