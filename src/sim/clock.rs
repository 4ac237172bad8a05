//! The clock of a host's loop: the time of the world, which stands still while a turn runs.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::world::World;
use crate::event_loop::Clock;

pub(super) struct SimClock(pub(super) Rc<World>);

impl Clock for SimClock {
    fn now(&self) -> Instant {
        self.0.instant()
    }

    /// No loop waits: the simulation moves the time forward when no host has anything to do.
    fn blocking(&self, _wait: Option<Duration>) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}
