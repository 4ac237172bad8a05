//! A reply arrives whole, no matter when the rest of its request does: a connection on which something was sent is
//! kept after its close until the client has ended its side.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use waterwheel::{EventLoop, Server, StreamReader, StreamWriter, sleep, start_unix_server, yield_now};

use super::{KIB, MIB, start};
use crate::clock::with_clock;
use crate::common::alone::{alone, run_alone};
use crate::common::bytes::pattern;
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::peers::{plain_client, read_all};
use crate::common::temp_dir::TempDir;
use crate::common::until::until;

/// How long a connection lingers for a client that makes no progress.
const BOUND: Duration = Duration::from_secs(5);

/// Reads the head of a request, replies, and closes. No input is unread then, unless the client has sent more.
async fn reply_to_the_head(mut reader: StreamReader, writer: StreamWriter) {
    reader.readexactly(KIB).await.unwrap();
    writer.write(&pattern(MIB));
    writer.close();
}

/// A handler whose connections are closed with no unread input, after a few bytes were sent.
async fn say_bye(_reader: StreamReader, writer: StreamWriter) {
    writer.write(b"bye");
}

/// Waits until the first client has been served, and its connection is lost.
async fn until_served(server: &Server) {
    while server.connections() == 0 {
        yield_now().await;
    }
    while server.connections() > 0 {
        yield_now().await;
    }
}

/// Reads to the end in small pieces.
fn read_slowly(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut piece = vec![0; 64 * KIB];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(all),
            Ok(n) => all.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// Joins a thread while the loop goes on.
async fn joined<T>(thread: thread::JoinHandle<T>) -> T {
    until("the client is done", || thread.is_finished()).await;
    thread.join().unwrap()
}

#[test]
fn the_rest_of_a_request_that_comes_after_the_close_does_not_cost_the_reply() {
    run_alone(|| async {
        let server = start(reply_to_the_head).await;
        let before = open_descriptors();
        for round in 1..=20 {
            let mut client = plain_client(server.local_addrs()[0]);
            client.write_all(&[b'h'; KIB]).unwrap();
            until_served(&server).await;
            let client = thread::spawn(move || {
                for _ in 0..4 {
                    client.write_all(&[b'b'; 16 * KIB])?;
                    thread::sleep(Duration::from_millis(1));
                }
                read_slowly(&client)
            });
            let reply = joined(client).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert!(reply == pattern(MIB), "round {round}: {} bytes", reply.len());
        }
        until_descriptors(before).await;
    });
}

#[test]
fn a_client_that_sends_the_rest_when_it_has_seen_the_first_byte_gets_all() {
    run_alone(|| async {
        let server = start(reply_to_the_head).await;
        let address = server.local_addrs()[0];
        let client = thread::spawn(move || {
            (1..=20).try_for_each(|round| {
                let mut client = plain_client(address);
                client.write_all(&[b'h'; KIB]).map_err(|error| format!("round {round}: {error}"))?;
                let mut first = [0];
                client.read_exact(&mut first).map_err(|error| format!("round {round}, first byte: {error}"))?;
                thread::sleep(Duration::from_millis(5));
                client.write_all(&[b'b'; 64 * KIB]).map_err(|error| format!("round {round}, the rest: {error}"))?;
                let rest = read_slowly(&client).map_err(|error| format!("round {round}: {error}"))?;
                let whole = [&first, &rest[..]].concat() == pattern(MIB);
                whole.then_some(()).ok_or(format!("round {round}: {} bytes", rest.len()))
            })
        });
        joined(client).await.unwrap();
    });
}

#[test]
fn over_a_unix_socket_the_rest_of_a_request_is_taken_and_the_reply_ends_well() {
    run_alone(|| async {
        let directory = TempDir::new();
        let path = directory.file("server");
        let server = start_unix_server(say_bye, &path).await.unwrap();
        for round in 1..=20 {
            let mut client = UnixStream::connect(&path).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            until_served(&server).await;
            client.write_all(b"the rest").unwrap_or_else(|error| panic!("round {round}: {error}"));
            client.shutdown(Shutdown::Write).unwrap();
            let client = thread::spawn(move || read_all(client));
            assert_eq!(joined(client).await.unwrap_or_else(|error| panic!("round {round}: {error}")), b"bye");
        }
        drop(server);
    });
}

/// A server that has sent a reply and closed, and its client. The server's side lingers.
async fn said_bye_to() -> (Server, TcpStream) {
    let server = start(say_bye).await;
    let client = plain_client(server.local_addrs()[0]);
    until_served(&server).await;
    (server, client)
}

/// A server that left most of its client's request unread, and its client, which has read up to the end of the stream.
/// The server's side lingers.
async fn with_much_unread() -> (Server, TcpStream) {
    let server = start(async |mut reader: StreamReader, writer: StreamWriter| {
        reader.readexactly(1).await.unwrap();
        writer.write(b"bye");
    })
    .await;
    let mut client = plain_client(server.local_addrs()[0]);
    // More than the reader buffers before it holds the peer back.
    client.write_all(&vec![b'x'; 300 * KIB]).unwrap();
    let reply = client.try_clone().unwrap();
    let reply = thread::spawn(move || read_all(reply).unwrap());
    while !reply.is_finished() {
        yield_now().await;
    }
    assert_eq!(reply.join().unwrap(), b"bye");
    assert_eq!(server.connections(), 0, "the protocol is done with it");
    (server, client)
}

/// Whether a connection is closed with unread input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    Nothing,
    Much,
}

