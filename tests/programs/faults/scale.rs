//! Many connections in successive waves, and many bytes.

use super::driven::{Ended, driver};
use crate::figures::figure;

fn run(wire: &str, connections: u64, bytes: u64, seed: u64) -> Ended {
    let numbers = [connections, bytes, seed].map(|number| number.to_string());
    let ended = Ended::run(&mut driver(&[], &["both", wire, &numbers[0], &numbers[1], &numbers[2]]));
    assert!(ended.status.success() && ended.errors.is_empty(), "seed {seed} over {wire}: {ended:?}");
    let sides = ended.count("whole") + ended.count("aborted") + ended.count("cut");
    assert_eq!(sides, 2 * connections, "both sides of each: {ended:?}");
    ended
}

#[test]
#[ignore = "takes a while: see README.md"]
fn connections_come_and_go_and_resets_are_among_them() {
    let wanted = figure("WATERWHEEL_CHURN", 200_000);
    // A run of the driver has a time limit, and keeps the outcome of each conversation, so there are several runs.
    let (mut done, mut seed, mut resets) = (0, 0, 0);
    while done < wanted {
        let ended = run("tcp", 25_000, 300, seed);
        resets += ended.count("reset");
        done += 25_000;
        seed += 1;
    }
    println!("{done} connections, {resets} of them reset");
    assert!(resets >= done / 20, "{resets}");
}

#[test]
#[ignore = "takes a while: see README.md"]
fn many_bytes_arrive_as_they_were_sent() {
    for (wire, variable, wanted) in [("tcp", "WATERWHEEL_GIGABYTES", 10), ("tls", "WATERWHEEL_GIGABYTES_TLS", 3)] {
        let wanted = figure(variable, wanted) * 1_000_000_000;
        let (mut bytes, mut seed) = (0, 0);
        while bytes < wanted {
            let connections = [50, 1, 10][seed as usize % 3];
            bytes += run(wire, connections, 800_000_000 / connections, seed).count("bytes");
            seed += 1;
            assert!(seed < 1_000, "next to nothing is moved: {bytes} bytes");
        }
        println!("{bytes} bytes over {wire} in {seed} runs");
    }
}
