//! How often waterwheel allocates, and how much it keeps. Counts, not times: they are the same on every machine.
//!
//! A global allocator cannot be written without `unsafe`, which waterwheel's own package forbids in all its targets:
//! hence these tests are here.

#[path = "allocations/counting.rs"]
mod counting;
#[path = "allocations/floods.rs"]
mod floods;

use std::future::pending;
use std::io::{Read, Write};
use std::mem::size_of_val;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use waterwheel::{Promise, StreamReader, StreamWriter, sleep, spawn, start_server, timeout, yield_now};

const WARM_UP: usize = 100;
const MESSAGES: usize = 2_000;
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn an_echo_by_read_into_and_write_allocates_nothing() {
    let count = allocations_of(async |connection: &mut Connection| {
        let n = connection.reader.read_into(&mut connection.memory).await.expect("a message");
        connection.writer.write(&connection.memory[..n]);
        connection.writer.drain().await.expect("the peer reads");
    });
    assert_eq!(count, 0);
}

#[test]
fn an_echo_by_fill_buf_and_write_allocates_nothing() {
    let count = allocations_of(async |connection: &mut Connection| {
        let data = connection.reader.fill_buf().await.expect("a message");
        connection.writer.write(data);
        let n = data.len();
        connection.reader.consume(n);
        connection.writer.drain().await.expect("the peer reads");
    });
    assert_eq!(count, 0);
}

#[test]
fn an_echo_by_readline_into_and_write_allocates_nothing() {
    let count = allocations_of(async |connection: &mut Connection| {
        connection.memory.clear();
        connection.reader.readline_into(&mut connection.memory).await.expect("a line");
        connection.writer.write(&connection.memory);
        connection.writer.drain().await.expect("the peer reads");
    });
    assert_eq!(count, 0);
}

#[test]
fn an_echo_by_read_or_readline_allocates_the_vector_that_it_returns() {
    let read = allocations_of(async |connection: &mut Connection| {
        let data = connection.reader.read(1024).await.expect("a message");
        connection.writer.write_all(&data).await.expect("the peer reads");
    });
    let readline = allocations_of(async |connection: &mut Connection| {
        let line = connection.reader.readline().await.expect("a line");
        connection.writer.write_all(&line).await.expect("the peer reads");
    });
    assert_eq!((read, readline), (MESSAGES, MESSAGES));
}

#[test]
fn a_task_costs_little_beyond_its_future() {
    let future = || pending::<()>();
    let size = size_of_val(&future());
    let bytes = bytes_of_each(10_000, || drop(spawn(future())));
    assert!(bytes - size <= 160, "{} bytes", bytes - size);
}

#[test]
fn a_sleeping_task_costs_little() {
    let bytes = bytes_of_each(10_000, || drop(spawn(sleep(Duration::from_secs(3_600)))));
    assert!(bytes <= 275, "{bytes} bytes");
}

#[test]
fn an_idle_pair_of_streams_costs_little_with_its_task() {
    const CONNECTIONS: usize = 400;
    let bytes = waterwheel::run(async {
        let handler = |mut reader: StreamReader, writer: StreamWriter| async move {
            loop {
                let n = {
                    let data = reader.fill_buf().await.expect("the peer is there");
                    writer.write(data);
                    data.len()
                };
                if n == 0 {
                    return;
                }
                reader.consume(n);
                writer.drain().await.expect("the peer reads");
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.expect("a server");
        let address = server.local_addrs()[0];
        // The first connection pays for what all share.
        let (first, echoed) = client(address, 1, 1);
        wait_for(&echoed).await;
        let before = counting::live_bytes();
        let (others, echoed) = client(address, CONNECTIONS, 1);
        wait_for(&echoed).await;
        let bytes = (counting::live_bytes() - before) / CONNECTIONS;
        server.close();
        server.close_clients();
        timeout(PATIENCE, server.wait_closed()).await.expect("the server closes");
        first.join().expect("the client ends well");
        others.join().expect("the clients end well");
        bytes
    });
    println!("{bytes} bytes for an idle pair of streams with its task");
    assert!(bytes <= 660, "{bytes} bytes");
}

struct Connection {
    reader: StreamReader,
    writer: StreamWriter,
    memory: Vec<u8>,
}

/// Counts the allocations of `MESSAGES` echoes after a warm-up; `step` echoes one message.
fn allocations_of(step: impl AsyncFn(&mut Connection) + 'static) -> usize {
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
        count
    })
}

/// How many bytes each of many takes once it waits.
fn bytes_of_each(count: usize, mut make: impl FnMut()) -> usize {
    waterwheel::run(async {
        make();
        yield_now().await;
        let before = counting::live_bytes();
        for _ in 0..count {
            make();
        }
        // In the first turn all run, and by the fourth the ready queue has given back what so many needed.
        for _ in 0..4 {
            yield_now().await;
        }
        let bytes = (counting::live_bytes() - before) / count;
        println!("{bytes} bytes for each of {count}");
        bytes
    })
}

/// A client on a thread of its own, whose allocations do not count: it sends lines one by one on each connection in
/// turn, says when all are echoed, and waits for the server to close the connections.
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
        // Nobody listens where only the end matters.
        let _ = tell.send(());
        for stream in &mut streams {
            assert_eq!(stream.read(&mut echo).expect("the end of the stream"), 0);
        }
    });
    (client, told)
}

/// Lets the loop turn until the client has had its echoes. It sleeps between looks, so that the count includes what
/// is held while nothing is going on.
async fn wait_for(echoed: &Receiver<()>) {
    let look = async {
        while echoed.try_recv().is_err() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, look).await.expect("the echoes take less than ten seconds");
}
