//! Load that others have written: wrk for HTTP, redis-benchmark for Redis's protocol, where they are installed.

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
    title: "With other people's load",
    explanation: "wrk with 64 connections, and redis-benchmark with 50 connections and 16 requests at a time. They \
                  check less than our own load does, but nobody can say that we wrote them.",
    run,
};

/// For redis-benchmark, which is told how many requests it makes.
const PINGS: u32 = 400_000;

struct Tool {
    program: &'static str,
    scenario: &'static str,
    app: App,
    /// Runs it; tells how many messages a second it counted.
    load: fn(&Subject) -> Outcome<f64>,
}

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

fn measure(peer: &str, app: App, load: fn(&Subject) -> Outcome<f64>) -> Outcome<Figures> {
    let subject = Subject::start(Peer::of(peer), app, &[])?;
    let before = cpu_time(subject.id());
    let start = std::time::Instant::now();
    let rate = load(&subject)?;
    let messages = rate * start.elapsed().as_secs_f64();
    Ok(vec![(RATE, rate), (CPU, (cpu_time(subject.id()) - before) as f64 / messages)])
}

/// Requests per second.
fn wrk(subject: &Subject) -> Outcome<f64> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", "-d1s", &format!("http://{}/", subject.address)]);
    let output = Running::start(command, LOAD_CORE)?.output(Duration::from_secs(30))?;
    if let Some(errors) = output.iter().find(|line| line.contains("Socket errors") || line.contains("Non-2xx")) {
        return Err(format!("wrk says {}", errors.trim()));
    }
    let rate = output.iter().find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).ok_or_else(|| "wrk prints no rate".to_owned())
}

/// Pings per second.
fn redis_benchmark(subject: &Subject) -> Outcome<f64> {
    let mut command = Command::new("redis-benchmark");
    let (host, port) = (subject.address.ip().to_string(), subject.address.port().to_string());
    let number = PINGS.to_string();
    command.args(["-h", &host, "-p", &port, "-t", "ping_mbulk", "-c", "50", "-P", "16", "-n", &number, "--csv"]);
    let output = Running::start(command, LOAD_CORE)?.output(Duration::from_secs(60))?;
    let line = output.iter().find(|line| line.contains("PING")).ok_or("redis-benchmark prints no rate")?;
    let rate = line.split(',').nth(1).map(|rate| rate.trim_matches('"'));
    rate.and_then(|rate| rate.parse().ok()).ok_or_else(|| format!("redis-benchmark prints {line}"))
}
