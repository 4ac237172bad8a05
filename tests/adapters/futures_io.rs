//! The traits of the `futures` crates, used by the utilities of those crates.

use std::io::{self, ErrorKind, IoSlice};

use futures::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy};
use futures::{StreamExt, TryStreamExt};
use waterwheel::{spawn, yield_now};

use crate::common::bytes::pattern;
use crate::common::settle::settle;
use crate::dribble::{Random, at_once};
use crate::ends::{Over, over_each};

#[test]
fn bytes_are_copied_there_and_back_and_closing_ends_them() {
    over_each(async |over, ours, theirs| {
        let data = pattern(3 << 20);
        let len = data.len() as u64;
        let echo = spawn(async move {
            let (reader, mut writer) = theirs.split();
            let copied = copy(reader.take(len), &mut writer).await.unwrap();
            AsyncWriteExt::close(&mut writer).await.unwrap();
            (copied, writer)
        });
        let (mut reader, mut writer) = AsyncReadExt::split(ours);
        let sent = data.clone();
        let send = spawn(async move {
            writer.write_all(&sent).await.unwrap();
            writer.flush().await.unwrap();
            writer
        });
        let mut all = vec![0; data.len()];
        reader.read_exact(&mut all).await.unwrap();
        assert!(all == data, "over {over:?}");
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
        let (copied, _writer) = echo.await.unwrap();
        assert_eq!(copied, len);
        drop(send.await.unwrap());
    });
}

#[test]
fn closing_ends_our_side_alone_where_that_can_be_and_nothing_is_written_after_it() {
    over_each(async |over: Over, mut ours, mut theirs| {
        ours.write_all(b"a question").await.unwrap();
        AsyncWriteExt::close(&mut ours).await.unwrap();
        AsyncWriteExt::close(&mut ours).await.unwrap();
        assert_eq!(ours.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut question = String::new();
        AsyncReadExt::read_to_string(&mut theirs, &mut question).await.unwrap();
        assert_eq!(question, "a question");
        if over.has_halves() {
            theirs.write_all(b"an answer").await.unwrap();
            drop(theirs);
            let mut answer = String::new();
            AsyncReadExt::read_to_string(&mut ours, &mut answer).await.unwrap();
            assert_eq!(answer, "an answer");
        }
    });
}

#[test]
fn lines_and_exact_pieces_are_read_in_place_and_through_a_buffer_of_theirs() {
    over_each(async |_, mut ours, mut theirs| {
        ours.write_all(b"one\ntwo\r\nthree\x00rest and some more").await.unwrap();
        AsyncWriteExt::close(&mut ours).await.unwrap();
        let mut line = String::new();
        AsyncBufReadExt::read_line(&mut theirs, &mut line).await.unwrap();
        assert_eq!(line, "one\n");
        let mut buffered = BufReader::with_capacity(8, &mut theirs);
        line.clear();
        buffered.read_line(&mut line).await.unwrap();
        assert_eq!(line, "two\r\n");
        let mut piece = Vec::new();
        buffered.read_until(0, &mut piece).await.unwrap();
        assert_eq!(piece, b"three\0");
        let mut rest = [0; 4];
        buffered.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"rest");
        let ends = buffered.read_exact(&mut [0; 100]).await;
        assert_eq!(ends.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_stream_of_lines_of_theirs_runs_to_the_end() {
    over_each(async |_, ours, mut theirs| {
        let send = spawn(async move {
            for number in 0..1_000 {
                theirs.write_all(format!("line {number}\n").as_bytes()).await?;
            }
            theirs.close().await?;
            io::Result::Ok(theirs)
        });
        let lines: Vec<String> = AsyncBufReadExt::lines(ours).try_collect().await.unwrap();
        assert_eq!(lines.len(), 1_000);
        assert_eq!(lines[999], "line 999");
        send.await.unwrap().unwrap();
    });
}

#[test]
fn vectored_writes_pass_through_in_order() {
    over_each(async |_, mut ours, mut theirs| {
        let parts = [IoSlice::new(b"head, "), IoSlice::new(b""), IoSlice::new(b"body, "), IoSlice::new(b"tail")];
        assert_eq!(ours.write_vectored(&parts).await.unwrap(), 16);
        ours.close().await.unwrap();
        let mut all = String::new();
        AsyncReadExt::read_to_string(&mut theirs, &mut all).await.unwrap();
        assert_eq!(all, "head, body, tail");
    });
}

#[test]
fn whoever_gives_up_a_read_or_a_write_loses_no_byte() {
    over_each(async |over, mut ours, mut theirs| {
        let data = pattern(if over == Over::Tcp { 8 << 20 } else { 2 << 20 });
        let expected = data.clone();
        let send = spawn(async move {
            let (mut random, mut given_up) = (Random::new(1), 0);
            let mut rest = &data[..];
            while !rest.is_empty() {
                let piece = &rest[..random.size().min(rest.len())];
                // A write that is dropped before it returns a count has written nothing.
                match at_once(ours.write(piece)).await {
                    Some(written) => rest = &rest[written.unwrap()..],
                    None => {
                        given_up += 1;
                        yield_now().await;
                    }
                }
            }
            ours.close().await.unwrap();
            (given_up, ours)
        });
        settle().await;
        let (mut random, mut given_up) = (Random::new(2), 0);
        let mut came = Vec::new();
        loop {
            let mut buf = vec![0; random.size()];
            match at_once(AsyncReadExt::read(&mut theirs, &mut buf)).await {
                Some(read) => match read.unwrap() {
                    0 => break,
                    n => came.extend_from_slice(&buf[..n]),
                },
                None => {
                    given_up += 1;
                    yield_now().await;
                }
            }
        }
        assert!(came == expected, "over {over:?}");
        let (writes_given_up, _ours) = send.await.unwrap();
        assert!(given_up > 0 && writes_given_up > 0, "{given_up} and {writes_given_up} were given up over {over:?}");
    });
}

#[test]
fn a_stream_and_a_sink_of_theirs_are_joined_by_a_connection() {
    over_each(async |_, ours, theirs| {
        let (reader, writer) = ours.split();
        let sink = futures::AsyncWriteExt::into_sink(writer);
        let send = spawn(futures::stream::iter((0..100).map(|number| Ok(format!("{number},")))).forward(sink));
        let (mut their_reader, _their_writer) = theirs.split();
        let mut all = String::new();
        AsyncReadExt::read_to_string(&mut their_reader, &mut all).await.unwrap();
        assert_eq!(all.split_terminator(',').count(), 100);
        send.await.unwrap().unwrap();
        drop(reader);
    });
}
