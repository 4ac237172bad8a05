//! `Stream`s in the sense of the `futures` crates: of lines, connections, ticks and signals.

use std::io::ErrorKind;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use waterwheel::signal_hook::{consts::SIGUSR2, low_level::raise};
use waterwheel::{Lines, ReadError, StreamReader, incoming, interval, open_connection, start_server};

use crate::common::running::run;
use crate::common::settle::settle;

#[test]
fn lines_come_in_order_one_that_is_too_long_is_an_error_between_and_the_end_is_the_end() {
    run(async {
        let (reader, feeder) = StreamReader::new(8);
        let mut lines = Lines::new(reader);
        assert!(lines.next().now_or_never().is_none());
        for part in ["on", "e\ntw", "o\n", "far too long a line\n", "last"] {
            feeder.feed_data(part.as_bytes());
            // A `next` future that is dropped loses no bytes.
            while let Some(line) = lines.next().now_or_never() {
                match line.expect("it has not ended") {
                    Ok(line) => assert!(["one\n", "two\n"].contains(&std::str::from_utf8(&line).unwrap())),
                    Err(error) => assert!(matches!(error, ReadError::LimitOverrun { consumed: 19 }), "{error}"),
                }
            }
        }
        feeder.feed_eof();
        assert_eq!(lines.next().await.unwrap().unwrap(), b"last");
        assert!(lines.next().await.is_none());
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn lines_of_a_borrowed_reader_leave_the_rest_to_it_and_a_failure_is_the_last_item() {
    run(async {
        let (mut reader, feeder) = StreamReader::new(1024);
        feeder.feed_data(b"a line\nand bytes");
        let mut lines = Lines::new(&mut reader);
        assert_eq!(lines.next().await.unwrap().unwrap(), b"a line\n");
        let reader = lines.into_inner();
        assert_eq!(reader.read(100).await.unwrap(), b"and bytes");

        feeder.set_exception(std::io::Error::from(ErrorKind::ConnectionReset));
        let mut lines = Lines::new(reader);
        let error = lines.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReadError::Io(error) if error.kind() == ErrorKind::ConnectionReset));
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn connections_are_taken_one_by_one_and_those_that_nobody_takes_are_closed() {
    run(async {
        let (accept, mut connections) = incoming();
        let server = start_server(accept, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        assert!(connections.next().now_or_never().is_none());
        let mut clients = Vec::new();
        for number in 0..3_u8 {
            let client = open_connection(address).await.unwrap();
            client.1.write(&[number]);
            clients.push(client);
        }
        for number in 0..2_u8 {
            let mut connection = connections.next().await.unwrap();
            let sent = connection.reader.readexactly(1).await.unwrap();
            assert_eq!(sent, [number]);
            connection.writer.write(&[number + 100]);
        }
        for (number, (reader, _)) in (0..2_u8).zip(&mut clients) {
            assert_eq!(reader.read_to_end().await.unwrap(), [number + 100]);
        }
        settle().await;
        assert!(format!("{connections:?}").contains("waiting: 1"), "{connections:?}");
        drop(connections);
        let (mut late, _writer) = open_connection(address).await.unwrap();
        assert_eq!(late.read_to_end().await.unwrap(), b"");
        clients[2].1.close();
        clients[2].1.wait_closed().await.unwrap();
    });
}

#[test]
fn the_stream_of_connections_ends_with_its_server_behind_those_that_came() {
    run(async {
        let (accept, mut connections) = incoming();
        let server = start_server(accept, "127.0.0.1:0").await.unwrap();
        let _client = open_connection(server.local_addrs()[0]).await.unwrap();
        settle().await;
        drop(server);
        assert!(connections.next().await.is_some());
        assert!(connections.next().await.is_none());
    });
}

#[test]
fn ticks_are_a_stream_without_an_end() {
    run(async {
        let period = Duration::from_millis(2);
        let ticks: Vec<_> = interval(period).take(4).collect().await;
        assert!(ticks.windows(2).all(|two| two[1] - two[0] == period));
    });
}

#[test]
fn signals_are_a_stream_too() {
    run(async {
        let mut signals = waterwheel::signals(&[SIGUSR2]).unwrap();
        raise(SIGUSR2).unwrap();
        assert_eq!(StreamExt::next(&mut signals).await, Some(SIGUSR2));
    });
}
