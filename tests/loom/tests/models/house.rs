//! A loop in a model: its selector sleeps until the bell rings, and its clock stands still.

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use waterwheel::testing::ManualClock;
use waterwheel::{Bell, Builder, EventLoop, Events, Selector, Token};

/// A loop for one run of a model. If a wake-up is lost, it sleeps for ever, and loom reports a deadlock.
pub(crate) fn event_loop() -> EventLoop {
    builder().build().expect("this selector gives a bell")
}

pub(crate) fn builder() -> Builder {
    let sleeper = Sleeper(Arc::new(Sleep { rung: Mutex::new(false), changed: Condvar::new() }));
    let clock = Rc::new(ManualClock::new());
    EventLoop::builder().selector(Box::new(sleeper)).clock(clock)
}

/// A selector without descriptors, as weak as the trait allows: a ring ends only one wait, and rings that come while
/// no wait is under way count as one.
struct Sleeper(Arc<Sleep>);

struct Sleep {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Selector for Sleeper {
    fn register(&mut self, _fd: RawFd, _token: Token) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn deregister(&mut self, _fd: RawFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn poll(&mut self, timeout: Option<Duration>, _events: &mut Events) -> io::Result<bool> {
        let mut rung = self.0.rung.lock().unwrap();
        while timeout.is_none() && !*rung {
            rung = self.0.changed.wait(rung).unwrap();
        }
        Ok(std::mem::take(&mut *rung))
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Ok(Box::new(Ringer(Arc::clone(&self.0))))
    }
}

struct Ringer(Arc<Sleep>);

impl Bell for Ringer {
    fn ring(&self) -> io::Result<()> {
        *self.0.rung.lock().unwrap() = true;
        self.0.changed.notify_one();
        Ok(())
    }
}
