//! Random programs over the public API, on random worlds: the seed decides what the programs do, and what the world
//! does.
//!
//! Every byte depends on its position, so that a lost, doubled or misplaced byte shows. A program records in a ledger
//! what it has sent, and what it may do to its peer; the peer's bytes are compared with the ledger after every
//! operation.

mod dice;
mod halves;
mod ledger;
mod link;
mod network;
mod protocols;
#[cfg(feature = "tls")]
mod secure;
mod streams;
mod tap;
mod trouble;
mod wires;

use std::time::Duration;

use waterwheel::sim::{Failure, Faults, Sim, check};

/// How many seeds of each kind are run, unless `WATERWHEEL_SEEDS` sets another number.
const SEEDS: u64 = 60;

/// A program takes hundreds or thousands of events. A loop that spins soon exceeds this limit.
const MOST_EVENTS: u64 = 500_000;

/// The faults of the network: one of three kinds, by the seed.
fn faults_of(seed: u64) -> Faults {
    match seed % 3 {
        0 => Faults::none(),
        1 => Faults::benign(),
        _ => Faults::harsh(),
    }
}

/// Checks that a program leaves nothing behind: no descriptor, task, timer or source except its server's.
fn nothing_is_left(sim: &mut Sim) -> Result<(), Failure> {
    // Connections linger until their peers have closed, or until a time limit.
    sim.run_for(Duration::from_secs(3600))?;
    let world = sim.handle();
    for (host, listeners) in [("server", 1), ("client", 0)] {
        let dump = sim.dump_tasks(host).expect("it is up");
        assert_eq!(world.open_descriptors(host), listeners, "descriptors of {host}:\n{dump}");
        assert_eq!(dump.sources.len(), listeners, "sources of {host}:\n{dump}");
        assert_eq!(dump.tasks.len(), usize::from(listeners > 0), "tasks of {host}:\n{dump}");
        assert!(dump.timers.is_empty(), "timers of {host}:\n{dump}");
    }
    Ok(())
}

#[test]
fn random_programs_of_streams_lose_nothing() {
    check(0..SEEDS, streams::program);
}

#[test]
fn random_programs_of_protocols_are_told_all_in_order() {
    check(0..SEEDS, protocols::program);
}

#[test]
fn the_server_crashes_in_the_middle_of_conversations() {
    let (mut of_streams, mut of_protocols) = (0, 0);
    // The seeds with all faults.
    for seed in (2..SEEDS).step_by(3) {
        of_streams += streams::counted(&mut Sim::new(seed)).expect("it goes well");
        of_protocols += protocols::counted(&mut Sim::new(seed)).expect("it goes well");
    }
    assert!(of_streams > 0 && of_protocols > 0, "{of_streams} and {of_protocols}");
}

#[cfg(feature = "tls")]
#[test]
fn random_programs_over_tls_lose_nothing() {
    check(0..SEEDS / 2, secure::program);
}

#[cfg(feature = "tls")]
#[test]
fn random_programs_that_start_tls_lose_nothing() {
    check(0..SEEDS / 2, secure::upgraded);
}

/// With this seed, a TLS session that was dropped with its host once still sent its end.
#[cfg(feature = "tls")]
#[test]
fn what_is_dropped_with_a_host_that_crashed_says_nothing_over_tls() {
    secure::upgraded(&mut Sim::new(12_098)).expect("it goes well");
}

#[cfg(feature = "tls")]
#[test]
fn a_seed_over_tls_takes_one_course() {
    let run = |seed| {
        let mut sim = Sim::new(seed);
        secure::program(&mut sim).expect("it goes well");
        (sim.digest(), sim.events())
    };
    for seed in 0..3 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
