//! `Server::shutdown` cuts off no client whose reply was handed to the kernel: it waits for connections that only
//! linger, and once it has returned, the program may exit.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use waterwheel::{Server, StreamReader, StreamWriter, sleep, spawn, start_server, yield_now};

use super::shutdown::counts;
use crate::clock::with_clock;
use crate::common::alone::{alone, run_alone};
use crate::common::bytes::pattern;
use crate::common::descriptors::open_descriptors;
use crate::common::peers::plain_client;
use crate::common::until::until;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// More than the kernel takes for a client that reads nothing.
const MUCH: usize = 32 * MIB;

/// How long a connection lingers for a client that makes no progress.
const BOUND: Duration = Duration::from_secs(5);

/// What a handler does after writing its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It closes, so the connection lingers before the shutdown begins.
    Closes,
    /// It waits for more input than the client ever sends.
    Waits,
}

/// A server that replies to the head of a request, and the number of its replies.
async fn start(reply: usize, then: Then) -> (Server, Rc<Cell<usize>>) {
    let replied = Rc::new(Cell::new(0));
    let count = Rc::clone(&replied);
    let handler = move |mut reader: StreamReader, writer: StreamWriter| {
        let count = Rc::clone(&count);
        async move {
            reader.readexactly(KIB).await.unwrap();
            writer.write(&pattern(reply));
            count.set(count.get() + 1);
            match then {
                Then::Closes => writer.close(),
                Then::Waits => {
                    let _ = reader.readexactly(MUCH).await;
                }
            }
        }
    };
    (start_server(handler, "127.0.0.1:0").await.unwrap(), replied)
}

/// Sends the rest of a request, reads the reply in small pieces, and then ends its side.
fn go_on(mut client: &TcpStream) -> io::Result<Vec<u8>> {
    client.write_all(&[b'b'; 16 * KIB])?;
    let mut all = Vec::new();
    let mut piece = vec![0; 64 * KIB];
    loop {
        match client.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => all.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        thread::sleep(Duration::from_micros(200));
    }
    client.shutdown(Shutdown::Write)?;
    Ok(all)
}

#[test]
fn a_program_that_exits_when_it_has_returned_cuts_nobody() {
    alone(|| {
        for then in [Then::Closes, Then::Waits] {
            for round in 1..=20 {
                let (tell, told) = channel();
                let program = thread::spawn(move || {
                    waterwheel::run(async {
                        let (server, replied) = start(MIB, then).await;
                        tell.send(server.local_addrs()[0]).unwrap();
                        until("a reply is handed to the kernel", || replied.get() == 1).await;
                        server.shutdown(Duration::ZERO).await
                    })
                    // The loop is dropped, which closes everything that was open, as the exit of the process would.
                });
                let mut client = plain_client(told.recv().unwrap());
                client.write_all(&[b'h'; KIB]).unwrap();
                client.read_exact(&mut [0]).unwrap();
                thread::sleep(Duration::from_millis(2));
                let reply = go_on(&client).unwrap_or_else(|error| panic!("round {round}, {then:?}: {error}"));
                assert!(reply[..] == pattern(MIB)[1..], "round {round}, {then:?}: {} bytes", reply.len());
                let report = program.join().unwrap();
                assert_eq!(report.aborted, 0, "round {round}, {then:?}");
            }
        }
    });
}

#[test]
fn when_it_has_returned_nothing_lingers_any_more() {
    run_alone(|| async {
        for then in [Then::Closes, Then::Waits] {
            let before = open_descriptors();
            let (server, replied) = start(64 * KIB, then).await;
            let mut clients: Vec<_> = (0..20).map(|_| plain_client(server.local_addrs()[0])).collect();
            clients.iter_mut().for_each(|client| client.write_all(&[b'h'; KIB]).unwrap());
            until("all replies are written", || replied.get() == 20).await;
            let clients = thread::spawn(move || {
                let going_on = clients.into_iter().map(|client| {
                    thread::spawn(move || {
                        let reply = go_on(&client);
                        (client, reply)
                    })
                });
                let all: Vec<_> = going_on.collect();
                all.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
            });
            let report = server.shutdown(Duration::ZERO).await;
            // The listener is closed, and the clients are still open.
            assert_eq!(open_descriptors(), before + 20, "{then:?}");
            if then == Then::Waits {
                assert_eq!(counts(report), (0, 20, 0));
            }
            until("the clients are done", || clients.is_finished()).await;
            for (_client, reply) in clients.join().unwrap() {
                assert!(reply.unwrap_or_else(|error| panic!("{then:?}: {error}")) == pattern(64 * KIB), "{then:?}");
            }
        }
    });
}

