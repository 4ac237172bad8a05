//! A failed send ends our side and nothing else: everything that the peer has already sent is read to its end, and
//! only then is the connection lost, with the error of the send.

use std::fmt::Debug;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use crate::common::arrived::until_arrived;
use crate::common::bytes::pattern;
use crate::common::close_unread::close_unread;
use crate::common::give_up::give_up_after;
use crate::common::links::Link;
use crate::common::recorder::Recorder;
use crate::common::running::{run, turns};
use crate::common::settle::settle;
use crate::common::until::until;
use socket2::Socket;
use waterwheel::{StreamReader, StreamWriter, get_running_loop, open_connection, spawn};

/// More than the kernel takes for a peer that reads nothing.
const MUCH: usize = 32 << 20;

/// The name of an operation of a writer, and the operation.
type Act = (&'static str, fn(&StreamWriter));

/// The errors of a failed send: a reset is reported once, and after that each send is a broken pipe, as for any peer
/// that is gone.
const FAILED_SEND: [ErrorKind; 2] = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];

/// A peer that reads the beginning of our question, answers, and closes with the rest unread once the answer has
/// arrived. The kernel then resets the connection, and keeps the answer for our reader.
fn answer_early(mut peer: Socket, answer: &[u8]) {
    peer.read_exact(&mut [0; 1000]).unwrap();
    peer.write_all(answer).unwrap();
    until_arrived(&peer);
    close_unread(peer);
}

/// A stream that sends more than its peer takes, and the peer's answer.
struct Asking {
    reader: StreamReader,
    writer: StreamWriter,
    peer: Socket,
    answer: Vec<u8>,
}

async fn asking(link: Link) -> Asking {
    let linked = link.pair();
    let answer = pattern(linked.holds);
    assert!(answer.len() > 70_000, "more than one receive takes");
    // So small a limit that most of the answer stays in the kernel.
    let (reader, writer) = open_connection(linked.ours).limit(1024).await.unwrap();
    writer.write(&vec![b'q'; MUCH]);
    assert!(writer.transport().get_write_buffer_size() > 0, "there is more to send");
    Asking { reader, writer, peer: linked.peer, answer }
}

/// A stream whose peer has answered early and gone, while we had more to send. Nothing of the answer is read yet, and
/// our send has failed.
async fn answered_early(link: Link) -> (StreamReader, StreamWriter, Vec<u8>) {
    let Asking { reader, writer, peer, answer } = asking(link).await;
    answer_early(peer, &answer);
    until("the send fails", || writer.is_closing()).await;
    (reader, writer, answer)
}

/// Reads an answer, which must be complete.
async fn read_whole(reader: &mut StreamReader, answer: &[u8], case: impl Debug) {
    let read = reader.readexactly(answer.len()).await;
    assert!(read.unwrap_or_else(|error| panic!("{case:?}: {error}")) == answer, "{case:?}");
}

/// After everything that arrived comes the end, or the error that ended the connection: the kernel reports a reset
/// once, and here it has reported it to the send.
fn is_an_end(end: &io::Result<Vec<u8>>) -> bool {
    match end {
        Ok(rest) => rest.is_empty(),
        Err(error) => FAILED_SEND.contains(&error.kind()),
    }
}

#[test]
fn an_early_answer_is_read_whole_by_a_reader_that_looks_after_the_send_failed() {
    run(async {
        for link in Link::BOTH {
            let (mut reader, writer, answer) = answered_early(link).await;
            settle().await;
            read_whole(&mut reader, &answer, link).await;
            let end = reader.read(1).await;
            assert!(is_an_end(&end), "{link:?}: {end:?}");
            let lost = writer.wait_closed().await.unwrap_err().kind();
            assert!(FAILED_SEND.contains(&lost), "{link:?}: {lost:?}");
        }
    });
}

#[test]
fn an_early_answer_is_read_whole_by_a_reader_that_reads_all_the_time() {
    run(async {
        for link in Link::BOTH {
            let linked = link.pair();
            let answer = pattern(linked.holds);
            let (mut reader, writer) = open_connection(linked.ours).await.unwrap();
            let expected = answer.clone();
            let reading = spawn(async move { read_whole(&mut reader, &expected, link).await });
            writer.write(&vec![b'q'; MUCH]);
            turns(2).await;
            answer_early(linked.peer, &answer);
            reading.await.unwrap();
        }
    });
}

