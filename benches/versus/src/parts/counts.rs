//! Counts that repeat to about 1 %, whereas times differ by 10 %: the server's user-space instructions, allocations
//! and system calls per message.
//!
//! The same server is counted twice, with few and with many messages; the difference is the cost of the messages.

use std::env::temp_dir;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::id;

use super::scenario::Scenario;
use super::{Effort, Part};
use crate::children::{Outcome, is_installed};
use crate::load::Until;
use crate::report::Report;
use crate::report::metric::{ALLOCATIONS, INSTRUCTIONS, SYSTEM_CALLS};
use crate::servers::Peer;
use crate::subject::Subject;
use crate::wire::App;

pub(super) const PART: Part = Part {
    name: "counts",
    title: "Counted, not timed",
    explanation: "Callgrind counts user-space instructions and calls of `malloc` and related functions, and `strace \
                  -c -f` counts system calls: a run with many messages minus a run with few, divided by the \
                  difference in messages. Not counted are the instructions of Python, and of peers on io_uring, since \
                  the kernel does their work unseen.",
    run,
};

/// A scenario, and the number of additional batches on each connection.
const SCENARIOS: &[(Scenario, u64)] = &[
    (Scenario::new("echo c50 64 B", App::Echo, 50, 64, 1), 60),
    (Scenario::new("echo c1 64 B", App::Echo, 1, 64, 1), 500),
    (Scenario::new("lines c50, 16 deep", App::Lines, 50, 64, 16), 12),
    (Scenario::new("http c50", App::Http, 50, 0, 1), 60),
    (Scenario::new("resp c50, 16 deep", App::Resp, 50, 0, 16), 12),
    (Scenario::churn("churn c20", 20), 30),
];

/// The number of batches in the shorter run.
const FEW: u64 = 4;

fn run(effort: &Effort, report: &mut Report) {
    let callgrind = is_installed("valgrind");
    let strace = is_installed("strace");
    for (present, tool) in [(callgrind, "valgrind"), (strace, "strace")] {
        if !present {
            report.absent(PART.name, "all", tool, format!("{tool} is not installed"));
        }
    }
    for (scenario, batches) in SCENARIOS {
        let candidates = effort.candidates(scenario.app);
        report.measure(PART.name, scenario.name, 1, &candidates, |name| {
            let peer = Peer::of(name);
            let mut figures = Vec::new();
            let messages = (batches * (scenario.depth * scenario.connections) as u64) as f64;
            if callgrind && is_countable(peer) {
                let few = profile(scenario, peer, FEW)?;
                let many = profile(scenario, peer, FEW + batches)?;
                figures.push((INSTRUCTIONS, (many.instructions - few.instructions) / messages));
                // Beyond two digits, chance decides in which run a buffer had to grow.
                let allocations = (many.allocations - few.allocations).max(0.0) / messages;
                figures.push((ALLOCATIONS, (allocations * 100.0).round() / 100.0));
            }
            if strace {
                let calls = system_calls(scenario, peer, FEW + batches)? - system_calls(scenario, peer, FEW)?;
                figures.push((SYSTEM_CALLS, calls / messages));
            }
            Ok(figures)
        });
    }
}

/// Whether callgrind sees all of a peer's work.
fn is_countable(peer: &Peer) -> bool {
    !peer.is_python() && !["monoio-uring", "compio", "glommio"].contains(&peer.name)
}

/// Runs a scenario with a server under another program, which writes its counts to a file at the end.
fn watched(scenario: &Scenario, peer: &Peer, batches: u64, wrapper: &[&str], file: &Path) -> Outcome<String> {
    let subject = Subject::start(peer, scenario.app, wrapper)?;
    scenario.load(&subject, Until::Batches(batches))?;
    subject.end()?;
    let text = read_to_string(file).map_err(|error| format!("nothing was counted: {error}"));
    // A file that cannot be deleted is no reason to stop.
    let _ = std::fs::remove_file(file);
    text
}

pub(super) fn temporary(kind: &str) -> PathBuf {
    temp_dir().join(format!("versus-{}.{kind}", id()))
}

pub(super) struct Profile {
    pub(super) instructions: f64,
    pub(super) allocations: f64,
}

/// Counts everything that a server does from its start to its end.
pub(super) fn profile(scenario: &Scenario, peer: &Peer, batches: u64) -> Outcome<Profile> {
    let file = temporary("callgrind");
    let output = format!("--callgrind-out-file={}", file.display());
    let text = watched(scenario, peer, batches, &["valgrind", "-q", "--tool=callgrind", &output], &file)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("the profile has no totals")?;
    let instructions = total.trim().parse().map_err(|_| format!("the total is {total}"))?;
    Ok(Profile { instructions, allocations: allocations(&text) })
}

/// The number of allocations in a profile of callgrind's.
pub(super) fn allocations(profile: &str) -> f64 {
    const ALLOCATING: &[&str] = &["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];
    // A function is named at its first appearance, as `cfn=(12) malloc`, and is `cfn=(12)` from then on.
    let mut ids = Vec::new();
    let mut called = false;
    let mut count = 0.0;
    for line in profile.lines() {
        let function = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn="));
        if let Some(function) = function {
            let (id, name) = function.split_once(' ').unwrap_or((function, ""));
            if ALLOCATING.contains(&name) {
                ids.push(id.to_owned());
            }
            called = line.starts_with('c') && ids.iter().any(|known| known == id);
        } else if let Some(calls) = line.strip_prefix("calls=").filter(|_| called) {
            count += calls.split(' ').next().and_then(|calls| calls.parse().ok()).unwrap_or(0.0);
        }
    }
    count
}

/// The system calls of all threads of a server.
fn system_calls(scenario: &Scenario, peer: &Peer, batches: u64) -> Outcome<f64> {
    let file = temporary("strace");
    let output = file.display().to_string();
    // By default strace blocks fatal signals while it writes to a file; -I2 lets it be stopped.
    let wrapper = ["strace", "-I2", "-f", "-c", "-U", "calls,name", "-o", &output, "--"];
    let text = watched(scenario, peer, batches, &wrapper, &file)?;
    let total = text.lines().find(|line| line.trim_end().ends_with("total")).ok_or("strace gives no total")?;
    let calls = total.split_whitespace().next().and_then(|calls| calls.parse().ok());
    calls.ok_or_else(|| format!("strace's total is {total}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_the_calls_of_malloc_and_its_kin() {
        let profile = "fn=(1) main\ncfn=(2) malloc\ncalls=3 0\n10 20\ncfn=(3) free\ncalls=5 0\nfn=(4) other\n\
                       cfn=(2)\ncalls=4 0\ncfn=(5) realloc\ncalls=1 0\nfn=(2)\ncfn=(6) _int_malloc\ncalls=7 0\n";
        assert_eq!(allocations(profile), 8.0);
    }
}
