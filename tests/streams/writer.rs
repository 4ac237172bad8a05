//! The writer: draining, closing, and what the end of the connection means for those who wait.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use crate::common::bytes::pattern;
use crate::common::plain_peer::{read_exactly, read_to_end, reset};
use crate::common::running::{run, turns};
use crate::common::settle::settle;
use crate::common::sockets::streams;
use crate::common::until::until;
use waterwheel::{StreamWriter, open_connection, spawn, start_server, timeout};

const LOSSES: [ErrorKind; 3] = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::ConnectionAborted];

/// Polls a future once. `None` if it has to wait.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

/// Writes more than the kernel takes and more than the high-water mark. Returns the number of bytes.
fn fill(writer: &StreamWriter) -> usize {
    writer.write(&vec![7; 8 << 20]);
    assert!(writer.transport().get_write_buffer_size() > 64 * 1024);
    8 << 20
}

#[test]
fn drain_takes_no_turn_below_the_high_mark_and_does_not_wait_for_an_empty_buffer() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        writer.write(b"little");
        assert!(at_once(writer.drain()).await.unwrap().is_ok());
        assert_eq!(writer.transport().get_write_buffer_size(), 6, "it did not even have to be sent");
        writer.write_all(b" more").await.unwrap();
        assert_eq!(read_exactly(&peer, 11).await, b"little more");
        writer.writelines(["a", "bc"]);
        writer.writelines(vec![b"d".to_vec(), Vec::new(), b"ef".to_vec()]);
        assert_eq!(read_exactly(&peer, 6).await, b"abcdef");
    });
}

#[test]
fn drain_waits_until_the_low_mark() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        let written = fill(&writer);
        let task = spawn(async move {
            writer.drain().await.unwrap();
            let size = writer.transport().get_write_buffer_size();
            (size, writer)
        });
        settle().await;
        assert!(!task.is_finished());
        read_exactly(&peer, written).await;
        let (size, _writer) = task.await.unwrap();
        assert!(size <= 16 * 1024);
    });
}

#[test]
fn many_may_drain_and_one_that_gives_up_takes_no_other_along() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        let written = fill(&writer);
        let writer = std::rc::Rc::new(writer);
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let writer = std::rc::Rc::clone(&writer);
                spawn(async move { writer.drain().await })
            })
            .collect();
        turns(3).await;
        tasks[4].cancel();
        turns(3).await;
        assert_eq!(tasks.iter().filter(|task| task.is_finished()).count(), 1);
        assert!(timeout(Duration::ZERO, writer.drain()).await.is_err());
        read_exactly(&peer, written).await;
        for (n, task) in tasks.into_iter().enumerate() {
            match task.await {
                Ok(drained) => drained.unwrap(),
                Err(error) => assert!(n == 4 && error.is_cancelled()),
            }
        }
    });
}

#[test]
fn a_reset_ends_a_drain_that_waits_with_its_error_each_time() {
    run(async {
        let (mut reader, writer, peer) = streams(1024).await;
        fill(&writer);
        let writer = std::rc::Rc::new(writer);
        let draining = std::rc::Rc::clone(&writer);
        let task = spawn(async move { draining.drain().await });
        turns(3).await;
        reset(peer);
        let kind = task.await.unwrap().unwrap_err().kind();
        assert!(LOSSES.contains(&kind), "{kind:?}");
        for _ in 0..2 {
            assert_eq!(writer.drain().await.unwrap_err().kind(), kind);
            assert_eq!(writer.wait_closed().await.unwrap_err().kind(), kind);
            assert_eq!(writer.write_all(b"more").await.unwrap_err().kind(), kind);
        }
        assert!(reader.read(1).await.is_err());
        writer.close();
        assert!(writer.is_closing());
    });
}

