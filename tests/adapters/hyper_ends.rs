//! How hyper's connections end: after a response, in the middle of one, by a graceful shutdown, and before anything
//! was sent.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use waterwheel::spawn;

use crate::common::running::turns;
use crate::ends::over_each;
use crate::hyper_parts::{
    answer_once, client1, echo, expect_next, get, http1, in_pieces, piece, serve_until_told, text_of,
};

#[test]
fn a_client_uses_one_connection_again_until_the_server_ends_it_behind_an_answer() {
    over_each(async |over, ours, theirs| {
        let closing = service_fn(async |request: Request<Incoming>| {
            let mut response = Response::new(Full::new(Bytes::from("an answer")));
            if request.uri().path() == "/last" {
                response.headers_mut().insert("connection", "close".parse().unwrap());
            }
            hyper::Result::Ok(response)
        });
        let serves = spawn(http1().serve_connection(theirs, closing));
        let (mut sender, connects) = client1(ours).await;
        for path in ["/first", "/second", "/last"] {
            sender.ready().await.unwrap();
            let response = sender.send_request(get(path)).await.unwrap();
            assert_eq!(text_of(response).await.unwrap(), "an answer", "over {over:?}");
        }
        serves.await.unwrap().unwrap();
        connects.await.unwrap().unwrap();
        // Nothing of this request was sent, so it may be retried on another connection.
        let refused = sender.try_send_request(get("/late")).await.unwrap_err();
        assert!(refused.message().is_some(), "over {over:?}: {refused:?}");
    });
}

#[test]
fn without_keep_alive_the_end_follows_the_first_answer() {
    over_each(async |over, mut ours, theirs| {
        let serves = spawn(http1().keep_alive(false).serve_connection(theirs, echo()));
        ours.writer.write(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nonce");
        let answer = String::from_utf8(ours.reader.read_to_end().await.unwrap()).unwrap();
        assert!(
            answer.contains("connection: close\r\n") && answer.ends_with("\r\n\r\nonce"),
            "over {over:?}: {answer}"
        );
        serves.await.unwrap().unwrap();
    });
}

#[test]
fn a_server_that_is_shut_down_in_the_middle_of_an_answer_ends_behind_it() {
    over_each(async |over, ours, theirs| {
        let (pieces, body) = in_pieces();
        let (tell, told) = async_channel::unbounded();
        let serves = spawn(serve_until_told(http1().serve_connection(theirs, answer_once(body)), told, |on| {
            on.graceful_shutdown()
        }));
        let (mut sender, connects) = client1(ours).await;
        piece(&pieces, "half, ").await;
        let mut body = sender.send_request(get("/")).await.unwrap().into_body();
        expect_next(&mut body, "half, ").await;
        tell.send(()).await.unwrap();
        turns(5).await;
        assert!(!serves.is_finished() && !connects.is_finished(), "over {over:?}: the answer is not whole");
        piece(&pieces, "all").await;
        drop(pieces);
        expect_next(&mut body, "all").await;
        assert!(body.frame().await.is_none());
        serves.await.unwrap().unwrap();
        connects.await.unwrap().unwrap();
        assert!(sender.try_send_request(get("/late")).await.is_err());
    });
}

#[test]
fn a_server_that_is_shut_down_before_the_first_request_ends_at_once() {
    over_each(async |over, mut ours, theirs| {
        let (tell, told) = async_channel::unbounded();
        let serves =
            spawn(serve_until_told(http1().serve_connection(theirs, echo()), told, |on| on.graceful_shutdown()));
        turns(5).await;
        assert!(!serves.is_finished(), "over {over:?}");
        tell.send(()).await.unwrap();
        serves.await.unwrap().unwrap();
        assert_eq!(ours.reader.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn an_answer_that_breaks_off_is_an_error_for_the_client_and_no_whole_body() {
    over_each(async |over, ours, theirs| {
        let (pieces, body) = in_pieces();
        let serves = spawn(http1().serve_connection(theirs, answer_once(body)));
        let (mut sender, _connects) = client1(ours).await;
        piece(&pieces, "half").await;
        let mut body = sender.send_request(get("/")).await.unwrap().into_body();
        expect_next(&mut body, "half").await;
        serves.cancel();
        let error = body.frame().await.expect("an error comes").unwrap_err();
        assert!(!error.is_timeout() && !error.is_canceled(), "over {over:?}: {error:?}");
    });
}

#[test]
fn an_upload_that_breaks_off_is_an_error_for_the_service() {
    over_each(async |over, ours, theirs| {
        let serves = spawn(http1().serve_connection(theirs, echo()));
        ours.writer.write(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf");
        turns(3).await;
        drop(ours);
        let error = serves.await.unwrap().unwrap_err();
        let cause = error.source().map(ToString::to_string);
        assert!(error.is_user() || error.is_incomplete_message(), "over {over:?}: {error}, {cause:?}");
    });
}

#[test]
fn a_client_that_ends_its_side_behind_a_request_is_answered_if_the_server_allows_it() {
    over_each(async |over, mut ours, theirs| {
        if !over.has_halves() {
            return;
        }
        let (pieces, body) = in_pieces();
        let serves = spawn(http1().half_close(true).serve_connection(theirs, answer_once(body)));
        ours.writer.write(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        ours.writer.write_eof();
        turns(10).await;
        assert!(!serves.is_finished(), "over {over:?}: the answer is not whole");
        piece(&pieces, "late, but all").await;
        drop(pieces);
        let answer = String::from_utf8(ours.reader.read_to_end().await.unwrap()).unwrap();
        assert!(answer.ends_with("D\r\nlate, but all\r\n0\r\n\r\n"), "over {over:?}: {answer}");
        serves.await.unwrap().unwrap();
    });
}
