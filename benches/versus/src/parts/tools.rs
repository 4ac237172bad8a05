//! Load from existing tools, if they are installed: wrk for HTTP, and redis-benchmark for Redis's protocol.

use std::process::Command;
use std::time::Duration;

use super::{Effort, Part};
use crate::children::{LOAD_CORE, Outcome, Running, cpu_time, is_installed};
use crate::report::metric::{CPU, RATE};
use crate::report::{Figures, Report};
use crate::servers::Peer;
use crate::subject::Subject;
use crate::wire::App;

pub(super) const PART: Part = Part {
    name: "tools",
    title: "Load from wrk and redis-benchmark",
    explanation: "wrk with 64 connections, and redis-benchmark with 50 connections and 16 requests at a time. They \
                  check less than our own load does, but they were written independently of us.",
    run,
};

/// The number of requests for redis-benchmark: less than a second's work.
const PINGS: f64 = 400_000.0;
const PINGS_OF_PYTHON: f64 = 100_000.0;

/// The deadline for work that takes a second or two.
const DEADLINE: Duration = Duration::from_secs(20);

struct Tool {
    program: &'static str,
    scenario: &'static str,
    app: App,
    load: Load,
}

/// Runs a tool on a server of this peer. Returns the number of messages, and the messages per second.
type Load = fn(&Peer, &Subject) -> Outcome<(f64, f64)>;

const TOOLS: &[Tool] = &[
    Tool { program: "wrk", scenario: "wrk c64", app: App::Http, load: wrk },
    Tool {
        program: "redis-benchmark",
        scenario: "redis-benchmark c50, 16 deep",
        app: App::Resp,
        load: redis_benchmark,
    },
];

fn run(effort: &Effort, report: &mut Report) {
    let rounds = if effort.quick { 1 } else { 3 };
    for Tool { program, scenario, app, load } in TOOLS {
        if is_installed(program) {
            let candidates = effort.candidates(*app);
            report.measure(PART.name, scenario, rounds, &candidates, |peer| measure(peer, *app, *load));
        } else {
            report.absent(PART.name, scenario, program, format!("{program} is not installed"));
        }
    }
}

fn measure(peer: &str, app: App, load: Load) -> Outcome<Figures> {
    let peer = Peer::of(peer);
    let subject = Subject::start(peer, app, &[])?;
    let before = cpu_time(subject.id());
    let (messages, rate) = load(peer, &subject)?;
    Ok(vec![(RATE, rate), (CPU, (cpu_time(subject.id()) - before) as f64 / messages)])
}

fn wrk(_: &Peer, subject: &Subject) -> Outcome<(f64, f64)> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", "-d1s", &format!("http://{}/", subject.address)]);
    let output = Running::start(command, LOAD_CORE)?.output(DEADLINE)?;
    if let Some(errors) = output.iter().find(|line| line.contains("Socket errors") || line.contains("Non-2xx")) {
        return Err(format!("wrk says {}", errors.trim()));
    }
    let messages = output.iter().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    let rate = output.iter().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    messages.zip(rate).ok_or_else(|| format!("wrk prints {}", output.join(" ")))
}

fn redis_benchmark(peer: &Peer, subject: &Subject) -> Outcome<(f64, f64)> {
    let messages = if peer.is_python() { PINGS_OF_PYTHON } else { PINGS };
    let mut command = Command::new("redis-benchmark");
    let (host, port) = (subject.address.ip().to_string(), subject.address.port().to_string());
    let number = messages.to_string();
    command.args(["-h", &host, "-p", &port, "-t", "ping_mbulk", "-c", "50", "-P", "16", "-n", &number, "--csv"]);
    let output = Running::start(command, LOAD_CORE)?.output(DEADLINE)?;
    let rate = output.iter().find(|line| line.contains("PING")).and_then(|line| line.split(',').nth(1));
    let rate = rate.and_then(|rate| rate.trim_matches('"').parse().ok());
    rate.map(|rate| (messages, rate)).ok_or_else(|| format!("redis-benchmark prints {}", output.join(" ")))
}