impl Unread {
    const BOTH: [Unread; 2] = [Unread::Nothing, Unread::Much];

    /// A server that has sent a reply and closed, and its client. The server's side lingers.
    async fn lingering(self) -> (Server, TcpStream) {
        match self {
            Unread::Nothing => said_bye_to().await,
            Unread::Much => with_much_unread().await,
        }
    }

    /// What the client still has to read.
    fn rest(self) -> &'static [u8] {
        match self {
            Unread::Nothing => b"bye",
            Unread::Much => b"",
        }
    }
}

#[test]
fn a_connection_that_lingers_has_one_descriptor_until_its_client_has_ended() {
    run_alone(|| async {
        let before = open_descriptors();
        for (unread, ended) in Unread::BOTH.into_iter().flat_map(|unread| [(unread, true), (unread, false)]) {
            let (server, client) = unread.lingering().await;
            assert_eq!(open_descriptors(), before + 3, "the listener, the client, and what lingers: {unread:?}");
            assert_eq!(read_all(&client).unwrap(), unread.rest(), "our end is told at once");
            assert_eq!(open_descriptors(), before + 3);
            if ended {
                client.shutdown(Shutdown::Write).unwrap();
                until_descriptors(before + 2).await;
            }
            drop(client);
            until_descriptors(before + 1).await;
            drop(server);
        }
    });
}

#[test]
fn the_loss_is_told_when_it_was_and_who_waits_for_the_connections_does_not_wait_for_lingering() {
    run_alone(|| async {
        let closed = Rc::new(Cell::new(false));
        let told = Rc::clone(&closed);
        let server = start(move |_reader, writer: StreamWriter| {
            let told = Rc::clone(&told);
            async move {
                writer.write(b"bye");
                writer.close();
                writer.wait_closed().await.unwrap();
                told.set(true);
            }
        })
        .await;
        let before = open_descriptors();
        let client = plain_client(server.local_addrs()[0]);
        until("the writer's wait is over", || closed.get()).await;
        assert_eq!(server.connections(), 0);
        assert_eq!(open_descriptors(), before + 2, "the client and what lingers");
        server.close();
        server.wait_closed().await;
        assert_eq!(open_descriptors(), before + 1, "the listener is closed, and the other lingers");
        drop(client);
        until_descriptors(before - 1).await;
    });
}

#[test]
fn without_a_byte_sent_nothing_lingers_whether_or_not_there_is_unread_input() {
    run_alone(|| async {
        let handled = Rc::new(Cell::new(0));
        let count = Rc::clone(&handled);
        let server = start(move |mut reader: StreamReader, writer: StreamWriter| {
            let count = Rc::clone(&count);
            async move {
                reader.readexactly(1).await.unwrap();
                drop((reader, writer));
                count.set(count.get() + 1);
            }
        })
        .await;
        let before = open_descriptors();
        for (round, request) in [&b"x"[..], &[b'x'; 300 * KIB]].into_iter().enumerate() {
            let mut client = plain_client(server.local_addrs()[0]);
            client.write_all(request).unwrap();
            until("the connection was handled", || handled.get() > round).await;
            until("the connection is lost", || server.connections() == 0).await;
            assert_eq!(open_descriptors(), before + 1, "only the client's, in round {round}");
        }
    });
}

