//! Timers: their order, their exactness by a manual clock, and cancelling.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::common::trace::Trace;
use crate::common::watchdog::watchdog;
use crate::setting::one_turn;
use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, LoopHandle, get_running_loop, sleep, sleep_until, timeout, yield_now};

const SECOND: Duration = Duration::from_secs(1);

fn setting() -> (EventLoop, LoopHandle, Rc<ManualClock>, Trace) {
    let clock = Rc::new(ManualClock::new());
    let event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    let handle = event_loop.handle();
    (event_loop, handle, clock, Trace::default())
}

#[test]
fn timers_fire_by_deadline_and_equal_ones_in_the_order_of_asking() {
    let (mut event_loop, handle, _clock, trace) = setting();
    let now = handle.time();
    for (word, seconds) in [("c", 3), ("a", 1), ("d", 3), ("b", 2), ("e", 3)] {
        handle.call_at(now + SECOND * seconds, trace.saying(word));
    }
    event_loop.run(sleep(SECOND * 4));
    assert_eq!(trace.words(), ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_timer_is_never_early_and_by_a_clock_that_jumps_never_late() {
    let (mut event_loop, handle, clock, trace) = setting();
    let start = clock.elapsed();
    for millis in [7, 1, 10_000, 86_400_000 * 3, 2] {
        let (said, clock) = (trace.clone(), clock.clone());
        handle.call_later(Duration::from_millis(millis), move || {
            said.say(format!("{}", (clock.elapsed() - start).as_millis()));
        });
    }
    event_loop.run(sleep(SECOND * 86_400 * 4));
    assert_eq!(trace.words(), ["1", "2", "7", "10000", "259200000"]);
}

#[test]
fn a_timer_of_the_real_clock_is_never_early() {
    crate::common::running::run(async {
        for micros in [1, 10, 300, 999, 1_000, 1_001, 2_500] {
            let before = Instant::now();
            sleep(Duration::from_micros(micros)).await;
            assert!(before.elapsed() >= Duration::from_micros(micros), "{micros} microseconds were cut short");
        }
    });
}

#[test]
fn timers_without_delay_or_with_a_past_deadline_fire_in_the_next_turn_by_deadline() {
    let (mut event_loop, handle, clock, trace) = setting();
    clock.advance(SECOND * 100);
    let now = handle.time();
    handle.call_later(Duration::ZERO, trace.saying("zero"));
    handle.call_at(now - SECOND * 5, trace.saying("five ago"));
    handle.call_at(now - SECOND * 10, trace.saying("ten ago"));
    handle.call_soon(trace.saying("soon"));
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["soon", "ten ago", "five ago", "zero"]);
}

#[test]
fn a_timer_made_in_a_turn_fires_in_the_next_at_the_earliest() {
    let (mut event_loop, handle, _clock, trace) = setting();
    let said = trace.clone();
    handle.call_soon(move || {
        get_running_loop().call_later(Duration::ZERO, said.saying("timer"));
        said.say("callback");
    });
    one_turn(&mut event_loop);
    assert_eq!(trace.take(), ["callback"]);
    one_turn(&mut event_loop);
    assert_eq!(trace.take(), ["timer"]);
}

#[test]
fn a_cancelled_timer_at_the_head_does_not_shorten_the_wait() {
    let (mut event_loop, handle, clock, trace) = setting();
    let head = handle.call_later(SECOND * 5, trace.saying("cancelled"));
    handle.call_later(SECOND * 10, trace.saying("live"));
    head.cancel();
    // One turn with an empty queue: the clock jumps to the deadline that the loop waits for.
    let inner = handle.clone();
    handle.call_later(SECOND * 10, move || inner.stop());
    let start = clock.elapsed();
    event_loop.run_forever();
    assert_eq!(clock.elapsed() - start, SECOND * 10);
    assert_eq!(trace.words(), ["live"]);
    assert!(head.is_cancelled());
}

#[test]
fn a_due_timer_can_be_cancelled_before_its_turn_comes() {
    let (mut event_loop, handle, clock, trace) = setting();
    let second = Rc::new(RefCell::new(None::<waterwheel::TimerHandle>));
    let (cancelling, said) = (Rc::clone(&second), trace.clone());
    handle.call_later(SECOND, move || {
        said.say("first");
        cancelling.borrow().as_ref().unwrap().cancel();
    });
    second.replace(Some(handle.call_later(SECOND, trace.saying("second"))));
    clock.advance(SECOND * 2);
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["first"]);
    assert!(second.borrow().as_ref().unwrap().is_cancelled());
}

