//! Flow control: when a writer should pause, when it may resume, and when it writes too late.
//!
//! Pure: it is told sizes and returns [`FlowChange`]s, which the caller passes on to the protocol.

use std::cell::{Cell, OnceCell};
use std::fmt;

use crate::constants::{DEFAULT_HIGH_WATER, LOUD_LOST_WRITES};
use crate::interface::Protocol;

/// What the protocol has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlowChange {
    /// The buffer grew over the high-water mark: `pause_writing`.
    Pause,
    /// The buffer shrank to the low-water mark: `resume_writing`.
    Resume,
}

impl FlowChange {
    /// The protocol's method to call, and its name.
    pub(crate) fn method(self) -> (&'static str, fn(&dyn Protocol)) {
        match self {
            FlowChange::Pause => ("pause_writing", |protocol| protocol.pause_writing()),
            FlowChange::Resume => ("resume_writing", |protocol| protocol.resume_writing()),
        }
    }
}

/// The two marks, and what the writer was told last. `HIGH` is the default high mark.
#[derive(Debug)]
pub(crate) struct FlowControl<const HIGH: usize = DEFAULT_HIGH_WATER> {
    /// The marks that were set. Few transports have any, and the others spend no memory on them.
    own: OnceCell<Box<Cell<Marks>>>,
    pause: Cell<Pause>,
    /// How many writes came after the connection was lost; it stops at 255.
    lost_writes: Cell<u8>,
}

/// What the writer was told last, which makes [`FlowChange::Pause`] and [`FlowChange::Resume`] alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// Nothing, or to resume.
    No,
    /// To pause. It will be told to resume at the low-water mark.
    UntilLow,
    /// To pause. It will be told to resume when nothing is left, since a caller waits for that.
    UntilSent,
}

/// Invariant: `low <= high`.
#[derive(Debug, Clone, Copy)]
struct Marks {
    high: usize,
    low: usize,
}

impl<const HIGH: usize> FlowControl<HIGH> {
    pub(crate) fn new() -> Self {
        FlowControl { own: OnceCell::new(), pause: Cell::new(Pause::No), lost_writes: Cell::new(0) }
    }

    /// Sets the marks. A missing mark follows from the other: low is a quarter of high, high four times low.
    ///
    /// # Panics
    ///
    /// If `low` is above `high`. Nothing is changed then.
    #[track_caller]
    pub(crate) fn set_limits(&self, high: Option<usize>, low: Option<usize>) {
        let high = high.unwrap_or_else(|| low.map_or(HIGH, |low| low.saturating_mul(4)));
        let low = low.unwrap_or(high / 4);
        assert!(low <= high, "the low-water mark ({low}) must not be over the high-water mark ({high})");
        let marks = Marks { high, low };
        self.own.get_or_init(|| Box::new(Cell::new(marks))).set(marks);
    }

    /// `(low, high)`, in asyncio's order.
    pub(crate) fn limits(&self) -> (usize, usize) {
        let high = self.high();
        (self.own.get().map_or(high / 4, |own| own.get().low), high)
    }

    #[inline]
    pub(crate) fn high(&self) -> usize {
        self.own.get().map_or(HIGH, |own| own.get().high)
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.pause.get() != Pause::No
    }

    /// The buffer may have grown or shrunk to `size`.
    pub(crate) fn changed(&self, size: usize) -> Option<FlowChange> {
        if self.is_paused() { self.shrank(size) } else { self.grew(size) }
    }

    /// The buffer may have grown to `size`.
    pub(crate) fn grew(&self, size: usize) -> Option<FlowChange> {
        if self.is_paused() || size <= self.high() {
            return None;
        }
        self.pause.set(Pause::UntilLow);
        Some(FlowChange::Pause)
    }

    /// The buffer may have shrunk to `size`.
    pub(crate) fn shrank(&self, size: usize) -> Option<FlowChange> {
        let enough = match self.pause.get() {
            Pause::No => return None,
            Pause::UntilLow => self.limits().0,
            Pause::UntilSent => 0,
        };
        if size > enough {
            return None;
        }
        self.pause.set(Pause::No);
        Some(FlowChange::Resume)
    }

    /// A caller waits until all buffered bytes are sent, and the writer pauses until then.
    pub(crate) fn pause_until_sent(&self) -> Option<FlowChange> {
        let earlier = self.pause.replace(Pause::UntilSent);
        (earlier == Pause::No).then_some(FlowChange::Pause)
    }

    /// Bytes were written after the connection was lost, and were dropped. The first few writes are not logged, since
    /// the writer may not have heard of the loss yet; each later one is.
    #[cold]
    pub(crate) fn write_was_lost(&self, transport: &dyn fmt::Debug) {
        let count = self.lost_writes.get().saturating_add(1);
        self.lost_writes.set(count);
        if count >= LOUD_LOST_WRITES {
            log::warn!("bytes that were written after the connection had ended were dropped: {transport:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_mark_follows_from_the_other() {
        let flow = FlowControl::<DEFAULT_HIGH_WATER>::new();
        assert_eq!(flow.limits(), (16 * 1024, 64 * 1024));
        for (high, low, expected) in [
            (Some(7), None, (1, 7)),
            (None, Some(100), (100, 400)),
            (Some(0), None, (0, 0)),
            (None, None, (16 * 1024, 64 * 1024)),
            (None, Some(usize::MAX), (usize::MAX, usize::MAX)),
        ] {
            flow.set_limits(high, low);
            assert_eq!(flow.limits(), expected);
        }
    }

    #[test]
    #[should_panic(expected = "must not be over the high-water mark")]
    fn marks_in_the_wrong_order_are_refused() {
        FlowControl::<DEFAULT_HIGH_WATER>::new().set_limits(Some(1), Some(2));
    }

    #[test]
    fn pause_comes_strictly_over_high_and_resume_at_low_and_they_alternate() {
        let flow = FlowControl::<DEFAULT_HIGH_WATER>::new();
        flow.set_limits(Some(4), Some(1));
        assert_eq!(flow.grew(4), None);
        assert_eq!(flow.grew(5), Some(FlowChange::Pause));
        assert_eq!(flow.grew(6), None);
        assert_eq!(flow.shrank(2), None);
        assert_eq!(flow.shrank(1), Some(FlowChange::Resume));
        assert_eq!(flow.shrank(0), None);
        assert_eq!(flow.grew(5), Some(FlowChange::Pause));
    }

    #[test]
    fn who_waits_for_the_last_byte_pauses_the_writer_until_nothing_is_left() {
        let flow = FlowControl::<DEFAULT_HIGH_WATER>::new();
        flow.set_limits(Some(4), Some(1));
        assert_eq!(flow.pause_until_sent(), Some(FlowChange::Pause));
        assert_eq!(flow.pause_until_sent(), None);
        assert_eq!(flow.changed(1), None);
        assert_eq!(flow.changed(0), Some(FlowChange::Resume));
        // A writer that was paused already is told nothing, and waits longer.
        assert_eq!(flow.grew(5), Some(FlowChange::Pause));
        assert_eq!(flow.pause_until_sent(), None);
        assert_eq!(flow.changed(1), None);
        assert_eq!(flow.changed(0), Some(FlowChange::Resume));
        assert_eq!(flow.grew(5), Some(FlowChange::Pause));
        assert_eq!(flow.changed(1), Some(FlowChange::Resume));
    }
}
