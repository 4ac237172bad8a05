//! `check` over many seeds, and its report of a seed that fails.

use std::cell::Cell;
use std::env;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::thread;

use waterwheel::sim::{Faults, Sim, check};
use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};

use crate::hosts::a_moment;

#[test]
fn each_seed_of_the_range_is_run_once() {
    let seeds = Cell::new(0);
    check(5..9, |sim| {
        assert!((5..9).contains(&sim.seed()));
        seeds.set(seeds.get() + 1);
        Ok::<(), io::Error>(())
    });
    assert_eq!(seeds.get(), 4);
}

#[test]
#[ignore = "the test below runs it, and looks at what it prints"]
fn prints_its_seeds() {
    check(10..13, |sim| {
        eprintln!("seed {} runs", sim.seed());
        Ok::<(), io::Error>(())
    });
}

#[test]
fn the_environment_chooses_a_seed_or_how_many_or_from_which_to_which() {
    let seeds = |variable, value| {
        let (_, printed) = run("prints_its_seeds", &[(variable, value)]);
        let seeds = printed.lines().filter_map(|line| line.strip_prefix("seed ")?.strip_suffix(" runs"));
        seeds.map(|seed| seed.parse().unwrap()).collect::<Vec<u64>>()
    };
    assert_eq!(seeds("OTHER", ""), [10, 11, 12]);
    assert_eq!(seeds("WATERWHEEL_SEED", "7"), [7]);
    assert_eq!(seeds("WATERWHEEL_SEEDS", "2"), [10, 11]);
    assert_eq!(seeds("WATERWHEEL_SEEDS", "3..6"), [3, 4, 5]);
    for (variable, value) in
        [("WATERWHEEL_SEED", "one"), ("WATERWHEEL_SEEDS", "3..many"), ("WATERWHEEL_FAULTS", "1,2,x")]
    {
        let (succeeds, printed) = run("prints_its_seeds", &[(variable, value)]);
        assert!(!succeeds && printed.contains(&format!("{variable} should be a number")), "{printed}");
    }
}

/// Treats each read as a whole line. This is a common mistake, and works only while no line arrives in parts.
async fn answers_each_read(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    while !reader.at_eof() {
        let line = reader.read(100).await?;
        if line.ends_with(b"\n") {
            writer.write(&line);
        }
    }
    Ok(())
}

fn line_protocol(sim: &mut Sim) -> Result<(), waterwheel::sim::Failure> {
    sim.set_faults(Faults::benign());
    sim.host("server", || async { start_server(answers_each_read, "0.0.0.0:7").await?.serve_forever().await });
    sim.client("client", async {
        a_moment().await;
        let (mut reader, writer) = open_connection(("server", 7)).await?;
        for _ in 0..20 {
            writer.write(b"a line of some length\n");
            assert_eq!(reader.readline().await?, b"a line of some length\n");
        }
        io::Result::Ok(())
    });
    sim.run()
}

#[test]
fn a_fault_in_the_program_is_found_and_what_it_needs_is_said() {
    let panic = catch_unwind(AssertUnwindSafe(|| check(0..100, line_protocol))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("seed 0 fails: a panic on client"), "{text}");
    // One short receive or send is enough.
    assert!(text.contains("it needs 1:\n"), "{text}");
    assert!(text.contains("was short (number "), "{text}");
    let name = "cargo test checks::a_fault_in_the_program_is_found_and_what_it_needs_is_said";
    assert!(text.contains("Run it again:  WATERWHEEL_SEED=") && text.contains(name), "{text}");
}

/// Runs a test of this file in a process of its own. Returns whether it succeeds, and its standard error.
fn run(test: &str, environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env::current_exe().expect("a test knows its own path"));
    command
        .args(["--exact", &format!("checks::{test}"), "--nocapture", "--include-ignored"])
        .env("RUST_BACKTRACE", "0")
        .env_remove("WATERWHEEL_SEEDS")
        .envs(environment.iter().copied());
    let output = command.output().expect("a test program can be run");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The standard error of a test that succeeds.
fn printed_by(test: &str) -> String {
    let (succeeds, printed) = run(test, &[]);
    assert!(succeeds, "{printed}");
    printed
}

#[test]
fn a_failure_prints_its_panic_once_and_not_for_each_run_that_shrinks_it() {
    let printed = printed_by("a_fault_in_the_program_is_found_and_what_it_needs_is_said");
    // The failure itself, and the panic of `check` that reports it.
    assert_eq!(printed.matches("panicked at").count(), 2, "{printed}");
}

#[test]
#[ignore = "the test below runs it, and looks at what it prints"]
fn fails_while_another_thread_panics_in_each_run() {
    let runs = Cell::new(0);
    let fails = catch_unwind(AssertUnwindSafe(|| {
        check(0..1, |sim| {
            runs.set(runs.get() + 1);
            assert!(thread::spawn(|| panic!("another thread")).join().is_err());
            line_protocol(sim)
        });
    }));
    assert!(fails.is_err());
    eprintln!("{} runs", runs.get());
}

#[test]
fn what_panics_on_another_thread_is_printed_while_a_failure_is_shrunk() {
    let printed = printed_by("fails_while_another_thread_panics_in_each_run");
    let of_others = printed.matches("another thread").count();
    assert!(of_others > 2 && printed.contains(&format!("{of_others} runs")), "{printed}");
}
