//! The needs of an idle server: memory for each connection, memory in total, and threads.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use super::{Effort, Part};
use crate::children::{LOAD_CORE, Outcome, Running, own};
use crate::load::connect;
use crate::report::metric::{IDLE, RESIDENT, THREADS};
use crate::report::{Figures, Report};
use crate::servers::Peer;
use crate::subject::Subject;
use crate::wire::{App, text};

pub(super) const PART: Part = Part {
    name: "idle",
    title: "While nothing happens",
    explanation: "The growth of the server's resident memory from 9,900 connections after a first one, each with one \
                  echoed message, divided by their number. This does not include the kernel's own memory for a \
                  connection.",
    run,
};

const CONNECTIONS: usize = 9_900;
const MESSAGES: &[(&str, usize)] = &[("after 64 B", 64), ("after 16 KiB", 16_384)];

fn run(effort: &Effort, report: &mut Report) {
    for (name, size) in MESSAGES {
        report.measure(PART.name, name, 1, &effort.candidates(App::Echo), |peer| measure(peer, *size));
    }
}

fn measure(peer: &str, size: usize) -> Outcome<Figures> {
    let subject = Subject::start(Peer::of(peer), App::Echo, &[])?;
    let at_start = status(subject.id(), "VmRSS:")?;
    let hold = |connections: usize| {
        let arguments = ["hold", &subject.address.to_string(), &connections.to_string(), &size.to_string()];
        let mut holder = Running::start(own(&arguments), LOAD_CORE)?;
        holder.line(Duration::from_secs(60))?;
        Ok::<Running, String>(holder)
    };
    // The first connection allocates the memory that all share: buffers, and pages of the program that it is the first
    // to use.
    let _first = hold(1)?;
    let before = status(subject.id(), "VmRSS:")?;
    let _others = hold(CONNECTIONS)?;
    let bytes = (status(subject.id(), "VmRSS:")? - before) * 1024.0 / CONNECTIONS as f64;
    Ok(vec![(IDLE, bytes), (RESIDENT, at_start), (THREADS, status(subject.id(), "Threads:")?)])
}

/// Opens connections, has one message echoed on each, reports this, and holds them until this process is killed.
pub(crate) fn hold(address: SocketAddr, connections: usize, size: usize) {
    let message = text(size, size);
    let mut echo = vec![0; size];
    let mut held = Vec::with_capacity(connections);
    for index in 0..connections {
        let mut stream = connect(address, index);
        stream.set_nonblocking(false).expect("blocking");
        stream.write_all(&message).expect("sending");
        stream.read_exact(&mut echo).expect("an echo");
        assert!(echo == message, "the echo differs");
        held.push(stream);
    }
    println!("held");
    // The parent kills this process much earlier. This limit is for the case that the parent has died.
    std::thread::sleep(Duration::from_secs(120));
}

/// A number that the kernel keeps about a process.
pub(super) fn status(process: u32, name: &str) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).map_err(|_| "the server ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("the kernel does not say")?;
    line.trim().trim_end_matches(" kB").parse().map_err(|_| format!("not a number: {line}"))
}
