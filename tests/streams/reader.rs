//! The reader, fed by the test: each method, whatever the pieces in which the bytes arrive.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use crate::common::running::{run, turns};
use crate::common::trace::Trace;
use waterwheel::{ReadError, StreamFeeder, StreamReader, get_running_loop, spawn, timeout, yield_now};

/// A reader that was fed with these pieces.
fn fed(limit: usize, pieces: &[&[u8]]) -> (StreamReader, StreamFeeder) {
    let (reader, feeder) = StreamReader::new(limit);
    pieces.iter().for_each(|piece| feeder.feed_data(piece));
    (reader, feeder)
}

/// Polls a future once. `None` if it has to wait.
async fn is_ready_at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[test]
fn read_gives_what_is_there_up_to_the_count_and_the_rest_later() {
    run(async {
        let (mut reader, feeder) = fed(3, &[b"line1", b"line2"]);
        assert!(reader.read(0).await.unwrap().is_empty());
        assert_eq!(reader.read(5).await.unwrap(), b"line1");
        feeder.feed_data(b"!");
        assert_eq!(reader.read(100).await.unwrap(), b"line2!");
        assert!(is_ready_at_once(reader.read(1)).await.is_none());
        drop(feeder);
        assert!(reader.read(1).await.unwrap().is_empty());
        assert!(reader.read(1).await.unwrap().is_empty());
        assert!(reader.read(0).await.unwrap().is_empty());
    });
}

#[test]
fn read_gives_what_came_since_the_last_read_together_with_what_that_left() {
    run(async {
        let (mut reader, feeder) = fed(100, &[b"abc"]);
        assert_eq!(reader.read(1).await.unwrap(), b"a");
        feeder.feed_data(b"def");
        assert_eq!(reader.read(100).await.unwrap(), b"bcdef");
        feeder.feed_data(b"abc");
        let mut buffer = [0; 10];
        assert_eq!(reader.read_into(&mut buffer[..1]).await.unwrap(), 1);
        feeder.feed_data(b"def");
        assert_eq!(reader.read_into(&mut buffer).await.unwrap(), 5);
        assert_eq!(&buffer[..5], b"bcdef");
        assert_eq!(reader.read_into(&mut []).await.unwrap(), 0);
    });
}

#[test]
fn a_read_that_waits_sees_all_that_was_fed_before_it_runs() {
    run(async {
        let (mut reader, feeder) = StreamReader::new(100);
        let task = spawn(async move { reader.read(100).await.unwrap() });
        yield_now().await;
        feeder.feed_data(b"");
        turns(2).await;
        assert!(!task.is_finished(), "nothing wakes nobody");
        for piece in [&b"a"[..], b"b", b"c"] {
            feeder.feed_data(piece);
        }
        feeder.feed_eof();
        assert_eq!(task.await.unwrap(), b"abc");
    });
}

#[test]
fn reads_that_are_served_from_the_buffer_take_no_turn() {
    run(async {
        let (mut reader, _feeder) = fed(100, &[b"one\ntwo\nthree;four"]);
        assert_eq!(is_ready_at_once(reader.readline()).await.unwrap().unwrap(), b"one\n");
        assert_eq!(is_ready_at_once(reader.next_line()).await.unwrap().unwrap().unwrap(), b"two\n");
        assert_eq!(is_ready_at_once(reader.readuntil(b";")).await.unwrap().unwrap(), b"three;");
        assert_eq!(is_ready_at_once(reader.readexactly(2)).await.unwrap().unwrap(), b"fo");
        assert_eq!(is_ready_at_once(reader.fill_buf()).await.unwrap().unwrap(), b"ur");
        assert_eq!(is_ready_at_once(reader.read(9)).await.unwrap().unwrap(), b"ur");
    });
}

#[test]
fn reading_to_the_end_is_not_bounded_by_the_limit() {
    run(async {
        let (mut reader, feeder) = fed(4, &[b"0123456789"]);
        let task = spawn(async move { reader.read_to_end().await.unwrap() });
        turns(2).await;
        feeder.feed_data(&[b'x'; 100_000]);
        turns(2).await;
        feeder.feed_eof();
        feeder.feed_eof();
        assert_eq!(task.await.unwrap().len(), 100_010);
    });
}

