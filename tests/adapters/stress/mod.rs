//! Each adapter under stress: random operations from a seed, on a connection that dribbles, checked against a model.
//!
//! Nothing here depends on the clock. A wait that could go on according to the model, but is not woken within a
//! bounded number of turns, would hang; the test fails at once instead, and names the seed.

mod answers;
mod bulk;
mod happened;
mod sabotage;
mod scene;
mod sides;
mod wait;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::common::bytes::pattern;
use crate::common::watchdog::watchdog;
use crate::dribbling::{Dribbling, Faults};
use happened::{Happened, Sums};
use scene::Scene;
use sides::{FuturesIo, Hyper, Side, TokioIo};

/// Operations on one connection.
const EACH: usize = 400;

/// How many operations there are for all three adapters, unless `WATERWHEEL_OPERATIONS` says otherwise.
const OPERATIONS: usize = 60_000;

fn one<S: Side>(seed: u64, pattern: &[u8]) -> (Happened, Faults) {
    let network = Dribbling::new(seed);
    let happened = network.event_loop().run(async {
        let mut scene: Scene<'_, S> = Scene::set(&network, pattern, seed).await.expect("the peer listens");
        for _ in 0..EACH {
            scene.operate().await;
        }
        scene.finish().await;
        scene.happened
    });
    assert!(network.first_connection().dropped.get(), "the connection is left open");
    (happened, network.faults())
}

fn replay<S: Side>(seed: u64, pattern: &[u8]) -> (Happened, Faults) {
    catch_unwind(AssertUnwindSafe(|| one::<S>(seed, pattern))).unwrap_or_else(|panic| {
        eprintln!("{} fails by seed {seed}; to replay it: WATERWHEEL_SEED={seed} cargo test --all-features --test adapters stress::", S::NAME);
        resume_unwind(panic)
    })
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().expect("a number"))
}

fn stress<S: Side>() {
    let _watchdog = watchdog();
    let pattern = pattern(600_000);
    if let Some(seed) = from_environment("WATERWHEEL_SEED") {
        println!("{:?}", replay::<S>(seed, &pattern));
        return;
    }
    let operations = from_environment("WATERWHEEL_OPERATIONS").map_or(OPERATIONS, |n| n as usize) / 3;
    let mut sums = Sums::default();
    for seed in 0..operations.div_ceil(EACH) as u64 {
        let (happened, faults) = replay::<S>(seed, &pattern);
        sums.add(happened, faults);
    }
    println!("{}: {sums:?}", S::NAME);
    assert_eq!(sums.missing(), [""; 0], "each fault happens");
}

#[test]
fn futures_io_answers_as_the_model_says_on_a_connection_that_dribbles() {
    stress::<FuturesIo>();
}

#[test]
fn tokio_io_answers_as_the_model_says_on_a_connection_that_dribbles() {
    stress::<TokioIo>();
}

#[test]
fn hyper_io_answers_as_the_model_says_on_a_connection_that_dribbles() {
    stress::<Hyper>();
}
