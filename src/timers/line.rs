//! A line of timers whose deadlines are in the order in which they were armed. This is the usual case, since most
//! timeouts of a program have the same length. Arming adds a timer at the end, and due or cancelled timers are usually
//! at the front.
//!
//! A timer that is cancelled in the middle leaves a hole: its node stays, though the timer is gone. When there are more
//! holes than timers, the line is packed.

use std::collections::VecDeque;

use super::node::{KEPT, Node};

#[derive(Debug, Default)]
pub(super) struct Line {
    /// Invariants: no node is due before the one in front of it, and the first node is not a hole.
    nodes: VecDeque<Node>,
    holes: usize,
    /// How many timers in a row did not fit behind the last node.
    misfits: usize,
}

/// Methods that meet holes take `is_armed`, which returns whether a node's timer is still armed.
impl Line {
    /// How many timers are in the line.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.holes
    }

    #[inline]
    pub(super) fn first(&self) -> Option<&Node> {
        self.nodes.front()
    }

    pub(super) fn nodes(&self, is_armed: impl Fn(&Node) -> bool) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| is_armed(node))
    }

    /// Adds a newly armed timer at the end. Returns false, and does not add it, if it is due before the last one.
    #[inline]
    pub(super) fn add(&mut self, node: Node) -> bool {
        if self.nodes.back().is_some_and(|last| node.when < last.when) {
            self.misfits += 1;
            return false;
        }
        self.misfits = 0;
        self.nodes.push_back(node);
        true
    }

    /// Whether the line does not suit the timers that are being armed: more in a row did not fit than there are nodes
    /// in the line. A single timer with a far deadline in the line has this effect.
    #[inline]
    pub(super) fn is_unsuited(&self) -> bool {
        self.misfits > self.nodes.len()
    }

    /// Takes out all nodes, including holes, and leaves an empty line.
    pub(super) fn dissolve(&mut self) -> VecDeque<Node> {
        std::mem::take(self).nodes
    }

    /// Takes out the first timer.
    #[inline]
    pub(super) fn take_first(&mut self, is_armed: impl Fn(&Node) -> bool) -> Option<Node> {
        let node = self.nodes.pop_front();
        self.skip_holes(is_armed);
        node
    }

    /// A timer in the line was cancelled.
    #[inline]
    pub(super) fn one_was_cancelled(&mut self, is_armed: impl Fn(&Node) -> bool) {
        self.holes += 1;
        self.skip_holes(&is_armed);
        if self.holes > self.len() {
            self.pack(is_armed);
        }
    }

    /// For how many nodes memory is allocated.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.nodes.capacity()
    }

    #[inline]
    fn skip_holes(&mut self, is_armed: impl Fn(&Node) -> bool) {
        while self.holes > 0 && self.nodes.front().is_some_and(|first| !is_armed(first)) {
            self.nodes.pop_front();
            self.holes -= 1;
        }
        self.give_memory_back();
    }

    #[cold]
    fn pack(&mut self, is_armed: impl Fn(&Node) -> bool) {
        self.nodes.retain(is_armed);
        self.holes = 0;
        self.give_memory_back();
    }

    #[inline]
    fn give_memory_back(&mut self) {
        if self.nodes.capacity() > KEPT && self.nodes.len() * 4 < self.nodes.capacity() {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }
}
