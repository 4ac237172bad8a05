//! A chat on an unreliable network: clients that are cut off reconnect, and at the end all clients have read the same
//! log.
//!
//!     cargo run --features sim --example sim_chat [SEEDS]
//!
//! The server keeps a log of all lines. On each connection a client sends all of its lines, each with a number, and
//! reads the log from the beginning. After any failure it connects again and repeats its lines. The server adds a line
//! only if the log does not have it yet, so no line is in the log twice.

use std::cell::{Cell, RefCell};
use std::env;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::sim::{Failure, Fault, Faults, Sim, SimHandle, check};
use waterwheel::{StreamReader, StreamWriter, open_connection, race, sleep, start_server, timeout};

const CLIENTS: usize = 3;
const LINES: usize = 10;

/// The lines in the order in which the server received them.
type Log = Rc<RefCell<Vec<String>>>;

async fn serve(log: Log) -> io::Result<()> {
    let handler = move |reader, writer| {
        let log = Rc::clone(&log);
        async move { race((hear(reader, &log), tell(writer, &log))).await }
    };
    start_server(handler, "0.0.0.0:7").await?.serve_forever().await
}

/// Adds each line of a client to the log, once.
async fn hear(mut reader: StreamReader, log: &Log) -> io::Result<()> {
    while let Some(line) = reader.next_line().await? {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if !log.borrow().contains(&line) {
            log.borrow_mut().push(line);
        }
    }
    Ok(())
}

/// Sends a client the log, and each line that is added later.
async fn tell(writer: StreamWriter, log: &Log) -> io::Result<()> {
    let mut told = 0;
    loop {
        let news: String = log.borrow()[told..].iter().map(|line| format!("{line}\n")).collect();
        told = log.borrow().len();
        writer.write(news.as_bytes());
        writer.drain().await?;
        sleep(Duration::from_millis(50)).await;
    }
}

/// A client: sends its lines, and reads until it has the lines of all clients.
async fn chat(name: String, read: Rc<RefCell<Vec<String>>>) -> io::Result<()> {
    while read.borrow().len() < CLIENTS * LINES {
        // A connection may be dead without an error, so each visit has a time limit.
        let _any_failure = timeout(Duration::from_secs(20), visit(&name, &read)).await;
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

async fn visit(name: &str, read: &Rc<RefCell<Vec<String>>>) -> io::Result<()> {
    let (mut reader, writer) = open_connection(("server", 7)).await?;
    for number in 0..LINES {
        writer.write(format!("{name} says {number}\n").as_bytes());
    }
    let mut log = Vec::new();
    while log.len() < CLIENTS * LINES {
        let Some(line) = reader.next_line().await? else { return Ok(()) };
        log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        if log.len() > read.borrow().len() {
            read.replace(log.clone());
        }
    }
    Ok(())
}

/// Cuts clients off again and again, each time for a duration that the seed decides.
async fn trouble(network: SimHandle, partitions: Rc<Cell<usize>>) {
    for _ in 0..5 {
        let client = format!("client {}", network.random() as usize % CLIENTS);
        sleep(Duration::from_millis(network.random() % 1000)).await;
        network.partition(&client, "server");
        partitions.set(partitions.get() + 1);
        sleep(Duration::from_millis(network.random() % 20_000)).await;
        network.heal(&client, "server");
    }
}

fn main() {
    let seeds = env::args().nth(1).and_then(|seeds| seeds.parse().ok()).unwrap_or(50);
    let (partitions, resets, time) = (Rc::new(Cell::new(0)), Cell::new(0), Cell::new(Duration::ZERO));
    check(0..seeds, |sim: &mut Sim| -> Result<(), Failure> {
        sim.set_faults(Faults::harsh());
        let log = Log::default();
        let logs: Vec<Log> = (0..CLIENTS).map(|_| Log::default()).collect();
        let kept = Rc::clone(&log);
        sim.host("server", move || serve(Rc::clone(&kept)));
        for (number, read) in logs.iter().enumerate() {
            let name = format!("client {number}");
            sim.client(&name.clone(), chat(name, Rc::clone(read)));
        }
        sim.client("trouble", trouble(sim.handle(), Rc::clone(&partitions)));
        sim.run()?;
        for read in logs {
            assert_eq!(*read.borrow(), *log.borrow(), "everybody has read the same, in the same order");
        }
        resets.set(resets.get() + sim.count(Fault::Reset));
        time.set(time.get() + sim.handle().elapsed());
        Ok(())
    });
    let (partitions, resets, minutes) = (partitions.get(), resets.get(), time.get().as_secs() / 60);
    println!("{seeds} chats in {minutes} simulated minutes, {partitions} partitions, {resets} resets:");
    println!("everybody has read the same, and nothing twice");
}
