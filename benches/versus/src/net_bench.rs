//! Servers over loopback TCP: messages per second, and CPU time of the server per message.

use crate::Effort;
use crate::children::{LOAD_CORE, MEASURED_CORE, Running, own};
use crate::load::{Plan, Until};
use crate::report::{Cell, Report, median};

struct Scenario {
    name: &'static str,
    connections: usize,
    size: usize,
    depth: usize,
    /// The first one is what the others are compared to.
    servers: &'static [&'static str],
}

const ECHO: &[&str] =
    &["tokio:echo", "waterwheel:read_into", "waterwheel:fill_buf", "waterwheel:read", "waterwheel:protocol"];
const LINES: &[&str] =
    &["tokio:lines-expert", "tokio:lines-newcomer", "waterwheel:readline", "waterwheel:readline_into"];

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "echo, 1 connection, 64 B", connections: 1, size: 64, depth: 1, servers: ECHO },
    Scenario { name: "echo, 50 connections, 64 B", connections: 50, size: 64, depth: 1, servers: ECHO },
    Scenario { name: "echo, 1 connection, 16 KiB", connections: 1, size: 16_384, depth: 1, servers: ECHO },
    Scenario { name: "echo, 50 connections, 16 KiB", connections: 50, size: 16_384, depth: 1, servers: ECHO },
    Scenario { name: "lines 16 deep, 1 connection", connections: 1, size: 64, depth: 16, servers: LINES },
    Scenario { name: "lines 16 deep, 50 connections", connections: 50, size: 64, depth: 16, servers: LINES },
];

pub(crate) fn run(effort: &Effort, report: &mut Report) {
    report.begin("Over loopback TCP", &["messages/s", "x first", "server CPU ns/message", "x first"]);
    for scenario in SCENARIOS {
        let servers = scenario.servers;
        // Per server, the figures of each round, and their ratios to the first server's of the same round.
        let mut figures = vec![[const { Vec::new() }; 4]; servers.len()];
        for _ in 0..effort.rounds {
            let mut first = None;
            for (server, figures) in servers.iter().zip(&mut figures) {
                let (rate, cpu) = scenario.measure(server, effort.window);
                let (first_rate, first_cpu) = *first.get_or_insert((rate, cpu));
                for (figures, value) in figures.iter_mut().zip([rate, rate / first_rate, cpu, cpu / first_cpu]) {
                    figures.push(value);
                }
            }
        }
        for (server, figures) in servers.iter().zip(figures) {
            let [rate, rate_ratio, cpu, cpu_ratio] = figures.map(median);
            let cells = [Cell::Whole(rate), Cell::Ratio(rate_ratio), Cell::Whole(cpu), Cell::Ratio(cpu_ratio)];
            report.row(scenario.name, server, &cells);
        }
    }
}

impl Scenario {
    /// Messages per second, and nanoseconds of the server's CPU for each.
    fn measure(&self, server: &str, window: u64) -> (f64, f64) {
        let mut child = Running::start(own(MEASURED_CORE, &["serve", server, &self.connections.to_string()]));
        let address = child.line();
        let plan = Plan {
            address: crate::number(&address),
            server: child.id(),
            connections: self.connections,
            size: self.size,
            depth: self.depth,
            until: Until::Milliseconds(window),
        };
        let (messages, time, cpu) = load(&plan);
        child.finish();
        (messages / time * 1e9, cpu / messages)
    }
}

/// Runs a load in a process of its own: messages, nanoseconds, and nanoseconds of the server's CPU.
pub(crate) fn load(plan: &Plan) -> (f64, f64, f64) {
    let arguments = plan.arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = Running::start(own(LOAD_CORE, &arguments));
    let answer = child.line();
    let mut numbers = answer.split(' ').map(crate::number::<f64>);
    let mut next = || numbers.next().expect("the load prints three numbers");
    (next(), next(), next())
}
