//! What an idle connection costs in memory, after one echo.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::Effort;
use crate::children::{LOAD_CORE, MEASURED_CORE, Running, own};
use crate::report::{Cell, Report};

const SERVERS: &[&str] = &[
    "tokio:echo",
    "tokio:echo-readable",
    "waterwheel:read_into",
    "waterwheel:fill_buf",
    "waterwheel:read",
    "waterwheel:readline",
    "waterwheel:protocol",
];

pub(crate) fn run(effort: &Effort, report: &mut Report) {
    let connections = effort.idle_connections.to_string();
    report.begin("Memory of idle connections", &["bytes/connection", "x first"]);
    let mut first = None;
    for server in SERVERS {
        let mut child = Running::start(own(MEASURED_CORE, &["serve", server, "1000000"]));
        let address = child.line();
        let before = resident(child.id());
        let mut holder = Running::start(own(LOAD_CORE, &["hold", &address, &connections]));
        assert_eq!(holder.line(), "held");
        let bytes = (resident(child.id()) - before) as f64 / effort.idle_connections as f64;
        let ratio = bytes / *first.get_or_insert(bytes);
        report.row(&format!("{connections} idle connections"), server, &[Cell::Whole(bytes), Cell::Ratio(ratio)]);
    }
}

/// Opens connections, has one message echoed on each, says so, and holds them until this process is ended.
pub(crate) fn hold(address: &str, connections: usize) {
    let message = [b'x'; 63].into_iter().chain([b'\n']).collect::<Vec<u8>>();
    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address).expect("the server accepts");
        stream.write_all(&message).expect("sending");
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo).expect("an echo");
        assert_eq!(echo, message);
        held.push(stream);
    }
    println!("held");
    loop {
        std::thread::park();
    }
}

/// Bytes of memory that a process has.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says VmRSS");
    let kibibytes = line.trim().trim_end_matches(" kB");
    crate::number::<u64>(kibibytes) * 1024
}
