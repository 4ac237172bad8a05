//! Networks that lose packets, are slow, swallow everything for a while, or reset connections. Each is a network
//! namespace of its own that has only a loopback interface, and disappears with its last process.

use super::driven::{Ended, driver};
use crate::figures::figure;

/// Sets the MTU of a cable, and adds a chain for incoming packets. The script of a scenario follows, which gets the
/// driver as its arguments, and at its end prints what it has counted.
const PRELUDE: &str = "
    ip link set lo mtu 1500 up
    nft add table ip faults
    nft add chain ip faults in '{ type filter hook input priority 0; }'
    packets() { nft list chain ip faults in | sed -n 's/.*counter packets \\([0-9]*\\).*/\\1/p' | tail -n 1; }
";

const LOSS: &str = r#"
    nft add rule ip faults in numgen random mod 100 '<' 3 counter drop
    "$@"
    echo "$(packets) disturbed"
"#;

const RATE: &str = r#"
    tc qdisc add dev lo root tbf rate 40mbit burst 8kb latency 20ms
    "$@"
    tc -s qdisc show dev lo | sed -n 's/.*overlimits \([0-9]*\).*/\1 disturbed/p'
"#;

/// The hole begins in the middle of the traffic, and ends when enough was swallowed.
const BLACK_HOLE: &str = r#"
    nft add rule ip faults in counter
    "$@" &
    until [ "$(packets)" -ge 500 ]; do kill -0 $! && sleep 0.01; done
    nft add rule ip faults in counter drop
    until [ "$(packets)" -ge 60 ]; do kill -0 $! && sleep 0.01; done
    swallowed=$(packets)
    nft flush chain ip faults in
    wait $!
    echo "$swallowed disturbed"
"#;

const RESETS: &str = r#"
    nft add rule ip faults in numgen random mod 60 == 0 tcp flags '& (syn | rst) == 0' counter reject with tcp reset
    "$@"
    echo "$(packets) disturbed"
"#;

fn run(wire: &str, script: &str, bytes: &str, seed: u64) -> Ended {
    let script = format!("{PRELUDE}{script}");
    let seed = seed.to_string();
    let mut command = driver(&["unshare", "-rn", "sh", "-euc", &script, "sh"], &["both", wire, "40", bytes, &seed]);
    if script.contains(RESETS) {
        command.env("FAULTS_TOLERANT", "1").env("FAULTS_SILENCE", "3");
    } else {
        command.env("FAULTS_SILENCE", "15");
    }
    let ended = Ended::run(&mut command);
    assert!(ended.status.success() && ended.errors.is_empty(), "{wire}: {ended:?}\n{script}");
    ended
}

fn over_each_wire(name: &str, script: &str, bytes: &str, look: impl Fn(&Ended)) {
    for wire in ["tcp", "tls"] {
        for seed in 0..figure("WATERWHEEL_NETWORK_SEEDS", 1) {
            let ended = run(wire, script, bytes, seed);
            let (whole, disturbed) = (ended.count("whole"), ended.count("disturbed"));
            println!("{name} over {wire}: {whole} whole, {disturbed} disturbed, {} failed", ended.count("failed"));
            assert!(disturbed >= 10, "{ended:?}");
            assert!(whole > 0, "{ended:?}");
            look(&ended);
        }
    }
}

#[test]
#[ignore = "needs network namespaces, nft and a while: see README.md"]
fn all_arrives_where_three_packets_of_a_hundred_are_lost() {
    over_each_wire("loss", LOSS, "300000", |_| {});
}

#[test]
#[ignore = "needs network namespaces, tc and a while: see README.md"]
fn all_arrives_through_a_network_that_is_slower_than_the_programs() {
    over_each_wire("rate", RATE, "150000", |_| {});
}

#[test]
#[ignore = "needs network namespaces, nft and a while: see README.md"]
fn all_arrives_although_everything_is_swallowed_for_a_while() {
    over_each_wire("black hole", BLACK_HOLE, "2000000", |_| {});
}

#[test]
#[ignore = "needs network namespaces, nft and a while: see README.md"]
fn resets_out_of_the_network_are_errors_and_never_an_end() {
    over_each_wire("resets", RESETS, "300000", |ended| assert!(ended.count("failed") > 0, "{ended:?}"));
}
