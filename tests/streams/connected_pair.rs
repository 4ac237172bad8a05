//! Connections in memory, and a transport that records: they behave like those over sockets.

use std::io::ErrorKind;
use std::rc::Rc;

use waterwheel::testing::{RecordingTransport, connected_pair, recorded_writer};
use waterwheel::{EventLoop, Transport, run, spawn, yield_now};

use crate::common::recorder::Recorder;

#[test]
fn bytes_go_both_ways_and_each_side_ends_alone() {
    run(async {
        let (mut one, mut other) = connected_pair();
        one.writer.write(b"question");
        one.writer.write_eof();
        assert_eq!(other.reader.read_to_end().await.unwrap(), b"question");
        other.writer.write_all(b"answer").await.unwrap();
        drop(other);
        assert_eq!(one.reader.read_to_end().await.unwrap(), b"answer");
    });
}

#[test]
fn a_writer_waits_for_a_reader_that_is_behind_and_all_arrives() {
    const SIZE: usize = 3_000_000;
    run(async {
        let (one, mut other) = connected_pair();
        let bytes: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
        one.writer.write(&bytes);
        for _ in 0..20 {
            yield_now().await;
        }
        // The reader has taken up to twice its limit and one receive more, and as much is on its way.
        assert!(one.writer.get_write_buffer_size() > SIZE - 400_000, "{}", one.writer.get_write_buffer_size());
        let sender = spawn(async move { one.writer.drain().await });
        yield_now().await;
        assert!(!sender.is_finished());
        assert!(other.reader.read_to_end().await.unwrap() == bytes);
        sender.await.unwrap().unwrap();
    });
}

#[test]
fn bytes_that_were_given_up_are_a_reset_behind_what_had_been_sent() {
    run(async {
        let (one, mut other) = connected_pair();
        one.writer.write(&[7; 1_000_000]);
        yield_now().await;
        assert!(one.writer.get_write_buffer_size() > 0);
        one.writer.abort();
        let mut received = 0;
        let error = loop {
            match other.reader.read(100_000).await {
                Ok(bytes) if bytes.is_empty() => panic!("a part looked like the whole"),
                Ok(bytes) => received += bytes.len(),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!((1..1_000_000).contains(&received), "{received}");
    });
}

#[test]
fn who_writes_to_a_peer_that_is_gone_hears_of_it_and_still_gets_its_last_words() {
    run(async {
        let (mut one, other) = connected_pair();
        other.writer.write(b"last words");
        yield_now().await;
        other.writer.abort();
        yield_now().await;
        one.writer.write(b"are you there?");
        yield_now().await;
        let error = one.writer.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let mut heard = Vec::new();
        while let Ok(bytes @ [_, ..]) = one.reader.read(100).await.as_deref() {
            heard.extend_from_slice(bytes);
        }
        assert_eq!(heard, b"last words");
    });
}

#[test]
fn many_pairs_at_once_do_not_mix() {
    run(async {
        let mut echoes = Vec::new();
        for n in 0..100_u32 {
            let (server, mut client) = connected_pair();
            spawn(async move {
                let (mut reader, writer) = server.split();
                while let Ok(bytes @ [_, ..]) = reader.read(3).await.as_deref() {
                    writer.write(bytes);
                }
            });
            echoes.push(spawn(async move {
                client.writer.write(&n.to_be_bytes());
                client.writer.write_eof();
                client.reader.read_to_end().await.unwrap() == n.to_be_bytes()
            }));
        }
        for echo in echoes {
            assert!(echo.await.unwrap());
        }
    });
}

#[test]
fn a_loop_that_is_dropped_with_pairs_open_frees_what_they_held() {
    let held = Rc::new(());
    let mut event_loop = EventLoop::new().unwrap();
    let pairs = event_loop.run(async {
        let (one, mut other) = connected_pair();
        let held = Rc::clone(&held);
        let task = spawn(async move {
            let _ = other.reader.read(1).await;
            drop(held);
        });
        yield_now().await;
        (one, connected_pair(), task)
    });
    assert_eq!(Rc::strong_count(&held), 2);
    drop(event_loop);
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(pairs.0.writer.is_closing());
}

#[test]
fn a_transport_that_remembers_tells_pause_and_resume_once_each_and_lost_in_a_later_turn() {
    run(async {
        let recorder = Recorder::new();
        let transport = RecordingTransport::connect(recorder.clone());
        transport.set_write_buffer_limits(Some(10), Some(2));
        transport.hold_writes();
        transport.write(b"0123456789");
        transport.write(b"0");
        transport.write(b"1");
        assert_eq!(recorder.words(), ["made", "pause"]);
        transport.close();
        assert!(transport.is_closing() && !transport.is_aborted());
        yield_now().await;
        assert_eq!(recorder.words(), ["made", "pause"], "something was left to send");
        transport.release_writes();
        assert_eq!(recorder.words(), ["made", "pause", "resume"]);
        yield_now().await;
        assert_eq!(recorder.words(), ["made", "pause", "resume", "lost"]);
        assert_eq!(transport.take_written(), b"012345678901");
        transport.write(b"too late");
        transport.abort();
        assert!(transport.take_written().is_empty() && !transport.is_aborted());
        assert_eq!(Rc::strong_count(&transport), 2, "the recorder keeps its transport, and nobody else");
    });
}

#[test]
fn without_a_loop_the_test_says_when_the_connection_is_lost() {
    let recorder = Recorder::new();
    let transport = RecordingTransport::connect(recorder.clone());
    transport.write_eof();
    transport.abort();
    assert!(transport.has_written_eof() && transport.is_aborted());
    assert_eq!(recorder.words(), ["made"]);
    transport.lose(Some(std::io::Error::from(ErrorKind::TimedOut).into()));
    transport.lose(None);
    assert!(recorder.words().last().is_some_and(|word| word.starts_with("lost")), "{:?}", recorder.words());
    assert_eq!(recorder.words().len(), 2);
}

#[test]
fn a_recorded_writer_waits_while_its_bytes_are_held() {
    run(async {
        let (writer, transport) = recorded_writer();
        transport.hold_writes();
        writer.write(b"hello");
        let flushed = spawn(async move {
            writer.flush().await.unwrap();
            writer
        });
        yield_now().await;
        yield_now().await;
        assert!(!flushed.is_finished());
        transport.release_writes();
        drop(flushed.await.unwrap());
        assert_eq!(transport.take_written(), b"hello");
        yield_now().await;
        assert!(transport.is_closing() && !transport.is_aborted());
    });
}
