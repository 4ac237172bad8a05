//! Waiting for a descriptor that has no transport yet. The code that waits also makes the attempts and reports their
//! outcome, so a `Watch` knows whether the descriptor is ready. The user's own descriptors, whose reads and writes the
//! loop does not see, are watched by `event_loop/descriptor`.

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;

use crate::errors::loop_is_closed;
use crate::event_loop::LoopHandle;
use crate::executor::{Awaited, Reason, Waiters};
use crate::reactor::{Again, Direction, Registration, Source};

/// Watches a descriptor until the `Watch` is dropped. The descriptor must stay open until then.
pub(crate) struct Watch {
    event_loop: LoopHandle,
    fd: RawFd,
    source: Rc<WatchedFd>,
}

struct WatchedFd {
    registration: Registration,
    waiters: Waiters,
}

impl Watch {
    pub(crate) fn new(event_loop: &LoopHandle, fd: RawFd) -> io::Result<Watch> {
        let source = Rc::new(WatchedFd { registration: Registration::unready(), waiters: Waiters::default() });
        event_loop.watch(fd, source.clone())?;
        Ok(Watch { event_loop: event_loop.clone(), fd, source })
    }

    /// Has another source watch the descriptor from now on, and tells it whether the descriptor is ready.
    ///
    /// # Errors
    ///
    /// If the loop has closed.
    pub(crate) fn hand_over(self, to: Rc<dyn Source>) -> io::Result<()> {
        let earlier = self.event_loop.core().reactor.hand_over(&self.source.registration, to);
        earlier.map(drop).ok_or_else(loop_is_closed)
    }

    /// Waits until the descriptor is ready, or has been since it was last [`exhausted`](Watch::exhausted).
    pub(crate) async fn ready(&self, direction: Direction) {
        let registration = &self.source.registration;
        self.event_loop.core().want(&Rc::downgrade(&self.source), direction);
        self.source
            .waiters
            .wait(Reason::polled(Awaited::OpenConnection), || registration.is_ready(direction).then_some(()))
            .await;
    }

    /// An attempt found that the descriptor is not ready.
    pub(crate) fn exhausted(&self, direction: Direction) {
        self.source.registration.exhausted(direction);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let reactor = &self.event_loop.core().reactor;
        self.source.registration.want_nothing();
        if reactor.unwatch(&self.source.registration).is_some() {
            if let Err(error) = reactor.deregister(self.fd) {
                log::debug!("descriptor {} could not be taken out of the selector: {error}", self.fd);
            }
        }
    }
}

impl Source for WatchedFd {
    fn registration(&self) -> &Registration {
        &self.registration
    }

    fn on_ready(&self, _direction: Direction) -> Again {
        self.waiters.wake_all();
        Again::No
    }

    fn let_go(&self) {}

    fn label(&self) -> String {
        "connecting".to_owned()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedFd").field("registration", &self.registration).finish()
    }
}
