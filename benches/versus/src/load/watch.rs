//! Waiting for the kernel to say which connections go on.

use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Events, Interest, Poll, Token};

use crate::children::has_load_core;

/// No server may be silent for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// An edge-triggered selector. It looks again and again instead of sleeping: a load that sleeps has to be woken by what
/// the server sends, which costs the server more than the message does, and differs from one time to the next.
pub(super) struct Watch {
    poll: Poll,
    /// A look waits so long for an event: not at all where the load has a core to itself.
    wait: Duration,
}

impl Watch {
    pub(super) fn new() -> Watch {
        let wait = if has_load_core() { Duration::ZERO } else { PATIENCE };
        Watch { poll: Poll::new().expect("epoll"), wait }
    }

    pub(super) fn add(&self, source: &mut impl Source, place: usize) {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(source, Token(place), interest).expect("epoll takes it");
    }

    /// Brings events, and the time at which they were seen.
    pub(super) fn next(&mut self, events: &mut Events) -> Instant {
        let mut asked = None;
        loop {
            self.poll.poll(events, Some(self.wait)).expect("epoll");
            let now = Instant::now();
            if !events.is_empty() {
                return now;
            }
            let asked = *asked.get_or_insert(now);
            assert!(now - asked < PATIENCE && self.wait.is_zero(), "no answer for twenty seconds");
        }
    }
}
