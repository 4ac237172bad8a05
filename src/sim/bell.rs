//! The bell of a host's loop, which a worker thread rings when its result is ready.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use crate::reactor::Bell;
use crate::sync::{Condvar, Mutex};

/// Whether the bell has rung, and a way to wait for that.
pub(super) struct Ringer {
    has_rung: Mutex<bool>,
    rings: Condvar,
    /// Set when any of the bells rings: see [`Awake`](super::awake::Awake).
    any: AnyBell,
}

/// Whether any bell of a simulation has rung.
#[derive(Clone, Default)]
pub(super) struct AnyBell(Arc<AtomicBool>);

impl AnyBell {
    fn ring(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether any bell has rung since the last call.
    pub(super) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Acquire)
    }
}

impl Ringer {
    pub(super) fn new(any: AnyBell) -> Ringer {
        Ringer { has_rung: Mutex::default(), rings: Condvar::default(), any }
    }

    /// Whether the bell has rung since the last call.
    pub(super) fn take(&self) -> bool {
        std::mem::take(&mut *self.has_rung.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Blocks the thread until the bell has rung.
    pub(super) fn wait(&self) {
        let mut has_rung = self.has_rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !std::mem::take(&mut *has_rung) {
            has_rung = self.rings.wait(has_rung).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

pub(super) struct SimBell(pub(super) Arc<Ringer>);

impl Bell for SimBell {
    fn ring(&self) -> io::Result<()> {
        *self.0.has_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.any.ring();
        self.0.rings.notify_one();
        Ok(())
    }
}
