//! A clean end that has arrived stays one: if sending fails afterwards, the writer gets the error, and the reader gets
//! the whole reply and its end.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::common::arrived::until_arrived;
use crate::common::bytes::pattern;
use crate::common::links::Link;
use crate::common::recorder::Recorder;
use crate::common::running::run;
use crate::common::settle::settle;
use crate::common::until::until;
use socket2::Socket;
use waterwheel::{AfterEof, StreamReader, StreamWriter, get_running_loop, open_connection, spawn};

const FAILED_SEND: [ErrorKind; 2] = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];

/// When our side writes to a peer that has sent everything and gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Before the loop has polled the socket.
    AtOnce,
    /// When the reader has the reply, as far as its buffer holds it, and the end.
    Later,
}

/// Sends a reply and its end, and closes the socket.
fn reply_and_leave(mut peer: Socket, reply: &[u8]) {
    peer.write_all(reply).unwrap();
    until_arrived(&peer);
    // The peer has no unread bytes: this is an end of stream, not a reset.
    drop(peer);
}

/// Writes until the kernel refuses: over TCP the first write is answered by a reset, which makes the next one fail.
fn write_in_vain(writer: &StreamWriter) {
    for _ in 0..1_000 {
        writer.write(&[b'm'; 20_000]);
        if writer.is_closing() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("the peer is gone, and everything is taken");
}

/// A stream whose peer has sent a reply and its end, and on which our writes have failed afterwards.
async fn refused(link: Link, small: bool, then: Then) -> (StreamReader, StreamWriter, Vec<u8>) {
    let linked = link.pair();
    let reply = pattern(if small { 5 } else { linked.holds });
    let (reader, writer) = open_connection(linked.ours).limit(1024).await.unwrap();
    reply_and_leave(linked.peer, &reply);
    if then == Then::Later {
        settle().await;
    }
    write_in_vain(&writer);
    (reader, writer, reply)
}

#[test]
fn a_reader_gets_reply_and_end_and_the_writer_the_error() {
    run(async {
        for link in Link::BOTH {
            for (small, then) in
                [(true, Then::AtOnce), (true, Then::Later), (false, Then::AtOnce), (false, Then::Later)]
            {
                let case = format!("{link:?}, small: {small}, {then:?}");
                let (mut reader, writer, reply) = refused(link, small, then).await;
                let kind = writer.drain().await.unwrap_err().kind();
                assert!(FAILED_SEND.contains(&kind), "{case}: {kind:?}");
                settle().await;
                let all = reader.read_to_end().await;
                assert!(all.unwrap_or_else(|error| panic!("{case}: {error}")) == reply, "{case}");
                assert!(reader.at_eof(), "{case}");
                assert_eq!(reader.read(1).await.unwrap(), b"", "{case}: it stays at its end");
                let kind = writer.wait_closed().await.unwrap_err().kind();
                assert!(FAILED_SEND.contains(&kind), "{case}: {kind:?}");
                assert!(writer.drain().await.is_err() && writer.write_all(b"x").await.is_err(), "{case}");
                // The same after the connection is lost.
                assert_eq!(reader.read(1).await.unwrap(), b"", "{case}");
                assert!(reader.at_eof(), "{case}");
            }
        }
    });
}

#[test]
fn lines_are_read_to_the_last_one() {
    run(async {
        for link in Link::BOTH {
            let linked = link.pair();
            let (mut reader, writer) = open_connection(linked.ours).await.unwrap();
            reply_and_leave(linked.peer, b"one\ntwo\nthree");
            settle().await;
            write_in_vain(&writer);
            settle().await;
            let mut lines = Vec::new();
            while let Some(line) = reader.next_line().await.unwrap_or_else(|error| panic!("{link:?}: {error}")) {
                lines.push(line);
            }
            assert_eq!(lines, [&b"one\n"[..], b"two\n", b"three"], "{link:?}");
        }
    });
}

#[test]
fn a_reader_that_waits_already_gets_the_end_too() {
    run(async {
        for link in Link::BOTH {
            let linked = link.pair();
            let (mut reader, writer) = open_connection(linked.ours).await.unwrap();
            let reading = spawn(async move { (reader.read_to_end().await, reader.at_eof()) });
            settle().await;
            reply_and_leave(linked.peer, b"reply");
            write_in_vain(&writer);
            let (all, at_eof) = reading.await.unwrap();
            assert_eq!(all.unwrap_or_else(|error| panic!("{link:?}: {error}")), b"reply");
            assert!(at_eof);
            assert!(writer.wait_closed().await.is_err(), "{link:?}");
        }
    });
}

#[test]
fn after_the_end_of_the_peers_side_a_reset_is_for_the_writer_alone() {
    run(async {
        for link in Link::BOTH {
            let mut linked = link.pair();
            let (mut reader, writer) = open_connection(linked.ours).await.unwrap();
            linked.peer.write_all(b"reply").unwrap();
            linked.peer.shutdown(Shutdown::Write).unwrap();
            settle().await;
            // More than the peer takes. The peer closes with that unread: a reset.
            writer.write(&vec![b'm'; 32 << 20]);
            settle().await;
            drop(linked.peer);
            until("the send fails", || writer.is_closing()).await;
            assert!(writer.drain().await.is_err(), "{link:?}");
            let all = reader.read_to_end().await;
            assert_eq!(all.unwrap_or_else(|error| panic!("{link:?}: {error}")), b"reply");
            assert!(reader.at_eof(), "{link:?}");
            assert!(writer.wait_closed().await.is_err(), "{link:?}");
        }
    });
}

#[test]
fn a_protocol_is_told_data_and_end_before_the_failed_send() {
    run(async {
        for link in Link::BOTH {
            for then in [Then::AtOnce, Then::Later] {
                let linked = link.pair();
                let reply = pattern(linked.holds);
                let recorder = Recorder::new();
                recorder.after_eof.set(AfterEof::KeepOpen);
                let protocol = Rc::clone(&recorder);
                let (transport, _) = get_running_loop().create_connection(move || protocol, linked.ours).await.unwrap();
                reply_and_leave(linked.peer, &reply);
                if then == Then::Later {
                    settle().await;
                }
                while !transport.is_closing() {
                    transport.write(&[b'm'; 20_000]);
                    thread::sleep(Duration::from_millis(1));
                }
                let lost = recorder.lost.wait().await.expect("the send failed");
                let words = recorder.words();
                assert_eq!(words, ["made", "data", "eof", &format!("lost({lost:?})")], "{link:?}, {then:?}");
                assert!(*recorder.received.borrow() == reply, "{link:?}, {then:?}");
                assert!(FAILED_SEND.contains(&lost), "{link:?}: {lost:?}");
            }
        }
    });
}
