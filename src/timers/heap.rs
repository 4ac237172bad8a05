//! A heap with four children per node that records the place of each timer, so that any of them can be taken out.
//!
//! A new deadline is usually among the latest, so arming it touches one or two nodes at the bottom. Taking out the
//! first node is expensive: the last node takes its place and sinks through all levels, and each node that moves up on
//! the way has a slot elsewhere in memory, which must be updated.

use super::moment::Moment;
use super::node::{KEPT, Node};

const CHILDREN: usize = 4;

/// Invariant: no node is due before its parent.
#[derive(Debug, Default)]
pub(super) struct Heap(Vec<Node>);

/// Methods that move nodes take `put`, which records the new place of a node in its slot.
impl Heap {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn first(&self) -> Option<&Node> {
        self.0.first()
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.0
    }

    pub(super) fn push(&mut self, node: Node, put: &mut impl FnMut(u32, usize)) {
        let place = self.0.len();
        self.0.push(node);
        put(node.slot, place);
        self.rise(place, put);
    }

    /// Takes out the node at this place.
    pub(super) fn take(&mut self, place: usize, put: &mut impl FnMut(u32, usize)) -> Node {
        let node = self.0.swap_remove(place);
        // The last node has moved to this place. It may belong further up, if it comes from another branch, or further
        // down.
        if place < self.0.len() && !self.rise(place, put) {
            self.sink(place, put);
        }
        self.give_memory_back();
        node
    }

    /// Moves the nodes that are due by `now` to `due`, in no particular order.
    pub(super) fn take_until(&mut self, now: Moment, due: &mut Vec<Node>, put: &mut impl FnMut(u32, usize)) {
        self.0.retain(|node| {
            let is_due = node.when <= now;
            if is_due {
                due.push(*node);
            }
            !is_due
        });
        // The remaining nodes may be in any order now.
        for (place, node) in self.0.iter().enumerate() {
            put(node.slot, place);
        }
        for place in (0..self.0.len().div_ceil(CHILDREN)).rev() {
            self.sink(place, put);
        }
        self.give_memory_back();
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    #[inline]
    fn give_memory_back(&mut self) {
        if self.0.len() * 4 < self.0.capacity() && self.0.capacity() > KEPT {
            self.0.shrink_to(self.0.len() * 2);
        }
    }

    /// Moves a node up to where it belongs. Returns whether it moved. Its slot is updated only if it moved.
    fn rise(&mut self, start: usize, put: &mut impl FnMut(u32, usize)) -> bool {
        let node = self.0[start];
        let mut place = start;
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if !node.is_before(&self.0[parent]) {
                break;
            }
            self.put(place, self.0[parent], put);
            place = parent;
        }
        if place != start {
            self.put(place, node, put);
        }
        place != start
    }

    /// Moves a node down to where it belongs. Updates its slot in any case.
    fn sink(&mut self, mut place: usize, put: &mut impl FnMut(u32, usize)) {
        let node = self.0[place];
        while let Some((least, child)) = self.least_child(place) {
            if !child.is_before(&node) {
                break;
            }
            self.put(place, child, put);
            place = least;
        }
        self.put(place, node, put);
    }

    /// The earliest of a node's children, with its place. Nearly all nodes with children have all four.
    #[inline]
    fn least_child(&self, place: usize) -> Option<(usize, Node)> {
        let first = place * CHILDREN + 1;
        let children = self.0.get(first..)?;
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

    #[inline]
    fn put(&mut self, place: usize, node: Node, put: &mut impl FnMut(u32, usize)) {
        self.0[place] = node;
        put(node.slot, place);
    }
}
