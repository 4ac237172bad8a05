//! Why a simulation failed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::introspection::LoopDump;

/// Why a simulation ended before its clients were done. `{}` prints it along with what every host was doing.
#[non_exhaustive]
pub struct Failure {
    /// What happened.
    pub kind: FailureKind,
    /// The seed of the simulation.
    pub seed: u64,
    /// How much simulated time had passed.
    pub elapsed: Duration,
    /// How many events there had been.
    pub events: u64,
    /// What each host that was up was doing.
    pub hosts: Vec<(String, LoopDump)>,
}

/// The kind of a [`Failure`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Nothing will ever happen again, and a client is not done: all tasks wait for each other.
    Deadlock,
    /// More simulated time has passed than the [limit](crate::sim::Sim::time_limit) allows.
    TimeLimit,
    /// More events have happened than the [limit](crate::sim::Sim::event_limit) allows.
    EventLimit,
    /// A task or a callback has panicked, and the panic was not handled.
    Panicked {
        /// The host.
        host: String,
        /// The text of the panic, and where the task or callback was scheduled.
        text: String,
    },
    /// A main future has returned an error.
    Failed {
        /// The host.
        host: String,
        /// The error.
        text: String,
    },
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::Deadlock => f.write_str("deadlock: nothing will ever happen again"),
            FailureKind::TimeLimit => f.write_str("the time limit has passed"),
            FailureKind::EventLimit => f.write_str("the run has more events than its limit allows"),
            FailureKind::Panicked { host, text } => write!(f, "a panic on {host}: {text}"),
            FailureKind::Failed { host, text } => write!(f, "{host} failed: {text}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { kind, seed, elapsed, events, hosts } = self;
        write!(f, "{kind}\nseed {seed}, after {:.6} s and {events} events", elapsed.as_secs_f64())?;
        for (name, dump) in hosts {
            write!(f, "\n\nhost {name}:\n{dump}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    /// The same as `Display`, since `unwrap` shows this.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failure {}
