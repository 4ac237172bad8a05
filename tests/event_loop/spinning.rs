//! A loop that polls for a while before it blocks, on a selector that records its timeouts, and a clock that moves
//! only in a poll: by the timeout, but at least by ten microseconds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::common::polled::Polled;
use waterwheel::testing::ManualClock;
use waterwheel::{Builder, Clock, EventLoop, RemoteHandle, SystemClock, get_running_loop, sleep, yield_now};

const LOOK: Duration = Duration::from_micros(10);
const NO_TIME: Option<Duration> = Some(Duration::ZERO);

fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

/// What the selector and the clock share with the test.
struct World {
    now: Cell<Instant>,
    /// The timeouts of the polls.
    asked: RefCell<Vec<Option<Duration>>>,
    /// At which poll a call from another thread arrives, and the loop that it calls.
    call: RefCell<Option<(usize, RemoteHandle)>>,
}

impl World {
    /// Returns true if a call has arrived.
    fn poll(&self, timeout: Option<Duration>) -> bool {
        self.asked.borrow_mut().push(timeout);
        assert!(self.asked.borrow().len() < 10_000, "the loop looks for ever");
        let looks = self.asked.borrow().len();
        if let Some((_, remote)) = self.call.borrow_mut().take_if(|(at, _)| *at == looks) {
            remote.call_soon(|| get_running_loop().stop());
            return true;
        }
        let passed = timeout.expect("nothing would end this wait").max(LOOK);
        self.now.set(self.now.get() + passed);
        false
    }
}

struct Passing(Rc<World>);

impl Clock for Passing {
    fn now(&self) -> Instant {
        self.0.now.get()
    }
}

fn world() -> (Rc<World>, Builder) {
    let now = Cell::new(SystemClock.now());
    let world = Rc::new(World { now, asked: RefCell::default(), call: RefCell::default() });
    let polled = Rc::clone(&world);
    let builder = EventLoop::builder().selector(Polled::by(move |timeout, _, _| polled.poll(timeout)));
    (Rc::clone(&world), builder.clock(Rc::new(Passing(world))))
}

/// The timeouts of all polls from the beginning to the end of `main`.
fn asked_by(world: &World, builder: Builder, main: impl Future<Output = ()>) -> Vec<Option<Duration>> {
    builder.build().unwrap().run(async {
        world.asked.take();
        main.await;
        world.asked.take()
    })
}

/// Like [`asked_by`], for a loop that spins for `spin`.
fn asked(spin: Duration, main: impl Future<Output = ()>) -> Vec<Option<Duration>> {
    let (world, builder) = world();
    asked_by(&world, builder.spin(spin), main)
}

#[test]
fn a_loop_blocks_at_once_unless_it_was_built_to_spin() {
    let (world, builder) = world();
    assert_eq!(asked_by(&world, builder, sleep(micros(1000))), [Some(micros(1000))]);
}

#[test]
fn a_loop_that_spins_looks_without_blocking_first_and_blocks_for_the_rest() {
    let asked = asked(micros(100), sleep(micros(1000)));
    let (wait, looks) = asked.split_last().unwrap();
    assert_eq!(looks, [NO_TIME; 10]);
    assert_eq!(*wait, Some(micros(900)));
}

#[test]
fn a_deadline_ends_the_spinning() {
    // Five polls, and the one at the deadline.
    assert_eq!(asked(micros(100), sleep(micros(50))), [NO_TIME; 6]);
    assert_eq!(asked(Duration::MAX, sleep(micros(50))), [NO_TIME; 6]);
}

#[test]
fn what_comes_ends_the_spinning() {
    let (world, builder) = world();
    let mut event_loop = builder.spin(micros(100)).build().unwrap();
    world.call.replace(Some((3, event_loop.handle().remote())));
    event_loop.run_forever();
    assert_eq!(*world.asked.borrow(), [NO_TIME; 3]);
}

#[test]
fn a_loop_with_ready_work_looks_as_often_as_one_that_does_not_spin() {
    for spin in [Duration::ZERO, micros(100)] {
        let (world, builder) = world();
        let work = async {
            for _ in 0..20 {
                yield_now().await;
            }
        };
        assert_eq!(asked_by(&world, builder.spin(spin).handles_per_poll(1), work), [NO_TIME; 20]);
    }
}

#[test]
fn by_a_clock_that_jumps_nothing_spins() {
    let (world, builder) = world();
    let clock = Rc::new(ManualClock::new());
    let builder = builder.clock(clock.clone()).spin(Duration::MAX);
    assert_eq!(asked_by(&world, builder, sleep(Duration::from_secs(3600))), [NO_TIME]);
    assert_eq!(clock.elapsed(), Duration::from_secs(3600));
}
