//! Counts everything that a server does from its start to its end. Two such counts, with few and with many messages,
//! give the cost of a message.

use std::fs::read_to_string;

use super::counts::{allocations, temporary};
use crate::children::Outcome;
use crate::report::Figures;
use crate::report::metric::{ALLOCATIONS, INSTRUCTIONS, SYSTEM_CALLS};

/// Runs the server twice with `run`, which gets the command to start it under: callgrind, then strace.
pub(super) fn totals(run: impl Fn(&[&str]) -> Outcome<()>) -> Outcome<Figures> {
    const COPIES: &str =
        "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000";
    let profile = watched(&run, "callgrind", |file| {
        let output = format!("--callgrind-out-file={file}");
        ["env", COPIES, "valgrind", "-q", "--tool=callgrind", &output].map(str::to_owned).to_vec()
    })?;
    let table = watched(&run, "strace", |file| {
        ["strace", "-I2", "-f", "-c", "-U", "calls,name", "-o", file, "--"].map(str::to_owned).to_vec()
    })?;
    let instructions = profile.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("no totals")?;
    let calls = table.lines().find(|line| line.trim_end().ends_with("total")).ok_or("strace gives no total")?;
    let calls = calls.split_whitespace().next().ok_or("strace gives no total")?;
    Ok(vec![
        (INSTRUCTIONS, crate::number(instructions.trim())),
        (ALLOCATIONS, allocations(&profile)),
        (SYSTEM_CALLS, crate::number(calls)),
    ])
}

/// Returns the text that a program which watches the server writes at its end.
fn watched(
    run: impl Fn(&[&str]) -> Outcome<()>,
    kind: &str,
    wrapper: impl FnOnce(&str) -> Vec<String>,
) -> Outcome<String> {
    let file = temporary(kind);
    let wrapper = wrapper(&file.display().to_string());
    run(&wrapper.iter().map(String::as_str).collect::<Vec<_>>())?;
    let text = read_to_string(&file).map_err(|error| format!("nothing was counted: {error}"));
    // A file that cannot be deleted is no reason to stop.
    let _ = std::fs::remove_file(&file);
    text
}
