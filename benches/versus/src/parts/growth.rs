//! Whether a message costs more when there are more connections.

use super::scenario::Scenario;
use super::{Effort, Part};
use crate::children::is_installed;
use crate::report::Report;
use crate::report::metric::{CPU, INSTRUCTIONS};
use crate::servers::Peer;
use crate::wire::App;

pub(super) const PART: Part = Part {
    name: "growth",
    title: "More and more connections",
    explanation: "Echo of 64 bytes, all connections busy. With more connections, each message touches more of the \
                  kernel's and the server's memory, on every peer: epoll shows how much of the growth is the \
                  machine's. Instructions are the library's own part.",
    run,
};

const SCENARIOS: &[(Scenario, u64)] = &[
    (Scenario::new("50 connections", App::Echo, 50, 64, 1), 200),
    (Scenario::new("1,000 connections", App::Echo, 1_000, 64, 1), 10),
    (Scenario::new("10,000 connections", App::Echo, 10_000, 64, 1), 2),
];

const PEERS: &[&str] = &["tokio", "waterwheel", "waterwheel-protocol", "epoll"];

fn run(effort: &Effort, report: &mut Report) {
    // Ten thousand messages are one round of the connections: a shorter time would measure only the start.
    let window = effort.window.max(400);
    // Opening ten thousand connections takes time.
    let rounds = effort.rounds.min(5);
    for (scenario, _) in SCENARIOS {
        report.measure(PART.name, scenario.name, rounds, PEERS, |peer| {
            let found = scenario.measure(effort, peer, window)?;
            Ok(vec![(CPU, found.cpu / found.messages)])
        });
    }
    if !is_installed("valgrind") {
        return;
    }
    for (scenario, batches) in SCENARIOS {
        report.measure(PART.name, scenario.name, 1, PEERS, |peer| {
            let few = super::counts::profile(scenario, Peer::of(peer), 2)?;
            let many = super::counts::profile(scenario, Peer::of(peer), 2 + batches)?;
            let messages = (batches * scenario.connections as u64) as f64;
            Ok(vec![(INSTRUCTIONS, (many.instructions - few.instructions) / messages)])
        });
    }
}
