//! Bodies of requests and responses: sent piece by piece, each arriving before the next is written; with trailers;
//! sent only after `100 Continue`; and never read.

use std::convert::Infallible;
use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use waterwheel::spawn;

use crate::common::bytes::pattern;
use crate::common::running::turns;
use crate::ends::over_each;
use crate::hyper_parts::{answer_once, client1, client2, expect_next, http1, http2, in_pieces, piece, request};

#[test]
fn each_piece_of_an_answer_arrives_before_the_next_is_there_and_trailers_behind_the_last() {
    over_each(async |over, ours, theirs| {
        let (pieces, body) = in_pieces();
        let serves = spawn(http1().serve_connection(theirs, answer_once(body)));
        let (mut sender, _connects) = client1(ours).await;
        let asked = Request::get("/").header("host", "test").header("te", "trailers").body(Empty::<Bytes>::new());
        piece(&pieces, "event 0\n").await;
        let mut body = sender.send_request(asked.unwrap()).await.unwrap().into_body();
        expect_next(&mut body, "event 0\n").await;
        for _ in 0..20 {
            turns(3).await;
            piece(&pieces, "one more\n").await;
            expect_next(&mut body, "one more\n").await;
        }
        drop(pieces);
        assert!(body.frame().await.is_none(), "over {over:?}");
        drop(sender);
        serves.await.unwrap().unwrap();
    });
}

#[test]
fn an_upload_in_pieces_is_read_as_it_comes_and_its_trailers_too() {
    over_each(async |over, ours, theirs| {
        let (heard, hears) = async_channel::unbounded();
        let service = service_fn(move |request: Request<Incoming>| {
            let heard = heard.clone();
            async move {
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await.transpose()? {
                    let said = match frame.into_data() {
                        Ok(data) => String::from_utf8_lossy(&data).into_owned(),
                        Err(frame) => format!("{:?}", frame.into_trailers().expect("trailers")["check"]),
                    };
                    heard.send(said).await.expect("the test hears");
                }
                hyper::Result::Ok(Response::new(Empty::<Bytes>::new()))
            }
        });
        let serves = spawn(http2().serve_connection(theirs, service));
        let (mut sender, _connects) = client2(ours).await;
        let (pieces, body) = in_pieces();
        let answered = spawn(sender.send_request(request("/", body)));
        for text in ["one", "two", "three"] {
            piece(&pieces, text).await;
            let mut said = String::new();
            while said.len() < text.len() {
                said += &hears.recv().await.unwrap();
            }
            assert_eq!(said, text, "over {over:?}");
        }
        let trailers = HeaderMap::from_iter([("check".parse().unwrap(), HeaderValue::from_static("sum"))]);
        pieces.send(Ok(Frame::trailers(trailers))).await.unwrap();
        assert_eq!(hears.recv().await.unwrap(), "\"sum\"");
        drop(pieces);
        assert!(answered.await.unwrap().unwrap().status().is_success());
        drop(sender);
        serves.await.unwrap().unwrap();
    });
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on_when_its_body_is_wanted_and_not_before() {
    over_each(async |over, mut ours, theirs| {
        let (wanted, wants) = async_channel::unbounded::<()>();
        let service = service_fn(move |request: Request<Incoming>| {
            let wants = wants.clone();
            async move {
                wants.recv().await.expect("the test says when");
                let body = request.into_body().collect().await?.to_bytes();
                hyper::Result::Ok(Response::new(Full::new(body)))
            }
        });
        let serves = spawn(http1().serve_connection(theirs, service));
        ours.writer.write(b"POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
        turns(30).await;
        let is_silent = poll_fn(|cx| Poll::Ready(ours.reader.poll_fill_buf(cx).is_pending())).await;
        assert!(is_silent, "over {over:?}: it is not told yet");
        wanted.send(()).await.unwrap();
        assert_eq!(ours.reader.readuntil(b"\r\n\r\n").await.unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
        ours.writer.write(b"body");
        let head = ours.reader.readuntil(b"\r\n\r\n").await.unwrap();
        assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert_eq!(ours.reader.readexactly(4).await.unwrap(), b"body");
        drop(ours);
        serves.await.unwrap().unwrap();
    });
}

#[test]
fn a_body_that_the_service_does_not_read_is_no_obstacle_for_the_next_request_if_it_is_there_already() {
    over_each(async |over, mut ours, theirs| {
        let service = service_fn(async |request: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(request.uri().path().to_owned()))))
        });
        let serves = spawn(http1().serve_connection(theirs, service));
        ours.writer.write(b"POST /one HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nunreadGET /two HTTP/1.1\r\nhost: test\r\n\r\n");
        for path in [b"/one", b"/two"] {
            let head = ours.reader.readuntil(b"\r\n\r\n").await.unwrap();
            assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "over {over:?}");
            assert_eq!(ours.reader.readexactly(4).await.unwrap(), path);
        }
        drop(ours);
        serves.await.unwrap().unwrap();
    });
}

#[test]
fn what_a_service_does_not_read_of_a_large_upload_is_not_taken_in() {
    over_each(async |over, ours, theirs| {
        const MANY: usize = 1000;
        let (done, wait) = async_channel::bounded::<()>(1);
        let service = service_fn(move |request: Request<Incoming>| {
            let wait = wait.clone();
            async move {
                let _ = wait.recv().await;
                let length = request.into_body().collect().await?.to_bytes().len();
                hyper::Result::Ok(Response::new(Full::new(Bytes::from(length.to_string()))))
            }
        });
        let serves = spawn(http1().serve_connection(theirs, service));
        let (mut sender, _connects) = client1(ours).await;
        let (pieces, body) = in_pieces();
        let answered = spawn(sender.send_request(request("/", body)));
        let large = Bytes::from(pattern(64 * 1024));
        for _ in 0..MANY {
            pieces.send(Ok(Frame::data(large.clone()))).await.unwrap();
        }
        let mut left = pieces.len();
        loop {
            turns(50).await;
            if pieces.len() == left {
                break;
            }
            left = pieces.len();
        }
        assert!(left > MANY / 2, "over {over:?}: only {left} pieces wait at the client");
        drop((done, pieces));
        let response = answered.await.unwrap().unwrap();
        let length = (MANY * large.len()).to_string();
        expect_next(&mut response.into_body(), &length).await;
        drop(sender);
        serves.await.unwrap().unwrap();
    });
}
