//! Timers, ordered by deadline. This is pure: time is passed in, and the caller decides what happens at a deadline.
//!
//! The operations are arming, cancelling, finding the next deadline and taking out due timers. Arming and cancelling
//! should cost next to nothing, since most timers are timeouts that never fire. A cancelled timer should be gone at
//! once: it must not hold memory or shorten the wait. Equal deadlines should come in the order in which they were
//! armed.
//!
//! A timer is in one of two places. A timer that is not due before the last one in the [`Line`] is added there, where
//! arming, cancelling and firing cost next to nothing: the timeouts that a server sets for its requests all have one
//! length, so they come in order. All other timers are in a [`Heap`]. A table has a slot for each timer, by which the
//! timer is found. If many timers of the heap are due at once, they are taken out together and sorted, without updating
//! the slots on the way.

mod heap;
mod line;
mod moment;
mod node;

use std::time::Duration;

use crate::slots::Slots;
use heap::Heap;
use line::Line;
use node::Node;

pub(crate) use moment::{Moment, Origin};

/// The slots of this many timers are in one vector, of at most half a megabyte. Finding a slot beyond it costs more.
const NEAR: usize = 16 * 1024;

/// If more than one in `SHARE` of the heap's timers and another [`FEW`] are due, the rest of them are taken out
/// together and sorted. At this share both ways cost about the same, since after sorting, a new heap must be made of
/// the timers that are not due.
const SHARE: usize = 16;
const FEW: usize = 8;

/// Identifies an armed timer. It may outlive the timer, since a key is not issued again before 2^32 others were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerKey {
    slot: u32,
    number: u32,
}

/// Armed timers, each with a payload `T` that says what happens when it is due.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    /// Invariant: for each of its nodes, `slots[node.slot].place` is the node's index.
    heap: Heap,
    /// Invariant: for each of its timers, `slots[node.slot].place` is [`IN_LINE`].
    line: Line,
    slots: Slots<Slot<T>, NEAR>,
    /// The number of the next timer. Timers with equal deadlines are ordered by number. It wraps.
    next_number: u32,
}

#[derive(Debug)]
struct Slot<T> {
    /// The index in the heap, or [`IN_LINE`].
    place: u32,
    number: u32,
    payload: T,
}

