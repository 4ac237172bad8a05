//! Peers that are killed, connections that the system cuts, and an endless stream of signals.

use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::driven::{Ended, driver};
use crate::common::processes::{MOMENT, Process, output_of, signal, until};
use crate::figures::figure;
use crate::servers::Server;

/// How many connections a visitor has at once.
const CONNECTIONS: usize = 50;

fn hosts(wire: &str) -> Server {
    Server::start(driver(&[], &["serve", wire]).env("FAULTS_CUT_IN_ORDER", "1"))
}

fn visit(wire: &str, server: &Server, bytes: &str, seed: u64) -> Command {
    let (address, connections) = (server.address.to_string(), CONNECTIONS.to_string());
    driver(&[], &["visit", wire, &address, &connections, bytes, &seed.to_string()])
}

/// Waits until a server has worked for a while: longer than the handshakes take, and much shorter than the rest.
fn in_the_midst(server: &Server) {
    let ticks = server.ticks();
    until("the server has much to do", || server.ticks() >= ticks + 10);
}

/// Ends a server in order, and returns its report.
fn end(server: Server) -> Ended {
    assert!(signal(server.pid(), "TERM"), "the server runs");
    let (status, said, errors) = server.process.finish();
    let ended = Ended { status, said: said.join("\n"), errors };
    assert!(ended.in_order(), "{ended:?}");
    ended
}

#[test]
#[ignore = "takes a while: see README.md"]
fn peers_that_are_killed_cost_a_server_nothing() {
    let kills = figure("WATERWHEEL_KILLS", 20);
    for wire in ["tcp", "tls"] {
        let server = hosts(wire);
        let before = server.descriptors();
        for seed in 0..kills {
            let mut visitor = Process::start(&mut visit(wire, &server, "100000000", seed));
            in_the_midst(&server);
            visitor.kill();
            until("all of them are gone", || server.descriptors() == before);
        }
        let whole = Ended::run(&mut visit(wire, &server, "10000", kills));
        assert!(whole.status.success(), "who comes next is served: {whole:?}");
        let ended = end(server);
        let (failed, cut) = (ended.count("failed"), ended.count("cut"));
        println!("{wire}: {kills} killed; of their conversations {failed} failed, {cut} were cut");
        assert!(failed + cut >= kills * CONNECTIONS as u64 / 4, "the kills came too late to hurt: {ended:?}");
    }
}

#[test]
#[ignore = "needs ss, the right to kill sockets, and a while: see README.md"]
fn connections_that_the_system_cuts_are_told_on_both_sides() {
    for wire in ["tcp", "tls"] {
        let server = hosts(wire);
        let before = server.descriptors();
        let mut command = visit(wire, &server, "100000000", 1);
        let visitor = Process::start(command.env("FAULTS_TOLERANT", "1").env("FAULTS_CUT_IN_ORDER", "1"));
        in_the_midst(&server);
        let port = server.address.port().to_string();
        let mut ss = Command::new("ss");
        ss.args(["-K", "-H", "-t", "-n", "state", "established", "dport", "=", &format!(":{port}")]);
        let killed = String::from_utf8_lossy(&output_of(&mut ss, None)).lines().count() as u64;
        let (status, said, errors) = visitor.finish();
        let ended = Ended { status, said: said.join("\n"), errors };
        assert!(ended.in_order(), "{ended:?}");
        until("the server has none left", || server.descriptors() == before);
        let hosts = end(server);
        println!("{wire}: {killed} connections cut");
        let hurt = |ended: &Ended| ended.count("failed") + ended.count("reset");
        assert!(killed >= CONNECTIONS as u64 / 2, "{killed}");
        assert!(hurt(&ended) >= killed / 2 && hurt(&hosts) >= killed / 2, "{killed}: {ended:?}, {hosts:?}");
    }
}

#[test]
#[ignore = "takes a while: see README.md"]
fn a_thousand_signals_a_second_interrupt_nothing_for_good() {
    let seeds = figure("WATERWHEEL_SIGNAL_RUNS", 2);
    for wire in ["tcp", "tls", "unix", "pipes"] {
        let (mut sent, mut heard) = (0_u64, 0);
        for seed in 0..seeds {
            let mut command = driver(&[], &["both", wire, "50", "10000000", &seed.to_string()]);
            let process = Process::start(command.env("FAULTS_SIGNALS", "1"));
            assert_eq!(process.line().as_deref(), Some("listening"));
            let (pid, stop) = (Pid::from_child(&process.child), AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        kill_process(pid, Signal::USR1).expect("it waits to be told to end");
                        sent += 1;
                        thread::sleep(MOMENT / 5);
                    }
                });
                let said: Vec<String> =
                    std::iter::from_fn(|| process.line()).take_while(|line| line != "done").collect();
                stop.store(true, Ordering::Relaxed);
                heard += Ended { status: ExitStatus::default(), said: said.join("\n"), errors: String::new() }
                    .count("signals");
            });
            kill_process(pid, Signal::TERM).expect("it waits to be told to end");
            let (status, _, errors) = process.finish();
            assert!(status.success() && errors.is_empty(), "{wire}, seed {seed}: {status}: {errors}");
        }
        println!("{wire}: {sent} signals sent, of which {heard} were heard as such");
        assert!(heard >= 100 * seeds, "only {heard} of {sent}");
    }
}
