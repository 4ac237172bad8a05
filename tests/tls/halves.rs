//! Neither half of a TLS session can end alone: a dropped writer waits until the reader is dropped, and then both end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

use crate::common::bytes::pattern;
use crate::common::running::run;
use crate::common::settle::settle;
use crate::common::tls_peer::{Peer, Pipe, pipe};
use crate::common::until::until;
use crate::settings::both;
use waterwheel::{StreamReader, StreamWriter, TlsServer, open_connection, start_server};

const MIB: usize = 1 << 20;

fn send(peer: &mut Peer, data: &[u8]) {
    data.chunks(16 * 1024).for_each(|record| peer.write(record).unwrap());
}

/// A server that sends one mebibyte, and ends the session if `ends`. It reports how much it received before our end.
fn sender(tls: TlsServer, ends: bool) -> (Pipe, Receiver<Result<usize, String>>) {
    let (tell, told) = channel();
    let relay = pipe(usize::MAX, move |stream| {
        let mut peer = Peer::server(stream, tls.rustls_config());
        peer.handshake().unwrap();
        send(&mut peer, &pattern(MIB));
        if ends {
            peer.close_notify().unwrap();
        }
        let _ = tell.send(peer.read_to_close_notify().map_err(|error| error.to_string()));
        true
    });
    (relay, told)
}

async fn outcome(told: &Receiver<Result<usize, String>>) -> Result<usize, String> {
    let mut outcome = None;
    until("the peer hears of our end", || {
        outcome = told.try_recv().ok();
        outcome.is_some()
    })
    .await;
    outcome.unwrap()
}

#[test]
fn a_dropped_writer_ends_the_session_when_the_reader_goes() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let (relay, told) = sender(server, false);
        let (mut reader, writer) = open_connection(relay.address()).tls(&client).await.unwrap();
        writer.write(b"question");
        drop(writer);
        let all = reader.readexactly(MIB).await.unwrap();
        assert!(all == pattern(MIB));
        settle().await;
        assert_eq!(told.try_recv(), Err(TryRecvError::Empty), "our side has not ended yet");
        drop(reader);
        assert_eq!(outcome(&told).await, Ok(8));
    });
}

#[test]
fn with_the_writer_gone_the_peers_end_of_the_session_is_a_clean_end() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let (relay, told) = sender(server, true);
        let (mut reader, writer) = open_connection(relay.address()).tls(&client).await.unwrap();
        writer.write(b"question");
        drop(writer);
        let all = reader.read_to_end().await.unwrap();
        assert!(all == pattern(MIB), "{} bytes were read", all.len());
        assert!(reader.at_eof());
        assert_eq!(outcome(&told).await, Ok(8));
    });
}

#[test]
fn a_dropped_reader_leaves_the_writer_its_side() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let (relay, told) = sender(server, false);
        let (reader, writer) = open_connection(relay.address()).tls(&client).await.unwrap();
        drop(reader);
        settle().await;
        assert!(!writer.is_closing());
        writer.write_all(&pattern(8 * MIB)).await.unwrap();
        settle().await;
        assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
        drop(writer);
        assert_eq!(outcome(&told).await, Ok(8 * MIB));
    });
}

#[test]
fn both_dropped_end_the_session_after_what_was_written_whichever_goes_first() {
    let (server, client) = both("127.0.0.1");
    run(async {
        for reader_first in [true, false] {
            for apart in [false, true] {
                let (relay, told) = sender(server.clone(), false);
                let (reader, writer) = open_connection(relay.address()).tls(&client).await.unwrap();
                let transport = writer.transport();
                writer.write(&pattern(4 * MIB));
                if reader_first {
                    drop(reader);
                    if apart {
                        settle().await;
                    }
                    drop(writer);
                } else {
                    drop(writer);
                    if apart {
                        settle().await;
                        assert!(transport.get_protocol().is_some(), "the reader has it");
                    }
                    drop(reader);
                }
                assert_eq!(outcome(&told).await, Ok(4 * MIB), "the reader first: {reader_first}, apart: {apart}");
                until("the connection is lost", || transport.get_protocol().is_none()).await;
            }
        }
    });
}

#[test]
fn a_handler_that_forgets_its_writer_reads_all() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let outcome = Rc::new(RefCell::new(None));
        let told = Rc::clone(&outcome);
        let handler = move |mut reader: StreamReader, _writer: StreamWriter| {
            let told = Rc::clone(&told);
            async move {
                let all = reader.read_to_end().await;
                told.replace(Some(all));
            }
        };
        let serving = start_server(handler, "127.0.0.1:0").tls(server).await.unwrap();
        let (address, config) = (serving.local_addrs()[0], client.rustls_config());
        let peer = thread::spawn(move || {
            let mut peer = Peer::client(address, usize::MAX, config);
            peer.handshake().unwrap();
            send(&mut peer, &pattern(MIB));
            peer.close_notify().unwrap();
            peer.read_to_close_notify()
        });
        until("the handler is done", || outcome.borrow().is_some()).await;
        let all = outcome.take().unwrap().unwrap();
        assert!(all == pattern(MIB), "{} bytes were read", all.len());
        until("the client is done", || peer.is_finished()).await;
        assert_eq!(peer.join().unwrap().unwrap(), 0);
    });
}
