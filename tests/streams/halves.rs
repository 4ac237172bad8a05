//! Each half of a stream ends its own direction when it is dropped, and the connection closes when both are gone.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::common::bytes::pattern;
use crate::common::links::Link;
use crate::common::plain_peer::reset;
use crate::common::running::{run, turns};
use crate::common::settle::settle;
use crate::common::until::until;
use socket2::Socket;
use waterwheel::{StreamReader, StreamWriter, open_connection, spawn, start_server};

const MIB: usize = 1 << 20;

/// More than the kernel takes for a peer that reads nothing.
const MUCH: usize = 8 * MIB;

fn read_all(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    from.read_to_end(&mut all)?;
    Ok(all)
}

/// Joins a thread while the loop goes on.
async fn joined<T>(thread: thread::JoinHandle<T>) -> T {
    until("the peer is done", || thread.is_finished()).await;
    thread.join().unwrap()
}

/// A peer that waits for our end, and then sends.
fn reads_then_sends(mut peer: Socket, size: usize) -> thread::JoinHandle<io::Result<Vec<u8>>> {
    thread::spawn(move || {
        let read = read_all(&peer)?;
        peer.write_all(&pattern(size))?;
        Ok(read)
    })
}

#[test]
fn a_dropped_writer_sends_what_was_written_and_then_the_end_and_the_reader_reads_on() {
    run(async {
        for link in Link::BOTH {
            for written in [0, 5, MUCH] {
                let linked = link.pair();
                let (mut reader, writer) = open_connection(linked.ours).await.unwrap();
                writer.write(&pattern(written));
                drop(writer);
                let peer = reads_then_sends(linked.peer, MIB);
                let all = reader.read_to_end().await.unwrap_or_else(|error| panic!("{link:?}, {written}: {error}"));
                assert!(all == pattern(MIB), "{link:?}, {written} written: {} bytes were read", all.len());
                assert!(reader.at_eof());
                let told = joined(peer).await.unwrap_or_else(|error| panic!("{link:?}, {written}: {error}"));
                assert!(told == pattern(written), "{link:?}: the peer got {} of {written} bytes", told.len());
            }
        }
    });
}

#[test]
fn a_reader_that_waits_when_the_writer_is_dropped_reads_on() {
    run(async {
        for link in Link::BOTH {
            let linked = link.pair();
            let (mut reader, writer) = open_connection(linked.ours).await.unwrap();
            let reading = spawn(async move { reader.read_to_end().await });
            settle().await;
            writer.write(b"question");
            drop(writer);
            let peer = reads_then_sends(linked.peer, MIB);
            let all = reading.await.unwrap().unwrap_or_else(|error| panic!("{link:?}: {error}"));
            assert!(all == pattern(MIB), "{link:?}: {} bytes were read", all.len());
            assert_eq!(joined(peer).await.unwrap(), b"question");
        }
    });
}

#[test]
fn a_handler_whose_inner_function_forgets_the_writer_reads_all() {
    run(async {
        // The typical mistake: the async block captures only the reader, so the writer is dropped at once.
        let inner = |mut reader: StreamReader, _writer: StreamWriter| async move { reader.read_to_end().await };
        let outcome = Rc::new(RefCell::new(None));
        let told = Rc::clone(&outcome);
        let server = start_server(
            move |reader: StreamReader, writer: StreamWriter| {
                let told = Rc::clone(&told);
                async move {
                    let all = inner(reader, writer).await;
                    told.replace(Some(all));
                }
            },
            "127.0.0.1:0",
        );
        let server = server.await.unwrap();
        let address = server.local_addrs()[0];
        let client = thread::spawn(move || {
            let mut client = TcpStream::connect(address)?;
            client.set_read_timeout(Some(Duration::from_secs(10)))?;
            let before = read_all(&client)?;
            client.write_all(&pattern(MIB))?;
            client.shutdown(Shutdown::Write)?;
            Ok::<_, io::Error>(before)
        });
        until("the handler is done", || outcome.borrow().is_some()).await;
        let all = outcome.take().unwrap().unwrap();
        assert!(all == pattern(MIB), "{} bytes were read", all.len());
        assert_eq!(joined(client).await.unwrap(), b"");
        until("the connection is closed", || server.connections() == 0).await;
    });
}

#[test]
fn with_the_writer_gone_and_the_stream_at_its_end_the_connection_goes_with_the_reader() {
    run(async {
        for link in Link::BOTH {
            let linked = link.pair();
            let (mut reader, writer) = open_connection(linked.ours).await.unwrap();
            let transport = writer.transport();
            drop(writer);
            turns(3).await;
            assert!(transport.get_protocol().is_some(), "{link:?}: the reader has it");
            (&linked.peer).write_all(b"unread").unwrap();
            settle().await;
            assert_eq!(reader.read(3).await.unwrap(), b"unr", "{link:?}");
            drop(reader);
            turns(3).await;
            assert!(transport.get_protocol().is_none(), "{link:?}: both are gone");
        }
    });
}

