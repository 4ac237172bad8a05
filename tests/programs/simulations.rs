//! The simulation examples, and the commands that a failing seed prints.

use std::process::Command;

use crate::common::processes::Process;
use crate::common::temp_dir::TempDir;
use crate::servers::example;

/// Runs an example with these variables. Returns its output, its errors, and whether it succeeded.
fn run(name: &str, seeds: &str, variables: &[(&str, &str)]) -> (Vec<String>, String, bool) {
    let mut command = Command::new(example(name));
    command.arg(seeds).env_remove("RUST_LOG").envs(variables.iter().copied());
    let (status, lines, errors) = Process::start(&mut command).finish();
    (lines, errors, status.success())
}

#[test]
fn in_the_chat_everybody_reads_the_same() {
    let (lines, errors, success) = run("sim_chat", "10", &[]);
    assert!(success, "{errors}");
    assert!(lines[0].starts_with("10 chats in ") && lines[0].contains(", 50 partitions, "), "{lines:?}");
    assert_eq!(lines[1], "everybody has read the same, and nothing twice");
}

#[test]
fn the_broken_twin_is_found_and_the_command_that_is_printed_finds_it_again() {
    let (lines, errors, success) = run("sim_lines", "50", &[]);
    assert!(success, "{errors}");
    assert_eq!(lines, ["50 seeds, and every line was measured right", "", "And now the twin:"]);
    assert!(errors.contains("fails: client failed: a line of "), "{errors}");
    // A failure is shrunk to a few faults.
    let needs = errors.split("faults it needs ").nth(1).expect("it needs some");
    let count: usize = needs.split(':').next().unwrap().parse().unwrap();
    assert!((1..=3).contains(&count), "{errors}");

    let command = errors.split("Run it again:  ").nth(1).expect("a command is printed").lines().next().unwrap();
    let variables: Vec<(&str, &str)> = command.split(' ').filter_map(|word| word.split_once('=')).collect();
    let [("WATERWHEEL_SEED", _), ("WATERWHEEL_FAULTS", _)] = variables[..] else { panic!("{command}") };
    let (_, again, success) = run("sim_lines", "50", &variables);
    assert!(success);
    let found = |errors: &str| errors.split("fails: ").nth(1).unwrap().split("\n\nRun it").next().unwrap().to_owned();
    assert!(found(&again).starts_with(found(&errors).split("\n\n").next().unwrap()), "{again}");
}

#[test]
fn the_trace_of_a_seed_has_a_file_for_each_host() {
    let directory = TempDir::new();
    let trace = directory.file("trace.json");
    let (_, errors, success) =
        run("sim_chat", "1", &[("WATERWHEEL_SEED", "3"), ("WATERWHEEL_TRACE", trace.to_str().unwrap())]);
    assert!(success, "{errors}");
    let mut hosts = 0;
    for file in std::fs::read_dir(&directory).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let events: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(events.as_array().unwrap().len() > 10);
        hosts += 1;
    }
    // The server, three clients, and the client that causes the partitions.
    assert_eq!(hosts, 5);
}
