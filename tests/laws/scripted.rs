//! A selector whose events a test decides, and a log that records in which turn something ran.
//!
//! The state is thread-local, since the log may be written by closures that must be `Send`. Every test runs on a
//! thread of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::common::polled::Polled;
use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, Events, Readiness, Token};

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static POLLS: Cell<usize> = const { Cell::new(0) };
    static POLLING: Cell<bool> = const { Cell::new(false) };
    static LOG: RefCell<Vec<(&'static str, usize)>> = const { RefCell::new(Vec::new()) };
}

fn poll(timeout: Option<Duration>, tokens: &[Token], events: &mut Events) -> bool {
    POLLS.set(POLLS.get() + 1);
    if !ARMED.take() {
        assert!(timeout.is_some(), "the loop would wait for ever");
        return false;
    }
    POLLING.set(true);
    for token in tokens {
        events.push(*token, Readiness::READABLE);
    }
    POLLING.set(false);
    true
}

/// A loop with the scripted selector and a clock that jumps. It polls the selector once in every turn.
pub(crate) fn scripted_loop() -> (EventLoop, Rc<ManualClock>) {
    let clock = Rc::new(ManualClock::new());
    let builder = EventLoop::builder().selector(Polled::by(poll)).clock(clock.clone()).handles_per_poll(1);
    (builder.build().expect("nothing of the system is asked"), clock)
}

/// Makes the next poll report every descriptor registered so far as readable.
pub(crate) fn all_become_readable() {
    ARMED.set(true);
}

/// Records that user code runs now.
pub(crate) fn note(what: &'static str) {
    assert!(!POLLING.get(), "{what} ran while the selector was polled");
    LOG.with_borrow_mut(|log| log.push((what, POLLS.get())));
}

/// The number of the current turn.
pub(crate) fn turn() -> usize {
    POLLS.get()
}

/// What was recorded, and in which turn.
pub(crate) fn noted() -> Vec<(&'static str, usize)> {
    LOG.take()
}
