//! How often waterwheel allocates, and how much memory it keeps, counted in this process, whose allocator must be
//! [`Counting`].
//!
//! [`Counting`]: crate::counting::Counting

use std::future::pending;
use std::io::{Read, Write};
use std::mem::size_of_val;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use waterwheel::{Promise, StreamReader, StreamWriter, sleep, spawn, start_server, timeout, yield_now};

use crate::{Figure, counting};

const WARM_UP: usize = 100;
const MESSAGES: usize = 2_000;
const CONNECTIONS: usize = 400;
const TASKS: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(10);

/// All figures of the heap.
///
/// # Panics
///
/// Panics if the allocator does not count.
pub fn figures() -> Vec<Figure> {
    drop(Box::new(0_u64));
    assert_ne!(counting::allocations(), 0, "the allocator of this process does not count");
    let figures = [
        ("allocations.read_into", allocations_of(read_into)),
        ("allocations.fill_buf", allocations_of(fill_buf)),
        ("allocations.readline_into", allocations_of(readline_into)),
        ("allocations.read", allocations_of(read)),
        ("allocations.readline", allocations_of(readline)),
        ("bytes.idle_connection", idle_connection()),
        ("bytes.task", task()),
        ("bytes.sleeping_task", bytes_of_each(TASKS, || drop(spawn(sleep(Duration::from_secs(3_600)))))),
    ];
    figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect()
}

async fn read_into(connection: &mut Connection) {
    let n = connection.reader.read_into(&mut connection.memory).await.expect("a message");
    connection.writer.write(&connection.memory[..n]);
    connection.writer.drain().await.expect("the peer reads");
}

async fn fill_buf(connection: &mut Connection) {
    let data = connection.reader.fill_buf().await.expect("a message");
    connection.writer.write(data);
    let n = data.len();
    connection.reader.consume(n);
    connection.writer.drain().await.expect("the peer reads");
}

async fn readline_into(connection: &mut Connection) {
    connection.memory.clear();
    connection.reader.readline_into(&mut connection.memory).await.expect("a line");
    connection.writer.write(&connection.memory);
    connection.writer.drain().await.expect("the peer reads");
}

async fn read(connection: &mut Connection) {
    let data = connection.reader.read(1024).await.expect("a message");
    connection.writer.write_all(&data).await.expect("the peer reads");
}

async fn readline(connection: &mut Connection) {
    let line = connection.reader.readline().await.expect("a line");
    connection.writer.write_all(&line).await.expect("the peer reads");
}

/// The cost of a task, beyond its future.
fn task() -> f64 {
    let future = || pending::<()>();
    bytes_of_each(TASKS, || drop(spawn(future()))) - size_of_val(&future()) as f64
}

/// The cost of a pair of streams with its task, after one message has been echoed.
fn idle_connection() -> f64 {
    waterwheel::run(async {
        let handler = |mut reader: StreamReader, writer: StreamWriter| async move {
            loop {
                let data = reader.fill_buf().await.expect("the peer is there");
                writer.write(data);
                let n = data.len();
                if n == 0 {
                    return;
                }
                reader.consume(n);
                writer.drain().await.expect("the peer reads");
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.expect("a server");
        let address = server.local_addrs()[0];
        // The first connection allocates the memory that all connections share.
        let (first, echoed) = client(address, 1, 1);
        wait_for(&echoed).await;
        let before = counting::live_bytes();
        let (others, echoed) = client(address, CONNECTIONS, 1);
        wait_for(&echoed).await;
        let bytes = (counting::live_bytes() - before) as f64 / CONNECTIONS as f64;
        server.close();
        server.close_clients();
        timeout(PATIENCE, server.wait_closed()).await.expect("the server closes");
        first.join().expect("the client ends well");
        others.join().expect("the clients end well");
        bytes
    })
}

struct Connection {
    reader: StreamReader,
    writer: StreamWriter,
    memory: Vec<u8>,
}

/// Allocations for each message after a warm-up; `step` echoes one.
fn allocations_of(step: impl AsyncFn(&mut Connection) + 'static) -> f64 {
    let step = Rc::new(step);
    waterwheel::run(async {
        let counted = Promise::new();
        let answer = counted.clone();
        let handler = move |reader, writer| {
            let (step, answer) = (Rc::clone(&step), answer.clone());
            async move {
                let mut connection = Connection { reader, writer, memory: vec![0; 1024] };
                for _ in 0..WARM_UP {
                    step(&mut connection).await;
                }
                let before = counting::allocations();
                for _ in 0..MESSAGES {
                    step(&mut connection).await;
                }
                answer.set(counting::allocations() - before).expect("there is one connection");
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.expect("a server");
        let (client, _) = client(server.local_addrs()[0], 1, WARM_UP + MESSAGES);
        let count = timeout(PATIENCE, counted.wait()).await.expect("the echoes take less than ten seconds");
        server.close();
        timeout(PATIENCE, server.wait_closed()).await.expect("the server closes");
        client.join().expect("the client ends well");
        count as f64 / MESSAGES as f64
    })
}

/// How many bytes each of `count` things takes once it waits.
fn bytes_of_each(count: usize, mut make: impl FnMut()) -> f64 {
    waterwheel::run(async {
        make();
        yield_now().await;
        let before = counting::live_bytes();
        for _ in 0..count {
            make();
        }
        // All run in the first turn, and by the fourth the ready queue has freed the memory that so many needed.
        for _ in 0..4 {
            yield_now().await;
        }
        (counting::live_bytes() - before) as f64 / count as f64
    })
}

/// A client on its own thread, so that its allocations are not counted. It sends lines one by one on each connection
/// in turn, reports when all are echoed, and waits for the server to close the connections.
fn client(address: SocketAddr, connections: usize, messages: usize) -> (JoinHandle<()>, Receiver<()>) {
    let (tell, told) = channel();
    let client = thread::spawn(move || {
        let message = [[b'm'; 63].as_slice(), b"\n"].concat();
        let mut echo = vec![0; message.len()];
        let mut streams = Vec::new();
        for _ in 0..connections {
            let mut stream = TcpStream::connect(address).expect("the server accepts");
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
            for _ in 0..messages {
                stream.write_all(&message).expect("sending");
                stream.read_exact(&mut echo).expect("an echo");
                assert_eq!(echo, message);
            }
            streams.push(stream);
        }
        // The receiver is gone in measurements that only wait for the end.
        let _ = tell.send(());
        for stream in &mut streams {
            assert_eq!(stream.read(&mut echo).expect("the end of the stream"), 0);
        }
    });
    (client, told)
}

/// Lets the loop turn until the client has received its echoes. It sleeps between checks, so that the count includes
/// the memory that an idle loop holds. The second sleep has an earlier deadline than the limit of the whole wait, so
/// the loop then has memory for timers in any order, whichever call of this comes first.
async fn wait_for(echoed: &Receiver<()>) {
    let look = async {
        let mut sleeps = 0;
        while sleeps < 2 || echoed.try_recv().is_err() {
            sleep(Duration::from_millis(1)).await;
            sleeps += 1;
        }
    };
    timeout(PATIENCE, look).await.expect("the echoes take less than ten seconds");
}