#[test]
fn a_dropped_reader_leaves_the_writer_its_side() {
    run(async {
        for link in Link::BOTH {
            let linked = link.pair();
            let (reader, writer) = open_connection(linked.ours).await.unwrap();
            drop(reader);
            settle().await;
            assert!(!writer.is_closing(), "{link:?}");
            // The peer sends a lot before it reads. All of it is thrown away here.
            let peer = thread::spawn(move || {
                let mut peer = linked.peer;
                peer.write_all(&vec![b'p'; MUCH])?;
                read_all(&peer)
            });
            let written = pattern(MUCH);
            writer.write_all(&written).await.unwrap_or_else(|error| panic!("{link:?}: {error}"));
            writer.close();
            writer.wait_closed().await.unwrap();
            let told = joined(peer).await.unwrap_or_else(|error| panic!("{link:?}: {error}"));
            assert!(told == written, "{link:?}: {} bytes", told.len());
        }
    });
}

#[test]
fn with_the_reader_gone_the_writer_still_hears_of_a_reset_and_of_its_peers_end() {
    run(async {
        for ends in [true, false] {
            let (ours, peer) = crate::common::sockets::sockets();
            let (reader, writer) = open_connection(ours).await.unwrap();
            drop(reader);
            settle().await;
            if ends {
                // Many bytes that are thrown away, and then the end.
                peer.set_nonblocking(false).unwrap();
                let peer = thread::spawn(move || {
                    (&peer).write_all(&vec![b'p'; 8 * MIB])?;
                    peer.shutdown(Shutdown::Write)?;
                    read_all(&peer)
                });
                settle().await;
                assert!(!writer.is_closing(), "the end of the peer's side does not end ours");
                writer.write(b"still here");
                drop(writer);
                // Both sides have sent their ends, so the connection is over without further action on our side.
                assert_eq!(joined(peer).await.unwrap(), b"still here");
            } else {
                reset(peer);
                let lost = writer.wait_closed().await.unwrap_err();
                assert_eq!(lost.kind(), ErrorKind::ConnectionReset);
            }
        }
    });
}

/// In either order, and with any number of turns in between.
#[test]
fn when_both_are_gone_the_connection_is_closed_and_what_was_written_arrives() {
    run(async {
        let written = pattern(MUCH);
        for link in Link::BOTH {
            for reader_first in [true, false] {
                for apart in [0, 3] {
                    let case = format!("{link:?}, the reader first: {reader_first}, {apart} turns apart");
                    let linked = link.pair();
                    let (reader, writer) = open_connection(linked.ours).await.unwrap();
                    let transport = writer.transport();
                    writer.write(&written);
                    if reader_first {
                        drop(reader);
                        turns(apart).await;
                        assert!(!transport.is_closing(), "{case}");
                        drop(writer);
                    } else {
                        drop(writer);
                        turns(apart).await;
                        drop(reader);
                    }
                    let peer = thread::spawn(move || read_all(&linked.peer));
                    let told = joined(peer).await.unwrap_or_else(|error| panic!("{case}: {error}"));
                    assert!(told == written, "{case}: {} bytes", told.len());
                    until("the connection is lost", || transport.get_protocol().is_none()).await;
                }
            }
        }
    });
}

#[test]
fn close_closes_both_directions_whatever_is_dropped_then() {
    run(async {
        for link in Link::BOTH {
            let linked = link.pair();
            let (mut reader, writer) = open_connection(linked.ours).await.unwrap();
            let transport = writer.transport();
            writer.write(b"bye");
            writer.close();
            drop(writer);
            turns(3).await;
            assert!(transport.get_protocol().is_none(), "{link:?}");
            assert_eq!(reader.read_to_end().await.unwrap(), b"", "{link:?}: the reader is at its end");
            assert_eq!(read_all(&linked.peer).unwrap(), b"bye");
        }
    });
}

#[test]
fn after_write_eof_a_dropped_writer_changes_nothing() {
    run(async {
        for link in Link::BOTH {
            let linked = link.pair();
            let (mut reader, writer) = open_connection(linked.ours).await.unwrap();
            writer.write(b"question");
            writer.write_eof();
            drop(writer);
            let peer = reads_then_sends(linked.peer, MIB);
            let all = reader.read_to_end().await.unwrap_or_else(|error| panic!("{link:?}: {error}"));
            assert!(all == pattern(MIB), "{link:?}: {} bytes were read", all.len());
            assert_eq!(joined(peer).await.unwrap(), b"question");
        }
    });
}
