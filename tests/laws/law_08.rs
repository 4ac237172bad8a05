//! Law 8: time is an argument. Only the clock reads the time, and the loop uses the clock that it was given.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use waterwheel::testing::ManualClock;
use waterwheel::{Clock, EventLoop, get_running_loop, sleep, sleep_until, timeout};

use crate::source_tree::{SourceFile, sources};
use crate::tools::guarded;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn only_the_clock_reads_the_clock() {
    // `Instant::elapsed` reads the time too. A manual clock's method with this name is only defined, never called.
    for reading in ["Instant::now", "SystemTime", ".elapsed()", "UNIX_EPOCH", "thread::sleep"] {
        let places: Vec<String> = sources().iter().flat_map(|file| file.places(reading)).collect();
        let elsewhere: Vec<&String> =
            places.iter().filter(|place| !place.starts_with("event_loop/clock.rs:")).collect();
        assert!(elsewhere.is_empty(), "{reading} in {elsewhere:?}");
        if reading == "Instant::now" {
            assert_eq!(places.len(), 1, "{places:?}");
        }
    }
    let hidden = SourceFile::new("x.rs", "// Instant::now\nfn f() { std::time::Instant::now(); }");
    assert_eq!(hidden.places("Instant::now"), ["x.rs:2"]);
}

/// Years pass in a predictable order, without a real wait.
fn the_loop_goes_by_the_clock_that_it_was_given() {
    let clock = Rc::new(ManualClock::new());
    let start = clock.now();
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    let log: Rc<RefCell<Vec<(&str, Instant)>>> = Rc::default();
    event_loop.run(async {
        let handle = get_running_loop();
        let note = |name: &'static str| {
            let (log, handle) = (Rc::clone(&log), handle.clone());
            move || log.borrow_mut().push((name, handle.time()))
        };
        handle.call_later(400 * DAY, note("later"));
        handle.call_at(start + 300 * DAY, note("at"));
        assert_eq!(handle.time(), start);
        sleep(100 * DAY).await;
        note("slept")();
        sleep_until(start + 200 * DAY).await;
        note("slept until")();
        assert!(timeout(300 * DAY, std::future::pending::<()>()).await.is_err());
        note("timed out")();
    });
    let names = ["slept", "slept until", "at", "later", "timed out"];
    let expected: Vec<_> = names.iter().zip(1..).map(|(name, days)| (*name, start + days * 100 * DAY)).collect();
    assert_eq!(*log.borrow(), expected);
    assert_eq!(clock.elapsed(), 500 * DAY);
}

/// A clock that stands still: nothing that waits for time may go on.
struct Standing(Instant);

impl Clock for Standing {
    fn now(&self) -> Instant {
        self.0
    }

    fn blocking(&self, _wait: Option<Duration>) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

fn while_the_clock_stands_no_timer_fires() {
    let clock = Rc::new(Standing(ManualClock::new().now()));
    let mut event_loop = EventLoop::builder().clock(clock).build().unwrap();
    event_loop.run(async {
        let handle = get_running_loop();
        handle.call_later(Duration::from_nanos(1), || panic!("time has passed"));
        let panicked = Rc::new(std::cell::Cell::new(false));
        let told = Rc::clone(&panicked);
        handle.set_debug(false); // The speed of the machine does not matter here.
        handle.set_exception_handler(move |_| told.set(true));
        for _ in 0..1000 {
            waterwheel::yield_now().await;
        }
        assert!(!panicked.get(), "the timer fired though the clock stands");
    });
}

#[test]
fn law_08_time_is_an_argument() {
    guarded(only_the_clock_reads_the_clock);
    guarded(the_loop_goes_by_the_clock_that_it_was_given);
    guarded(while_the_clock_stands_no_timer_fires);
}
