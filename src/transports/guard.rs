//! A guard against what may happen while somebody else's code runs: a panic, or being dropped at an await point.

/// Does something when it is dropped, unless it was [disarmed](Guard::disarm).
#[must_use = "it acts at once unless it is kept"]
pub(crate) struct Guard<F: Fn() + Copy>(F);

impl<F: Fn() + Copy> Guard<F> {
    /// What is to be done may only borrow, so that nothing is left behind by a guard that is forgotten.
    #[inline]
    pub(crate) fn new(action: F) -> Self {
        Guard(action)
    }

    /// What it guarded against has not happened. A flag in the guard, in place of forgetting it, would cost a received
    /// message 6 instructions.
    #[inline]
    pub(crate) fn disarm(self) {
        std::mem::forget(self);
    }
}

impl<F: Fn() + Copy> Drop for Guard<F> {
    // Inlined, so that the guard itself is nowhere in memory.
    #[inline(always)]
    fn drop(&mut self) {
        (self.0)();
    }
}
