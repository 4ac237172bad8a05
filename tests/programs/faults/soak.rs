//! A mixed load that goes on for minutes, in a process of its own: memory must not grow.

use std::cell::Cell;
use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use waterwheel::{
    StreamReader, StreamWriter, get_running_loop, open_connection, run, sleep, spawn, start_server, timeout, to_thread,
};

use crate::common::processes::Process;
use crate::figures::figure;

/// How many seconds the load runs before memory is measured, and the time between two measurements.
const WARM_UP: u64 = 30;
const LOOK: Duration = Duration::from_secs(5);

/// How much memory may grow per minute, in KiB.
const MOST_GROWTH: f64 = 1024.0;

fn seconds() -> u64 {
    figure("WATERWHEEL_SOAK_SECONDS", 300)
}

#[test]
#[ignore = "takes minutes: see README.md"]
fn memory_does_not_grow_however_long_a_mixed_load_goes_on() {
    let mut command = Command::new(env::current_exe().expect("a test knows its own path"));
    command.args(["--exact", "faults::soak::the_load", "--ignored", "--nocapture"]).env("WATERWHEEL_SOAKS", "1");
    let (status, lines, errors) = Process::start(&mut command).finish();
    assert!(status.success(), "{lines:?}\n{errors}");
    println!("{}", lines.iter().find(|line| line.contains("conversations")).expect("it says what it did"));
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn the_load() {
    if env::var_os("WATERWHEEL_SOAKS").is_none() {
        return;
    }
    let (conversations, growth) = run(soak()).unwrap();
    println!("{conversations} conversations in {} s, {growth:.0} KiB a minute more", seconds());
    assert!(conversations > seconds(), "next to nothing was done");
    assert!(growth < MOST_GROWTH, "{growth:.0} KiB a minute");
}

/// Returns how many conversations there were, and by how many KiB per minute memory has grown.
async fn soak() -> io::Result<(u64, f64)> {
    let (event_loop, end) = (get_running_loop(), Instant::now() + Duration::from_secs(seconds()));
    let server = start_server(echo, "127.0.0.1:0").await?;
    let conversations = Rc::new(Cell::new(0));
    let talking: Vec<_> =
        (0..20).map(|number| spawn(talk(server.local_addrs()[0], number, end, Rc::clone(&conversations)))).collect();
    sleep(Duration::from_secs(WARM_UP.min(seconds() / 5))).await;
    let (begun, mut looks) = (Instant::now(), Vec::new());
    while Instant::now() < end {
        looks.push((begun.elapsed().as_secs_f64() / 60.0, resident_kib()));
        // The output shows the parent process that this one is alive.
        println!("{:.0} s, {:.0} KiB", begun.elapsed().as_secs_f64(), resident_kib());
        sleep(LOOK).await;
    }
    for talk in talking {
        talk.await.expect("it does not panic");
    }
    server.close();
    server.wait_closed().await;
    assert_eq!(event_loop.all_tasks().len(), 1, "{}", event_loop.dump_tasks());
    Ok((conversations.get(), slope(&looks)))
}

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    waterwheel::copy(&mut reader, &writer).await.map(drop)
}

/// Conversations of all kinds, one after another: short, long, dropped, aborted, with work on a thread in between.
async fn talk(server: SocketAddr, number: usize, end: Instant, conversations: Rc<Cell<u64>>) {
    let mut turn = number;
    while Instant::now() < end {
        turn += 7;
        let size = [1, 100, 3_000, 200_000][turn % 4];
        let talk = async {
            let (mut reader, writer) = open_connection(server).await?;
            writer.write(&vec![turn as u8; size]);
            match turn % 5 {
                0 => writer.abort(),
                1 => drop(reader.read(10).await?),
                2 => drop(to_thread(move || turn).await),
                _ => drop(reader.readexactly(size).await?),
            }
            io::Result::Ok(())
        };
        // Aborted conversations fail, and some take too long: that is part of the mix.
        let _any = timeout(Duration::from_millis([1, 1000][turn % 2]), talk).await;
        conversations.set(conversations.get() + 1);
    }
}

fn resident_kib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux says it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}

/// The slope of the line that best fits the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (over, under) = points.iter().fold((0.0, 0.0), |(over, under), point| {
        (over + (point.0 - x) * (point.1 - y), under + (point.0 - x) * (point.0 - x))
    });
    over / under
}