#[test]
fn writers_fail_at_once_and_the_connection_is_lost_only_when_all_was_read() {
    run(async {
        for link in Link::BOTH {
            let (mut reader, writer, answer) = answered_early(link).await;
            let transport = writer.transport();
            for _ in 0..2 {
                let drained = give_up_after(2, writer.drain()).await.expect("it does not wait for the reader");
                let kind = drained.unwrap_err().kind();
                assert!(FAILED_SEND.contains(&kind), "{link:?}: {kind:?}");
                let written = give_up_after(2, writer.write_all(b"more")).await.expect("it does not wait either");
                let kind = written.unwrap_err().kind();
                assert!(FAILED_SEND.contains(&kind), "{link:?}: {kind:?}");
                writer.write(&vec![b'm'; 1 << 20]);
                assert_eq!(transport.get_write_buffer_size(), 0, "{link:?}: nothing is kept for nobody");
                // No matter how long the reader waits.
                settle().await;
                assert!(writer.is_closing());
                assert!(
                    transport.get_protocol().is_some(),
                    "{link:?}: the connection is lost, with {} bytes to read",
                    { answer.len() }
                );
            }
            let waiting = spawn(async move { writer.wait_closed().await });
            settle().await;
            assert!(!waiting.is_finished(), "{link:?}");
            read_whole(&mut reader, &answer, link).await;
            let _ = reader.read(1).await;
            assert!(waiting.await.unwrap().is_err(), "{link:?}");
            assert!(transport.get_protocol().is_none());
        }
    });
}

#[test]
fn who_waits_in_a_drain_hears_of_the_failed_send_before_anything_is_read() {
    run(async {
        for link in Link::BOTH {
            let Asking { mut reader, writer, peer, answer } = asking(link).await;
            let writer = Rc::new(writer);
            let draining = Rc::clone(&writer);
            let draining = spawn(async move { draining.drain().await });
            settle().await;
            assert!(!draining.is_finished());
            answer_early(peer, &answer);
            let kind = draining.await.unwrap().unwrap_err().kind();
            assert!(FAILED_SEND.contains(&kind), "{link:?}: {kind:?}");
            read_whole(&mut reader, &answer, link).await;
        }
    });
}

#[test]
fn a_protocol_is_told_all_that_came_however_long_it_pauses_and_then_of_the_failed_send() {
    run(async {
        for link in Link::BOTH {
            for pauses in [false, true] {
                let linked = link.pair();
                let answer = pattern(linked.holds);
                let recorder = Recorder::reacting(move |word, this| {
                    if word == "made" && pauses {
                        this.transport().pause_reading();
                    }
                });
                let protocol = Rc::clone(&recorder);
                let connecting = get_running_loop().create_connection(move || protocol, linked.ours);
                let (transport, _) = connecting.await.unwrap();
                transport.write(&vec![b'q'; MUCH]);
                answer_early(linked.peer, &answer);
                until("the send fails", || transport.is_closing()).await;
                if pauses {
                    settle().await;
                    assert_eq!(recorder.words(), ["made", "pause"], "{link:?}: it is neither lost nor told of data");
                    transport.resume_reading();
                }
                let lost = recorder.lost.wait().await;
                assert_eq!(recorder.received.borrow().len(), answer.len(), "{link:?}, {pauses}");
                assert!(*recorder.received.borrow() == answer);
                assert!(lost.is_some_and(|kind| FAILED_SEND.contains(&kind)), "{link:?}: {lost:?}");
                let words = recorder.words();
                let lost = words.iter().filter(|word| word.starts_with("lost")).count();
                assert_eq!((lost, words.iter().any(|word| word == "data")), (1, true), "{words:?}");
            }
        }
    });
}