#[test]
fn of_connections_that_linger_only_the_last_one_wakes_it() {
    run_alone(|| async {
        let (server, replied) = start(KIB, Then::Closes).await;
        let clients = replied_to(&server, &replied, 20).await;
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let shutdown = spawn(async move {
            let mut shutdown = pin!(server.shutdown(Duration::ZERO));
            poll_fn(|cx| {
                counted.set(counted.get() + 1);
                shutdown.as_mut().poll(cx)
            })
            .await
        });
        for _ in 0..10 {
            yield_now().await;
        }
        let (before, open) = (polls.get(), open_descriptors());
        for (ended, mut client) in (1..).zip(clients) {
            client.read_to_end(&mut Vec::new()).unwrap();
            drop(client);
            until("both ends of it are closed", || open_descriptors() == open - 2 * ended).await;
        }
        shutdown.await.unwrap();
        assert_eq!(polls.get(), before + 1);
    });
}

/// Connects `count` clients, and waits until their replies are written.
async fn replied_to(server: &Server, replied: &Cell<usize>, count: usize) -> Vec<TcpStream> {
    let before = replied.get();
    let clients: Vec<_> = (0..count).map(|_| plain_client(server.local_addrs()[0])).collect();
    for mut client in &clients {
        client.write_all(&[b'h'; KIB]).unwrap();
    }
    while replied.get() < before + count {
        yield_now().await;
    }
    for _ in 0..1_000 {
        yield_now().await;
    }
    clients
}

#[test]
fn with_clients_that_never_end_it_is_over_at_the_grace_and_the_bound() {
    with_clock(|clock| async move {
        for then in [Then::Closes, Then::Waits] {
            for grace in [Duration::ZERO, Duration::from_secs(10)] {
                let before = open_descriptors();
                let (server, replied) = start(KIB, then).await;
                let clients = replied_to(&server, &replied, 3).await;
                let start = clock.elapsed();
                let report = server.shutdown(grace).await;
                let took = clock.elapsed() - start;
                // By this clock, only waiting takes time.
                assert!(took <= grace + BOUND, "{then:?}: {took:?} with a grace of {grace:?}");
                if then == Then::Waits {
                    assert!(took > grace + BOUND / 2, "{took:?}: their replies are on their way for a while");
                    assert_eq!(counts(report), (0, 3, 0));
                }
                assert_eq!(report.aborted, 0, "{then:?}");
                assert_eq!(open_descriptors(), before + 3, "{then:?}: only the clients'");
                for mut client in clients {
                    let mut reply = Vec::new();
                    client.read_to_end(&mut reply).unwrap();
                    assert!(reply == pattern(KIB), "{then:?}");
                }
            }
        }
    });
}

#[test]
fn a_client_that_says_a_little_again_and_again_does_not_put_the_end_off() {
    with_clock(|clock| async move {
        let (server, replied) = start(KIB, Then::Waits).await;
        let clients = replied_to(&server, &replied, 1).await;
        let mut dribbling = clients[0].try_clone().unwrap();
        let dribble = spawn(async move {
            // A limit, far above what the shutdown may take.
            for _ in 0..1_000 {
                sleep(Duration::from_secs(2)).await;
                let _ = dribbling.write(b".");
            }
        });
        let start = clock.elapsed();
        let report = server.shutdown(Duration::from_secs(1)).await;
        let took = clock.elapsed() - start;
        assert!(took <= Duration::from_secs(1) + BOUND, "{took:?}");
        assert_eq!(counts(report), (0, 1, 0));
        dribble.cancel();
    });
}

#[test]
fn who_takes_nothing_is_aborted_after_the_grace_while_others_linger() {
    with_clock(|clock| async move {
        let handled = Rc::new(Cell::new(0));
        let count = Rc::clone(&handled);
        let server = start_server(
            move |mut reader: StreamReader, writer: StreamWriter| {
                let count = Rc::clone(&count);
                async move {
                    let wanted = reader.readexactly(1).await.unwrap();
                    writer.write(&pattern(if wanted == b"m" { MUCH } else { KIB }));
                    count.set(count.get() + 1);
                    let _ = reader.readexactly(MUCH).await;
                }
            },
            "127.0.0.1:0",
        );
        let server = server.await.unwrap();
        let mut clients: Vec<_> = (0..3).map(|_| plain_client(server.local_addrs()[0])).collect();
        for (client, wanted) in clients.iter_mut().zip([b"m", b"l", b"l"]) {
            client.write_all(wanted).unwrap();
        }
        while handled.get() < 3 {
            yield_now().await;
        }
        let finishing = clients[2].try_clone().unwrap();
        drop(spawn(async move {
            sleep(Duration::from_secs(3)).await;
            finishing.shutdown(Shutdown::Both).unwrap();
        }));
        let start = clock.elapsed();
        let report = server.shutdown(Duration::from_secs(10)).await;
        assert_eq!(counts(report), (1, 1, 1));
        let took = clock.elapsed() - start;
        assert!(took > Duration::from_secs(12) && took <= Duration::from_secs(10) + BOUND, "{took:?}");
        let mut reply = Vec::new();
        clients[1].read_to_end(&mut reply).unwrap();
        assert!(reply == pattern(KIB));
        assert!(clients[0].read_to_end(&mut Vec::new()).is_err(), "a part is no end");
    });
}
