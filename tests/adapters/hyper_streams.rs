//! HTTP/2 streams that end other than by a complete response, next to others that go on.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::pending;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use waterwheel::spawn;

use crate::common::bytes::pattern;
use crate::common::running::turns;
use crate::ends::over_each;
use crate::hyper_parts::{
    answer_once, client2, expect_next, get, http2, in_pieces, piece, request, serve_until_told, text_of,
};

/// Adds one to a count while it exists.
struct Counted(Rc<Cell<usize>>);

impl Counted {
    fn new(count: &Rc<Cell<usize>>) -> Counted {
        count.set(count.get() + 1);
        Counted(Rc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[test]
fn a_request_that_is_given_up_ends_its_service_and_no_other() {
    over_each(async |over, ours, theirs| {
        let running = Rc::new(Cell::new(0));
        let counted = Rc::clone(&running);
        let service = service_fn(move |request: Request<Incoming>| {
            let counted = Counted::new(&counted);
            async move {
                if request.uri().path() == "/never" {
                    pending::<()>().await;
                }
                drop(counted);
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("an answer"))))
            }
        });
        let serves = spawn(http2().serve_connection(theirs, service));
        let (mut sender, connects) = client2(ours).await;
        let never: Vec<_> = (0..5).map(|_| spawn(sender.send_request(get("/never")))).collect();
        while running.get() < 5 {
            turns(1).await;
        }
        never.iter().for_each(|request| request.cancel());
        while running.get() > 0 {
            turns(1).await;
        }
        let response = sender.send_request(get("/")).await.unwrap();
        assert_eq!(text_of(response).await.unwrap(), "an answer", "over {over:?}");
        drop(sender);
        connects.await.unwrap().unwrap();
        serves.await.unwrap().unwrap();
    });
}

#[test]
fn an_answer_that_nobody_reads_any_more_is_no_longer_made() {
    over_each(async |over, ours, theirs| {
        let (pieces, body) = in_pieces();
        let serves = spawn(http2().serve_connection(theirs, answer_once(body)));
        let (mut sender, connects) = client2(ours).await;
        piece(&pieces, "first").await;
        let mut body = sender.send_request(get("/")).await.unwrap().into_body();
        expect_next(&mut body, "first").await;
        drop(body);
        // The server drops its body, and with it the receiver of these pieces.
        while !pieces.is_closed() {
            turns(1).await;
        }
        drop(sender);
        connects.await.unwrap().unwrap();
        serves.await.unwrap().unwrap_or_else(|error| panic!("over {over:?}: {error:?}"));
    });
}

#[test]
fn a_service_that_fails_resets_its_stream_and_the_connection_goes_on() {
    over_each(async |over, ours, theirs| {
        let service = service_fn(async |request: Request<Incoming>| match request.uri().path() {
            "/fails" => Err("on purpose"),
            _ => Ok(Response::new(Full::new(Bytes::from("an answer")))),
        });
        let serves = spawn(http2().serve_connection(theirs, service));
        let (mut sender, connects) = client2(ours).await;
        for _ in 0..3 {
            let error = sender.send_request(get("/fails")).await.unwrap_err();
            assert!(!error.is_canceled() && !error.is_timeout(), "over {over:?}: {error:?}");
            let response = sender.send_request(get("/")).await.unwrap();
            assert_eq!(text_of(response).await.unwrap(), "an answer");
        }
        drop(sender);
        connects.await.unwrap().unwrap();
        serves.await.unwrap().unwrap();
    });
}

#[test]
fn a_stream_that_nobody_reads_holds_up_no_other() {
    over_each(async |over, ours, theirs| {
        const MANY: usize = 1 << 20;
        let service = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(pattern(MANY)))))
        });
        let serves = spawn(http2().serve_connection(theirs, service));
        let (mut sender, connects) = client2(ours).await;
        let unread = sender.send_request(get("/")).await.unwrap();
        for _ in 0..3 {
            let read = sender.send_request(get("/")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
            assert!(read == pattern(MANY), "over {over:?}");
        }
        assert!(unread.into_body().collect().await.unwrap().to_bytes() == pattern(MANY));
        drop(sender);
        connects.await.unwrap().unwrap();
        serves.await.unwrap().unwrap();
    });
}

#[test]
fn a_server_that_is_shut_down_finishes_what_was_asked_and_takes_no_more() {
    over_each(async |over, ours, theirs| {
        let (pieces, body) = in_pieces();
        let (tell, told) = async_channel::unbounded::<()>();
        let connection = http2().serve_connection(theirs, answer_once(body));
        let serves = spawn(serve_until_told(connection, told, |on| on.graceful_shutdown()));
        let (mut sender, connects) = client2(ours).await;
        piece(&pieces, "half, ").await;
        let mut body = sender.send_request(get("/")).await.unwrap().into_body();
        expect_next(&mut body, "half, ").await;
        tell.send(()).await.unwrap();
        turns(20).await;
        assert!(!serves.is_finished(), "over {over:?}: the answer is not whole");
        piece(&pieces, "all").await;
        drop(pieces);
        expect_next(&mut body, "all").await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "");
        serves.await.unwrap().unwrap();
        connects.await.unwrap().unwrap();
        assert!(sender.send_request(get("/")).await.is_err());
    });
}

#[test]
fn a_lost_connection_fails_all_requests_on_it() {
    over_each(async |over, ours, theirs| {
        let never =
            service_fn(async |_: Request<Incoming>| pending::<Result<Response<Empty<Bytes>>, Infallible>>().await);
        let serves = spawn(http2().serve_connection(theirs, never));
        let (mut sender, connects) = client2(ours).await;
        let asked: Vec<_> = (0..5).map(|_| spawn(sender.send_request(request("/", String::from("a body"))))).collect();
        turns(20).await;
        serves.cancel();
        for request in asked {
            assert!(request.await.unwrap().is_err(), "over {over:?}");
        }
        // The connection ends either way: in order, or by the reset.
        let _ = connects.await.unwrap();
    });
}
