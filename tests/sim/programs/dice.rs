//! The random choices of a program.

use std::time::Duration;

use waterwheel::sim::SimHandle;

/// Random numbers that the seed of the simulation decides.
#[derive(Clone)]
pub(super) struct Dice(pub(super) SimHandle);

impl Dice {
    /// A number below `limit`.
    pub(super) fn below(&self, limit: usize) -> usize {
        (self.0.random() % limit as u64) as usize
    }

    /// True once in `times` on average.
    pub(super) fn once_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A size that is usually small, and rarely large.
    pub(super) fn size(&self) -> usize {
        match self.below(10) {
            0 => 1,
            1..=6 => 1 + self.below(100),
            7 | 8 => 1 + self.below(3000),
            _ => 1 + self.below(100_000),
        }
    }

    /// A duration that is usually about as long as bytes are on their way.
    pub(super) fn time(&self) -> Duration {
        match self.below(8) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(self.below(500) as u64),
            _ => Duration::from_micros(self.below(4000) as u64),
        }
    }
}
