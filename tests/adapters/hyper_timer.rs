//! hyper's sleeps: they are `Send`, and their timers stay in the loop no longer than the sleeps do.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::common::running::turns;
use hyper::rt::{Sleep, Timer};
use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, LoopTimer, get_running_loop, yield_now};

const SECOND: Duration = Duration::from_secs(1);

fn on_a_clock() -> (EventLoop, Rc<ManualClock>) {
    let clock = Rc::new(ManualClock::new());
    let event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    (event_loop, clock)
}

fn is_over(sleep: &mut Pin<Box<dyn Sleep>>) -> bool {
    sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn a_sleep_ends_by_the_loops_clock_and_wakes_whoever_polled_it_last() {
    let (mut event_loop, clock) = on_a_clock();
    event_loop.run(async {
        let began = LoopTimer.now();
        let mut sleep = LoopTimer.sleep(SECOND);
        assert!(!is_over(&mut sleep));
        clock.advance(SECOND / 2);
        yield_now().await;
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            let poll = sleep.as_mut().poll(cx);
            clock.advance(SECOND / 2);
            poll
        })
        .await;
        assert_eq!(polls, 2, "not ready, and ready when it was woken");
        assert!(LoopTimer.now() - began >= SECOND);
        assert!(is_over(&mut sleep), "it stays over");
        assert!(!is_over(&mut LoopTimer.sleep_until(began + 10 * SECOND)));
    });
}

#[test]
fn a_dropped_sleep_leaves_no_timer_behind_on_whichever_thread_it_is_dropped() {
    let (mut event_loop, _clock) = on_a_clock();
    let mut kept = event_loop.run(async {
        drop(LoopTimer.sleep(SECOND));
        let mut kept = vec![LoopTimer.sleep(SECOND), LoopTimer.sleep(2 * SECOND)];
        kept.iter_mut().for_each(|sleep| assert!(!is_over(sleep)));
        kept
    });
    assert!(event_loop.next_deadline().is_some());
    let elsewhere = kept.pop().unwrap();
    std::thread::spawn(move || drop(elsewhere)).join().unwrap();
    event_loop.run(async { drop(kept) });
    event_loop.run(yield_now());
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn a_sleep_that_is_never_polled_arms_no_timer() {
    let (mut event_loop, _clock) = on_a_clock();
    let sleep = event_loop.run(async { LoopTimer.sleep(SECOND) });
    assert_eq!(event_loop.next_deadline(), None);
    drop(sleep);
}

#[test]
fn a_sleep_that_is_first_polled_on_another_thread_ends() {
    waterwheel::run(async {
        let mut sleep = LoopTimer.sleep(SECOND / 1000);
        let mut sleep = std::thread::spawn(move || {
            assert!(!is_over(&mut sleep));
            sleep
        })
        .join()
        .unwrap();
        poll_fn(|cx| sleep.as_mut().poll(cx)).await;
    });
}

#[test]
fn a_sleep_that_was_polled_on_another_thread_leaves_neither_its_waker_nor_a_timer_behind() {
    struct Idle;
    impl Wake for Idle {
        fn wake(self: Arc<Self>) {}
    }
    waterwheel::run(async {
        let idle = Arc::new(Idle);
        let waker = Waker::from(Arc::clone(&idle));
        let mut sleep = LoopTimer.sleep(3600 * SECOND);
        let sleep = std::thread::spawn(move || {
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            sleep
        });
        let sleep = sleep.join().unwrap();
        turns(2).await;
        assert_eq!((Arc::strong_count(&idle), get_running_loop().metrics().timers_now), (2, 1));
        std::thread::spawn(move || drop(sleep)).join().unwrap();
        assert_eq!(Arc::strong_count(&idle), 1);
        turns(2).await;
        assert_eq!(get_running_loop().metrics().timers_now, 0);
    });
}

#[test]
fn sleeps_that_are_dropped_and_made_anew_each_end_at_their_own_time() {
    let (mut event_loop, clock) = on_a_clock();
    event_loop.run(async {
        for _ in 0..3 {
            let mut dropped = LoopTimer.sleep(SECOND);
            assert!(!is_over(&mut dropped));
            drop(dropped);
            let mut sleep = LoopTimer.sleep(3 * SECOND);
            assert!(!is_over(&mut sleep));
            clock.advance(2 * SECOND);
            turns(2).await;
            assert!(!is_over(&mut sleep), "not at the time of the one that was dropped");
            clock.advance(SECOND);
            turns(2).await;
            assert!(is_over(&mut sleep));
        }
    });
}

#[test]
fn a_reset_moves_the_timer_earlier_later_and_once_more_after_it_has_fired() {
    let (mut event_loop, clock) = on_a_clock();
    event_loop.run(async {
        let began = LoopTimer.now();
        let mut sleep = LoopTimer.sleep(SECOND);
        let place: *const dyn Sleep = &*sleep;
        LoopTimer.reset(&mut sleep, began + 3 * SECOND);
        assert!(std::ptr::addr_eq(place, &*sleep), "it was moved, not made anew");
        clock.advance(2 * SECOND);
        turns(2).await;
        assert!(!is_over(&mut sleep));
        LoopTimer.reset(&mut sleep, began + 2 * SECOND);
        turns(2).await;
        assert!(is_over(&mut sleep));
        LoopTimer.reset(&mut sleep, began + 5 * SECOND);
        assert!(!is_over(&mut sleep));
        clock.advance(3 * SECOND);
        turns(2).await;
        assert!(is_over(&mut sleep));
    });
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn a_sleep_that_outlives_its_loop_never_ends_and_is_dropped_without_harm() {
    let (mut event_loop, _clock) = on_a_clock();
    let mut sleep = event_loop.run(async { LoopTimer.sleep(SECOND) });
    drop(event_loop);
    assert!(!is_over(&mut sleep));
    drop(sleep);
}

#[test]
fn a_sleep_that_was_armed_and_goes_to_another_thread_wakes_whoever_polls_it_there() {
    let (sender, receiver) = std::sync::mpsc::channel::<Pin<Box<dyn Sleep>>>();
    let elsewhere = std::thread::spawn(move || {
        let mut sleep = receiver.recv().unwrap();
        waterwheel::run(poll_fn(|cx| sleep.as_mut().poll(cx)));
        assert!(is_over(&mut sleep), "it stays over");
    });
    waterwheel::run(async {
        let mut sleep = LoopTimer.sleep(SECOND / 1000);
        assert!(!is_over(&mut sleep));
        sender.send(sleep).unwrap();
        waterwheel::to_thread(move || elsewhere.join().unwrap()).await.unwrap();
    });
}
