//! Which host takes the next turn. Pure: times and chance are arguments.

use std::collections::BTreeSet;
use std::time::Duration;

/// When a host takes its next turn. Of several hosts at the same time, the one with the lowest lot comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Duration,
    lot: usize,
    host: usize,
}

#[derive(Default)]
pub(super) struct Schedule {
    order: BTreeSet<Place>,
    /// The place of each host in `order`.
    places: Vec<Option<Place>>,
}

impl Schedule {
    /// Sets when a host takes its next turn; `None` if it waits for other hosts. A host whose time has changed draws
    /// a new lot.
    pub(super) fn set(&mut self, host: usize, at: Option<Duration>, draw: impl FnOnce() -> usize) {
        if self.places.len() <= host {
            self.places.resize(host + 1, None);
        }
        let place = &mut self.places[host];
        if place.map(|place| place.at) == at {
            return;
        }
        if let Some(earlier) = place.take() {
            self.order.remove(&earlier);
        }
        *place = at.map(|at| Place { at, lot: draw(), host });
        self.order.extend(*place);
    }

    /// The host that comes first, and when.
    pub(super) fn first(&self) -> Option<(usize, Duration)> {
        self.order.first().map(|place| (place.host, place.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    #[test]
    fn the_earliest_comes_first_and_of_equal_ones_that_with_the_lower_lot() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.first(), None);
        schedule.set(5, seconds(2), || 7);
        schedule.set(1, seconds(2), || 9);
        assert_eq!(schedule.first().unwrap().0, 5);
        schedule.set(1, seconds(1), || 9);
        assert_eq!(schedule.first(), Some((1, Duration::from_secs(1))));
        schedule.set(1, None, || panic!("nothing is to be drawn for"));
        assert_eq!(schedule.first().unwrap().0, 5);
    }

    #[test]
    fn who_is_told_the_same_time_again_keeps_its_lot() {
        let mut schedule = Schedule::default();
        schedule.set(0, seconds(1), || 3);
        schedule.set(1, seconds(1), || 2);
        schedule.set(1, seconds(1), || 4);
        assert_eq!(schedule.first().unwrap().0, 1);
    }
}
