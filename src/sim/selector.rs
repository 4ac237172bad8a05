//! The selector of a host's loop: it returns the events of the host's desk.

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::bell::SimBell;
use super::desk::Desk;
use super::faults::Fault;
use super::world::World;
use crate::reactor::{Bell, Events, Readiness, Selector, Token};

pub(super) struct SimSelector {
    pub(super) world: Rc<World>,
    pub(super) desk: Rc<Desk>,
    pub(super) host: usize,
}

impl SimSelector {
    /// The descriptors that have become ready, each once, in random order.
    fn ready(&self) -> Vec<(RawFd, Readiness)> {
        let mut ready: Vec<(RawFd, Readiness)> = Vec::new();
        for (fd, readiness) in self.desk.take_pending() {
            match ready.iter_mut().find(|(earlier, _)| *earlier == fd) {
                Some((_, earlier)) => *earlier = earlier.with(readiness),
                None => ready.push((fd, readiness)),
            }
        }
        ready.retain(|&(fd, readiness)| {
            let is_late = self.world.decide(Fault::LateEvent, self.host).is_some();
            if is_late {
                self.desk.tell(fd, readiness);
            }
            !is_late
        });
        if let Some(mut details) = self.world.decide(Fault::FalseEvent, self.host) {
            let watched = self.desk.watched_count();
            let any = (watched > 0).then(|| details.below(watched)).and_then(|n| self.desk.nth_watched(n));
            ready.extend(any.map(|fd| (fd, Readiness::READABLE.with(Readiness::WRITABLE))));
        }
        self.world.shuffle(&mut ready);
        ready
    }
}

impl Selector for SimSelector {
    fn register(&mut self, fd: RawFd, token: Token) -> io::Result<()> {
        self.desk.watch(fd, token)
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.desk.unwatch(fd)
    }

    /// Blocks only for another thread. The loop lets it block only while a task awaits the result of a thread.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Events) -> io::Result<bool> {
        let ready = self.ready();
        let mut came = !ready.is_empty();
        for (fd, readiness) in ready {
            if let Some(token) = self.desk.token(fd) {
                events.push(token, readiness);
            }
        }
        if !came && timeout != Some(Duration::ZERO) {
            self.desk.ringer.wait();
            came = true;
        }
        Ok(self.desk.ringer.take() || came)
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Ok(Box::new(SimBell(Arc::clone(&self.desk.ringer))))
    }
}
