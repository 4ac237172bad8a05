//! Servers over loopback TCP: messages per second, server CPU time per message, and response time.

use super::scenario::Scenario;
use super::{Effort, Part};
use crate::report::Report;
use crate::report::metric::{BUSY, CPU, RATE, SLOWEST};
use crate::subject::missing;
use crate::wire::App;

pub(super) const PART: Part = Part {
    name: "net",
    title: "Over loopback TCP",
    explanation: "The median of rounds in which all peers take a turn, with half the interquartile range; a ratio \
                  compares with tokio's measurements right before and right after. `c50` is 50 connections, `16 deep` \
                  is 16 requests sent before the first answer is awaited. The server has one core and the load \
                  another, which never sleeps. Messages per second are in brackets if the server was busy for less \
                  than 90 % of the time: then the load, or the path between the two, was slower, and CPU time says \
                  more. `source` and `discard` count mebibytes, `churn` counts connections.",
    run,
};

const SCENARIOS: &[Scenario] = &[
    Scenario::new("echo c1 64 B", App::Echo, 1, 64, 1),
    Scenario::new("echo c1 1 KiB", App::Echo, 1, 1024, 1),
    Scenario::new("echo c1 16 KiB", App::Echo, 1, 16_384, 1),
    Scenario::new("echo c50 64 B", App::Echo, 50, 64, 1),
    Scenario::new("echo c50 1 KiB", App::Echo, 50, 1024, 1),
    Scenario::new("echo c50 16 KiB", App::Echo, 50, 16_384, 1),
    Scenario::new("echo c1000 64 B", App::Echo, 1000, 64, 1),
    Scenario::new("echo c1000 1 KiB", App::Echo, 1000, 1024, 1),
    Scenario::new("echo c1000 16 KiB", App::Echo, 1000, 16_384, 1),
    Scenario::new("echo c50 64 B, 16 deep", App::Echo, 50, 64, 16),
    Scenario::new("lines c1, 16 deep", App::Lines, 1, 64, 16),
    Scenario::new("lines c50, 16 deep", App::Lines, 50, 64, 16),
    Scenario::new("http c50", App::Http, 50, 0, 1),
    Scenario::new("http c50, 16 deep", App::Http, 50, 0, 16),
    Scenario::new("resp c50, 16 deep", App::Resp, 50, 0, 16),
    Scenario::new("discard c1", App::Discard, 1, 0, 4),
    Scenario::new("source c1", App::Source, 1, 0, 4),
    Scenario::churn("churn c20", 20),
];

fn run(effort: &Effort, report: &mut Report) {
    for peer in &effort.peers {
        if let Some(why) = missing(peer) {
            report.absent("all", "all", peer.name, why);
        }
    }
    for scenario in SCENARIOS {
        let candidates = effort.candidates(scenario.app);
        report.measure(PART.name, scenario.name, effort.rounds, &candidates, |peer| {
            let found = scenario.measure(effort, peer, effort.window)?;
            Ok(vec![
                (RATE, found.messages / found.nanoseconds * 1e9),
                (CPU, found.cpu / found.messages),
                (BUSY, found.cpu / found.nanoseconds * 100.0),
                (SLOWEST, found.slowest / 1e3),
            ])
        });
    }
}
