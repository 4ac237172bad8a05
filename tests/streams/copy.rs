//! Copying received bytes onwards, one way and both ways.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;

use crate::common::bytes::pattern;
use crate::common::give_up::give_up_after;
use crate::common::plain_peer::{read_exactly, read_to_end, reset};
use crate::common::running::run;
use crate::common::settle::settle;
use crate::common::sockets::streams;
use waterwheel::{Connection, StreamReader, copy, copy_bidirectional, spawn};

#[test]
fn a_copy_that_is_given_up_and_begun_anew_doubles_and_loses_nothing() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        let (mut reader, feeder) = StreamReader::new(100_000);
        let data = pattern(5 << 20);
        let receive = {
            let len = data.len();
            spawn(async move { read_exactly(&peer, len).await })
        };
        let mut given_up = 0;
        for piece in data.chunks(70_000) {
            feeder.feed_data(piece);
            while give_up_after(2, copy(&mut reader, &writer)).await.is_none() {
                given_up += 1;
                if format!("{reader:?}").contains("unread: 0") {
                    break;
                }
            }
        }
        feeder.feed_eof();
        copy(&mut reader, &writer).await.unwrap();
        assert!(given_up > 10);
        assert!(receive.await.unwrap() == data);
    });
}

#[test]
fn a_proxy_passes_each_end_on_when_all_before_it_was_sent() {
    run(async {
        let (reader, writer, client) = streams(10_000).await;
        let mut near = Connection::from((reader, writer));
        let (reader, writer, server) = streams(10_000).await;
        let mut far = Connection::from((reader, writer));
        let proxy = spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        let question = pattern(1 << 20);
        let sends = question.clone();
        client.set_nonblocking(false).unwrap();
        let send = waterwheel::to_thread(move || {
            (&client).write_all(&sends).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            client.set_nonblocking(true).unwrap();
            client
        });
        settle().await;
        assert!(read_to_end(&server).await.unwrap() == question);
        let client = send.await.unwrap();
        (&server).write_all(b"the answer, after the end").unwrap();
        assert_eq!(read_exactly(&client, 25).await, b"the answer, after the end");
        assert!(!proxy.is_finished());
        drop(server);
        assert_eq!(read_to_end(&client).await.unwrap(), b"");
        assert_eq!(proxy.await.unwrap().unwrap(), (1 << 20, 25));
    });
}

#[test]
fn a_proxy_holds_the_sender_back_while_the_receiver_does_not_read() {
    run(async {
        let (reader, writer, client) = streams(10_000).await;
        let mut near = Connection::from((reader, writer));
        let (reader, writer, _server) = streams(10_000).await;
        let mut far = Connection::from((reader, writer));
        let sizes = far.writer.transport();
        let _proxy = spawn(async move { copy_bidirectional(&mut near, &mut far).await }).cancel_on_drop();
        let piece = pattern(1 << 20);
        let (mut sent, mut refused) = (0, 0);
        while refused < 5 && sent < 200 << 20 {
            match (&client).write(&piece) {
                Ok(n) => (sent, refused) = (sent + n, 0),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    refused += 1;
                    settle().await;
                }
            }
        }
        assert_eq!(refused, 5, "{sent} bytes were taken");
        assert!(sizes.get_write_buffer_size() < 1 << 20);
    });
}

#[test]
fn a_failure_of_either_ends_the_proxy_with_its_error() {
    run(async {
        let (reader, writer, _client) = streams(1024).await;
        let mut near = Connection::from((reader, writer));
        let (reader, writer, server) = streams(1024).await;
        let mut far = Connection::from((reader, writer));
        let proxy = spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        settle().await;
        reset(server);
        assert_eq!(proxy.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}
