//! Steps that take too long, and timers that are late.

use std::time::Duration;

use waterwheel::{EventLoop, get_running_loop, sleep, spawn, yield_now};

use crate::common::running::turns;
use crate::told::{told_of, told_with, without_lines};

const LONG: Duration = Duration::from_millis(150);
const SHORT: Duration = Duration::from_millis(60);

#[test]
fn a_step_of_a_task_that_takes_too_long_is_named_with_the_line_that_spawned_it() {
    let told = told_of(async |clock| {
        let task = spawn(async move {
            yield_now().await;
            clock.advance(LONG);
        });
        task.set_name("calculation");
        task.await.unwrap();
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        without_lines(&told[0], file!()),
        "A step took too long\ndetail: task \"calculation\" ran for 150.0ms, and nothing else could meanwhile\n\
         scheduled at: here"
    );
    // The same work in two steps.
    let told = told_of(async |clock| {
        let halves = async move {
            clock.advance(SHORT);
            yield_now().await;
            clock.advance(SHORT);
        };
        spawn(halves).await.unwrap();
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_callback_that_takes_too_long_is_named_with_the_line_that_scheduled_it() {
    let line = line!() + 2;
    let told = told_of(async |clock| {
        get_running_loop().call_soon(move || clock.advance(LONG));
        turns(2).await;
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("detail: a callback ran for 150.0ms"), "{told:?}");
    assert!(told[0].contains(&format!("{}:{line}:", file!())), "{told:?}");
    let told = told_of(async |clock| {
        get_running_loop().call_soon(move || clock.advance(SHORT));
        turns(2).await;
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn how_long_is_too_long_can_be_set_and_changed() {
    let set = |builder: waterwheel::Builder| builder.slow_callback_duration(Duration::from_millis(20));
    let told = told_with(set, async |clock| {
        clock.advance(Duration::from_millis(19));
        yield_now().await;
        clock.advance(Duration::from_millis(20));
        yield_now().await;
        let event_loop = get_running_loop();
        assert_eq!(event_loop.slow_callback_duration(), Duration::from_millis(20));
        event_loop.set_slow_callback_duration(LONG);
        clock.advance(Duration::from_millis(149));
        yield_now().await;
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("the main future ran for 20.0ms"), "{told:?}");
}

#[test]
fn debug_mode_can_be_switched_on_and_off_at_any_time() {
    let told = told_of(async |clock| {
        let event_loop = get_running_loop();
        event_loop.set_debug(false);
        yield_now().await;
        clock.advance(LONG);
        yield_now().await;
        event_loop.set_debug(true);
        clock.advance(LONG); // This step began before.
        yield_now().await;
        clock.advance(LONG);
    });
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_timer_that_is_late_is_named_though_no_single_step_was_slow() {
    let line = line!() + 3;
    let told = told_of(async |clock| {
        yield_now().await;
        get_running_loop().call_later(Duration::from_millis(10), || ());
        for _ in 0..3 {
            let clock = clock.clone();
            get_running_loop().call_soon(move || clock.advance(SHORT));
        }
        turns(3).await;
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("A timer was late\ndetail: the one of a callback, by 170.0ms"), "{told:?}");
    assert!(told[0].contains(&format!("{}:{line}:", file!())), "{told:?}");
    let told = told_of(async |clock| {
        yield_now().await;
        let task = spawn(sleep(Duration::from_millis(10)));
        for _ in 0..3 {
            clock.advance(SHORT);
            yield_now().await;
        }
        task.await.unwrap();
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_timer_that_was_armed_for_the_past_is_not_late_nor_is_one_that_nobody_could_collect() {
    let told = told_of(async |clock| {
        let event_loop = get_running_loop();
        let past = event_loop.time();
        for _ in 0..10 {
            clock.advance(SHORT);
            yield_now().await;
        }
        event_loop.call_at(past, || ());
        turns(2).await;
    });
    assert_eq!(told, [""; 0]);
    let clock = std::rc::Rc::new(waterwheel::testing::ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).debug(true).build().unwrap();
    let told = std::rc::Rc::new(std::cell::Cell::new(0));
    let tell = told.clone();
    event_loop.handle().set_exception_handler(move |_| tell.set(tell.get() + 1));
    event_loop.run(yield_now());
    let sleeps = event_loop.handle().create_task(sleep(SHORT));
    event_loop.run(turns(2));
    clock.advance(Duration::from_secs(9));
    event_loop.run(sleeps).unwrap();
    assert_eq!(told.get(), 0);
}

#[test]
fn a_dump_knows_the_longest_poll_of_each_task_in_debug_mode_only() {
    told_of(async |clock| {
        let works = async move {
            clock.advance(SHORT);
            yield_now().await;
            clock.advance(Duration::from_millis(5));
            std::future::pending::<()>().await;
        };
        let task = spawn(works);
        turns(4).await;
        let dump = get_running_loop().dump_tasks();
        assert!(dump.times_steps);
        let found = dump.tasks.iter().find(|other| other.id == task.id()).unwrap();
        assert_eq!(found.longest_poll, Some(SHORT));
        assert!(dump.to_string().contains("polled 2 times, for 60 ms at most\n"), "{dump}");
        task.cancel();
        drop(task.await);
        // The next task in the same slot has its own longest poll.
        let next = spawn(std::future::pending::<()>());
        turns(2).await;
        let dump = get_running_loop().dump_tasks();
        assert_eq!(dump.tasks.iter().find(|other| other.id == next.id()).unwrap().longest_poll, Some(Duration::ZERO));
    });
    let mut event_loop = EventLoop::builder().debug(false).build().unwrap();
    event_loop.run(async {
        yield_now().await;
        let dump = get_running_loop().dump_tasks();
        assert!(!dump.times_steps && dump.tasks[0].longest_poll.is_none());
        assert!(
            dump.to_string().starts_with("tasks: 1 (their longest polls are known in debug mode only)\n"),
            "{dump}"
        );
    });
}
