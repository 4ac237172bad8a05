//! Deadlines, in order. This is pure: time is passed in, and the caller decides what happens at a deadline.
//!
//! The operations are arming, cancelling, finding the next deadline and taking what is due. Arming and cancelling
//! should cost next to nothing, since most timers are timeouts that never fire. A cancelled timer should be gone at
//! once: it must not hold memory or shorten the wait. Equal deadlines should come in the order in which they were
//! armed.
//!
//! This is a heap with four children per node, beside a table with a slot for each timer. A slot has the timer's place
//! in the heap, so a cancelled timer can be taken out of the middle. A new deadline is nearly always among the latest,
//! so arming and cancelling it touch one or two nodes at the bottom. Taking out the first is expensive: the last node
//! takes its place and sinks through all levels, and each node that moves up on the way has a slot elsewhere in memory,
//! which must be written. So when a large part of all timers is due at once, they are sorted instead, which does not
//! write their slots.

use std::time::{Duration, Instant};

use crate::slots::Slots;

const CHILDREN: usize = 4;

/// Room for this many timers is never freed.
const KEPT: usize = 1024;

/// This many timers have their slots in one vector, of at most half a megabyte. Finding a slot beyond it costs more.
const NEAR: usize = 16 * 1024;

/// If more than one in `SHARE` timers is due, and more than a [`FEW`], the rest of them is sorted. At this share both
/// ways cost about the same, since sorting means that a new heap must be made of the timers that are not due.
const SHARE: usize = 16;
const FEW: usize = 8;

/// Names an armed timer. It may outlive the timer, since the same key is not given again before 2^32 others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerKey {
    slot: u32,
    number: u32,
}

/// Armed timers, each with a `T` that says what happens when it is due.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    /// Invariant: no node is due before its parent, and `slots[node.slot].place` is the node's index.
    heap: Vec<Node>,
    slots: Slots<Slot<T>, NEAR>,
    /// The number of the next timer, which is the order among equal deadlines. It wraps.
    next_number: u32,
    /// The time from which deadlines are counted.
    base: Instant,
}

/// What orders a timer. It has 16 bytes, so that the four children of a node fit a cache line.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Nanoseconds after the base.
    when: i64,
    number: u32,
    slot: u32,
}

impl Node {
    /// Whether it is due earlier, or was armed earlier for the same time. The order of two timers for the same
    /// nanosecond is lost if more than 2^31 others were armed between them.
    #[inline]
    fn is_before(&self, other: &Node) -> bool {
        let age = self.number.wrapping_sub(other.number) as i32;
        self.when < other.when || (self.when == other.when && age < 0)
    }
}

#[derive(Debug)]
struct Slot<T> {
    place: u32,
    number: u32,
    payload: T,
}

impl<T> Timers<T> {
    /// No timers. `base` is any time that is not long ago: deadlines up to 292 years before and after it can be told
    /// apart.
    pub(crate) fn new(base: Instant) -> Self {
        Timers { heap: Vec::new(), slots: Slots::new(), next_number: 0, base }
    }

    #[inline]
    fn since_base(&self, time: Instant) -> i64 {
        match time.checked_duration_since(self.base) {
            Some(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            None => self.before_base(time),
        }
    }

    #[cold]
    fn before_base(&self, time: Instant) -> i64 {
        let before = self.base.saturating_duration_since(time);
        i64::try_from(before.as_nanos()).map_or(i64::MIN, |before| -before)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Arms a timer.
    pub(crate) fn arm(&mut self, when: Instant, payload: T) -> TimerKey {
        let place = self.heap.len();
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        let when = self.since_base(when);
        let slot = self.slots.insert(Slot { place: place as u32, number, payload });
        self.heap.push(Node { when, number, slot });
        self.rise(place);
        TimerKey { slot, number }
    }

    /// Takes a timer out and returns its payload, for the caller to drop. `None` if it has fired or was cancelled.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let place = self.place_of(key)?;
        Some(self.take(place))
    }

    /// Moves a timer to another time, behind those that were armed for that time before. Returns whether it is armed.
    pub(crate) fn reschedule(&mut self, key: TimerKey, when: Instant) -> bool {
        let Some(place) = self.place_of(key) else { return false };
        let when = self.since_base(when);
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        self.heap[place] = Node { when, number, slot: key.slot };
        if !self.rise(place) {
            self.sink(place);
        }
        true
    }

    /// Whether a timer has neither fired nor been cancelled.
    #[inline]
    pub(crate) fn is_armed(&self, key: TimerKey) -> bool {
        self.place_of(key).is_some()
    }

    /// The payload of an armed timer.
    pub(crate) fn payload_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        self.place_of(key)?;
        Some(&mut self.slots[key.slot].payload)
    }

