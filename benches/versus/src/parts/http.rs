//! hyper on waterwheel compared with hyper on other runtimes.

use std::time::Duration;

use super::idle::status;
use super::totals::totals;
use super::{Effort, Part};
use crate::children::{MEASURED_CORE, Outcome, Running, is_installed, wrapped};
use crate::http::load::{Plan, requests};
use crate::load::Until;
use crate::report::metric::{BUSY, CPU, IDLE, RATE};
use crate::report::{Figures, Report};

pub(super) const PART: Part = Part {
    name: "http",
    title: "hyper on each runtime",
    explanation: "One service on hyper for all. `tokio` is hyper-util on a current-thread runtime with `spawn`, \
                  `tokio-local` the same with `spawn_local` on a `LocalSet`, `smol` is smol-hyper on a \
                  `LocalExecutor`, `monoio` is monoio-compat. A message is a request with its answer, which has 13 \
                  bytes by default; `h2` is HTTP/2 with prior knowledge. For the counts, large copies are done by \
                  vector instructions: `rep movsb` would count as one instruction for each byte. Not counted are the \
                  instructions of `monoio-uring`, since the kernel does its work unseen.",
    run,
};

struct Scenario {
    name: &'static str,
    version: &'static str,
    work: &'static str,
    connections: usize,
    /// The number of additional batches, for counts.
    batches: u64,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "c1", version: "1", work: "small", connections: 1, batches: 1000 },
    Scenario { name: "c50", version: "1", work: "small", connections: 50, batches: 50 },
    Scenario { name: "c50, 16 deep", version: "1", work: "pipelined", connections: 50, batches: 10 },
    Scenario { name: "c50 64 KiB", version: "1", work: "middle", connections: 50, batches: 10 },
    Scenario { name: "c1 10 MiB", version: "1", work: "large", connections: 1, batches: 10 },
    Scenario { name: "h2 c1, 100 streams", version: "2", work: "streams", connections: 1, batches: 20 },
];

const IDLE_CONNECTIONS: Scenario =
    Scenario { name: "9,900 idle connections", version: "1", work: "hold", connections: 9_900, batches: 0 };

/// How long each step of a measurement may take.
const DEADLINE: Duration = Duration::from_secs(240);

const CANDIDATES: &[&str] = &["tokio", "tokio-local", "waterwheel", "smol", "monoio-epoll", "monoio-uring"];

fn run(effort: &Effort, report: &mut Report) {
    let able = |name: &&str| {
        let peer = effort.peers.iter().find(|peer| peer.name == *name);
        peer.is_some_and(|peer| crate::subject::missing(peer).is_none())
    };
    let peers: Vec<&str> = CANDIDATES.iter().copied().filter(able).collect();
    let counters = ["valgrind", "strace"].into_iter().filter(|tool| !is_installed(tool)).collect::<Vec<_>>();
    for tool in &counters {
        report.absent(PART.name, "all", tool, format!("{tool} is not installed"));
    }
    for scenario in SCENARIOS {
        report.measure(PART.name, scenario.name, effort.rounds, &peers, |peer| scenario.time(peer, effort.window));
        if counters.is_empty() {
            let countable: Vec<&str> = peers.iter().copied().filter(|peer| *peer != "monoio-uring").collect();
            report.measure(PART.name, scenario.name, 1, &countable, |peer| scenario.count(peer));
        }
    }
    report.measure(PART.name, IDLE_CONNECTIONS.name, 1, &peers, idle);
}

impl Scenario {
    /// Starts a server, optionally under a program that watches it, and returns the load for it.
    fn start(&self, peer: &str, wrapper: &[&str], until: Until) -> Outcome<(Running, Plan)> {
        let mut server = Running::start(wrapped(wrapper, &["http-serve", peer, self.version]), MEASURED_CORE)?;
        let line = server.line(DEADLINE)?;
        let address = line.parse().map_err(|_| format!("it prints no address but {line}"))?;
        let plan = Plan { address, server: server.id(), work: self.work, connections: self.connections, until };
        Ok((server, plan))
    }

    fn time(&self, peer: &str, window: u64) -> Outcome<Figures> {
        let (server, plan) = self.start(peer, &[], Until::Milliseconds(window))?;
        let answer = plan.start()?.line(DEADLINE)?;
        server.end()?;
        let numbers: Vec<f64> = answer.split(' ').map(crate::number).collect();
        let [requests, nanoseconds, cpu] = numbers[..] else { return Err(format!("three numbers: {answer}")) };
        Ok(vec![(RATE, requests / nanoseconds * 1e9), (CPU, cpu / requests), (BUSY, cpu / nanoseconds * 100.0)])
    }

    fn count(&self, peer: &str) -> Outcome<Figures> {
        const FEW: u64 = 2;
        let requests = (self.batches * requests(self.work, self.connections)) as f64;
        let few = self.counted(peer, FEW)?;
        let many = self.counted(peer, FEW + self.batches)?;
        Ok(many.into_iter().zip(few).map(|((metric, many), (_, few))| (metric, (many - few) / requests)).collect())
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
