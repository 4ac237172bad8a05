//! Finding the few faults that a failure needs. Pure: `fails` is an argument.

use std::collections::BTreeSet;

/// Removes as many of the numbers as it can while `fails` says that the rest still fails. The whole set is known to
/// fail. `fails` is called at most `tries` times.
///
/// The parts that it tries to remove become smaller and smaller: first halves, finally single numbers (Zeller's
/// `ddmin`).
pub(super) fn smallest(
    all: &BTreeSet<u64>,
    tries: usize,
    mut fails: impl FnMut(&BTreeSet<u64>) -> bool,
) -> BTreeSet<u64> {
    let mut kept: Vec<u64> = all.iter().copied().collect();
    let mut tried = 1;
    // Many failures need no fault at all, so the empty set is tried first.
    if kept.is_empty() || fails(&BTreeSet::new()) {
        return BTreeSet::new();
    }
    let mut size = kept.len().div_ceil(2);
    loop {
        let mut from = 0;
        let mut has_shrunk = false;
        while from < kept.len() && tried < tries {
            let end = (from + size).min(kept.len());
            let rest: BTreeSet<u64> = kept[..from].iter().chain(&kept[end..]).copied().collect();
            tried += 1;
            if !rest.is_empty() && fails(&rest) {
                kept.drain(from..end);
                has_shrunk = true;
            } else {
                from = end;
            }
        }
        if tried >= tries || (size == 1 && !has_shrunk) {
            return kept.into_iter().collect();
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failure_needs_is_left() {
        let all: BTreeSet<u64> = (0..500).collect();
        let needed = BTreeSet::from([17, 18, 400]);
        assert_eq!(smallest(&all, 1000, |some| some.is_superset(&needed)), needed);
        assert_eq!(smallest(&all, 1000, |_| true), BTreeSet::new());
        assert_eq!(smallest(&all, 1000, |some| some.len() == 500), all);
    }

    #[test]
    fn it_asks_no_more_often_than_it_may() {
        let all: BTreeSet<u64> = (0..500).collect();
        let mut asked = 0;
        let left = smallest(&all, 20, |some| {
            asked += 1;
            some.contains(&250)
        });
        assert!(asked <= 20 && left.contains(&250), "{asked}");
    }
}
