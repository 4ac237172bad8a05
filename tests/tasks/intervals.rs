//! Ticks at regular times, and sleeps whose deadlines are moved.

use std::time::Duration;

use crate::common::jumping::run;
use waterwheel::{MissedTicks, get_running_loop, interval, interval_at, sleep, spawn, timeout, yield_now};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_interval_ticks_at_once_and_then_every_period() {
    run(async {
        let start = get_running_loop().time();
        let mut ticks = interval(SECOND);
        for n in 0..5 {
            assert_eq!(ticks.tick().await, start + n * SECOND);
            assert_eq!(get_running_loop().time(), start + n * SECOND);
        }
        let mut later = interval_at(start + 10 * SECOND, SECOND);
        assert_eq!(later.tick().await, start + 10 * SECOND);
    });
}

#[test]
fn missed_ticks_come_in_a_burst_or_late_or_never() {
    for (missed, expected) in [
        // Awaited from 3.5 s on, so the ticks of 1, 2 and 3 s were missed.
        (MissedTicks::Burst, [1000, 2000, 3000, 4000, 5000]),
        (MissedTicks::Delay, [1000, 4500, 5500, 6500, 7500]),
        (MissedTicks::Skip, [1000, 4000, 5000, 6000, 7000]),
    ] {
        run(async {
            let start = get_running_loop().time();
            let mut ticks = interval(SECOND);
            ticks.set_missed_ticks(missed);
            ticks.tick().await;
            sleep(Duration::from_millis(3500)).await;
            let mut told = Vec::new();
            for _ in 0..5 {
                told.push((ticks.tick().await - start).as_millis());
            }
            assert_eq!(told, expected, "{missed:?}");
        });
    }
}

#[test]
fn a_dropped_wait_for_a_tick_loses_none_and_a_reset_begins_anew() {
    run(async {
        let start = get_running_loop().time();
        let mut ticks = interval(SECOND);
        ticks.tick().await;
        assert!(timeout(Duration::from_millis(300), ticks.tick()).await.is_err());
        assert_eq!(ticks.tick().await, start + SECOND);
        sleep(Duration::from_millis(400)).await;
        ticks.reset();
        assert_eq!(ticks.tick().await, start + Duration::from_millis(2400));
    });
}

#[test]
fn who_is_behind_lets_others_run() {
    run(async {
        let mut ticks = interval(Duration::from_nanos(1));
        ticks.tick().await;
        sleep(SECOND).await;
        let other = spawn(async {
            for _ in 0..5 {
                yield_now().await;
            }
        });
        let mut late = 0;
        while !other.is_finished() {
            ticks.tick().await;
            late += 1;
        }
        // Each step takes only its budget, although a tick is due for each nanosecond of the second.
        assert!(late < 10_000, "{late}");
    });
}

#[test]
fn a_sleep_is_moved_while_it_runs_and_after_its_end() {
    run(async {
        let event_loop = get_running_loop();
        let start = event_loop.time();
        let mut idle = sleep(10 * SECOND);
        for n in 1..=3 {
            assert!(timeout(SECOND, &mut idle).await.is_err());
            idle.reset(start + (10 + n) * SECOND);
        }
        idle.reset(start + 5 * SECOND);
        (&mut idle).await;
        assert_eq!(event_loop.time(), start + 5 * SECOND);
        idle.reset(start + 6 * SECOND);
        (&mut idle).await;
        assert_eq!(event_loop.time(), start + 6 * SECOND);
        // A sleep whose deadline has passed takes one turn.
        idle.reset(start);
        idle.await;
    });
}
