//! The program that the tests disturb: it moves a lot of data over many connections, and checks every byte that it
//! receives.
//!
//!     faults_driver both WIRE CONNECTIONS BYTES SEED      both sides, in one loop; WIRE is tcp, tls, unix or pipes
//!     faults_driver serve WIRE [ADDR]                     the hosts alone, until SIGTERM
//!     faults_driver visit WIRE ADDR CONNECTIONS BYTES SEED
//!
//! Each connection has its own plan, which follows from SEED and its number. With `FAULTS_TOLERANT` in the
//! environment, an error is an acceptable result; with `FAULTS_CUT_IN_ORDER` so is an early end of a TCP connection.
//! In every case, wrong bytes, or an orderly end before the last of them, end the program with status 4, and a loop
//! that hangs ends it with status 3 and a dump.

mod pattern;
mod plan;
mod roles;
mod talk;
mod wire;

use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs};

use waterwheel::EventLoop;

use crate::roles::{Command, LOOPBACK, act, say};
use crate::wire::Wire;

/// Longer than any run that does not hang.
const PATIENCE: Duration = Duration::from_secs(40);

fn command() -> Option<Command> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().ok();
    Some(match arguments[..] {
        ["both", wire, connections, most, seed] => Command::Both {
            wire: Wire::named(wire)?,
            connections: number(connections)?,
            most: number(most)?,
            seed: number(seed)?,
        },
        ["serve", wire] => Command::Serve { wire: Wire::named(wire)?, at: LOOPBACK },
        ["serve", wire, at] => Command::Serve { wire: Wire::named(wire)?, at: at.parse().ok()? },
        ["visit", wire, address, connections, most, seed] => Command::Visit {
            wire: Wire::named(wire)?,
            address: address.parse().ok()?,
            connections: number(connections)?,
            most: number(most)?,
            seed: number(seed)?,
        },
        _ => return None,
    })
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn main() -> ExitCode {
    env_logger::init();
    let Some(command) = command() else {
        eprintln!("usage: faults_driver both WIRE CONNECTIONS BYTES SEED | serve WIRE | visit WIRE ADDR …");
        return ExitCode::from(2);
    };
    let before = descriptors();
    let ended = {
        let mut event_loop = match EventLoop::new() {
            Ok(event_loop) => event_loop,
            Err(error) => {
                say(&format!("error: there is no loop: {error}"));
                return ExitCode::FAILURE;
            }
        };
        match event_loop.run_within(PATIENCE, act(command)) {
            Ok(ended) => ended,
            Err(hung) => {
                eprintln!("HANGS: {hung}");
                return ExitCode::from(3);
            }
        }
    };
    let left = descriptors().saturating_sub(before);
    if left > 0 {
        eprintln!("VIOLATION: {left} descriptors are left");
        return ExitCode::from(4);
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}