#[test]
fn cancelling_a_timer_drops_its_callback_at_once() {
    let (_event_loop, handle, _clock, _) = setting();
    let held = Rc::new(());
    let captured = Rc::clone(&held);
    let timer = handle.call_later(SECOND, move || drop(captured));
    assert_eq!(timer.when() - handle.time(), SECOND);
    timer.cancel();
    assert_eq!(Rc::strong_count(&held), 1);
    timer.cancel();
    assert!(timer.is_cancelled());
}

#[test]
fn cancelling_a_timer_that_fired_does_nothing() {
    let (mut event_loop, handle, _clock, trace) = setting();
    let timer = handle.call_later(SECOND, trace.saying("fired"));
    event_loop.run(sleep(SECOND * 2));
    // Its slot may belong to another timer by now.
    handle.call_later(SECOND, trace.saying("another"));
    timer.cancel();
    assert!(!timer.is_cancelled());
    event_loop.run(sleep(SECOND * 2));
    assert_eq!(trace.words(), ["fired", "another"]);
}

#[test]
fn a_hundred_thousand_cancelled_timers_leave_nothing_behind() {
    let (mut event_loop, handle, clock, trace) = setting();
    let held = Rc::new(());
    let timers: Vec<_> = (0..100_000_u64)
        .map(|n| {
            let captured = Rc::clone(&held);
            handle.call_later(SECOND * (n as u32 % 1000 + 1), move || drop(captured))
        })
        .collect();
    handle.call_later(SECOND * 500, trace.saying("the one that stays"));
    for timer in timers.iter().rev().step_by(2).chain(timers.iter().step_by(2)) {
        timer.cancel();
    }
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(format!("{handle:?}").contains("timers: 1"), "{handle:?}");
    let start = clock.elapsed();
    event_loop.run(sleep(SECOND * 500));
    assert_eq!(clock.elapsed() - start, SECOND * 500);
    assert_eq!(trace.words(), ["the one that stays"]);
}

#[test]
fn the_longest_duration_is_a_wait_and_not_an_overflow() {
    let (mut event_loop, handle, clock, trace) = setting();
    let timer = handle.call_later(Duration::MAX, trace.saying("never"));
    let start = clock.elapsed();
    event_loop.run(async {
        let endless = sleep(Duration::MAX);
        assert!(timeout(SECOND * 3600 * 24 * 365, endless).await.is_err());
        assert_eq!(timeout(Duration::MAX, async { 7 }).await, Ok(7));
        let far = get_running_loop().call_later(Duration::MAX - Duration::from_nanos(1), || unreachable!());
        yield_now().await;
        far.cancel();
    });
    assert_eq!(clock.elapsed() - start, SECOND * 3600 * 24 * 365);
    timer.cancel();
    assert!(trace.words().is_empty());
}

#[test]
fn sleeping_until_a_moment_that_has_passed_is_over_at_once() {
    let (mut event_loop, handle, clock, _) = setting();
    clock.advance(SECOND);
    let past = handle.time() - SECOND;
    let start = clock.elapsed();
    event_loop.run(async {
        sleep_until(past).await;
        sleep_until(get_running_loop().time() + SECOND * 2).await;
    });
    assert_eq!(clock.elapsed() - start, SECOND * 2);
}

#[test]
fn many_equal_deadlines_keep_their_order_among_others_that_come_and_go() {
    let (mut event_loop, handle, _clock, trace) = setting();
    let _watchdog = watchdog();
    let now = handle.time();
    for n in 0..1000 {
        let said = trace.clone();
        handle.call_at(now + SECOND * 2, move || said.say(n.to_string()));
        handle.call_at(now + SECOND * (n % 5 + 1), || {}).cancel();
    }
    event_loop.run(sleep(SECOND * 3));
    assert_eq!(trace.words(), (0..1000).map(|n| n.to_string()).collect::<Vec<_>>());
}
