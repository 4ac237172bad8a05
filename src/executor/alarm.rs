//! Telling whoever drives a loop from outside that it has got something to do. So a simulation need not ask each of its
//! loops after each event. Without the feature `sim` there is nothing here, and nothing is told.

#[cfg(feature = "sim")]
use std::cell::OnceCell;

/// It is rung when something is queued or a timer is armed. It says nothing of what other threads send: that rings the bell
/// of the loop's selector.
#[derive(Default)]
pub(crate) struct Alarm {
    #[cfg(feature = "sim")]
    ring: OnceCell<Box<dyn Fn()>>,
}

impl Alarm {
    /// From now on `ring` is called, also from the middle of what this loop or another one does. It must not call either.
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