    /// How long it is from `now` to each deadline, in order, and what happens then.
    pub(crate) fn left(&self, now: Instant) -> Vec<(Duration, &T)> {
        let mut nodes = self.heap.clone();
        nodes.sort_by_key(|node| node.when);
        let now = self.since_base(now);
        let left = |node: &Node| Duration::from_nanos(node.when.saturating_sub(now).max(0) as u64);
        nodes.iter().map(|node| (left(node), &self.slots[node.slot].payload)).collect()
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let first = self.heap.first()?;
        let distance = Duration::from_nanos(first.when.unsigned_abs());
        let deadline = if first.when < 0 { self.base.checked_sub(distance) } else { self.base.checked_add(distance) };
        Some(deadline.unwrap_or(self.base))
    }

    /// Whether a timer is due by `now`.
    #[inline]
    pub(crate) fn is_any_due(&self, now: Instant) -> bool {
        self.is_first_due(self.since_base(now))
    }

    /// Takes out all timers that are due by `now`, in order.
    pub(crate) fn take_due<E: From<T>>(&mut self, now: Instant, into: &mut Vec<E>) {
        self.take_until(self.since_base(now), into);
    }

    /// Takes out all timers, in order.
    pub(crate) fn take_all<E: From<T>>(&mut self, into: &mut Vec<E>) {
        self.take_until(i64::MAX, into);
    }

    #[inline(never)]
    fn take_until<E: From<T>>(&mut self, time: i64, into: &mut Vec<E>) {
        let mut singly = self.len() / SHARE + FEW;
        while self.is_first_due(time) {
            if singly == 0 {
                return self.take_sorted(time, into);
            }
            singly -= 1;
            into.push(self.take(0).into());
        }
    }

    fn take_sorted<E: From<T>>(&mut self, time: i64, into: &mut Vec<E>) {
        let due = self.extract_until(time);
        into.extend(due.into_iter().map(|node| E::from(self.remove_slot(node.slot))));
        self.give_memory_back();
    }

    #[inline]
    fn is_first_due(&self, time: i64) -> bool {
        self.heap.first().is_some_and(|first| first.when <= time)
    }

    /// Takes the nodes that are due out of the heap and sorts them. Their slots stay.
    fn extract_until(&mut self, time: i64) -> Vec<Node> {
        let mut due = Vec::new();
        self.heap.retain(|node| {
            let is_due = node.when <= time;
            if is_due {
                due.push(*node);
            }
            !is_due
        });
        self.order_anew();
        // By age and not by number, since numbers wrap, and sorting needs a total order.
        let youngest = self.next_number;
        due.sort_unstable_by_key(|node| (node.when, node.number.wrapping_sub(youngest)));
        due
    }

    /// Makes a heap of the nodes, whatever order they have.
    fn order_anew(&mut self) {
        for place in 0..self.heap.len() {
            self.put(place, self.heap[place]);
        }
        for place in (0..self.heap.len().div_ceil(CHILDREN)).rev() {
            self.sink(place);
        }
    }

    fn place_of(&self, key: TimerKey) -> Option<usize> {
        let slot = self.slots.get(key.slot)?;
        (slot.number == key.number).then_some(slot.place as usize)
    }

    fn take(&mut self, place: usize) -> T {
        let node = self.heap.swap_remove(place);
        // The last node has moved here. It may belong further up, if it comes from another branch, or further down.
        if place < self.heap.len() && !self.rise(place) {
            self.sink(place);
        }
        let payload = self.remove_slot(node.slot);
        self.give_memory_back();
        payload
    }