/// The place of a timer that is not in the heap but in the line.
const IN_LINE: u32 = u32::MAX;

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Timers { heap: Heap::default(), line: Line::default(), slots: Slots::new(), next_number: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.heap.len() + self.line.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Arms a timer.
    #[inline]
    pub(crate) fn arm(&mut self, when: Moment, payload: T) -> TimerKey {
        let number = self.take_number();
        let slot = self.slots.insert(Slot { place: IN_LINE, number, payload });
        let node = Node { when, number, slot };
        if !self.line.add(node) {
            self.arm_out_of_line(node);
        }
        TimerKey { slot, number }
    }

    #[inline(never)]
    fn arm_out_of_line(&mut self, node: Node) {
        if !self.line.is_unsuited() {
            return self.heap.push(node, &mut put(&mut self.slots));
        }
        for node in self.line.dissolve() {
            if is_in_line(&self.slots, &node) {
                self.heap.push(node, &mut put(&mut self.slots));
            }
        }
        self.line.add(node);
    }

    /// Takes a timer out and returns its payload, for the caller to drop. `None` if the timer has fired or was
    /// cancelled.
    #[inline]
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let place = self.place_of(key)?;
        if place != IN_LINE {
            return Some(self.take_from_heap(place as usize));
        }
        let payload = self.remove_slot(key.slot);
        self.line.one_was_cancelled(|node| is_in_line(&self.slots, node));
        Some(payload)
    }

    /// Moves a timer to another time, behind the timers that were already armed for that time. Returns whether the
    /// timer is armed.
    pub(crate) fn reschedule(&mut self, key: TimerKey, when: Moment) -> bool {
        let Some(place) = self.place_of(key) else { return false };
        // From now on the timer is in the heap: only there may a node's number differ from its slot's.
        let node = Node { when, number: self.take_number(), slot: key.slot };
        if place == IN_LINE {
            self.heap.push(node, &mut put(&mut self.slots));
            self.line.one_was_cancelled(|node| is_in_line(&self.slots, node));
        } else {
            self.heap.take(place as usize, &mut put(&mut self.slots));
            self.heap.push(node, &mut put(&mut self.slots));
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

    /// The time from `now` to each deadline, in order, with the timer's payload.
    pub(crate) fn left(&self, now: Moment) -> Vec<(Duration, &T)> {
        let in_line = self.line.nodes(|node| is_in_line(&self.slots, node));
        let mut nodes: Vec<&Node> = self.heap.nodes().iter().chain(in_line).collect();
        nodes.sort_by_key(|node| node.when);
        nodes.into_iter().map(|node| (node.when.since(now), &self.slots[node.slot].payload)).collect()
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.first().map(|first| first.when)
    }

    /// Takes out all timers that are due by `now`, in order.
    #[inline(never)]
    pub(crate) fn take_due<E: From<T>>(&mut self, now: Moment, into: &mut Vec<E>) {
        let mut singly = self.heap.len() / SHARE + FEW;
        while let Some(Node { slot, .. }) = self.first_until(now).copied() {
            let place = self.slots[slot].place;
            if place == IN_LINE {
                into.push(self.take_first_of_line().into());
            } else if singly > 0 {
                singly -= 1;
                into.push(self.take_from_heap(place as usize).into());
            } else {
                return self.take_sorted(now, into);
            }
        }
    }

    /// Takes out all timers, in order.
    pub(crate) fn take_all<E: From<T>>(&mut self, into: &mut Vec<E>) {
        self.take_due(Moment::LAST, into);
    }

    fn take_sorted<E: From<T>>(&mut self, now: Moment, into: &mut Vec<E>) {
        let mut due = Vec::new();
        self.heap.take_until(now, &mut due, &mut put(&mut self.slots));
        while let Some(node) = self.line.first().copied().filter(|first| first.when <= now) {
            due.push(node);
            self.line.take_first(|node| is_in_line(&self.slots, node));
        }
        // They are ordered by age and not by number, since numbers wrap, and sorting needs a total order.
        let youngest = self.next_number;
        due.sort_unstable_by_key(|node| (node.when, node.number.wrapping_sub(youngest)));
        into.extend(due.into_iter().map(|node| E::from(self.remove_slot(node.slot))));
    }

    /// The timer that is due first.
    #[inline]
    fn first(&self) -> Option<&Node> {
        match (self.line.first(), self.heap.first()) {
            (Some(line), Some(heap)) => Some(if heap.is_before(line) { heap } else { line }),
            (line, heap) => line.or(heap),
        }
    }

    /// The timer that is due first, if it is by `now`.
    #[inline]
    fn first_until(&self, now: Moment) -> Option<&Node> {
        self.first().filter(|first| first.when <= now)
    }

    #[inline]
    fn take_number(&mut self) -> u32 {
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        number
    }

    #[inline]
    fn place_of(&self, key: TimerKey) -> Option<u32> {
        let slot = self.slots.get(key.slot)?;
        (slot.number == key.number).then_some(slot.place)
    }

    fn take_from_heap(&mut self, place: usize) -> T {
        let node = self.heap.take(place, &mut put(&mut self.slots));
        self.remove_slot(node.slot)
    }

    fn take_first_of_line(&mut self) -> T {
        let node = self.line.take_first(|node| is_in_line(&self.slots, node));
        self.remove_slot(node.expect("the line has a first timer").slot)
    }

    #[inline]
    fn remove_slot(&mut self, slot: u32) -> T {
        self.slots.remove(slot).expect("every timer has a slot").payload
    }
}

/// Whether a node of the line still has a timer, and is not a hole.
#[inline]
fn is_in_line<T>(slots: &Slots<Slot<T>, NEAR>, node: &Node) -> bool {
    slots.get(node.slot).is_some_and(|slot| slot.number == node.number && slot.place == IN_LINE)
}

/// Records in the slots where the heap has put their nodes.
#[inline]
fn put<T>(slots: &mut Slots<Slot<T>, NEAR>) -> impl FnMut(u32, usize) {
    |slot, place| slots[slot].place = place as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use super::node::KEPT;
    use super::*;

    /// The moment that is this long after the origin.
    fn after(duration: Duration) -> Moment {
        let start = Instant::now();
        Origin::new(start).moment(start + duration)
    }

    fn after_ms(milliseconds: u64) -> Moment {
        after(Duration::from_millis(milliseconds))
    }

    fn take_due(timers: &mut Timers<u32>, now: Moment) -> Vec<u32> {
        let mut due = Vec::new();
        timers.take_due(now, &mut due);
        due
    }

    #[test]
    fn due_timers_come_by_deadline_and_equal_ones_in_the_order_of_arming() {
        let mut timers = Timers::new();
        for (name, ms) in [(0, 5), (1, 3), (2, 5), (3, 1), (4, 3), (5, 5)] {
            timers.arm(after_ms(ms), name);
        }
        assert_eq!(timers.next_deadline(), Some(after_ms(1)));
        assert_eq!(take_due(&mut timers, after_ms(4)), [3, 1, 4]);
        assert_eq!(take_due(&mut timers, after_ms(5)), [0, 2, 5]);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn a_cancelled_timer_is_gone_at_once_and_its_key_names_nothing_else() {
        let mut timers = Timers::new();
        let near = timers.arm(after_ms(0), 1);
        timers.arm(after(Duration::from_secs(10)), 2);
        assert_eq!(timers.cancel(near), Some(1));
        assert_eq!(timers.next_deadline(), Some(after(Duration::from_secs(10))));
        let reused = timers.arm(after_ms(0), 3);
        assert_eq!(timers.cancel(near), None);
        assert!(timers.payload_mut(near).is_none());
        assert_eq!(timers.payload_mut(reused), Some(&mut 3));
    }

    #[test]
    fn deadlines_before_the_origin_and_for_ever_after_it_keep_their_order() {
        let start = Instant::now();
        let origin = Origin::new(start);
        let (second, thirty_years) = (Duration::from_secs(1), Duration::from_secs(30 * 365 * 24 * 60 * 60));
        let deadlines = [start - 2 * second, start - second, start, start + thirty_years].map(|at| origin.moment(at));
        let mut timers = Timers::new();
        for (name, when) in deadlines.into_iter().enumerate().rev() {
            timers.arm(when, name as u32);
        }
        assert_eq!(timers.next_deadline(), Some(deadlines[0]));
        assert_eq!(take_due(&mut timers, deadlines[1]), [0, 1]);
        assert_eq!(take_due(&mut timers, deadlines[2]), [2]);
        assert_eq!(timers.next_deadline(), Some(deadlines[3]));
        let mut all: Vec<u32> = Vec::new();
        timers.take_all(&mut all);
        assert_eq!(all, [3]);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn equal_deadlines_keep_their_order_when_the_numbers_begin_anew() {
        let mut timers = Timers::new();
        timers.next_number = u32::MAX - 2;
        let keys: Vec<_> = (0..6).map(|name| timers.arm(after_ms(0), name)).collect();
        assert_eq!(timers.next_number, 3);
        assert_eq!(timers.cancel(keys[4]), Some(4));
        assert_eq!(take_due(&mut timers, after_ms(0)), [0, 1, 2, 3, 5]);
        // This many are sorted.
        timers.next_number = u32::MAX - 50;
        for name in 0..100 {
            timers.arm(after_ms(0), name);
        }
        assert_eq!(take_due(&mut timers, after_ms(0)), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn when_many_are_due_at_once_the_others_stay_armed_under_their_keys() {
        let mut timers = Timers::new();
        let deadline = |name: u32| after(Duration::from_micros(u64::from(name * 7_919 % 1_000)));
        let keys: Vec<_> = (0..1_000).map(|name| timers.arm(deadline(name), name)).collect();
        let middle = after(Duration::from_micros(500));
        let (mut due, mut left): (Vec<u32>, Vec<u32>) = (0..1_000).partition(|name| deadline(*name) < middle);
        due.sort_by_key(|name| deadline(*name));
        assert_eq!(take_due(&mut timers, after(Duration::from_micros(499))), due);
        for name in left.split_off(300) {
            assert_eq!(timers.cancel(keys[name as usize]), Some(name));
        }
        left.sort_by_key(|name| deadline(*name));
        assert_eq!(timers.next_deadline(), Some(deadline(left[0])));
        let mut all: Vec<u32> = Vec::new();
        timers.take_all(&mut all);
        assert_eq!(all, left);
    }

    #[test]
    fn mass_cancelling_gives_the_memory_back() {
        let mut timers = Timers::new();
        for step in [1, -1] {
            let deadline = |n| after(Duration::from_secs((200_000 + n * step) as u64));
            let keys: Vec<_> = (0..100_000).map(|n| timers.arm(deadline(n), ())).collect();
            for key in keys {
                timers.cancel(key);
            }
            assert_eq!(timers.len(), 0);
            assert!(timers.heap.capacity() <= KEPT);
        }
        assert!(timers.line.capacity() <= KEPT && timers.slots.is_empty());
    }

    #[test]
    fn deadlines_in_the_order_of_arming_stand_in_line_and_one_far_away_is_no_obstacle_for_long() {
        let mut timers = Timers::new();
        timers.arm(after(Duration::from_secs(1_000_000)), 0);
        for number in 1..=100 {
            timers.arm(after(Duration::from_secs(number)), number);
        }
        assert_eq!((timers.heap.len(), timers.line.len()), (2, 99));
        // An earlier deadline now and then does not dissolve the line.
        for number in 0..100 {
            timers.arm(after_ms(number), number);
            timers.arm(after(Duration::from_secs(100 + number)), number);
        }
        assert_eq!((timers.heap.len(), timers.line.len()), (102, 199));
    }

    #[test]
    fn timers_that_come_and_go_behind_one_that_stays_need_no_more_memory_than_a_few() {
        let mut timers = Timers::new();
        let stays = timers.arm(after_ms(0), 0);
        for number in 1..100_000 {
            let goes = timers.arm(after_ms(number), number);
            assert_eq!(timers.cancel(goes), Some(number));
        }
        assert!(timers.line.capacity() <= 8, "{}", timers.line.capacity());
        assert_eq!(timers.left(after_ms(0)).len(), 1);
        assert_eq!(timers.cancel(stays), Some(0));
        assert!(timers.is_empty());
    }

    /// The naive twin is an ordered map from (deadline, order of arming) to name.
    #[test]
    fn any_sequence_agrees_with_an_ordered_map() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let mut timers = Timers::new();
        let mut twin = BTreeMap::new();
        let mut keys = Vec::new();
        let mut in_line = 0;
        for name in 0..40_000_u32 {
            // Half of the time most deadlines come in order.
            let in_order = name / 1_000 % 2 == 0;
            match random(5) {
                0 | 1 => {
                    let after = if in_order && random(10) > 0 { u64::from(name % 1_000) } else { random(1_000) };
                    let when = after_ms(after);
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
                    let when = after_ms(random(1_000));
                    let was_armed = twin.remove(&(earlier, order)).is_some();
                    assert_eq!(timers.reschedule(key, when), was_armed);
                    if was_armed {
                        // It comes after all timers that were already armed for that time.
                        twin.insert((when, name), payload);
                        keys[at] = (key, when, name, payload);
                    }
                }
                _ => {
                    let now = after_ms(random(1_000));
                    let later = twin.split_off(&(now, u32::MAX));
                    let due: Vec<_> = std::mem::replace(&mut twin, later).into_values().collect();
                    assert_eq!(take_due(&mut timers, now), due);
                }
            }
            assert_eq!(timers.len(), twin.len());
            assert_eq!(timers.next_deadline(), twin.keys().next().map(|&(when, _)| when));
            in_line = in_line.max(timers.line.len());
        }
        assert!(in_line > 20, "at most {in_line} timers stood in line");
    }
}
