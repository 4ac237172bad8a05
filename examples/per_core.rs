//! One loop per core. The loops share only the address: with `reuse_port` each loop has its own listening socket, and
//! the kernel distributes the connections among them. The program ends when its standard input ends, and prints how
//! many connections each loop took.
//!
//!     cargo run --release --example per_core [ADDR] [LOOPS] [WORK]
//!
//! The kernel does most of the work of an echo, and the load takes a core of its own. So a further loop only helps if
//! handlers have work to do: each message is hashed `WORK` times, by default not at all.

use std::cell::Cell;
use std::env;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle, available_parallelism};
use std::time::Duration;

use waterwheel::{EventLoop, RemoteHandle, StreamReader, StreamWriter, get_running_loop, start_server};

const GRACE: Duration = Duration::from_secs(1);

async fn echo(mut reader: StreamReader, writer: StreamWriter, work: usize) -> io::Result<()> {
    loop {
        let data = reader.fill_buf().await?;
        if data.is_empty() {
            return Ok(());
        }
        hash(data, work);
        writer.write(data);
        let n = data.len();
        reader.consume(n);
        writer.drain().await?;
    }
}

fn hash(data: &[u8], times: usize) {
    let mut hasher = DefaultHasher::new();
    for _ in 0..times {
        data.hash(&mut hasher);
    }
    black_box(hasher.finish());
}

/// Serves until the loop is stopped, and returns the number of connections. The count of one loop is a `Cell`, since
/// no other thread sees it.
fn serve(address: &str, work: usize, ready: &Sender<(SocketAddr, RemoteHandle)>) -> io::Result<usize> {
    let mut event_loop = EventLoop::new()?;
    let connections = Rc::new(Cell::new(0));
    let count = Rc::clone(&connections);
    let connected = move |reader, writer| {
        count.set(count.get() + 1);
        echo(reader, writer, work)
    };
    let server = event_loop.run(start_server(connected, address).reuse_port(true).into_future())?;
    // The thread that started this one is waiting for the address.
    let _ = ready.send((server.local_addrs()[0], event_loop.handle().remote()));
    event_loop.run_forever();
    event_loop.run(server.shutdown(GRACE));
    Ok(connections.get())
}

/// A loop on its own thread, and the remote handle by which other threads reach it.
struct Wheel {
    address: SocketAddr,
    remote: RemoteHandle,
    thread: JoinHandle<io::Result<usize>>,
}

impl Wheel {
    fn start(address: String, work: usize) -> io::Result<Wheel> {
        let (ready, is_ready) = channel();
        let thread = thread::spawn(move || serve(&address, work, &ready));
        match is_ready.recv() {
            Ok((address, remote)) => Ok(Wheel { address, remote, thread }),
            Err(_) => Err(thread.join().expect("it does not panic").expect_err("it ended before it served")),
        }
    }
}

fn serve_on_all(address: &str, loops: usize, work: usize) -> io::Result<()> {
    let first = Wheel::start(address.to_owned(), work)?;
    // If the system chose the port, the other loops use the port of the first one.
    let address = first.address;
    let mut wheels = vec![first];
    for _ in 1..loops {
        wheels.push(Wheel::start(address.to_string(), work)?);
    }
    println!("Serving on {address}");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    for wheel in &wheels {
        wheel.remote.call_soon(|| get_running_loop().stop());
    }
    for (number, wheel) in wheels.into_iter().enumerate() {
        let connections = wheel.thread.join().expect("it does not panic")?;
        println!("Loop {number} took {connections} connections");
    }
    Ok(())
}

fn main() -> ExitCode {
    env_logger::init();
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let number = |place| env::args().nth(place).and_then(|number| number.parse().ok());
    let loops = number(2).unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    match serve_on_all(&address, loops, number(3).unwrap_or(0)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
