//! A reply reaches the peer even if the connection is closed with unread input, and an abort resets it.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use waterwheel::{StreamReader, StreamWriter, sleep, yield_now};

use super::{KIB, MIB, start};
use crate::common::alone::run_alone;
use crate::common::bytes::pattern;
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::peers::{plain_client, read_all};
use crate::common::until::until;

/// Reads a little, replies, and closes with most of the request unread.
async fn answer_early(mut reader: StreamReader, writer: StreamWriter) {
    reader.readexactly(KIB).await.unwrap();
    writer.write(&pattern(MIB));
    writer.close();
}

#[test]
fn the_whole_reply_arrives_though_most_of_the_request_was_never_read() {
    run_alone(|| async {
        let server = start(answer_early).await;
        let address = server.local_addrs()[0];
        let expected = pattern(MIB);
        let before = open_descriptors();
        let (done, is_done) = std::sync::mpsc::channel();
        let clients = thread::spawn(move || {
            for _ in 0..200 {
                let client = plain_client(address);
                let mut sending = client.try_clone().unwrap();
                let sender = thread::spawn(move || sending.write_all(&vec![b'q'; 4 * MIB]).map(|()| sending));
                let reply = read_all(&client);
                done.send((sender.join().unwrap().is_ok(), reply.map(|reply| reply == expected))).unwrap();
            }
        });
        let mut whole = 0;
        until("200 clients are done", || clients.is_finished()).await;
        for (sent, reply) in is_done.try_iter() {
            assert!(sent, "the request was taken to its end");
            assert!(reply.unwrap(), "round {whole}");
            whole += 1;
        }
        assert_eq!(whole, 200);
        until_descriptors(before).await;
    });
}

#[test]
fn a_client_that_sends_all_before_it_reads_is_not_waited_for_in_vain() {
    run_alone(|| async {
        let server = start(|mut reader: StreamReader, writer: StreamWriter| async move {
            reader.readexactly(KIB).await.unwrap();
            // More than the kernel holds for a client that does not read.
            writer.write(&pattern(16 * MIB));
            writer.close();
        })
        .await;
        let address = server.local_addrs()[0];
        let client = thread::spawn(move || {
            let mut client = plain_client(address);
            // More than the kernel holds for a server that does not read.
            client.write_all(&vec![b'q'; 16 * MIB])?;
            read_all(&client)
        });
        until("the client has sent and read", || client.is_finished()).await;
        assert!(client.join().unwrap().unwrap() == pattern(16 * MIB), "the whole reply");
    });
}

#[test]
fn input_that_came_since_the_loop_last_looked_does_not_cost_the_reply_either() {
    run_alone(|| async {
        let (second_is_sent, is_sent) = std::sync::mpsc::channel();
        let is_sent = Rc::new(is_sent);
        let server = start(move |mut reader: StreamReader, writer: StreamWriter| {
            let is_sent = Rc::clone(&is_sent);
            async move {
                reader.readexactly(KIB).await.unwrap();
                writer.write(b"go on");
                yield_now().await;
                // Blocks the loop on purpose: the socket is not polled until the connection is closed.
                is_sent.recv_timeout(Duration::from_secs(10)).unwrap();
                writer.write(&pattern(MIB));
                writer.close();
            }
        })
        .await;
        let address = server.local_addrs()[0];
        let client = thread::spawn(move || {
            let mut client = plain_client(address);
            client.write_all(&[b'1'; KIB]).unwrap();
            client.read_exact(&mut [0; 5]).unwrap();
            client.write_all(&[b'2'; KIB]).unwrap();
            second_is_sent.send(()).unwrap();
            // By then a reset would have arrived.
            thread::sleep(Duration::from_millis(10));
            read_all(client).map(|reply| reply == pattern(MIB))
        });
        until("the client is done", || client.is_finished()).await;
        assert!(client.join().unwrap().unwrap());
    });
}

#[test]
fn an_abort_does_not_linger_and_resets_the_client() {
    run_alone(|| async {
        let aborted = Rc::new(Cell::new(0));
        let count = Rc::clone(&aborted);
        let server = start(move |mut reader: StreamReader, writer: StreamWriter| {
            let count = Rc::clone(&count);
            async move {
                reader.readexactly(1).await.unwrap();
                // By then more has arrived than was read, so some input is unread.
                sleep(Duration::from_millis(5)).await;
                writer.transport().abort();
                count.set(count.get() + 1);
            }
        })
        .await;
        let before = open_descriptors();
        let mut client = plain_client(server.local_addrs()[0]);
        client.set_nonblocking(true).unwrap();
        let _ = client.write(&vec![b'x'; 4 * MIB]).unwrap();
        until("the connection was aborted", || aborted.get() == 1).await;
        // Two turns later only the client's descriptor is left.
        for _ in 0..2 {
            yield_now().await;
        }
        assert_eq!(open_descriptors(), before + 1);
        client.set_nonblocking(false).unwrap();
        assert_eq!(client.read_to_end(&mut Vec::new()).unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_close_with_nothing_sent_closes_the_descriptor_with_the_connection() {
    run_alone(|| async {
        let served = Rc::new(Cell::new(0));
        let count = Rc::clone(&served);
        let server = start(move |_reader, _writer| count.set(count.get() + 1)).await;
        let before = open_descriptors();
        for round in 1..=20 {
            let client = plain_client(server.local_addrs()[0]);
            until("the connection was served", || served.get() == round).await;
            until("the connection is lost", || server.connections() == 0).await;
            assert_eq!(open_descriptors(), before + 1);
            assert_eq!(read_all(client).unwrap(), b"");
        }
    });
}
