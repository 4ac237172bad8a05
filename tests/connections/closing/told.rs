//! `connection_closing` is called once, after `connection_made` and before `connection_lost`, however the connection
//! ends; and `drain` reports it.

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::bytes::pattern;
use crate::common::connected::connect;
use crate::common::plain_peer::{read_to_end, reset};
use crate::common::running::run;
use crate::common::settle::settle;
use crate::common::sockets::{sockets, streams};
use crate::common::trace::Trace;
use crate::common::until::until;
use waterwheel::{ConnectionError, Protocol, Transport, get_running_loop};

/// Records when the connection is made, closing, and lost.
#[derive(Default)]
struct Told {
    trace: Trace,
    /// Where it panics, if anywhere.
    panics_in: &'static str,
    closes_at_once: bool,
}

impl Told {
    fn may_panic(&self, place: &str) {
        assert!(self.panics_in != place, "a panic that is wanted");
    }
}

impl Protocol for Told {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.trace.say("made");
        if self.closes_at_once {
            transport.close();
        }
    }
    fn data_received(&self, _data: &[u8]) {
        self.may_panic("data");
    }
    fn connection_closing(&self, _error: Option<ConnectionError>) {
        self.trace.say("closing");
        self.may_panic("closing");
    }
    fn connection_lost(&self, _error: Option<ConnectionError>) {
        self.trace.say("lost");
    }
}

#[test]
fn whatever_ends_a_connection_its_closing_is_told_once_and_before_the_loss() {
    type End = fn(&dyn Transport, TcpStream);
    let ends: [(&str, End); 8] = [
        ("close", |transport, _| transport.close()),
        ("abort", |transport, _| transport.abort()),
        ("close, abort", |transport, _| {
            transport.write(&pattern(8 << 20));
            transport.close();
            transport.abort();
        }),
        ("the peer's end", |_, peer| peer.shutdown(Shutdown::Both).unwrap()),
        ("a reset", |_, peer| reset(peer)),
        ("a reset and a write", |transport, peer| {
            reset(peer);
            transport.write(&pattern(1 << 20));
        }),
        ("a panic", |_, peer| (&peer).write_all(b"x").unwrap()),
        ("write_eof, close", |transport, _| {
            transport.write_eof();
            transport.close();
            transport.close();
        }),
    ];
    run(async {
        let _incidents = Trace::of_incidents();
        for (name, end) in ends {
            let protocol = Rc::new(Told { panics_in: "data", ..Told::default() });
            let (transport, peer) = connect(Rc::clone(&protocol)).await;
            end(&*transport, peer);
            until("the loss", || protocol.trace.last_is("lost")).await;
            assert_eq!(protocol.trace.words(), ["made", "closing", "lost"], "{name}");
        }
    });
}

#[test]
fn closing_is_told_inside_the_call_and_long_before_a_loss_that_waits_for_the_peer() {
    run(async {
        let protocol = Rc::new(Told::default());
        let (transport, peer) = connect(Rc::clone(&protocol)).await;
        transport.write(&pattern(8 << 20));
        transport.close();
        assert_eq!(protocol.trace.words(), ["made", "closing"]);
        settle().await;
        assert_eq!(protocol.trace.words(), ["made", "closing"]);
        read_to_end(&peer).await.unwrap();
        until("the loss", || protocol.trace.last_is("lost")).await;
        assert_eq!(protocol.trace.words(), ["made", "closing", "lost"]);
    });
}

#[test]
fn a_connection_that_closes_before_or_while_it_is_made_is_told_in_order() {
    run(async {
        let protocol = Rc::new(Told { closes_at_once: true, ..Told::default() });
        let (_transport, _peer) = connect(Rc::clone(&protocol)).await;
        until("the loss", || protocol.trace.last_is("lost")).await;
        assert_eq!(protocol.trace.words(), ["made", "closing", "lost"]);

        // Dropping the future of `create_connection` aborts the connection before its protocol knows of it.
        let protocol = Rc::new(Told::default());
        let factory = Rc::clone(&protocol);
        let (ours, _peer) = sockets();
        {
            let event_loop = get_running_loop();
            let mut connecting = pin!(event_loop.create_connection(move || factory, ours).into_future());
            let polled = connecting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending));
            assert_eq!(protocol.trace.words(), [""; 0]);
        }
        until("the loss", || protocol.trace.last_is("lost")).await;
        assert_eq!(protocol.trace.words(), ["made", "closing", "lost"]);
    });
}

