//! Tells the driver of a loop, such as a simulation, that the loop has something to do, so that the driver need not ask
//! each of its loops after each event. Without the feature `sim`, this is empty and does nothing.

#[cfg(feature = "sim")]
use std::cell::OnceCell;

/// Rung when something is queued or a timer is armed. Letters of other threads do not ring it: they ring the bell of
/// the loop's selector.
#[derive(Default)]
pub(crate) struct Alarm {
    #[cfg(feature = "sim")]
    ring: OnceCell<Box<dyn Fn()>>,
}

impl Alarm {
    /// From now on `ring` is called, possibly in the middle of a turn of this loop or another one. It must not call
    /// into either.
    #[cfg(feature = "sim")]
    pub(crate) fn set(&self, ring: impl Fn() + 'static) {
        let _already_set = self.ring.set(Box::new(ring));
    }

    #[inline(always)]
    pub(crate) fn ring(&self) {
        #[cfg(feature = "sim")]
        if let Some(ring) = self.ring.get() {
            ring();
        }
    }
}
