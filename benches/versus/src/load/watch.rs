//! Waiting for the kernel to report the connections that are ready.

use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Events, Interest, Poll, Token};

use crate::children::has_load_core;

/// The longest time for which a server may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// An edge-triggered selector that polls without sleeping. A sleeping load would have to be woken by the server's
/// sends, which costs the server more than the message itself, and varies from time to time.
pub(super) struct Watch {
    poll: Poll,
    /// How long a poll waits for an event: not at all if the load has its own core.
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

    /// Waits for events, and returns the time at which they were seen.
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
