//! Tests whether anything starves: a tick every 10 milliseconds, and a client that sends requests over a socket, next
//! to a task that writes blocks to a peer that keeps up, and next to callbacks that take 5 milliseconds each. Each
//! line takes five seconds:
//!
//!     cargo bench --manifest-path benches/micro/Cargo.toml --bench fairness

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use waterwheel::{
    EventLoop, StreamReader, StreamWriter, get_running_loop, open_connection, sleep_until, spawn, start_server,
};

const TICKS: u32 = 500;
const PERIOD: Duration = Duration::from_millis(10);
const SLOW_STEP: Duration = Duration::from_millis(5);

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("| beside | ticks of {TICKS} | ping, median | ping, p99 |\n|---|--:|--:|--:|");
    measure("nothing", async || {});
    for block in [64 * 1024, 1_000, 100] {
        measure(&format!("write_all of {block} bytes"), async || write_for_ever(block).await);
    }
    measure("callbacks of 5 ms", async || slow_steps());
}

fn measure(name: &str, disturb: impl AsyncFnOnce()) {
    let mut event_loop = EventLoop::new().expect("a loop");
    let (ticks, mut pings) = event_loop.run(async {
        let server = start_server(echo, "127.0.0.1:0").await.expect("a server");
        let address = server.local_addrs()[0];
        let client = thread::spawn(move || ask(address, PERIOD * TICKS));
        disturb().await;
        let ticks = ticks().await;
        while !client.is_finished() {
            waterwheel::sleep(PERIOD).await;
        }
        (ticks, client.join().expect("it is answered"))
    });
    pings.sort();
    let (median, p99) = (pings[pings.len() / 2], pings[pings.len() * 99 / 100]);
    println!("| {name} | {ticks} | {median:.1?} | {p99:.1?} |");
}

/// The number of ticks that came before the next one was due.
async fn ticks() -> u32 {
    let begin = Instant::now();
    let mut in_time = 0;
    for tick in 1..=TICKS {
        sleep_until(begin + PERIOD * tick).await;
        in_time += u32::from(begin.elapsed() < PERIOD * (tick + 1));
    }
    in_time
}

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let data = reader.read(1024).await?;
        if data.is_empty() {
            return Ok(());
        }
        writer.write_all(&data).await?;
    }
}

/// A client on its own thread, which sends a request every other millisecond.
fn ask(address: SocketAddr, time: Duration) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("it can be set");
    let (begin, mut answer, mut took) = (Instant::now(), [0; 8], Vec::new());
    while begin.elapsed() < time {
        let asked = Instant::now();
        stream.write_all(b"question").expect("the server reads");
        stream.read_exact(&mut answer).expect("the server answers");
        took.push(asked.elapsed());
        thread::sleep(Duration::from_millis(2));
    }
    took
}

async fn write_for_ever(block: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || io::copy(&mut listener.accept().expect("the loop connects").0, &mut io::sink()));
    let (reader, writer) = open_connection(address).await.expect("somebody listens");
    spawn(async move {
        let (_reader, block) = (reader, vec![0; block]);
        while writer.write_all(&block).await.is_ok() {}
    });
}

/// Callbacks that never end, until the loop is dropped.
fn slow_steps() {
    let begin = Instant::now();
    while begin.elapsed() < SLOW_STEP {}
    get_running_loop().call_soon(slow_steps);
}
