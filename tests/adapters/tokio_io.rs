//! The traits of tokio, used by tokio's utilities, without tokio's runtime.

use std::io::{self, ErrorKind};

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, copy, copy_bidirectional};
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec};
use waterwheel::{spawn, yield_now};

use crate::common::bytes::pattern;
use crate::dribble::{Random, at_once};
use crate::ends::{Over, over_each};

#[test]
fn bytes_are_copied_there_and_back_and_a_shutdown_ends_them() {
    over_each(async |over, ours, theirs| {
        let data = pattern(3 << 20);
        let len = data.len() as u64;
        let echo = spawn(async move {
            let (reader, mut writer) = theirs.split();
            let copied = copy(&mut AsyncReadExt::take(reader, len), &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
            (copied, writer)
        });
        let (mut reader, mut writer) = tokio::io::split(ours);
        let sent = data.clone();
        let send = spawn(async move {
            writer.write_all(&sent).await.unwrap();
            writer.flush().await.unwrap();
            writer
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert!(all == data, "over {over:?}");
        let (copied, _writer) = echo.await.unwrap();
        assert_eq!(copied, len);
        drop(send.await.unwrap());
    });
}

#[test]
fn a_proxy_copies_both_ways_until_both_have_ended() {
    over_each(async |over: Over, mut client, mut near| {
        let (mut far, mut upstream) = over.connect().await;
        let proxy = spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        let data = pattern(1 << 20);
        let question = data.clone();
        let answer = spawn(async move {
            let mut came = vec![0; question.len()];
            upstream.read_exact(&mut came).await.unwrap();
            assert!(came == question);
            if over.has_halves() {
                // The client's end of stream has come through, and the answer is sent the other way after it.
                assert_eq!(upstream.read(&mut [0]).await.unwrap(), 0);
            }
            upstream.write_all(b"the answer").await.unwrap();
            upstream.shutdown().await.unwrap();
            upstream
        });
        client.write_all(&data).await.unwrap();
        if over.has_halves() {
            client.shutdown().await.unwrap();
        }
        let mut came = Vec::new();
        AsyncReadExt::read_to_end(&mut client, &mut came).await.unwrap();
        assert_eq!(came, b"the answer");
        drop(client);
        drop(answer.await.unwrap());
        let counts = proxy.await.unwrap();
        assert_eq!(counts.unwrap(), (1 << 20, 10), "over {over:?}");
    });
}

#[test]
fn lines_and_exact_pieces_are_read_in_place_and_through_buffers_of_theirs() {
    over_each(async |_, ours, mut theirs| {
        let mut buffered = BufWriter::new(ours);
        buffered.write_all(b"one\ntwo\r\n").await.unwrap();
        buffered.write_u32(7).await.unwrap();
        buffered.write_all(b"the rest").await.unwrap();
        buffered.shutdown().await.unwrap();
        let mut line = String::new();
        AsyncBufReadExt::read_line(&mut theirs, &mut line).await.unwrap();
        assert_eq!(line, "one\n");
        let mut buffered = BufReader::with_capacity(8, &mut theirs);
        line.clear();
        buffered.read_line(&mut line).await.unwrap();
        assert_eq!(line, "two\r\n");
        assert_eq!(buffered.read_u32().await.unwrap(), 7);
        let ends = buffered.read_exact(&mut [0; 100]).await;
        assert_eq!(ends.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn frames_of_lines_and_of_lengths_are_answered_one_by_one() {
    over_each(async |_, ours, theirs| {
        let shout = spawn(async move {
            let mut framed = Framed::new(theirs, LinesCodec::new());
            while let Some(line) = framed.next().await {
                framed.send(line.unwrap().to_uppercase()).await.unwrap();
            }
            framed.into_inner()
        });
        let mut framed = Framed::new(ours, LinesCodec::new());
        for number in 0..300 {
            framed.send(format!("line {number}")).await.unwrap();
            assert_eq!(framed.next().await.unwrap().unwrap(), format!("LINE {number}"));
        }
        SinkExt::<String>::close(&mut framed).await.unwrap();
        drop(shout.await.unwrap());
    });
    over_each(async |_, ours, theirs| {
        let mut sender = Framed::new(ours, LengthDelimitedCodec::new());
        let mut receiver = Framed::new(theirs, LengthDelimitedCodec::new());
        let data = pattern(1 << 20);
        let sent = bytes::Bytes::from(data.clone());
        let send = spawn(async move { sender.send(sent).await.map(|()| sender) });
        assert!(receiver.next().await.unwrap().unwrap() == data);
        drop(send.await.unwrap().unwrap());
        assert!(receiver.next().await.is_none());
    });
}

#[test]
fn whoever_gives_up_a_read_or_a_write_loses_no_byte_and_one_byte_pieces_are_pieces() {
    over_each(async |over, mut ours, mut theirs| {
        let data = pattern(300_000);
        let expected = data.clone();
        let send = spawn(async move {
            let (mut random, mut rest) = (Random::new(3), &data[..]);
            while !rest.is_empty() {
                let piece = &rest[..(1 + random.below(2)).min(rest.len())];
                match at_once(std::pin::pin!(ours.write(piece))).await {
                    Some(written) => rest = &rest[written.unwrap()..],
                    None => yield_now().await,
                }
            }
            ours.shutdown().await.unwrap();
            io::Result::Ok(ours)
        });
        let (mut came, mut given_up) = (Vec::new(), 0);
        loop {
            let mut buf = [0; 1];
            match at_once(std::pin::pin!(AsyncReadExt::read(&mut theirs, &mut buf))).await {
                Some(read) => match read.unwrap() {
                    0 => break,
                    _ => came.push(buf[0]),
                },
                None => {
                    given_up += 1;
                    yield_now().await;
                }
            }
        }
        assert!(came == expected, "over {over:?}");
        assert!(given_up > 0);
        drop(send.await.unwrap().unwrap());
    });
}
