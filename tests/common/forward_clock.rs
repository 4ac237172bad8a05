//! A clock that runs like the system's and can be put forward: a minute passes without a wait, and a busy machine does
//! not use up a test's time.
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use waterwheel::{Clock, EventLoop, sleep, timeout};

/// A limit by this clock, far beyond what a test puts it forward.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// The system's clock, which a test can put forward.
pub(crate) struct Forward {
    start: Instant,
    by: Cell<Duration>,
}

impl Clock for Forward {
    fn now(&self) -> Instant {
        self.start + self.start.elapsed() + self.by.get()
    }

    fn blocking(&self, wait: Option<Duration>) -> Option<Duration> {
        // The test may put the clock past a deadline during a long wait, so each wait is short.
        Some(wait.unwrap_or(Duration::MAX).min(Duration::from_millis(1)))
    }
}

impl Forward {
    /// Puts the clock forward, and lets everything run that is due then.
    pub(crate) async fn put(&self, by: Duration) {
        self.by.set(self.by.get() + by);
        for _ in 0..5 {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits for something that takes almost no time.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..1_000 {
            if is_so() {
                return;
            }
            self.put(Duration::ZERO).await;
        }
        panic!("it never came: {what}");
    }

    /// Turns the loop long enough for a handshake, without putting the clock forward.
    pub(crate) async fn settle(&self) {
        for _ in 0..10 {
            self.put(Duration::ZERO).await;
        }
    }
}

/// Runs a test on a loop with such a clock, with a time limit.
pub(crate) fn run<F: Future>(main: impl FnOnce(Rc<Forward>) -> F) -> F::Output {
    let clock = Rc::new(Forward { start: Instant::now(), by: Cell::default() });
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    event_loop.run(async { timeout(FOR_EVER, main(clock)).await.expect("the test hangs") })
}