#[test]
fn a_client_that_has_ended_its_side_is_not_waited_for() {
    run_alone(|| async {
        let server = start(async |mut reader: StreamReader, writer: StreamWriter| {
            let request = reader.read_to_end().await.unwrap();
            writer.write(&request);
        })
        .await;
        let before = open_descriptors();
        let mut client = plain_client(server.local_addrs()[0]);
        client.write_all(b"all").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        until_served(&server).await;
        assert_eq!(open_descriptors(), before + 1);
        assert_eq!(read_all(client).unwrap(), b"all");
    });
}

#[test]
fn lingering_ends_at_the_bound() {
    with_clock(|_| async {
        let before = open_descriptors();
        for unread in Unread::BOTH {
            let (server, client) = unread.lingering().await;
            sleep(BOUND - Duration::from_secs(1)).await;
            assert_eq!(open_descriptors(), before + 3, "{unread:?}: it lingers before the bound");
            sleep(Duration::from_secs(2)).await;
            assert_eq!(open_descriptors(), before + 2, "{unread:?}: the client is open, the server's side is not");
            if unread == Unread::Nothing {
                assert_eq!(read_all(&client).unwrap(), b"bye");
            }
            drop((server, client));
        }
    });
}

#[test]
fn what_the_client_still_sends_puts_the_bound_off() {
    with_clock(|_| async {
        let before = open_descriptors();
        let (server, mut client) = said_bye_to().await;
        for second in [3, 6, 9, 12] {
            sleep(Duration::from_secs(3)).await;
            client.write_all(b"more").unwrap();
            // The clock stands still meanwhile.
            for _ in 0..1_000 {
                yield_now().await;
            }
            assert_eq!(open_descriptors(), before + 3, "after {second} seconds, and 0 without progress");
        }
        sleep(BOUND + Duration::from_secs(1)).await;
        assert_eq!(open_descriptors(), before + 2);
        drop(server);
    });
}

#[test]
fn a_client_that_sends_a_little_again_and_again_is_left_at_the_longest_bound() {
    with_clock(|_| async {
        let before = open_descriptors();
        let (server, mut client) = said_bye_to().await;
        let mut seconds = 0;
        while open_descriptors() == before + 3 {
            assert!(seconds < 60, "it lingers for as long as the client likes");
            client.write_all(b"more").unwrap();
            // The clock stands still meanwhile.
            for _ in 0..1_000 {
                yield_now().await;
            }
            sleep(Duration::from_secs(3)).await;
            seconds += 3;
        }
        assert_eq!((open_descriptors(), seconds), (before + 2, 30));
        drop(server);
    });
}

#[test]
fn lingering_ends_when_the_client_floods() {
    run_alone(|| async {
        let before = open_descriptors();
        let (server, mut client) = with_much_unread().await;
        let flood = thread::spawn(move || {
            let mut sent = 0;
            while sent < 512 * MIB {
                match client.write(&[b'f'; 64 * KIB]) {
                    Ok(n) => sent += n,
                    Err(error) => return Ok((sent, error.kind())),
                }
            }
            Err("it was never cut off")
        });
        until("the flood was stopped", || flood.is_finished()).await;
        let (sent, kind) = flood.join().unwrap().unwrap();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
        assert!(sent > MIB, "what a client is about to send anyway is taken: {sent}");
        until_descriptors(before + 1).await;
        drop(server);
    });
}

#[test]
fn lingering_ends_with_the_loop() {
    alone(|| {
        let before = open_descriptors();
        let mut event_loop = EventLoop::new().unwrap();
        let (server, client) = event_loop.run(with_much_unread());
        drop(event_loop);
        drop(server);
        assert_eq!(open_descriptors(), before + 1, "only the client");
        drop(client);
    });
}