#[test]
fn reading_to_the_end_when_cancelled_or_failing_keeps_the_bytes() {
    run(async {
        let (mut reader, feeder) = fed(4, &[b"01234567"]);
        assert!(timeout(Duration::ZERO, reader.read_to_end()).await.is_err());
        feeder.feed_data(b"89");
        assert!(timeout(Duration::ZERO, reader.read_to_end()).await.is_err());
        feeder.set_exception(io::Error::new(ErrorKind::ConnectionReset, "gone"));
        assert_eq!(reader.read_to_end().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(reader.read(100).await.unwrap(), b"0123456789");
        assert!(reader.read(100).await.is_err());
    });
}

#[test]
fn readexactly_waits_for_all_of_it_and_may_go_over_the_limit() {
    run(async {
        let (mut reader, feeder) = fed(3, &[b"chunk1", b"chunk2"]);
        assert!(reader.readexactly(0).await.unwrap().is_empty());
        let task = spawn(async move {
            let exact = reader.readexactly(14).await.unwrap();
            (exact, reader)
        });
        turns(2).await;
        feeder.feed_data(b"chunk3");
        let (exact, mut reader) = task.await.unwrap();
        assert_eq!(exact, b"chunk1chunk2ch");
        feeder.feed_eof();
        assert_eq!(reader.readexactly(4).await.unwrap(), b"unk3");
        assert!(reader.readexactly(0).await.unwrap().is_empty());
    });
}

#[test]
fn readexactly_at_the_end_gives_what_there_was() {
    run(async {
        let (mut reader, feeder) = fed(100, &[b"abc"]);
        feeder.feed_eof();
        let error = reader.readexactly(5).await.unwrap_err();
        assert_eq!(error.to_string(), "3 bytes read on a total of 5 expected bytes");
        let ReadError::IncompleteRead { partial, expected } = error else { panic!("{error:?}") };
        assert_eq!((&partial[..], expected), (&b"abc"[..], Some(5)));
        assert!(reader.at_eof());
        let error = io::Error::from(reader.readexactly(1).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn cancelling_any_read_keeps_the_bytes_also_when_they_came_just_then() {
    run(async {
        let (mut reader, feeder) = fed(100, &[b"abc"]);
        assert!(timeout(Duration::ZERO, reader.readexactly(5)).await.is_err());
        assert!(timeout(Duration::ZERO, reader.readline()).await.is_err());
        assert!(timeout(Duration::ZERO, reader.readuntil(["x", "yz"])).await.is_err());
        let mut line = Vec::from(b"before ");
        assert!(timeout(Duration::ZERO, reader.readline_into(&mut line)).await.is_err());
        assert_eq!(line, b"before ");
        {
            let mut read = pin!(reader.readexactly(5));
            assert!(is_ready_at_once(&mut read).await.is_none());
            // The read is woken, and dropped before it is polled again.
            feeder.feed_data(b"de\nf");
        }
        assert_eq!(reader.readline_into(&mut line).await.unwrap(), 6);
        assert_eq!(line, b"before abcde\n");
        assert_eq!(reader.read(10).await.unwrap(), b"f");
    });
}

#[test]
fn an_error_comes_after_the_bytes_that_came_before_it_and_then_each_time() {
    run(async {
        let (mut reader, feeder) = fed(100, &[b"line\nrest"]);
        feeder.set_exception(io::Error::from_raw_os_error(104));
        assert_eq!(reader.readline().await.unwrap(), b"line\n");
        for _ in 0..2 {
            let ReadError::Io(error) = reader.readline().await.unwrap_err() else { panic!() };
            assert_eq!(error.raw_os_error(), Some(104));
            assert!(matches!(reader.readexactly(5).await, Err(ReadError::Io(_))));
            assert!(matches!(reader.readuntil("\n").await, Err(ReadError::Io(_))));
        }
        assert!(!reader.at_eof());
        assert_eq!(reader.readexactly(2).await.unwrap(), b"re");
        assert_eq!(reader.fill_buf().await.unwrap(), b"st");
        reader.consume(2);
        assert_eq!(reader.fill_buf().await.unwrap_err().raw_os_error(), Some(104));
        assert_eq!(reader.read(1).await.unwrap_err().raw_os_error(), Some(104));
        assert!(reader.next_line().await.is_err());
        assert!(reader.read(0).await.unwrap().is_empty());
        assert!(!reader.at_eof());
    });
}

#[test]
fn an_error_wakes_a_read_that_waits_and_one_that_was_cancelled_is_no_trouble() {
    run(async {
        let (mut reader, feeder) = StreamReader::new(100);
        assert!(timeout(Duration::ZERO, reader.read(1)).await.is_err());
        let task = spawn(async move { reader.readline().await });
        turns(2).await;
        feeder.set_exception(io::Error::other("stored"));
        let error = task.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "stored");
    });
}

#[test]
fn at_eof_is_the_end_seen_and_everything_read() {
    run(async {
        let (mut reader, feeder) = StreamReader::new(100);
        assert!(!reader.at_eof());
        feeder.feed_data(b"some data\n");
        assert!(!reader.at_eof());
        reader.readline().await.unwrap();
        assert!(!reader.at_eof());
        feeder.feed_data(b"more");
        feeder.feed_eof();
        assert!(!reader.at_eof());
        assert_eq!(reader.read(2).await.unwrap(), b"mo");
        assert!(!reader.at_eof());
        assert_eq!(reader.read(2).await.unwrap(), b"re");
        assert!(reader.at_eof());
    });
}

#[test]
fn fill_buf_lends_without_taking_and_consume_takes() {
    run(async {
        let (mut reader, feeder) = fed(100, &[b"abc"]);
        assert_eq!(reader.fill_buf().await.unwrap(), b"abc");
        assert_eq!(reader.fill_buf().await.unwrap(), b"abc");
        reader.consume(0);
        reader.consume(2);
        assert_eq!(reader.fill_buf().await.unwrap(), b"c");
        reader.consume(1);
        assert!(is_ready_at_once(reader.fill_buf()).await.is_none());
        let too_much = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.consume(1)));
        assert!(too_much.is_err());
        drop(feeder);
        assert!(reader.fill_buf().await.unwrap().is_empty());
    });
}

#[test]
fn feeding_after_the_end_is_a_mistake_that_panics() {
    let (_reader, feeder) = fed(100, &[b"abc"]);
    feeder.feed_eof();
    let fed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| feeder.feed_data(b"")));
    assert!(fed.is_err());
    assert!(std::panic::catch_unwind(|| StreamReader::new(0)).is_err());
}