#[test]
fn an_abort_lets_a_drain_that_waits_return_and_the_next_one_fail() {
    run(async {
        let (_reader, writer, _peer) = streams(1024).await;
        fill(&writer);
        let transport = writer.transport();
        let task = spawn(async move { (writer.drain().await, writer) });
        turns(3).await;
        transport.abort();
        let (drained, writer) = task.await.unwrap();
        drained.unwrap();
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn a_close_lets_a_drain_go_on_waiting_for_the_flush() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        let written = fill(&writer);
        let transport = writer.transport();
        let task = spawn(async move { (writer.drain().await, writer) });
        turns(3).await;
        transport.close();
        settle().await;
        assert!(!task.is_finished());
        assert_eq!(read_to_end(&peer).await.unwrap().len(), written);
        let (drained, writer) = task.await.unwrap();
        drained.unwrap();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn draining_after_a_close_is_an_error_once_the_connection_is_lost() {
    run(async {
        let (_reader, writer, _peer) = streams(1024).await;
        writer.close();
        let error = writer.drain().await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::ConnectionReset, "Connection lost"));
        // With unsent bytes, but not paused, there is nothing to wait for.
        let (_reader, writer, peer) = streams(1024).await;
        writer.transport().set_write_buffer_limits(Some(usize::MAX), None);
        writer.write(&pattern(8 << 20));
        writer.close();
        writer.drain().await.unwrap();
        read_to_end(&peer).await.unwrap();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn an_endless_loop_of_writes_and_drains_ends_with_the_connection() {
    run(async {
        let server = start_server(|_, writer: StreamWriter| writer.close(), "127.0.0.1:0").await.unwrap();
        let (_reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        let error = loop {
            writer.write(b"foo\n");
            if let Err(error) = writer.drain().await {
                break error;
            }
            turns(1).await;
        };
        assert!(LOSSES.contains(&error.kind()), "{error:?}");
    });
}

#[test]
fn wait_closed_can_be_repeated_and_given_up() {
    run(async {
        let (mut reader, writer, _peer) = streams(1024).await;
        assert!(timeout(Duration::ZERO, writer.wait_closed()).await.is_err());
        let writer = std::rc::Rc::new(writer);
        let waiting = std::rc::Rc::clone(&writer);
        let task = spawn(async move { waiting.wait_closed().await });
        turns(3).await;
        assert!(!task.is_finished());
        assert!(!writer.is_closing());
        writer.close();
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap();
        task.await.unwrap().unwrap();
        assert!(at_once(writer.wait_closed()).await.unwrap().is_ok());
        assert_eq!(reader.read(9).await.unwrap(), b"");
        assert!(reader.at_eof());
    });
}

#[test]
fn wait_closed_without_a_close_waits_beyond_the_peers_end() {
    run(async {
        let (mut reader, writer, peer) = streams(1024).await;
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert!(timeout(Duration::from_millis(2), writer.wait_closed()).await.is_err());
        assert!(!writer.is_closing());
        writer.write_all(b"half open").await.unwrap();
        assert_eq!(read_exactly(&peer, 9).await, b"half open");
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn a_close_with_unread_bytes_in_the_reader_is_no_error_and_they_can_be_read() {
    run(async {
        let (mut reader, writer, peer) = streams(1024).await;
        (&peer).write_all(b"unread\nbody").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"unread\n");
        writer.close();
        writer.wait_closed().await.unwrap();
        assert_eq!(reader.read(100).await.unwrap(), b"body");
        assert_eq!(reader.read(100).await.unwrap(), b"");
    });
}

#[test]
fn a_close_ends_reads_that_wait_once_the_connection_is_lost() {
    run(async {
        let (mut reader, writer, peer) = streams(1024).await;
        (&peer).write_all(b"part").unwrap();
        assert_eq!(reader.fill_buf().await.unwrap(), b"part");
        let task = spawn(async move { (reader.readexactly(9).await, reader) });
        settle().await;
        fill(&writer);
        writer.close();
        settle().await;
        assert!(!task.is_finished(), "the flush comes first");
        read_to_end(&peer).await.unwrap();
        let (read, reader) = task.await.unwrap();
        assert_eq!(io::Error::from(read.unwrap_err()).kind(), ErrorKind::UnexpectedEof);
        assert!(reader.at_eof());
    });
}

#[test]
fn dropping_the_writer_ends_our_side_after_what_was_written_and_the_reader_reads_on() {
    run(async {
        let (mut reader, writer, peer) = streams(1024).await;
        let data = pattern(8 << 20);
        writer.write(&data);
        drop(writer);
        assert!(read_to_end(&peer).await.unwrap() == data);
        (&peer).write_all(b"still there").unwrap();
        assert_eq!(reader.readexactly(11).await.unwrap(), b"still there");
        drop(peer);
        assert_eq!(reader.read(1).await.unwrap(), b"");
    });
}

#[test]
fn write_eof_ends_our_side_and_the_answer_still_comes() {
    run(async {
        let server = start_server(
            |mut reader: waterwheel::StreamReader, writer: StreamWriter| async move {
                let mut question = reader.read_to_end().await?;
                question.reverse();
                writer.write_all(&question).await?;
                writer.close();
                writer.wait_closed().await
            },
            "127.0.0.1:0",
        )
        .await
        .unwrap();
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert!(writer.can_write_eof());
        let data = pattern(1 << 20);
        writer.write(&data);
        writer.write_eof();
        writer.write_eof();
        let mut answer = reader.read_to_end().await.unwrap();
        answer.reverse();
        assert!(answer == data);
        assert!(!writer.is_closing());
    });
}

#[test]
fn the_addresses_stay_readable_and_name_both_ends() {
    run(async {
        let (ours, peer) = crate::common::sockets::sockets();
        let (local, remote) = (ours.local_addr().unwrap(), peer.local_addr().unwrap());
        let (_reader, writer) = open_connection(ours).await.unwrap();
        for _ in 0..2 {
            assert_eq!((writer.local_addr(), writer.peer_addr()), (Some(local), Some(remote)));
            assert_eq!(writer.extra_info().peername().unwrap().to_string(), remote.to_string());
            writer.close();
            writer.wait_closed().await.unwrap();
        }
        assert!(format!("{writer:?}").contains(&remote.to_string()), "{writer:?}");
    });
}

#[test]
fn a_limit_of_zero_is_refused() {
    run(async {
        let opened = open_connection("127.0.0.1:9").limit(0).await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::InvalidInput);
        let served = start_server(|_, _| {}, "127.0.0.1:0").limit(0).await;
        assert_eq!(served.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn errors_of_the_peer_come_out_of_drain_and_never_of_write() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        reset(peer);
        until("the loss", || writer.is_closing()).await;
        for _ in 0..10 {
            writer.write(b"into the void");
        }
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        writer.close();
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}
