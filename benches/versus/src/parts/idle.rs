//! What a server needs while nothing happens: memory for each connection, memory at all, and threads.

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
    explanation: "The growth of the server's resident memory by 9,900 connections after a first one, each of which had \
                  one message echoed, divided by them. The kernel's own memory for a connection is not in it.",
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
    // The first connection pays for what all share: buffers, and the parts of the program that it is the first to use.
    let _first = hold(1)?;
    let before = status(subject.id(), "VmRSS:")?;
    let _others = hold(CONNECTIONS)?;
    let bytes = (status(subject.id(), "VmRSS:")? - before) * 1024.0 / CONNECTIONS as f64;
    Ok(vec![(IDLE, bytes), (RESIDENT, at_start), (THREADS, status(subject.id(), "Threads:")?)])
}

/// Opens connections, has one message echoed on each, says so, and holds them until this process is ended.
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
    // The parent ends this process much sooner; were the parent gone, nobody else would.
    std::thread::sleep(Duration::from_secs(120));
}

/// A number that the kernel keeps of a process.
pub(super) fn status(process: u32, name: &str) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).map_err(|_| "the server ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("the kernel does not say")?;
    line.trim().trim_end_matches(" kB").parse().map_err(|_| format!("not a number: {line}"))
}
