//! A connection whose writer was dropped closes by itself: everything is sent if the peer takes it, and cut off
//! otherwise.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, LoopHandle, Promise, Server, StreamReader, StreamWriter, sleep, yield_now};

use super::{MIB, start};
use crate::common::alone::{alone, run_alone};
use crate::common::bytes::pattern;
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::peers::{plain_client, read_all};
use crate::common::until::until;

/// How a handler leaves its connection.
#[derive(Clone, Copy, Debug)]
enum Leave {
    /// It drops the writer.
    Drop,
    /// It closes the writer, then drops it.
    Close,
}

/// A server that writes 32 MiB to each client, and then leaves the connection.
async fn start_writing(leave: Leave) -> Server {
    start(move |_reader: StreamReader, writer: StreamWriter| {
        writer.write(&pattern(32 * MIB));
        match leave {
            Leave::Drop => {}
            Leave::Close => writer.close(),
        }
    })
    .await
}

#[test]
fn what_a_dropped_writer_left_reaches_a_slow_reader() {
    run_alone(|| async {
        for leave in [Leave::Drop, Leave::Close] {
            let server = start_writing(leave).await;
            let before = open_descriptors();
            let mut client = plain_client(server.local_addrs()[0]);
            until("the handler has left", || server.connections() == 1).await;
            let slow = thread::spawn(move || {
                let mut all = Vec::new();
                let mut piece = vec![0; 256 * 1024];
                loop {
                    match client.read(&mut piece) {
                        Ok(0) => return all,
                        Ok(n) => all.extend_from_slice(&piece[..n]),
                        // A blocking read with a time limit is interrupted if the process was stopped for a moment.
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
                    }
                    thread::sleep(Duration::from_micros(200));
                }
            });
            until("the client has all", || slow.is_finished()).await;
            assert!(slow.join().unwrap() == pattern(32 * MIB), "{leave:?}");
            until_descriptors(before).await;
        }
    });
}

/// A loop with a manual clock, which stands still while a task is always ready.
fn with_clock(close_timeout: Duration) -> (EventLoop, Rc<ManualClock>) {
    let clock = Rc::new(ManualClock::new());
    let event_loop = EventLoop::builder().clock(clock.clone()).close_timeout(close_timeout).build().unwrap();
    (event_loop, clock)
}

/// A server that left its connection with many unsent bytes, and its client, which reads nothing.
async fn abandoned(leave: Leave) -> (Server, TcpStream) {
    let server = start_writing(leave).await;
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // A fixed size, or the kernel may grow the buffer until it holds all of it.
    client.set_recv_buffer_size(128 * 1024).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client.connect(&server.local_addrs()[0].into()).unwrap();
    let client = TcpStream::from(client);
    while server.connections() == 0 {
        yield_now().await;
    }
    for _ in 0..100 {
        yield_now().await;
    }
    (server, client)
}

