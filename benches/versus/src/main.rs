//! waterwheel beside tokio, in one run: see README.md.
//!
//! The program is its own child: the server under test, the load and each measurement of tasks and timers run in
//! processes of their own, pinned to different cores, so that nothing disturbs what is measured.

mod children;
mod idle;
mod instructions;
mod load;
mod net_bench;
mod report;
mod servers;
mod task_bench;
mod tasks;

use std::env;
use std::process::ExitCode;

use report::Report;

/// How long the run may take.
struct Effort {
    rounds: usize,
    /// Of one measurement over a socket, in milliseconds.
    window: u64,
    idle_connections: usize,
}

const FULL: Effort = Effort { rounds: 7, window: 1000, idle_connections: 9_900 };
const QUICK: Effort = Effort { rounds: 3, window: 300, idle_connections: 9_900 };

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", server, connections] => servers::serve(server, number(connections)),
        ["load", rest @ ..] => load::run(&load::Plan::parse(rest)),
        ["hold", address, connections] => idle::hold(address, number(connections)),
        ["task", runtime, bench] => println!("{}", tasks::run(runtime, bench)),
        _ => return bench(&words),
    }
    ExitCode::SUCCESS
}

fn bench(words: &[&str]) -> ExitCode {
    let mut effort = FULL;
    let mut parts = Vec::new();
    let mut json = None;
    let mut left = words.iter();
    while let Some(word) = left.next() {
        match *word {
            "--quick" => effort = QUICK,
            "--json" => json = left.next(),
            part @ ("net" | "tasks" | "idle" | "instructions") => parts.push(part),
            _ => {
                eprintln!("usage: versus [--quick] [--json FILE] [net] [tasks] [idle] [instructions]");
                return ExitCode::FAILURE;
            }
        }
    }
    let wants = |part| parts.is_empty() || parts.contains(&part);
    let mut report = Report::default();
    if wants("net") {
        net_bench::run(&effort, &mut report);
    }
    if wants("tasks") {
        task_bench::run(&effort, &mut report);
    }
    if wants("idle") {
        idle::run(&effort, &mut report);
    }
    if wants("instructions") {
        instructions::run(&mut report);
    }
    if let Some(path) = json {
        std::fs::write(path, report.json()).expect("the JSON file is written");
    }
    ExitCode::SUCCESS
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().ok().unwrap_or_else(|| panic!("not a number: {word}"))
}
