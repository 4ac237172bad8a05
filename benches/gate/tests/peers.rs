//! How much memory single, mostly idle peers can make us hold: peers that send nothing, a byte now and then, or a line
//! without an end.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use gate::counting::{self, Counting};
use waterwheel::{Promise, ReadError, StreamReader, StreamWriter, sleep, start_server, timeout};

#[global_allocator]
static COUNTING: Counting = Counting;

const PATIENCE: Duration = Duration::from_secs(10);

/// The buffer of a stream with a few unread bytes.
const SMALL_BUFFER: usize = 18 * 1024;

/// One receive brings at most this many bytes.
const CHUNK: usize = 65 * 1024;

/// For memory other than buffers: timers, tasks, the queue.
const SLACK: usize = 8 * 1024;

#[test]
fn a_connection_on_which_nothing_happens_holds_no_buffer() {
    const CLIENTS: usize = 100;
    let each = waterwheel::run(async {
        let handler = async |mut reader: StreamReader, _writer: StreamWriter| {
            let _ = reader.readline().await;
        };
        let server = start_server(handler, "127.0.0.1:0").await.expect("a server");
        let address = server.local_addrs()[0];
        let arrived = async |count| {
            while server.connections() < count {
                sleep(Duration::from_millis(1)).await;
            }
            sleep(Duration::from_millis(5)).await;
        };
        // The first peer allocates the memory that all share.
        let first = TcpStream::connect(address).expect("the server listens");
        arrived(1).await;
        let before = counting::live_bytes();
        let others: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(address).expect("it listens")).collect();
        arrived(1 + CLIENTS).await;
        let held = counting::live_bytes().saturating_sub(before);
        drop((first, others));
        held / CLIENTS
    });
    println!("{each} bytes for each connection with a reader, a writer and a task");
    assert!(each > 400 && each < 1200, "{each} bytes");
}

#[test]
fn bytes_that_come_one_by_one_take_one_buffer_however_many_they_are() {
    const BYTES: usize = 400;
    let held = waterwheel::run(async {
        let came = Promise::new();
        let answer = came.clone();
        let handler = move |mut reader: StreamReader, _writer: StreamWriter| {
            let answer = answer.clone();
            async move {
                answer.set(reader.readexactly(BYTES).await.map_or(0, |bytes| bytes.len())).expect("it is the only one")
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.expect("a server");
        let mut peer = TcpStream::connect(server.local_addrs()[0]).expect("the server listens");
        peer.set_nodelay(true).expect("it is TCP");
        while server.connections() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let before = counting::live_bytes();
        let mut most = 0;
        for _ in 0..BYTES {
            peer.write_all(b"x").expect("there is room");
            sleep(Duration::from_micros(100)).await;
            most = most.max(counting::live_bytes().saturating_sub(before));
        }
        let came = timeout(PATIENCE, came.wait()).await.expect("all of them come");
        assert_eq!(came, BYTES);
        most
    });
    println!("{held} bytes held for {BYTES} that came one by one");
    assert!((BYTES..=SMALL_BUFFER + SLACK).contains(&held), "{held} bytes");
}

#[test]
fn a_line_without_an_end_is_refused_at_the_limit_and_thrown_away() {
    for limit in [1024, 64 * 1024] {
        let (most, refused) = waterwheel::run(async {
            let measured = Promise::new();
            let answer = measured.clone();
            let handler = move |mut reader: StreamReader, _writer: StreamWriter| {
                let answer = answer.clone();
                async move {
                    let before = counting::live_bytes();
                    let (mut most, mut refused) = (0, 0);
                    loop {
                        let line = reader.readline().await;
                        most = most.max(counting::live_bytes().saturating_sub(before));
                        match line {
                            Err(ReadError::LimitOverrun { consumed }) => {
                                assert!(consumed > limit);
                                refused += 1;
                            }
                            other => {
                                other.expect("the connection does not fail");
                                break;
                            }
                        }
                    }
                    let _ = answer.set((most, refused));
                }
            };
            let server = start_server(handler, "127.0.0.1:0").limit(limit).await.expect("a server");
            let mut peer = TcpStream::connect(server.local_addrs()[0]).expect("the server listens");
            let flood = std::thread::spawn(move || peer.write_all(&vec![b'x'; 8 << 20]));
            let measured = timeout(PATIENCE, measured.wait()).await.expect("the end comes");
            flood.join().expect("it does not panic").expect("all was taken");
            measured
        });
        println!("{most} bytes held and {refused} refusals of a line without an end, with a limit of {limit}");
        // In addition to the unread bytes, the loop keeps a small buffer for the next receive.
        assert!(
            refused > 10 && most <= 2 * limit + CHUNK + SMALL_BUFFER + SLACK,
            "{most} bytes with a limit of {limit}"
        );
    }
}
