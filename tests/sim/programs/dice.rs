//! What a random program leaves to chance.

use std::time::Duration;

use waterwheel::sim::SimHandle;

/// Numbers that the seed of the simulation decides.
#[derive(Clone)]
pub(super) struct Dice(pub(super) SimHandle);

impl Dice {
    /// A number below `limit`.
    pub(super) fn below(&self, limit: usize) -> usize {
        (self.0.random() % limit as u64) as usize
    }

    /// One time in so many.
    pub(super) fn once_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A size: mostly small, and seldom large.
    pub(super) fn size(&self) -> usize {
        match self.below(10) {
            0 => 1,
            1..=6 => 1 + self.below(100),
            7 | 8 => 1 + self.below(3000),
            _ => 1 + self.below(100_000),
        }
    }

    /// A time: mostly about as long as something is on its way.
    pub(super) fn time(&self) -> Duration {
        match self.below(8) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(self.below(500) as u64),
            _ => Duration::from_micros(self.below(4000) as u64),
        }
    }
}
