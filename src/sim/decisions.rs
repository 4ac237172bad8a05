//! Which faults happen. The seed and the number of a decision decide.
//!
//! Decisions are numbered in the order in which they are made, and each depends only on its own number. So a fault
//! can be left out without changing the others, which is how the faults that a failure needs are found.

use std::collections::BTreeSet;
use std::time::Duration;

use super::faults::Fault;
use super::random::{Random, mix};

/// Decides which faults happen.
#[derive(Debug)]
pub(super) struct Decisions {
    seed: u64,
    asked: u64,
    /// The faults that happened, if they are recorded.
    script: Option<Vec<Happened>>,
    /// The numbers of the only faults that may happen. `None` means all.
    only: Option<BTreeSet<u64>>,
    counts: [u64; Fault::FailedLookUp as usize + 1],
}

/// A fault that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Happened {
    pub(super) number: u64,
    pub(super) at: Duration,
    pub(super) fault: Fault,
    pub(super) host: usize,
}

impl Decisions {
    pub(super) fn new(seed: u64) -> Self {
        Decisions { seed: mix(seed, 2), asked: 0, script: None, only: None, counts: Default::default() }
    }

    /// Records each fault that happens from now on.
    pub(super) fn keep_script(&mut self) {
        self.script.get_or_insert_default();
    }

    pub(super) fn script(&self) -> &[Happened] {
        self.script.as_deref().unwrap_or_default()
    }

    /// Only the faults with these numbers may happen.
    pub(super) fn allow_only(&mut self, numbers: BTreeSet<u64>) {
        self.only = Some(numbers);
    }

    pub(super) fn count(&self, fault: Fault) -> u64 {
        self.counts[fault as usize]
    }

    /// Whether a fault with this chance happens. If so, returns the random numbers that decide its details.
    pub(super) fn decide(&mut self, fault: Fault, chance: f64, at: Duration, host: usize) -> Option<Random> {
        let number = self.asked;
        self.asked += 1;
        let bits = mix(self.seed, number);
        // The upper 53 bits give a number from 0 up to, but not including, 1.
        let happens = ((bits >> 11) as f64 / (1u64 << 53) as f64) < chance;
        if !happens || self.only.as_ref().is_some_and(|only| !only.contains(&number)) {
            return None;
        }
        self.counts[fault as usize] += 1;
        if let Some(script) = &mut self.script {
            script.push(Happened { number, at, fault, host });
        }
        Some(Random::new(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happened(decisions: &mut Decisions) -> Vec<u64> {
        decisions.keep_script();
        for _ in 0..1000 {
            decisions.decide(Fault::ShortSend, 0.1, Duration::ZERO, 0);
        }
        decisions.script().iter().map(|happened| happened.number).collect()
    }

    #[test]
    fn a_fault_that_is_left_out_changes_no_other() {
        let all = happened(&mut Decisions::new(5));
        assert!((60..140).contains(&all.len()), "{} of 1000", all.len());
        let kept: Vec<u64> = all.iter().copied().filter(|number| number % 2 == 0).collect();
        assert!(kept.len() < all.len());
        let mut fewer = Decisions::new(5);
        fewer.allow_only(kept.iter().copied().collect());
        assert_eq!(happened(&mut fewer), kept);
        assert_eq!(fewer.count(Fault::ShortSend), kept.len() as u64);
    }

    #[test]
    fn a_chance_of_zero_never_happens_and_one_of_one_always() {
        let mut decisions = Decisions::new(1);
        for _ in 0..1000 {
            assert!(decisions.decide(Fault::Reset, 0.0, Duration::ZERO, 0).is_none());
            assert!(decisions.decide(Fault::Reset, 1.0, Duration::ZERO, 0).is_some());
        }
    }
}
