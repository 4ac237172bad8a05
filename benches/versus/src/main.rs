//! Compares waterwheel with its peers in one run: see README.md.
//!
//! The program starts itself as a child: the server under test, the load and each measurement of tasks and timers run
//! in separate processes, on different cores, so that nothing disturbs the measurement.

mod children;
mod http;
mod load;
mod parts;
mod report;
mod servers;
mod subject;
mod tasks;
mod tls;
mod wire;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use parts::{Effort, PARTS};
use report::Report;
use rustix::process::{Signal, set_parent_process_death_signal};
use servers::{PEERS, Peer};
use wire::App;

const USAGE: &str = "\
usage: versus [--quick] [--peers NAME,...] [--rounds N] [--out DIRECTORY] [PART ...]

  --quick    fewer rounds and only waterwheel, tokio and epoll: about five minutes instead of twenty
  --peers    only these; tokio and epoll are what others are compared to
  --rounds   how often waterwheel, tokio and epoll take a turn; the others take part in every third round
  --out      where RESULTS.md and results/ go; a full run writes to benches/, any other to the build directory";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // A child ends with its parent, however the parent ends.
    let first = words.first().copied().unwrap_or_default();
    if ["serve", "load", "hold", "task", "tls-serve", "tls-load", "http-serve", "http-load"].contains(&first) {
        set_parent_process_death_signal(Some(Signal::KILL)).expect("Linux has it");
    }
    match words.as_slice() {
        ["serve", peer, app] => servers::serve(peer, App::parse(app)),
        ["load", rest @ ..] => load::run(&load::Plan::parse(rest)),
        ["hold", address, connections, size] => parts::hold(number(address), number(connections), number(size)),
        ["task", runtime, bench] => println!("{}", tasks::run(runtime, bench)),
        ["tls-serve", peer, app] => tls::serve(peer, app),
        ["tls-load", rest @ ..] => tls::load::run(&tls::load::Plan::parse(rest)),
        ["http-serve", peer, version] => http::serve(peer, version),
        ["http-load", rest @ ..] => http::load::run(&http::load::Plan::parse(rest)),
        _ => return bench(&words),
    }
    ExitCode::SUCCESS
}

fn bench(words: &[&str]) -> ExitCode {
    let Some(Asked { effort, parts, directory }) = parse(words) else {
        let names = |names: Vec<&str>| names.join(" ");
        eprintln!("{USAGE}\n\nparts: {}", names(PARTS.iter().map(|part| part.name).collect()));
        eprintln!("peers: {}", names(PEERS.iter().map(|peer| peer.name).collect()));
        return ExitCode::FAILURE;
    };
    let descriptors = children::raise_descriptor_limit();
    if descriptors < 10_200 {
        eprintln!("Only {descriptors} descriptors are allowed: what needs ten thousand connections will fail.");
    }
    let all = cfg!(all(feature = "smol", feature = "monoio", feature = "compio", feature = "glommio"));
    let features = if all { " --features all-peers" } else { "" };
    let words = words.join(" ");
    let command = format!("cargo run --release --manifest-path benches/versus/Cargo.toml{features} -- {words}");
    let mut report = Report::default();
    for part in PARTS.iter().filter(|part| parts.is_empty() || parts.contains(&part.name)) {
        let start = Instant::now();
        // The report says that a part failed, and the other parts go on.
        let broken = catch_unwind(AssertUnwindSafe(|| (part.run)(&effort, &mut report)));
        if broken.is_err() {
            report.absent(part.name, "the rest", "all", "the part broke off; the error output says why".to_owned());
        }
        report.finished(part.name, start.elapsed().as_secs(), effort.repeated.take(), effort.disturbed.take());
        // The report is written after each part, so a run that ends early leaves its results.
        if let Err(error) = report.write(&directory, command.trim_end_matches([' ', '-'])) {
            eprintln!("{} cannot be written: {error}", directory.display());
            return ExitCode::FAILURE;
        }
    }
    println!("Written to {}", directory.join("RESULTS.md").display());
    ExitCode::SUCCESS
}

/// The parsed command line.
struct Asked<'a> {
    effort: Effort,
    /// Empty means all parts.
    parts: Vec<&'a str>,
    directory: PathBuf,
}

fn parse<'a>(words: &[&'a str]) -> Option<Asked<'a>> {
    let mut effort = if words.contains(&"--quick") { Effort::quick() } else { Effort::full() };
    let mut parts = Vec::new();
    let mut directory = None;
    let mut complete = !words.contains(&"--quick");
    let mut words = words.iter().filter(|word| **word != "--quick");
    while let Some(word) = words.next() {
        match *word {
            "--peers" => {
                let names: Vec<&str> = words.next()?.split(',').collect();
                effort.peers = names.into_iter().map(Peer::of).collect();
                complete = false;
            }
            "--rounds" => effort.rounds = words.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
            "--out" => directory = Some(PathBuf::from(words.next()?)),
            part if PARTS.iter().any(|known| known.name == part) => {
                parts.push(part);
                complete = false;
            }
            _ => return None,
        }
    }
    let versus = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let usual = || if complete { versus.join("..") } else { versus.join("target") };
    Some(Asked { effort, parts, directory: directory.unwrap_or_else(usual) })
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().ok().unwrap_or_else(|| panic!("not a number: {word}"))
}
