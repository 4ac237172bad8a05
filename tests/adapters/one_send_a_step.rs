//! Law 10 through the adapters: all that is written in one step is sent by one system call, whatever the number of
//! calls and the trait.
//!
//! The connection is in memory and counts the attempts to send. That each attempt is a system call is shown with
//! strace, in `tests/programs`.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, server};
use waterwheel::network::Conduit;
use waterwheel::{Connection, LoopTimer, open_connection, spawn, yield_now};

use crate::common::memory::End;
use crate::common::running::turns;
use crate::common::watchdog::watchdog;
use crate::dribbling::{Dribbling, Seen};

/// A connection, what passes through it, and its peer.
struct Scene {
    ours: Connection,
    seen: Rc<Seen>,
    peer: End,
}

fn run(test: impl AsyncFnOnce(Scene)) {
    let _watchdog = watchdog();
    let network = Dribbling::steady();
    network.event_loop().run(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let listener = network.memory().listen(address);
        let ours = open_connection(address).await.expect("the peer listens").into();
        test(Scene { ours, seen: network.first_connection(), peer: listener.next() }).await;
    });
}

/// What the peer has received, and in how many sends.
fn received(peer: &End, seen: &Seen) -> (String, usize) {
    let mut buf = vec![0; 1 << 16];
    let n = peer.recv(&mut buf).unwrap_or(0);
    (String::from_utf8_lossy(&buf[..n]).into_owned(), seen.sends.take())
}

/// Writes and flushes several times in one step, by the methods of one trait.
macro_rules! in_one_step {
    ($write:path, $connection:expr) => {{
        use $write as Write;
        poll_fn(|cx| {
            for number in 0..3 {
                let piece = format!("{number} ");
                let wrote = Write::poll_write(Pin::new($connection), cx, piece.as_bytes());
                assert!(matches!(wrote, Poll::Ready(Ok(2))));
                let parts = [IoSlice::new(b"head "), IoSlice::new(b"body ")];
                let wrote = Write::poll_write_vectored(Pin::new($connection), cx, &parts);
                assert!(matches!(wrote, Poll::Ready(Ok(10))));
                // Many programs flush after each write. That costs no send either.
                assert!(matches!(Write::poll_flush(Pin::new($connection), cx), Poll::Ready(Ok(()))));
            }
            Poll::Ready(())
        })
        .await;
    }};
}

const WRITTEN: &str = "0 head body 1 head body 2 head body ";

#[test]
fn what_one_step_writes_and_flushes_by_any_of_the_traits_is_one_send() {
    run(async |Scene { mut ours, seen, peer }| {
        for _ in 0..2 {
            in_one_step!(futures::io::AsyncWrite, &mut ours);
            yield_now().await;
            assert_eq!(received(&peer, &seen), (WRITTEN.to_owned(), 1));
            in_one_step!(tokio::io::AsyncWrite, &mut ours);
            yield_now().await;
            assert_eq!(received(&peer, &seen), (WRITTEN.to_owned(), 1));
            in_one_step!(hyper::rt::Write, &mut ours);
            yield_now().await;
            assert_eq!(received(&peer, &seen), (WRITTEN.to_owned(), 1));
        }
    });
}

#[test]
fn the_last_words_of_a_connection_are_one_send_and_then_the_end() {
    run(async |Scene { mut ours, seen, peer }| {
        in_one_step!(tokio::io::AsyncWrite, &mut ours);
        poll_fn(|cx| futures::io::AsyncWrite::poll_close(Pin::new(&mut ours), cx)).await.unwrap();
        assert_eq!(received(&peer, &seen), (WRITTEN.to_owned(), 1));
        assert_eq!(peer.recv(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn requests_that_come_together_are_answered_by_hyper_in_one_send() {
    const REQUESTS: usize = 16;
    run(async |Scene { ours, seen, peer }| {
        let answer = async |_: Request<_>| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("an answer"))));
        let mut http = server::conn::http1::Builder::new();
        let serves = spawn(http.timer(LoopTimer).pipeline_flush(true).serve_connection(ours, service_fn(answer)));
        let request = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
        peer.send(&request.repeat(REQUESTS)).unwrap();
        turns(10).await;
        let (answers, sends) = received(&peer, &seen);
        assert_eq!((answers.matches("an answer").count(), sends), (REQUESTS, 1));
        // A single request, too, gets its head and body in one send.
        peer.send(request).unwrap();
        turns(10).await;
        let (answers, sends) = received(&peer, &seen);
        assert_eq!((answers.matches("an answer").count(), sends), (1, 1));
        drop(peer);
        serves.await.unwrap().unwrap();
    });
}
