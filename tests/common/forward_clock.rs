//! A clock that runs as the system's and can be put forward: a minute passes without being waited for, and what takes no
//! time takes none, however busy the machine is.
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use waterwheel::{Clock, EventLoop, sleep, timeout};

/// By this clock, which is put forward.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// The system's clock, put forward by hand.
pub(crate) struct Forward {
    start: Instant,
    by: Cell<Duration>,
}

impl Clock for Forward {
    fn now(&self) -> Instant {
        self.start + self.start.elapsed() + self.by.get()
    }

    fn blocking(&self, wait: Option<Duration>) -> Option<Duration> {
        // A deadline may be put into the past meanwhile.
        Some(wait.unwrap_or(Duration::MAX).min(Duration::from_millis(1)))
    }
}

impl Forward {
    /// Puts it forward, and lets happen what is due then.
    pub(crate) async fn put(&self, by: Duration) {
        self.by.set(self.by.get() + by);
        for _ in 0..5 {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits for something that takes no time worth mentioning.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..1_000 {
            if is_so() {
                return;
            }
            self.put(Duration::ZERO).await;
        }
        panic!("it never came: {what}");
    }

    /// Time for a handshake, which takes none by this clock.
    pub(crate) async fn settle(&self) {
        for _ in 0..10 {
            self.put(Duration::ZERO).await;
        }
    }
}

/// Runs a test on a loop with such a clock, but not for ever.
pub(crate) fn run<F: Future>(main: impl FnOnce(Rc<Forward>) -> F) -> F::Output {
    let clock = Rc::new(Forward { start: Instant::now(), by: Cell::default() });
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    event_loop.run(async { timeout(FOR_EVER, main(clock)).await.expect("the test hangs") })
}
