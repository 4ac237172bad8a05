//! A timer's deadline and number, by which timers are ordered.

use super::moment::Moment;

/// The memory for this many timers is never freed.
pub(super) const KEPT: usize = 1024;

/// A timer's deadline and its place in the table. It has 16 bytes, so that the four children of a node of the heap fit
/// a cache line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) when: Moment,
    pub(super) number: u32,
    pub(super) slot: u32,
}

impl Node {
    /// Whether this timer is due earlier, or was armed earlier for the same time. The order of two timers for the same
    /// nanosecond is lost if more than 2^31 others were armed between them.
    #[inline]
    pub(super) fn is_before(&self, other: &Node) -> bool {
        let age = self.number.wrapping_sub(other.number) as i32;
        self.when < other.when || (self.when == other.when && age < 0)
    }
}