    fn remove_slot(&mut self, slot: u32) -> T {
        self.slots.remove(slot).expect("every node has a slot").payload
    }

    #[inline]
    fn give_memory_back(&mut self) {
        if self.heap.len() * 4 < self.heap.capacity() && self.heap.capacity() > KEPT {
            self.heap.shrink_to(self.heap.len() * 2);
        }
    }

    /// Moves a node up to where it belongs. Returns whether it moved. Its slot is written only then.
    fn rise(&mut self, start: usize) -> bool {
        let node = self.heap[start];
        let mut place = start;
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if !node.is_before(&self.heap[parent]) {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        if place != start {
            self.put(place, node);
        }
        place != start
    }

    /// Moves a node down to where it belongs, and writes its place to its slot in any case.
    fn sink(&mut self, mut place: usize) {
        let node = self.heap[place];
        while let Some((least, child)) = self.least_child(place) {
            if !child.is_before(&node) {
                break;
            }
            self.put(place, child);
            place = least;
        }
        self.put(place, node);
    }

    /// The earliest of a node's children, with its place. Nearly all nodes with children have all four.
    #[inline]
    fn least_child(&self, place: usize) -> Option<(usize, Node)> {
        let first = place * CHILDREN + 1;
        let children = self.heap.get(first..)?;
        if let Some(children) = children.first_chunk::<CHILDREN>() {
            let (mut least, mut earliest) = (0, children[0]);
            for (at, child) in children.iter().enumerate().skip(1) {
                if child.is_before(&earliest) {
                    (least, earliest) = (at, *child);
                }
            }
            return Some((first + least, earliest));
        }
        let earlier = |one: (usize, Node), other: (usize, Node)| if other.1.is_before(&one.1) { other } else { one };
        children.iter().copied().enumerate().map(|(at, child)| (first + at, child)).reduce(earlier)
    }

    fn put(&mut self, place: usize, node: Node) {
        self.heap[place] = node;
        self.slots[node.slot].place = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn take_due(timers: &mut Timers<u32>, now: Instant) -> Vec<u32> {
        let mut due = Vec::new();
        timers.take_due(now, &mut due);
        due
    }

    #[test]
    fn due_timers_come_by_deadline_and_equal_ones_in_the_order_of_arming() {
        let base = Instant::now();
        let mut timers = Timers::new(base);
        for (name, ms) in [(0, 5), (1, 3), (2, 5), (3, 1), (4, 3), (5, 5)] {
            timers.arm(base + Duration::from_millis(ms), name);
        }
        assert_eq!(timers.next_deadline(), Some(base + Duration::from_millis(1)));
        assert_eq!(take_due(&mut timers, base + Duration::from_millis(4)), [3, 1, 4]);
        assert_eq!(take_due(&mut timers, base + Duration::from_millis(5)), [0, 2, 5]);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn a_cancelled_timer_is_gone_at_once_and_its_key_names_nothing_else() {
        let base = Instant::now();
        let mut timers = Timers::new(base);
        let near = timers.arm(base, 1);
        timers.arm(base + Duration::from_secs(10), 2);
        assert_eq!(timers.cancel(near), Some(1));
        assert_eq!(timers.next_deadline(), Some(base + Duration::from_secs(10)));
        let reused = timers.arm(base, 3);
        assert_eq!(timers.cancel(near), None);
        assert!(timers.payload_mut(near).is_none());
        assert_eq!(timers.payload_mut(reused), Some(&mut 3));
    }

    #[test]
    fn deadlines_before_the_base_and_for_ever_after_it_keep_their_order() {
        let base = Instant::now();
        let mut timers = Timers::new(base);
        let (second, thirty_years) = (Duration::from_secs(1), Duration::from_secs(30 * 365 * 24 * 60 * 60));
        timers.arm(base + thirty_years, 4);
        timers.arm(base, 3);
        timers.arm(base - second, 2);
        timers.arm(base - 2 * second, 1);
        assert_eq!(timers.next_deadline(), Some(base - 2 * second));
        assert_eq!(take_due(&mut timers, base - second), [1, 2]);
        assert_eq!(take_due(&mut timers, base), [3]);
        assert_eq!(timers.next_deadline(), Some(base + thirty_years));
        let mut all: Vec<u32> = Vec::new();
        timers.take_all(&mut all);
        assert_eq!(all, [4]);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn equal_deadlines_keep_their_order_when_the_numbers_begin_anew() {
        let base = Instant::now();
        let mut timers = Timers::new(base);
        timers.next_number = u32::MAX - 2;
        let keys: Vec<_> = (0..6).map(|name| timers.arm(base, name)).collect();
        assert_eq!(timers.next_number, 3);
        assert_eq!(timers.cancel(keys[4]), Some(4));
        assert_eq!(take_due(&mut timers, base), [0, 1, 2, 3, 5]);
        // So many are sorted.
        timers.next_number = u32::MAX - 50;
        for name in 0..100 {
            timers.arm(base, name);
        }
        assert_eq!(take_due(&mut timers, base), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn when_many_are_due_at_once_the_others_stay_armed_under_their_keys() {
        let base = Instant::now();
        let mut timers = Timers::new(base);
        let after = |name: u32| Duration::from_micros(u64::from(name * 7_919 % 1_000));
        let keys: Vec<_> = (0..1_000).map(|name| timers.arm(base + after(name), name)).collect();
        let (mut due, mut left): (Vec<u32>, Vec<u32>) = (0..1_000).partition(|name| after(*name).as_micros() < 500);
        due.sort_by_key(|name| after(*name));
        assert_eq!(take_due(&mut timers, base + Duration::from_micros(499)), due);
        for name in left.split_off(300) {
            assert_eq!(timers.cancel(keys[name as usize]), Some(name));
        }
        left.sort_by_key(|name| after(*name));
        assert_eq!(timers.next_deadline(), Some(base + after(left[0])));
        let mut all: Vec<u32> = Vec::new();
        timers.take_all(&mut all);
        assert_eq!(all, left);
    }

    #[test]
    fn mass_cancelling_gives_the_memory_back() {
        let base = Instant::now();
        let mut timers = Timers::new(base);
        let keys: Vec<_> = (0..100_000).map(|n| timers.arm(base + Duration::from_secs(n), ())).collect();
        for key in keys {
            timers.cancel(key);
        }
        assert_eq!(timers.len(), 0);
        assert!(timers.heap.capacity() <= KEPT && timers.slots.is_empty());
    }

    /// The naive twin is an ordered map from (deadline, order of arming) to name.
    #[test]
    fn any_sequence_agrees_with_an_ordered_map() {
        let base = Instant::now();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let mut timers = Timers::new(base);
        let mut twin = BTreeMap::new();
        let mut keys = Vec::new();
        for name in 0..20_000_u32 {
            match random(5) {
                0 | 1 => {
                    let when = base + Duration::from_millis(random(1_000));
                    keys.push((timers.arm(when, name), when, name, name));
                    twin.insert((when, name), name);
                }
                2 if !keys.is_empty() => {
                    let (key, when, order, _) = keys.swap_remove(random(keys.len() as u64) as usize);
                    assert_eq!(timers.cancel(key), twin.remove(&(when, order)));
                }
                3 if !keys.is_empty() => {
                    let at = random(keys.len() as u64) as usize;
                    let (key, earlier, order, payload) = keys[at];
                    let when = base + Duration::from_millis(random(1_000));
                    let was_armed = twin.remove(&(earlier, order)).is_some();
                    assert_eq!(timers.reschedule(key, when), was_armed);
                    if was_armed {
                        // It stands behind all that were armed for that time before.
                        twin.insert((when, name), payload);
                        keys[at] = (key, when, name, payload);
                    }
                }
                _ => {
                    let now = base + Duration::from_millis(random(1_000));
                    let later = twin.split_off(&(now + Duration::from_nanos(1), 0));
                    let due: Vec<_> = std::mem::replace(&mut twin, later).into_values().collect();
                    assert_eq!(take_due(&mut timers, now), due);
                }
            }
            assert_eq!(timers.len(), twin.len());
            assert_eq!(timers.next_deadline(), twin.keys().next().map(|&(when, _)| when));
        }
    }
}
