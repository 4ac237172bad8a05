//! The gate: prints every figure with its limit, and fails if one is over its limit. See README.md.

use std::path::Path;
use std::process::ExitCode;

use gate::counting::Counting;
use gate::limits::{Limits, Verdict};
use gate::traffic::{Side, Traffic, cost_of_each};
use gate::watched::Tool;
use gate::{Figure, heap};

#[global_allocator]
static COUNTING: Counting = Counting;

const SERVER: &str = env!("CARGO_BIN_EXE_server");
const LIMITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/limits.toml");

const ONE: Traffic = Traffic::Echo { connections: 1, depth: 1 };
const FIFTY: Traffic = Traffic::Echo { connections: 50, depth: 1 };
const LINES: Traffic = Traffic::Echo { connections: 50, depth: 16 };
const LIVES: Traffic = Traffic::Lives { together: 100, ended_by: Side::Client };
const ANSWERED: Traffic = Traffic::Lives { together: 100, ended_by: Side::Server };

/// Section and key of the limit, the tool, the kind of server, the traffic, and the number of rounds.
const WATCHED: &[(&str, Tool, &str, Traffic, usize)] = &[
    ("instructions.fill_buf", Tool::Callgrind, "fill_buf", FIFTY, 100),
    ("instructions.read_into", Tool::Callgrind, "read_into", FIFTY, 100),
    ("instructions.read", Tool::Callgrind, "read", FIFTY, 100),
    ("instructions.protocol", Tool::Callgrind, "protocol", FIFTY, 100),
    ("instructions.readline", Tool::Callgrind, "readline", LINES, 20),
    ("instructions.readline_into", Tool::Callgrind, "readline_into", LINES, 20),
    ("system_calls.message_of_1", Tool::Strace, "fill_buf", ONE, 100),
    ("system_calls.message_of_50", Tool::Strace, "fill_buf", FIFTY, 20),
    ("system_calls.line", Tool::Strace, "readline", LINES, 20),
    ("system_calls.connection", Tool::Strace, "fill_buf", LIVES, 5),
    ("system_calls.connection_answered_once", Tool::Strace, "once", ANSWERED, 5),
];

fn main() -> ExitCode {
    let text = std::fs::read_to_string(Path::new(LIMITS)).expect("the limits can be read");
    let mut limits = Limits::parse(&text);
    println!("| figure | measured | limit | |\n|---|--:|--:|---|");
    let mut passed = true;
    let watched = WATCHED.iter().map(|&(name, tool, server, traffic, rounds)| {
        (name.to_owned(), cost_of_each(tool, SERVER, server, traffic, rounds))
    });
    for figure in watched.chain(heap::figures()) {
        passed &= report(&mut limits, &figure);
    }
    for name in limits.left() {
        println!("| {name} | nothing | | a limit of what is not measured |");
        passed = false;
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints a line of the table; false if the figure does not pass.
fn report(limits: &mut Limits, figure: &Figure) -> bool {
    let (verdict, limit) = limits.judge(figure);
    let said = match verdict {
        Verdict::Within => "",
        Verdict::FarBelow => "far below: lower the limit",
        Verdict::Over => "**over**",
        Verdict::Unlimited => "**no limit of this name**",
    };
    let limit = limit.map_or_else(String::new, digits);
    println!("| {} | {} | {limit} | {said} |", figure.0, digits(figure.1));
    matches!(verdict, Verdict::Within | Verdict::FarBelow)
}

/// The number of digits that distinguishes two figures of this size.
fn digits(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value}")
    } else if value < 100.0 {
        format!("{value:.4}")
    } else {
        format!("{value:.1}")
    }
}
