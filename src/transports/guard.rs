//! A guard for code that may not run to its end: user code may panic, and a future may be dropped at an await point.

/// Does something when it is dropped, unless it was [disarmed](Guard::disarm).
#[must_use = "it acts at once unless it is kept"]
pub(crate) struct Guard<F: Fn() + Copy>(F);

impl<F: Fn() + Copy> Guard<F> {
    /// The action is `Copy`, so it owns nothing that a forgotten guard could leak.
    #[inline]
    pub(crate) fn new(action: F) -> Self {
        Guard(action)
    }

    /// The code has run to its end. A flag in the guard, instead of forgetting it, would cost 6 instructions per
    /// received message.
    #[inline]
    pub(crate) fn disarm(self) {
        std::mem::forget(self);
    }
}

impl<F: Fn() + Copy> Drop for Guard<F> {
    // Inlined, so that the guard itself never stands in memory.
    #[inline(always)]
    fn drop(&mut self) {
        (self.0)();
    }
}