#[test]
fn a_reader_whose_writer_was_given_up_is_told_an_error_and_no_end() {
    alone(|| {
        let (mut event_loop, _clock) = with_clock(Duration::from_secs(7));
        event_loop.run(async {
            let told = Promise::new();
            let hears = told.clone();
            let server = start(move |mut reader: StreamReader, writer: StreamWriter| {
                let hears = hears.clone();
                async move {
                    writer.write(&pattern(32 * MIB));
                    drop(writer);
                    let end = reader.read_to_end().await;
                    let _first = hears.set(end.map_err(|error| error.kind()));
                }
            })
            .await;
            let mut client = plain_client(server.local_addrs()[0]);
            client.write_all(b"a part").unwrap();
            // The client has not ended its side, so the input is incomplete.
            assert_eq!(told.wait().await, Err(ErrorKind::TimedOut));
            drop(client);
        });
    });
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off_after_the_close_timeout() {
    alone(|| {
        for leave in [Leave::Drop, Leave::Close] {
            let (mut event_loop, clock) = with_clock(Duration::from_secs(7));
            event_loop.run(async {
                let before = open_descriptors();
                let (server, client) = abandoned(leave).await;
                let start = clock.elapsed();
                sleep(Duration::from_secs(6)).await;
                assert_eq!(server.connections(), 1, "{leave:?}");
                sleep(Duration::from_secs(2)).await;
                assert_eq!(
                    server.connections(),
                    0,
                    "{leave:?}: what the kernel took at once is no progress of the peer"
                );
                assert!(clock.elapsed() - start < Duration::from_secs(9));
                assert_eq!(open_descriptors(), before + 2);
                let end = read_all(client).map(|all| all.len()).map_err(|error| error.kind());
                assert_eq!(end, Err(ErrorKind::ConnectionReset), "{leave:?}: a part never looks like all");
            });
        }
    });
}

#[test]
fn a_connection_that_is_lost_before_the_close_timeout_takes_its_timer_along() {
    alone(|| {
        for leave in [Leave::Drop, Leave::Close] {
            let (mut event_loop, _clock) = with_clock(Duration::from_secs(3600));
            event_loop.run(async {
                let (server, client) = abandoned(leave).await;
                assert_eq!(server.connections(), 1, "{leave:?}: much of it is unsent");
                drop(client);
                while server.connections() > 0 {
                    yield_now().await;
                }
            });
            assert_eq!(event_loop.next_deadline(), None, "{leave:?}");
        }
    });
}

#[test]
fn a_reader_that_was_kept_does_not_keep_a_peer_that_takes_nothing() {
    alone(|| {
        let (mut event_loop, clock) = with_clock(Duration::from_secs(7));
        event_loop.run(async {
            let outcome = Rc::new(Cell::new(None));
            let told = Rc::clone(&outcome);
            let server = start(move |mut reader: StreamReader, writer: StreamWriter| {
                let told = Rc::clone(&told);
                async move {
                    writer.write(&pattern(32 * MIB));
                    drop(writer);
                    told.set(Some(reader.read_to_end().await.map_err(|error| error.kind())));
                }
            })
            .await;
            let client = plain_client(server.local_addrs()[0]);
            while server.connections() == 0 {
                yield_now().await;
            }
            let start = clock.elapsed();
            sleep(Duration::from_secs(6)).await;
            assert_eq!(server.connections(), 1);
            assert!(outcome.take().is_none(), "the peer is neither at its end nor cut off");
            sleep(Duration::from_secs(10)).await;
            assert_eq!(server.connections(), 0);
            assert!(clock.elapsed() - start < Duration::from_secs(17));
            assert!(outcome.take().is_some(), "the reader hears of it");
            drop(client);
        });
    });
}

#[test]
fn a_peer_that_takes_a_little_each_time_is_not_cut_off() {
    alone(|| {
        let (mut event_loop, clock) = with_clock(Duration::from_secs(7));
        event_loop.run(async {
            let (server, client) = abandoned(Leave::Drop).await;
            let mut all = Vec::new();
            for round in 1..=4 {
                // More than the kernel buffers for a connection, so the server's side makes progress.
                let mut reading = client.try_clone().unwrap();
                let some = thread::spawn(move || {
                    let mut some = vec![0; 6 * MIB];
                    reading.read_exact(&mut some).map(|()| some)
                });
                while !some.is_finished() {
                    yield_now().await;
                }
                all.extend(some.join().unwrap().unwrap());
                sleep(Duration::from_secs(5)).await;
                assert_eq!(server.connections(), 1, "cut off in round {round}");
            }
            assert!(clock.elapsed() >= Duration::from_secs(20));
            let rest = thread::spawn(move || read_all(client).map(|rest| [all, rest].concat()));
            while !rest.is_finished() {
                yield_now().await;
            }
            assert!(rest.join().unwrap().unwrap() == pattern(32 * MIB));
        });
    });
}

#[test]
fn a_dropped_writer_with_nothing_to_send_arms_no_timer() {
    alone(|| {
        let (mut event_loop, clock) = with_clock(Duration::from_secs(7));
        let handle: LoopHandle = event_loop.handle();
        event_loop.run(async {
            let served = Rc::new(Cell::new(false));
            let now = Rc::clone(&served);
            let server = start(move |_reader, writer: StreamWriter| {
                writer.write(b"all of it goes out at once");
                drop(writer);
                now.set(true);
            })
            .await;
            let client = plain_client(server.local_addrs()[0]);
            while !served.get() || server.connections() > 0 {
                yield_now().await;
            }
            assert_eq!(read_all(client).unwrap(), b"all of it goes out at once");
        });
        assert!(format!("{handle:?}").contains("timers: 0"), "{handle:?}");
        assert!(clock.elapsed() < Duration::from_secs(7));
    });
}