#[test]
fn a_reader_tells_how_it_is() {
    let (reader, feeder) = fed(7, &[b"ab"]);
    let text = format!("{reader:?}");
    assert!(text.contains("unread: 2") && text.contains("limit: 7") && text.contains("Open"), "{text}");
    feeder.feed_eof();
    assert!(format!("{reader:?}").contains("Eof"));
    feeder.set_exception(io::Error::other("stored"));
    assert!(format!("{feeder:?}").contains("stored"));
}

#[test]
fn a_reader_fed_one_byte_a_turn_is_polled_once_for_each_byte() {
    run(async {
        let (mut reader, feeder) = StreamReader::new(100_000);
        let polls = Rc::new(Cell::new(0_usize));
        let (counted, trace) = (Rc::clone(&polls), Trace::default());
        let said = trace.clone();
        let task = spawn(async move {
            let mut line = pin!(reader.readline());
            let line = poll_fn(|cx| {
                counted.set(counted.get() + 1);
                line.as_mut().poll(cx)
            });
            said.say(line.await.unwrap().len().to_string());
        });
        yield_now().await;
        for _ in 0..20_000 {
            feeder.feed_data(b"x");
            yield_now().await;
        }
        feeder.feed_data(b"\n");
        task.await.unwrap();
        assert_eq!(trace.words(), ["20001"]);
        assert!(polls.get() <= 20_002, "{} polls", polls.get());
        assert!(!get_running_loop().is_closed());
    });
}

#[test]
fn a_large_piece_is_taken_with_its_memory_and_a_small_one_is_copied() {
    run(async {
        for (length, is_taken) in [(1_000, false), (100_000, true)] {
            let (mut reader, _feeder) = fed(1_000_000, &[&vec![b'x'; length]]);
            let memory = reader.fill_buf().await.unwrap().as_ptr();
            let piece = reader.readexactly(length).await.unwrap();
            assert_eq!(piece.as_ptr() == memory, is_taken, "{length}");
        }
    });
}
