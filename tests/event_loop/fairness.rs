//! How often a loop that always has work polls its selector and its timers, on a selector that counts the polls and a
//! clock that only a test moves.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::common::polled::Polled;
use waterwheel::{
    Builder, Clock, EventLoop, Promise, SystemClock, get_running_loop, sleep, sleep_until, spawn, timeout, yield_now,
};

const MS: Duration = Duration::from_millis(1);

/// What the selector and the clock share with the test.
struct World {
    now: Cell<Instant>,
    /// How often the clock was read.
    readings: Cell<usize>,
    /// How many steps had run before each poll of the selector.
    looks: RefCell<Vec<usize>>,
    steps: Cell<usize>,
}

impl World {
    fn advance(&self, by: Duration) {
        self.now.set(self.now.get() + by);
    }

    /// The most steps in a row without a poll between them.
    fn longest_without_a_look(&self) -> usize {
        let mut looks = self.looks.take();
        looks.push(self.steps.get());
        looks.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    }
}

struct Passing(Rc<World>);

impl Clock for Passing {
    fn now(&self) -> Instant {
        self.0.readings.set(self.0.readings.get() + 1);
        self.0.now.get()
    }

    fn blocking(&self, wait: Option<Duration>) -> Option<Duration> {
        wait.map(|_| Duration::ZERO)
    }

    fn slept(&self, wait: Duration) {
        self.0.advance(wait);
    }
}

fn world() -> (Rc<World>, Builder) {
    let world = Rc::new(World {
        now: Cell::new(SystemClock.now()),
        readings: Cell::new(0),
        looks: RefCell::default(),
        steps: Cell::new(0),
    });
    let polled = Rc::clone(&world);
    // Debug mode reads the clock for each step.
    let builder = EventLoop::builder().debug(false).selector(Polled::by(move |timeout, _, _| {
        assert!(timeout.is_some(), "nothing would end this wait");
        polled.looks.borrow_mut().push(polled.steps.get());
        false
    }));
    (Rc::clone(&world), builder.clock(Rc::new(Passing(world))))
}

fn run<F: Future>(builder: Builder, main: F) -> F::Output {
    builder.build().unwrap().run(main)
}

/// Runs a callback that schedules itself `times` times and takes `each` per step.
async fn steps(world: &Rc<World>, times: usize, each: Duration) {
    fn step(world: Rc<World>, left: usize, each: Duration, done: Promise<()>) {
        world.steps.set(world.steps.get() + 1);
        world.advance(each);
        if left > 1 {
            get_running_loop().call_soon(move || step(world, left - 1, each, done));
        } else {
            done.set(()).unwrap();
        }
    }
    let done = Promise::new();
    step(Rc::clone(world), times, each, done.clone());
    done.wait().await;
}

#[test]
fn the_turn_after_a_yield_looks_once_for_all_that_yielded() {
    async fn thrice<F: Future>(mut wait: impl FnMut() -> F) {
        for _ in 0..3 {
            wait().await;
        }
    }
    async fn looks_of<F: Future + 'static>(world: &World, wait: fn() -> F) -> usize {
        let before = world.looks.borrow().len();
        let tasks: Vec<_> = (0..10).map(|_| spawn(thrice(wait))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        world.looks.borrow().len() - before
    }
    let (world, builder) = world();
    run(builder, async {
        assert_eq!(looks_of(&world, yield_now).await, 3);
        assert_eq!(looks_of(&world, || sleep(Duration::ZERO)).await, 3);
        // No task has yielded, and there are too few handles to force a poll.
        assert_eq!(looks_of(&world, || std::future::ready(())).await, 0);
    });
}

#[test]
fn what_is_quick_runs_128_handles_long_without_a_look() {
    let (world, builder) = world();
    run(builder, steps(&world, 10_000, Duration::ZERO));
    let looks = world.looks.borrow().len();
    assert!((10_000 / 128..=10_000 / 128 + 3).contains(&looks), "{looks} looks");
    assert!(world.longest_without_a_look() <= 128);
}

#[test]
fn the_clock_is_read_once_in_64_handles_that_are_quick() {
    let (world, builder) = world();
    run(builder, async {
        steps(&world, 1_000, Duration::from_nanos(30)).await;
        let before = world.readings.get();
        steps(&world, 10_000, Duration::from_nanos(30)).await;
        let readings = world.readings.get() - before;
        assert!(readings <= 10_000 / 64, "{readings} readings");
    });
}

#[test]
fn between_slow_handles_the_loop_looks_after_two_milliseconds() {
    for (each, most) in [(5 * MS, 1), (MS, 2), (MS / 4, 8), (MS / 16, 40)] {
        let (world, builder) = world();
        run(builder, steps(&world, 1_000, each));
        let longest = world.longest_without_a_look();
        assert!(longest <= most, "{longest} steps of {each:?} without a look");
    }
}

