//! TLS compared with tokio-rustls: time, the server's CPU time, counts, and the memory of idle connections.

use std::time::Duration;

use super::idle::status;
use super::totals::totals;
use super::{Effort, Part};
use crate::children::{MEASURED_CORE, Outcome, Running, is_installed, wrapped};
use crate::load::Until;
use crate::report::metric::{CPU, IDLE, RATE};
use crate::report::{Figures, Report};
use crate::tls::load::{Plan, Work};

pub(super) const PART: Part = Part {
    name: "tls",
    title: "TLS beside tokio-rustls",
    explanation: "One rustls with ring, TLS 1.3 with an ECDSA P-256 certificate, no resumption. `tokio` is \
                  tokio-rustls here. `handshakes` counts connections that are made and closed cleanly, `up` and \
                  `down` count mebibytes to and from the server, in blocks of 64 KiB; the others count messages. For \
                  the counts, large copies are done by vector instructions: `rep movsb` would count as one \
                  instruction for each byte.",
    run,
};

struct Scenario {
    name: &'static str,
    app: &'static str,
    work: Work,
    connections: usize,
    /// The number of additional batches, for counts.
    batches: u64,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "handshakes", app: "echo", work: Work::Handshakes, connections: 1, batches: 100 },
    Scenario { name: "echo c1 64 B", app: "echo", work: Work::Trips, connections: 1, batches: 1000 },
    Scenario { name: "echo c50 64 B", app: "echo", work: Work::Trips, connections: 50, batches: 50 },
    Scenario { name: "up c1", app: "bulk", work: Work::Up, connections: 1, batches: 4 },
    Scenario { name: "down c1", app: "bulk", work: Work::Down, connections: 1, batches: 4 },
];

const IDLE_CONNECTIONS: Scenario =
    Scenario { name: "9,900 idle connections", app: "echo", work: Work::Hold, connections: 9_900, batches: 0 };

/// How long each step of a measurement may take.
const DEADLINE: Duration = Duration::from_secs(240);

fn run(effort: &Effort, report: &mut Report) {
    let wanted = |name: &&str| effort.peers.iter().any(|peer| peer.name == *name);
    let echoing: Vec<&str> = ["tokio", "waterwheel", "waterwheel-protocol"].into_iter().filter(wanted).collect();
    let carrying: Vec<&str> = ["tokio", "waterwheel"].into_iter().filter(wanted).collect();
    let counters = ["valgrind", "strace"].into_iter().filter(|tool| !is_installed(tool)).collect::<Vec<_>>();
    for tool in &counters {
        report.absent(PART.name, "all", tool, format!("{tool} is not installed"));
    }
    for scenario in SCENARIOS {
        let peers = if scenario.app == "bulk" { &carrying } else { &echoing };
        report.measure(PART.name, scenario.name, effort.rounds, peers, |peer| scenario.time(peer, effort.window));
        if counters.is_empty() {
            report.measure(PART.name, scenario.name, 1, peers, |peer| scenario.count(peer));
        }
    }
    report.measure(PART.name, IDLE_CONNECTIONS.name, 1, &echoing, idle);
}

impl Scenario {
    /// Starts a server, optionally under a program that watches it, and returns the load for it.
    fn start(&self, peer: &str, wrapper: &[&str], until: Until) -> Outcome<(Running, Plan)> {
        let mut server = Running::start(wrapped(wrapper, &["tls-serve", peer, self.app]), MEASURED_CORE)?;
        let line = server.line(DEADLINE)?;
        let (address, certificate) = line.split_once(' ').ok_or(format!("no address and certificate: {line}"))?;
        let plan = Plan {
            address: crate::number(address),
            certificate: certificate.to_owned(),
            server: server.id(),
            work: self.work,
            connections: self.connections,
            until,
        };
        Ok((server, plan))
    }

    fn time(&self, peer: &str, window: u64) -> Outcome<Figures> {
        let (server, plan) = self.start(peer, &[], Until::Milliseconds(window))?;
        let answer = plan.start()?.line(DEADLINE)?;
        server.end()?;
        let numbers: Vec<f64> = answer.split(' ').map(crate::number).collect();
        let [units, nanoseconds, cpu] = numbers[..] else { return Err(format!("three numbers: {answer}")) };
        Ok(vec![(RATE, units / nanoseconds * 1e9), (CPU, cpu / units)])
    }

    fn count(&self, peer: &str) -> Outcome<Figures> {
        const FEW: u64 = 2;
        let units = (self.batches * self.work.units(self.connections)) as f64;
        let few = self.counted(peer, FEW)?;
        let many = self.counted(peer, FEW + self.batches)?;
        Ok(many.into_iter().zip(few).map(|((metric, many), (_, few))| (metric, (many - few) / units)).collect())
    }

    fn counted(&self, peer: &str, batches: u64) -> Outcome<Figures> {
        totals(|wrapper| {
            let (server, plan) = self.start(peer, wrapper, Until::Batches(batches))?;
            plan.start()?.output(DEADLINE)?;
            server.end()
        })
    }
}

fn idle(peer: &str) -> Outcome<Figures> {
    let (server, plan) = IDLE_CONNECTIONS.start(peer, &[], Until::Batches(0))?;
    let before = status(server.id(), "VmRSS:")?;
    let mut holder = plan.start()?;
    holder.line(DEADLINE)?;
    let bytes = (status(server.id(), "VmRSS:")? - before) * 1024.0 / IDLE_CONNECTIONS.connections as f64;
    Ok(vec![(IDLE, bytes)])
}
