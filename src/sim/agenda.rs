//! What will happen in the simulated world, and when. Pure: the time is an argument.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Items in the order of their times. Items of the same time keep the order in which they were added.
pub(super) struct Agenda<T> {
    heap: BinaryHeap<Entry<T>>,
    put: u64,
}

struct Entry<T> {
    at: Duration,
    number: u64,
    what: T,
}

impl<T> Agenda<T> {
    pub(super) fn new() -> Self {
        Agenda { heap: BinaryHeap::new(), put: 0 }
    }

    pub(super) fn put(&mut self, at: Duration, what: T) {
        self.heap.push(Entry { at, number: self.put, what });
        self.put += 1;
    }

    /// The time of the next item.
    pub(super) fn next_time(&self) -> Option<Duration> {
        self.heap.peek().map(|entry| entry.at)
    }

    pub(super) fn take_next(&mut self) -> Option<T> {
        self.heap.pop().map(|entry| entry.what)
    }
}

impl<T> Ord for Entry<T> {
    /// The next entry is the largest, since the heap returns the largest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_by_their_times_and_equal_ones_as_they_were_put() {
        let mut agenda = Agenda::new();
        for (at, what) in [(3, 'd'), (1, 'a'), (2, 'b'), (2, 'c')] {
            agenda.put(Duration::from_secs(at), what);
        }
        assert_eq!(agenda.next_time(), Some(Duration::from_secs(1)));
        let taken: String = std::iter::from_fn(|| agenda.take_next()).collect();
        assert_eq!(taken, "abcd");
    }
}
