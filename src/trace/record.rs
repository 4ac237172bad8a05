//! What a trace is made of.

use std::panic::Location;
use std::rc::Rc;

/// Something that happened, at so many nanoseconds after the beginning.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) at: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// A slice begins.
    Begins(Name),
    /// The slice ends that began last.
    Ends,
    /// The slice that runs now has queued a handle.
    FlowBegins(u64),
    /// The slice that has just begun is the handle that was queued.
    FlowEnds(u64),
    Counts(Counter, u64),
    /// A moment worth a mark.
    Mark(Box<str>),
}

/// What a slice is called.
#[derive(Debug, Clone)]
pub(crate) enum Name {
    Phase(Phase),
    /// A step of a task.
    Task {
        name: Rc<str>,
        spawned_at: &'static Location<'static>,
    },
    /// A step of the main future.
    Main,
    /// A callback, and where it was scheduled.
    Callback(&'static Location<'static>),
    /// A timer that wakes a task.
    Timer,
    /// A source that is ready in a direction.
    Source {
        label: Rc<str>,
        direction: &'static str,
    },
    /// A call of a protocol's method.
    Call(&'static str),
}

/// A turn, and what it consists of.
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
