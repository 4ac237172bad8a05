//! A line protocol in the simulation, and a broken twin of it, which assumes that each read returns whole lines. On a
//! quiet network both behave the same. The simulation finds a seed for which the twin loses bytes, and says which
//! faults it takes.
//!
//!     cargo run --features sim --example sim_lines [SEEDS]

use std::env;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use waterwheel::sim::{Failure, Faults, Sim, check};
use waterwheel::{StreamReader, StreamWriter, open_connection, sleep, start_server, timeout};

/// Answers each line with its length.
async fn measure(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    while let Some(line) = reader.next_line().await? {
        writer.write(format!("{}\n", line.trim_ascii_end().len()).as_bytes());
        writer.drain().await?;
    }
    Ok(())
}

/// The twin. The bytes after the last newline of a read belong to the next line, but the twin drops them.
async fn measure_what_one_read_brings(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    while !reader.at_eof() {
        let data = reader.read(4096).await?;
        for line in data.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            writer.write(format!("{}\n", line.len() - 1).as_bytes());
        }
        writer.drain().await?;
    }
    Ok(())
}

/// Requests the lengths of some lines.
async fn ask() -> io::Result<()> {
    sleep(Duration::from_millis(10)).await;
    let (mut reader, writer) = open_connection(("server", 7)).await?;
    for length in [0, 1, 20, 300, 4000] {
        writer.write(format!("{}\n", "x".repeat(length)).as_bytes());
        let answer = timeout(Duration::from_secs(60), reader.next_line()).await??.unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer);
        if answer.trim_end() != length.to_string() {
            return Err(io::Error::other(format!("a line of {length} bytes was measured as {answer:?}")));
        }
    }
    Ok(())
}

/// The correct server, and its client.
fn right(sim: &mut Sim) -> Result<(), Failure> {
    sim.set_faults(Faults::benign());
    sim.host("server", || async { start_server(measure, "0.0.0.0:7").await?.serve_forever().await });
    sim.client("client", ask());
    sim.run()
}

/// The twin, and its client.
fn broken(sim: &mut Sim) -> Result<(), Failure> {
    sim.set_faults(Faults::benign());
    let serve = || async { start_server(measure_what_one_read_brings, "0.0.0.0:7").await?.serve_forever().await };
    sim.host("server", serve);
    sim.client("client", ask());
    sim.run()
}

fn main() -> ExitCode {
    let seeds = env::args().nth(1).and_then(|seeds| seeds.parse().ok()).unwrap_or(200);
    check(0..seeds, right);
    println!("{seeds} seeds, and every line was measured right\n");

    println!("And now the twin:");
    match catch_unwind(AssertUnwindSafe(|| check(0..seeds, broken))) {
        // The panic message has reported the fault.
        Err(_found) => ExitCode::SUCCESS,
        Ok(()) => {
            eprintln!("nothing was found in {seeds} seeds");
            ExitCode::FAILURE
        }
    }
}
