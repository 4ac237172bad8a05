//! Sleeping and timeouts, by a manual clock.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use waterwheel::testing::ManualClock;
use waterwheel::{
    EventLoop, Promise, ReadError, StreamReader, TimedOut, get_running_loop, sleep, spawn, timeout, timeout_at,
    yield_now,
};

const SECOND: Duration = Duration::from_secs(1);

/// Runs on a clock of its own, and returns the output and the number of seconds that passed.
fn seconds_of<F: Future>(main: F) -> (F::Output, u64) {
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    let start = clock.elapsed();
    let output = event_loop.run(main);
    (output, (clock.elapsed() - start).as_secs())
}

#[test]
fn what_is_done_in_time_gives_its_output_and_leaves_no_timer() {
    let (timers, seconds) = seconds_of(async {
        assert_eq!(timeout(SECOND * 5, async { 7 }).await, Ok(7));
        let slow = async {
            sleep(SECOND * 2).await;
            8
        };
        assert_eq!(timeout(SECOND * 5, slow).await, Ok(8));
        format!("{:?}", get_running_loop())
    });
    assert!(timers.contains("timers: 0"), "{timers}");
    assert_eq!(seconds, 2);
}

#[test]
fn what_takes_longer_is_dropped_with_the_timeout() {
    let (dropped, seconds) = seconds_of(async {
        let alive = Rc::new(());
        let held = Rc::clone(&alive);
        let never = async move {
            let _held = held;
            pending::<()>().await;
        };
        assert!(timeout(SECOND * 3, never).await.is_err());
        Rc::strong_count(&alive) == 1
    });
    assert!(dropped);
    assert_eq!(seconds, 3);
}

#[test]
fn the_time_counts_from_the_first_poll() {
    let ((), seconds) = seconds_of(async {
        let (slept, timed) = (sleep(SECOND * 2), timeout(SECOND * 2, pending::<()>()));
        sleep(SECOND * 10).await;
        slept.await;
        assert!(timed.await.is_err());
    });
    assert_eq!(seconds, 14);
}

#[test]
fn a_future_that_is_done_is_never_timed_out_however_late_it_is_looked_at() {
    let ((), seconds) = seconds_of(async {
        assert_eq!(timeout(Duration::ZERO, async { 1 }).await, Ok(1));
        // Both are due in the same turn, and the timeout's timer comes first.
        let promise = Promise::new();
        let setter = promise.clone();
        let task = spawn(async move { timeout(SECOND, promise.wait()).await });
        yield_now().await;
        get_running_loop().call_later(SECOND, move || setter.set(2).unwrap());
        assert_eq!(task.await.unwrap(), Ok(2));
    });
    assert_eq!(seconds, 1);
}

#[test]
fn a_timeout_of_zero_gives_two_polls_one_turn_apart() {
    let (polls, _) = seconds_of(async {
        let polls = Cell::new(0);
        let counting = poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        });
        assert!(timeout(Duration::ZERO, counting).await.is_err());
        polls.get()
    });
    assert_eq!(polls, 2);
}

#[test]
fn of_nested_timeouts_the_shorter_one_ends_what_it_holds() {
    let ((), seconds) = seconds_of(async {
        let inner_first = timeout(SECOND * 5, timeout(SECOND, pending::<()>()));
        assert!(inner_first.await.expect("the outer one had time").is_err());
        let outer_first = timeout(SECOND, timeout(SECOND * 5, pending::<()>()));
        assert!(outer_first.await.is_err());
        assert!(format!("{:?}", get_running_loop()).contains("timers: 0"));
    });
    assert_eq!(seconds, 2);
}

#[test]
fn a_panic_inside_a_timeout_comes_out_of_it() {
    let (error, _) = seconds_of(async {
        let task = spawn(async {
            let _: Result<(), _> = timeout(SECOND, async { panic!("inside") }).await;
        });
        task.await.unwrap_err()
    });
    assert_eq!(error.to_string(), "the task panicked: inside");
}

#[test]
fn timing_out_becomes_an_io_error_of_its_own_kind() {
    let error = std::io::Error::from(seconds_of(timeout(SECOND, pending::<()>())).0.unwrap_err());
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the time ran out");
    assert!(error.raw_os_error().is_none());
}

#[test]
fn timing_out_goes_through_the_question_mark_of_whoever_reads() {
    async fn line(reader: &mut StreamReader) -> Result<Vec<u8>, ReadError> {
        timeout(SECOND, reader.readline()).await?
    }
    let (error, _) = seconds_of(async {
        let (mut reader, _feeder) = StreamReader::new(100);
        line(&mut reader).await.unwrap_err()
    });
    let ReadError::Io(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(error.get_ref().is_some_and(|inner| inner.is::<TimedOut>()), "{error:?}");
}

#[test]
fn several_futures_may_share_one_deadline() {
    let ((), seconds) = seconds_of(async {
        let deadline = get_running_loop().time() + SECOND * 5;
        assert_eq!(timeout_at(deadline, sleep(SECOND * 2)).await, Ok(()));
        assert!(timeout_at(deadline, pending::<()>()).await.is_err());
        // A future that is done never times out, however late it is.
        assert_eq!(timeout_at(deadline, async { 7 }).await, Ok(7));
        assert!(timeout_at(deadline, pending::<()>()).await.is_err());
        assert!(format!("{:?}", get_running_loop()).contains("timers: 0"));
    });
    assert_eq!(seconds, 5);
}

#[test]
fn a_cancelled_sleep_takes_its_timer_along() {
    let ((), seconds) = seconds_of(async {
        let task = spawn(sleep(SECOND * 1000));
        yield_now().await;
        yield_now().await;
        assert!(format!("{:?}", get_running_loop()).contains("timers: 1"));
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(format!("{:?}", get_running_loop()).contains("timers: 0"));
    });
    assert_eq!(seconds, 0);
}