#[test]
fn what_becomes_slow_is_noticed_after_64_handles_and_after_a_wait_sooner() {
    let (world, builder) = world();
    run(builder, async {
        steps(&world, 1_000, Duration::from_nanos(30)).await;
        world.looks.borrow_mut().clear();
        steps(&world, 300, 5 * MS).await;
        assert!(world.longest_without_a_look() <= 64);

        steps(&world, 1_000, Duration::from_nanos(30)).await;
        sleep(MS).await;
        world.looks.borrow_mut().clear();
        steps(&world, 300, 5 * MS).await;
        assert!(world.longest_without_a_look() <= 2 + 8);
    });
}

#[test]
fn what_comes_to_an_idle_loop_is_answered_without_reading_the_clock() {
    let (world, builder) = world();
    run(builder, async {
        let promise = Promise::new();
        let (kept, clock) = (promise.clone(), Rc::clone(&world));
        get_running_loop().call_later(MS, move || kept.set(clock.readings.get()).unwrap());
        assert_eq!(promise.wait().await, world.readings.get());
    });
}

#[test]
fn timers_run_between_slow_handles() {
    let (world, builder) = world();
    run(builder, async {
        let late = Rc::new(Cell::new(Duration::ZERO));
        let most = Rc::clone(&late);
        let clock = Rc::clone(&world);
        let ticker = spawn(async move {
            loop {
                let due = clock.now.get() + 10 * MS;
                sleep_until(due).await;
                most.set(most.get().max(clock.now.get() - due));
            }
        });
        steps(&world, 1_000, 5 * MS).await;
        ticker.cancel();
        // The timer may have to wait for two steps: the one in which it becomes due, and the one in the turn that
        // follows.
        assert!(late.get() <= 10 * MS, "{:?} late", late.get());
    });
}

#[test]
fn any_number_of_handles_may_be_asked_for_and_slow_ones_are_looked_after() {
    for handles in [0, 1, 1_000, usize::MAX] {
        let (world, builder) = world();
        run(builder.handles_per_poll(handles), async {
            steps(&world, 1_000, 5 * MS).await;
            yield_now().await;
        });
        assert_eq!(world.longest_without_a_look(), 1, "{handles} handles");
    }
}

/// How many turns pass while an action that never has to wait is done `times` times.
async fn turns_of(times: usize, mut act: impl AsyncFnMut()) -> usize {
    fn turn(count: Rc<Cell<usize>>) {
        count.set(count.get() + 1);
        if Rc::strong_count(&count) > 1 {
            get_running_loop().call_soon(move || turn(count));
        }
    }
    let count = Rc::new(Cell::new(0));
    turn(Rc::clone(&count));
    let before = count.get();
    for _ in 0..times {
        act().await;
    }
    count.get() - before
}

#[test]
fn waiting_for_what_is_past_lets_one_turn_pass() {
    let (world, builder) = world();
    run(builder, async {
        let past = world.now.get();
        assert_eq!(turns_of(100, async || sleep_until(past).await).await, 100);
        world.advance(MS);
        assert_eq!(turns_of(100, async || sleep_until(past).await).await, 100);
        let nothing = Duration::ZERO;
        assert_eq!(turns_of(100, async || assert_eq!(timeout(nothing, async { 7 }).await, Ok(7))).await, 100);
        // First one turn passes, then there are two polls with a turn between them.
        assert_eq!(turns_of(100, async || assert!(timeout(nothing, pending::<()>()).await.is_err())).await, 200);
        // If the future is ready at once, the time that is left is not waited for.
        assert_eq!(turns_of(100, async || assert_eq!(timeout(MS, async { 7 }).await, Ok(7))).await, 0);
    });
}

#[test]
fn a_ticker_that_is_behind_lets_a_turn_pass_for_each_tick() {
    let (world, builder) = world();
    run(builder, async {
        let mut next = world.now.get();
        world.advance(1_000 * MS);
        let turns = turns_of(1_000, async || {
            next += MS;
            sleep_until(next).await;
        });
        assert_eq!(turns.await, 1_000);
    });
}

#[test]
fn a_timeout_of_zero_that_is_dropped_has_taken_nothing() {
    let (world, builder) = world();
    run(builder, async {
        let polls = Cell::new(0);
        let taking = async {
            polls.set(polls.get() + 1);
        };
        let mut zero = Box::pin(timeout(Duration::ZERO, taking));
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(zero.as_mut().poll(cx).is_pending())).await;
        assert!(first && polls.get() == 0);
        drop(zero);
        assert_eq!(polls.get(), 0);
    });
    drop(world);
}
