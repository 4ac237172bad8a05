//! The servers whose costs are counted, each written as a user of waterwheel would write it.

use std::cell::{Cell, OnceCell};
use std::io;
use std::process::exit;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::traffic::MESSAGE;
use waterwheel::{
    Clock, ConnectionError, EventLoop, Protocol, StreamReader, StreamWriter, SystemClock, Transport, get_running_loop,
    start_server,
};

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Under the tools everything takes up to a hundred times as long. With the system's clock, a loop would take its
/// handles for slow ones, and poll the selector more often than without the tools.
struct SlowClock(Instant);

impl Clock for SlowClock {
    fn now(&self) -> Instant {
        // A shift rather than a division, since these instructions are counted, too.
        self.0 + Duration::from_nanos(self.0.elapsed().as_nanos() as u64 >> 10)
    }
}

/// Called when a connection has ended; the last one ends the process.
fn connection_ended() {
    LEFT.set(LEFT.get() - 1);
    if LEFT.get() == 0 {
        exit(0);
    }
}

/// Prints the address, and serves until this number of connections have ended.
pub fn serve(kind: &str, connections: usize) {
    LEFT.set(connections);
    let clock = Rc::new(SlowClock(SystemClock.now()));
    let mut event_loop = EventLoop::builder().clock(clock).build().expect("a loop");
    event_loop.run(async {
        match kind {
            "read_into" => serve_streams(read_into).await,
            "fill_buf" => serve_streams(fill_buf).await,
            "read" => serve_streams(read).await,
            "readline" => serve_streams(readline).await,
            "readline_into" => serve_streams(readline_into).await,
            "once" => serve_streams(once).await,
            "protocol" => serve_protocol().await,
            _ => panic!("there is no server {kind}"),
        }
    });
}

async fn serve_streams<F: Future<Output = io::Result<()>> + 'static>(answer: fn(StreamReader, StreamWriter) -> F) {
    let connected = move |reader, writer| async move {
        answer(reader, writer).await.expect("the connection ends well");
        connection_ended();
    };
    let server = start_server(connected, "127.0.0.1:0").backlog(1024).await.expect("a server");
    println!("{}", server.local_addrs()[0]);
    server.serve_forever().await.expect("serving");
}

async fn read_into(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let n = reader.read_into(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        writer.write(&buffer[..n]);
        writer.drain().await?;
    }
}

async fn fill_buf(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let data = reader.fill_buf().await?;
        if data.is_empty() {
            return Ok(());
        }
        writer.write(data);
        let n = data.len();
        reader.consume(n);
        writer.drain().await?;
    }
}

async fn read(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let data = reader.read(16 * 1024).await?;
        if data.is_empty() {
            return Ok(());
        }
        writer.write(&data);
        writer.drain().await?;
    }
}

async fn readline(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let line = reader.readline().await?;
        if line.is_empty() {
            return Ok(());
        }
        writer.write(&line);
        writer.drain().await?;
    }
}

async fn readline_into(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.readline_into(&mut line).await? == 0 {
            return Ok(());
        }
        writer.write(&line);
        writer.drain().await?;
    }
}

/// Answers one message, and ends the connection.
async fn once(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    // No other server calls this. A function that only one server calls is inlined there, and counted as such.
    let data = reader.readexactly(MESSAGE).await?;
    writer.write(&data);
    Ok(())
}

#[derive(Default)]
struct Echo {
    transport: OnceCell<Rc<dyn Transport>>,
}

impl Echo {
    fn transport(&self) -> &dyn Transport {
        &**self.transport.get().expect("connection_made comes first")
    }
}

impl Protocol for Echo {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = self.transport.set(transport); // it is called once
    }

    fn data_received(&self, data: &[u8]) {
        self.transport().write(data);
    }

    fn connection_lost(&self, _error: Option<ConnectionError>) {
        connection_ended();
    }

    fn pause_writing(&self) {
        self.transport().pause_reading();
    }

    fn resume_writing(&self) {
        self.transport().resume_reading();
    }
}

async fn serve_protocol() {
    let factory = || Rc::new(Echo::default());
    let server = get_running_loop().create_server(factory, "127.0.0.1:0").backlog(1024).await.expect("a server");
    println!("{}", server.local_addrs()[0]);
    server.serve_forever().await.expect("serving");
}
