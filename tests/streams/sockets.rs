//! The reader on a socket: when the peer is held back, and how the end of a connection is read.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::bytes::pattern;
use crate::common::plain_peer::reset;
use crate::common::running::{run, turns};
use crate::common::settle::settle;
use crate::common::sockets::streams;
use crate::common::until::until;
use waterwheel::{ReadError, open_connection, sleep, spawn, start_server, timeout};

fn send(mut peer: &TcpStream, data: &[u8]) {
    peer.write_all(data).unwrap();
}

#[test]
fn the_peer_is_held_back_over_twice_the_limit_and_no_longer_at_the_limit() {
    run(async {
        let (mut reader, writer, peer) = streams(4).await;
        let transport = writer.transport();
        send(&peer, b"01234567");
        assert_eq!(reader.fill_buf().await.unwrap().len(), 8);
        settle().await;
        assert!(transport.is_reading(), "twice the limit is not over it");
        send(&peer, b"8");
        until("the pause", || !transport.is_reading()).await;
        assert_eq!(reader.read(4).await.unwrap(), b"0123");
        assert!(!transport.is_reading(), "five bytes are left");
        assert_eq!(reader.read(1).await.unwrap(), b"4");
        assert!(transport.is_reading(), "four are");
        assert_eq!(reader.readexactly(4).await.unwrap(), b"5678");
    });
}

#[test]
fn one_segment_far_over_the_limit_comes_whole() {
    run(async {
        let (mut reader, writer, peer) = streams(4).await;
        let data = pattern(1000);
        send(&peer, &data);
        until("the pause", || !writer.transport().is_reading()).await;
        assert_eq!(reader.read(1000).await.unwrap(), data);
        assert!(writer.transport().is_reading());
    });
}

#[test]
fn a_read_that_wants_more_than_twice_the_limit_lets_the_peer_go_on() {
    run(async {
        let (mut reader, writer, peer) = streams(4).await;
        send(&peer, b"0123456789");
        until("the pause", || !writer.transport().is_reading()).await;
        let task = spawn(async move { reader.readexactly(200_000).await.unwrap() });
        turns(2).await;
        assert!(writer.transport().is_reading());
        let data = pattern(199_990);
        let mut rest = &data[..];
        while !rest.is_empty() {
            match (&peer).write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            turns(1).await;
        }
        assert!(task.await.unwrap()[10..] == data);
    });
}

#[test]
fn a_line_too_long_leaves_the_pause_until_it_is_thrown_away() {
    run(async {
        let (mut reader, writer, peer) = streams(4).await;
        send(&peer, b"0123456789");
        until("the pause", || !writer.transport().is_reading()).await;
        assert!(reader.readuntil("\n").await.is_err());
        assert!(!writer.transport().is_reading());
        assert!(reader.readline().await.is_err());
        assert!(writer.transport().is_reading());
        send(&peer, b"ok\n");
        assert_eq!(reader.readline().await.unwrap(), b"ok\n");
    });
}

#[test]
fn a_peer_that_does_not_get_read_is_held_back_and_then_all_comes() {
    run(async {
        let (mut reader, writer, peer) = streams(1000).await;
        let data = pattern(1 << 20);
        let mut sent = 0;
        for _ in 0..200 {
            sent += (&peer).write(&data[sent..]).unwrap_or(0);
            turns(1).await;
        }
        assert!(!writer.transport().is_reading());
        let mut got = Vec::new();
        while got.len() < data.len() {
            sent += (&peer).write(&data[sent..]).unwrap_or(0);
            if let Ok(more) = timeout(Duration::ZERO, reader.read(700)).await {
                got.extend(more.unwrap());
            }
        }
        assert!(got == data);
    });
}

#[test]
fn dropping_the_reader_throws_away_what_comes_and_the_writer_goes_on() {
    run(async {
        let (reader, writer, peer) = streams(4).await;
        send(&peer, b"0123456789");
        until("the pause", || !writer.transport().is_reading()).await;
        drop(reader);
        assert!(writer.transport().is_reading());
        for _ in 0..20 {
            send(&peer, &[0; 10_000]);
            sleep(Duration::from_millis(1)).await;
        }
        assert!(writer.transport().is_reading());
        writer.write_all(b"still writing").await.unwrap();
        assert_eq!(crate::common::plain_peer::read_exactly(&peer, 13).await, b"still writing");
    });
}

#[test]
fn what_came_before_a_reset_is_read_before_it() {
    run(async {
        let (mut reader, writer, peer) = streams(1024).await;
        send(&peer, b"one\ntwo");
        assert_eq!(reader.readline().await.unwrap(), b"one\n");
        reset(peer);
        let error = writer.wait_closed().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(reader.read(3).await.unwrap(), b"two");
        let ReadError::Io(error) = reader.readline().await.unwrap_err() else { panic!() };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(error.raw_os_error().is_some());
    });
}

#[test]
fn a_reset_wakes_a_read_that_waits() {
    run(async {
        let (mut reader, _writer, peer) = streams(1024).await;
        let task = spawn(async move { reader.readexactly(5).await });
        turns(2).await;
        reset(peer);
        assert!(matches!(task.await.unwrap(), Err(ReadError::Io(_))));
    });
}

#[test]
fn timeouts_around_every_read_of_a_slow_stream_lose_no_byte() {
    run(async {
        let data = pattern(3000);
        let sent = data.clone();
        let server = start_server(
            move |_reader, writer: waterwheel::StreamWriter| {
                let data = sent.clone();
                async move {
                    for chunk in data.chunks(7) {
                        writer.write(chunk);
                        turns(1 + chunk[0] as usize % 3).await;
                    }
                }
            },
            "127.0.0.1:0",
        )
        .await
        .unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).limit(10).await.unwrap();
        let (mut got, mut given_up) = (Vec::new(), 0);
        for round in 0_usize.. {
            let wait = Duration::ZERO;
            let done = match round % 4 {
                0 => timeout(wait, reader.readexactly(11)).await.map(|read| match read {
                    Err(ReadError::IncompleteRead { partial, .. }) => Some(partial),
                    read => read.ok(),
                }),
                1 => timeout(wait, reader.read(5)).await.map(Result::ok),
                2 => timeout(wait, async { reader.fill_buf().await.map(<[u8]>::to_vec).ok() }).await.inspect(|lent| {
                    assert!(lent.is_some());
                }),
                _ => timeout(wait, reader.read_to_end()).await.map(Result::ok),
            };
            match done {
                Err(_) => given_up += 1,
                Ok(None) => got.extend(reader.read_to_end().await.unwrap()),
                Ok(Some(bytes)) => {
                    if round % 4 == 2 {
                        reader.consume(bytes.len());
                    }
                    got.extend(bytes);
                }
            }
            if reader.at_eof() {
                break;
            }
            assert!(round < 1_000_000);
        }
        assert!(got == data, "{} of {} bytes", got.len(), data.len());
        assert!(given_up > 100, "{given_up}");
    });
}