#[test]
fn a_large_write_that_fails_at_once_leaves_what_came() {
    run(async {
        let writes: [Act; 3] = [
            ("in one", |writer| writer.write(&vec![b'q'; 1 << 20])),
            ("in pieces", |writer| writer.writelines([[b'q'; 20_000], [b'r'; 20_000]])),
            ("gathered", |writer| (0..100).for_each(|_| writer.write(&[b'q'; 1000]))),
        ];
        for link in Link::BOTH {
            for (how, write) in writes {
                let mut linked = link.pair();
                let answer = pattern(linked.holds);
                let (mut reader, writer) = open_connection(linked.ours).limit(1024).await.unwrap();
                writer.write(b"question");
                settle().await;
                linked.peer.write_all(&answer).unwrap();
                until_arrived(&linked.peer);
                // With the question unread this is a reset, or for a Unix socket an end that makes every write fail.
                close_unread(linked.peer);
                write(&writer);
                assert!(writer.is_closing(), "{link:?}, {how}: the kernel refuses it in the call");
                read_whole(&mut reader, &answer, (link, how)).await;
                assert!(writer.wait_closed().await.is_err(), "{link:?}, {how}");
            }
        }
    });
}

#[test]
fn a_write_that_fails_after_its_writer_was_dropped_leaves_the_reader_its_bytes() {
    run(async {
        for link in Link::BOTH {
            let Asking { mut reader, writer, peer, answer } = asking(link).await;
            let transport = writer.transport();
            drop(writer);
            assert!(peer.peer_addr().is_ok(), "the connection is open");
            answer_early(peer, &answer);
            until("the send fails", || transport.get_write_buffer_size() == 0).await;
            read_whole(&mut reader, &answer, link).await;
        }
    });
}

#[test]
fn a_writer_that_is_dropped_over_its_failed_send_leaves_the_reader_its_bytes() {
    run(async {
        for link in Link::BOTH {
            let (mut reader, writer, answer) = answered_early(link).await;
            assert!(writer.drain().await.is_err(), "{link:?}: the writer hears of it, and goes");
            drop(writer);
            read_whole(&mut reader, &answer, link).await;
        }
    });
}

/// If the stream is not read to its end, these still end a connection whose send has failed.
#[test]
fn after_a_failed_send_close_abort_and_dropping_both_halves_end_it_at_once() {
    run(async {
        let ends: [Act; 2] = [("close", |writer| writer.close()), ("abort", |writer| writer.transport().abort())];
        for link in Link::BOTH {
            for (name, end) in ends {
                let (_reader, writer, _) = answered_early(link).await;
                settle().await;
                assert!(writer.transport().get_protocol().is_some(), "{link:?}, {name}: it is lost before");
                end(&writer);
                turns(3).await;
                assert!(writer.transport().get_protocol().is_none(), "{link:?}, {name}");
                let kind = writer.wait_closed().await.unwrap_err().kind();
                assert!(FAILED_SEND.contains(&kind), "{link:?}, {name}: {kind:?}");
            }
            let (reader, writer, _) = answered_early(link).await;
            settle().await;
            let transport = writer.transport();
            assert!(transport.get_protocol().is_some(), "{link:?}: it is lost before");
            drop((reader, writer));
            turns(3).await;
            assert!(transport.get_protocol().is_none(), "{link:?}, dropped");
        }
    });
}

/// A peer's closed socket may not show at first: our first send is taken, and answered by the reset.
#[test]
fn acknowledgements_that_nobody_reads_do_not_cost_the_rest_of_what_they_acknowledge() {
    run(async {
        for link in Link::BOTH {
            let mut linked = link.pair();
            let answer = pattern(linked.holds);
            let (mut reader, writer) = open_connection(linked.ours).limit(1024).await.unwrap();
            linked.peer.write_all(&answer).unwrap();
            until_arrived(&linked.peer);
            let mut peer = Some(linked.peer);
            let mut received = Vec::new();
            let mut refused = 0;
            while received.len() < answer.len() {
                let block = reader.readexactly(1000.min(answer.len() - received.len())).await;
                received.extend(block.unwrap_or_else(|error| panic!("{link:?}, after {}: {error}", received.len())));
                refused += usize::from(writer.write_all(b"ok").await.is_err());
                if let Some(peer) = peer.take_if(|_| received.len() >= 20_000) {
                    close_unread(peer);
                }
            }
            assert!(received == answer, "{link:?}");
            assert!(refused > 0, "{link:?}: the peer was gone, and an acknowledgement was refused");
        }
    });
}
