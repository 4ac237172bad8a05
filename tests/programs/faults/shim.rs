//! System calls that are short, interrupted or told to try again, hundreds of thousands of them: `shim.c` sits between
//! the program and the system, and counts what it does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::driven::{Ended, driver, scratch, two_at_a_time};
use crate::figures::figure;

const WIRES: [&str; 4] = ["tcp", "tls", "unix", "pipes"];

/// The faults that every run meets often. Events are invented and reordered only when there are several, which depends
/// on how the two sides meet.
const OFTEN: [&str; 6] = ["short_reads", "short_writes", "read_eintr", "read_eagain", "write_eintr", "write_eagain"];
const ALL: [&str; 13] = [
    "short_reads",
    "short_writes",
    "read_eintr",
    "read_eagain",
    "write_eintr",
    "write_eagain",
    "accept_eintr",
    "accept_eagain",
    "accept_econnaborted",
    "wait_eintr",
    "spurious_events",
    "delayed_events",
    "reordered_batches",
];

type Counters = BTreeMap<String, u64>;

fn compiled() -> PathBuf {
    let (source, library) = (Path::new(file!()).with_extension("c"), scratch("shim.so"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    let built = cc.args(["-ldl", "-lpthread"]).output().expect("this test needs a C compiler");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}

/// Runs one seed over one wire, and returns the counts of the faults.
fn disturb(shim: &Path, wire: &str, seed: u64) -> Counters {
    let (report, number) = (scratch("report"), seed.to_string());
    let mut command = driver(&[], &["both", wire, "60", "150000", &number]);
    command.env("LD_PRELOAD", shim).env("WATERWHEEL_SHIM_SEED", &number).env("WATERWHEEL_SHIM_REPORT", &report);
    let ended = Ended::run(&mut command);
    assert!(ended.status.success() && ended.errors.is_empty(), "seed {seed} over {wire}: {ended:?}");
    assert_eq!(
        ended.count("whole") + ended.count("aborted") + ended.count("cut"),
        120,
        "both sides of each: {ended:?}"
    );
    let text = fs::read_to_string(&report).expect("the shim has written its counters");
    fs::remove_file(&report).expect("it is there");
    let counters = text.lines().filter_map(|line| line.split_once(' '));
    let counters: Counters =
        counters.map(|(name, count)| (name.to_owned(), count.parse().expect("each counter is a number"))).collect();
    for name in OFTEN {
        assert!(counters[name] > 20, "seed {seed} over {wire} had next to no {name}: {counters:?}");
    }
    counters
}

#[test]
#[ignore = "needs a C compiler, and takes a while: see README.md"]
fn nothing_is_lost_where_calls_are_short_interrupted_or_told_to_come_again() {
    let wanted = figure("WATERWHEEL_DISTURBANCES", 20_000);
    let shim = compiled();
    let mut sum = Counters::new();
    let mut seed = figure("WATERWHEEL_DISTURBANCES_SEED", 1);
    let mut runs = 0;
    while sum.values().sum::<u64>() < wanted {
        let next: Vec<(u64, &str)> = (seed..seed + 2).flat_map(|seed| WIRES.map(|wire| (seed, wire))).collect();
        seed += 2;
        runs += next.len();
        for counters in two_at_a_time(next, |(seed, wire)| disturb(&shim, wire, seed)) {
            for (name, count) in counters {
                *sum.entry(name).or_default() += count;
            }
        }
    }
    println!("{} faults in {runs} runs: {sum:?}", sum.values().sum::<u64>());
    for name in ALL {
        assert!(sum[name] > 0, "there was never one of {name}: {sum:?}");
    }
}
