//! User-space instructions of the server per message, counted by callgrind: a figure that repeats to about one in a
//! hundred, where times differ by a tenth.
//!
//! The same server is counted twice, with few and with many messages; the difference is what messages cost.

use std::env::temp_dir;
use std::fs::read_to_string;
use std::process::id;

use crate::children::{MEASURED_CORE, Running, is_installed, wrapped};
use crate::load::{Plan, Until};
use crate::net_bench::load;
use crate::report::{Cell, Report};

const CONNECTIONS: usize = 50;

const ECHO: (&str, usize, u64) = ("echo, 50 connections, 64 B", 1, 200);
const LINES: (&str, usize, u64) = ("lines 16 deep, 50 connections", 16, 40);

const SERVERS: &[(&str, (&str, usize, u64))] = &[
    ("tokio:echo", ECHO),
    ("waterwheel:read_into", ECHO),
    ("waterwheel:fill_buf", ECHO),
    ("waterwheel:read", ECHO),
    ("waterwheel:protocol", ECHO),
    ("tokio:lines-expert", LINES),
    ("tokio:lines-newcomer", LINES),
    ("waterwheel:readline", LINES),
    ("waterwheel:readline_into", LINES),
];

pub(crate) fn run(report: &mut Report) {
    if !is_installed("valgrind") {
        println!("\nInstructions are not counted: valgrind is not installed.");
        return;
    }
    report.begin("User-space instructions of the server", &["instructions/message"]);
    for &(server, (scenario, depth, batches)) in SERVERS {
        let few = count(server, depth, 20);
        let many = count(server, depth, 20 + batches);
        let messages = batches * depth as u64 * CONNECTIONS as u64;
        report.row(scenario, server, &[Cell::Whole((many - few) as f64 / messages as f64)]);
    }
}

/// All instructions of a server that echoes so many batches on each connection.
fn count(server: &str, depth: usize, batches: u64) -> u64 {
    let profile = temp_dir().join(format!("versus-{}.callgrind", id()));
    let output = format!("--callgrind-out-file={}", profile.display());
    let valgrind = ["valgrind", "-q", "--tool=callgrind", &output];
    let mut child = Running::start(wrapped(MEASURED_CORE, &valgrind, &["serve", server, &CONNECTIONS.to_string()]));
    let address = child.line();
    let plan = Plan {
        address: crate::number(&address),
        server: child.id(),
        connections: CONNECTIONS,
        size: 64,
        depth,
        until: Until::Batches(batches),
    };
    load(&plan);
    child.finish();
    let text = read_to_string(&profile).expect("callgrind leaves a profile");
    // A profile that nobody can delete is no reason to stop.
    let _ = std::fs::remove_file(&profile);
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a profile has totals");
    crate::number(total.trim())
}