/// The two ways to end a connection from our side.
const ENDS: [fn(&dyn Transport); 2] = [|transport| transport.close(), |transport| transport.abort()];

/// Ends a connection whose protocol panics in `connection_closing`.
async fn check_panic(protocol: &Told, transport: &dyn Transport, end: fn(&dyn Transport)) {
    let incidents = Trace::of_incidents();
    // A panic of this call would fail the test.
    end(transport);
    until("the loss", || protocol.trace.last_is("lost")).await;
    assert_eq!(protocol.trace.words(), ["made", "closing", "lost"]);
    assert_eq!(incidents.words(), ["a panic that is wanted"]);
}

#[test]
fn who_closes_is_not_hit_by_a_panic_of_who_is_told_of_it() {
    run(async {
        for end in ENDS {
            let protocol = Rc::new(Told { panics_in: "closing", ..Told::default() });
            let (transport, _peer) = connect(Rc::clone(&protocol)).await;
            check_panic(&protocol, &*transport, end).await;
        }
    });
}

#[test]
fn a_drain_hears_of_a_transport_that_others_closed() {
    run(async {
        for end in ENDS {
            let (_reader, writer, _peer) = streams(1024).await;
            writer.drain().await.unwrap();
            end(&*writer.transport());
            let error = writer.drain().await.unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::ConnectionReset, "Connection lost"));
        }
    });
}

#[test]
fn writes_and_drains_that_wait_for_nothing_else_end_with_the_connection() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        reset(peer);
        // Only the drain lets a turn pass in this loop.
        while writer.drain().await.is_ok() {
            writer.write(&[7; 100_000]);
        }
        assert!(writer.is_closing());
    });
}

#[cfg(feature = "tls")]
mod over_tls {
    use super::*;
    use crate::common::certificates::Authority;
    use waterwheel::{StreamReader, StreamWriter, TlsClient, TlsServer, open_connection, start_server};

    async fn echo(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
        while let Ok(line) = reader.readline().await {
            if line.is_empty() {
                break;
            }
            writer.write_all(&line).await?;
        }
        Ok(())
    }

    #[test]
    fn above_a_session_it_is_the_same() {
        let authority = Authority::new();
        let identity = authority.sign(&["here.test"]);
        let server = TlsServer::new(&identity.chain, &identity.key).unwrap();
        let client = TlsClient::with_roots(&authority.pem).unwrap();
        run(async {
            let server = start_server(echo, "127.0.0.1:0").tls(server).await.unwrap();
            let address = server.local_addrs()[0];
            let connect = async |protocol: &Rc<Told>| {
                let factory = Rc::clone(protocol);
                let connecting = get_running_loop().create_connection(move || factory, address).tls(client.clone());
                connecting.server_hostname("here.test").await.unwrap().0
            };
            for end in ENDS {
                let protocol = Rc::new(Told { panics_in: "closing", ..Told::default() });
                check_panic(&protocol, &*connect(&protocol).await, end).await;

                let protocol = Rc::new(Told::default());
                let transport = connect(&protocol).await;
                end(&*transport);
                assert_eq!(protocol.trace.words(), ["made", "closing"]);
                until("the loss", || protocol.trace.last_is("lost")).await;
                assert_eq!(protocol.trace.words(), ["made", "closing", "lost"]);

                let connecting = open_connection(address).tls(client.clone()).server_hostname("here.test");
                let (mut reader, writer) = connecting.await.unwrap();
                writer.write_all(b"line\n").await.unwrap();
                assert_eq!(reader.readline().await.unwrap(), b"line\n");
                end(&*writer.transport());
                assert!(writer.is_closing());
                while writer.drain().await.is_ok() {
                    settle().await;
                }
            }
        });
    }
}
