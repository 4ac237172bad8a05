//! hyper's time limits on the loop's timers: which are armed when, and what they end. The clock jumps, so the tests do
//! not wait.

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::service::service_fn;
use hyper::{Response, client};
use waterwheel::testing::{ManualClock, connected_pair};
use waterwheel::{Connection, EventLoop, LoopExecutor, LoopTimer, get_running_loop, sleep, spawn};

use crate::common::watchdog::watchdog;
use crate::hyper_parts::{client2, echo, get, http1, http2, request, text_of};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a test on a clock that jumps when nothing else is left to do, with both ends of a connection in memory.
fn run(test: impl AsyncFnOnce(Connection, Connection)) {
    let _watchdog = watchdog();
    let mut event_loop =
        EventLoop::builder().clock(Rc::new(ManualClock::new())).build().expect("there are descriptors");
    event_loop.run(async {
        let (ours, theirs) = connected_pair();
        test(ours, theirs).await;
        // Long enough for a connection that lingers to give up.
        sleep(60 * SECOND).await;
    });
    assert_eq!(event_loop.next_deadline(), None, "no timer is left behind");
}

#[test]
fn the_limit_of_a_head_runs_from_the_start_and_however_its_bytes_drip_in() {
    for drips in [0, 4] {
        run(async |mut ours, theirs| {
            let began = get_running_loop().time();
            let serves = spawn(http1().header_read_timeout(10 * SECOND).serve_connection(theirs, echo()));
            for _ in 0..drips {
                ours.writer.write(b"x");
                sleep(2 * SECOND).await;
            }
            assert!(serves.await.unwrap().unwrap_err().is_timeout());
            assert_eq!(get_running_loop().time() - began, 10 * SECOND);
            assert_eq!(ours.reader.read_to_end().await.unwrap(), b"");
        });
    }
}

#[test]
fn the_limit_of_a_head_does_not_run_while_a_body_or_an_answer_is_awaited_and_runs_anew_for_the_next_head() {
    run(async |mut ours, theirs| {
        let service = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
            sleep(30 * SECOND).await;
            let body = http_body_util::BodyExt::collect(request.into_body()).await?.to_bytes();
            hyper::Result::Ok(Response::new(http_body_util::Full::new(body)))
        });
        let serves = spawn(http1().header_read_timeout(10 * SECOND).serve_connection(theirs, service));
        for _ in 0..3 {
            sleep(9 * SECOND).await;
            ours.writer.write(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\n12");
            sleep(60 * SECOND).await;
            ours.writer.write(b"34");
            let head = ours.reader.readuntil(b"\r\n\r\n").await.unwrap();
            assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
            assert_eq!(ours.reader.readexactly(4).await.unwrap(), b"1234");
        }
        let idle_since = get_running_loop().time();
        assert!(serves.await.unwrap().unwrap_err().is_timeout());
        assert_eq!(get_running_loop().time() - idle_since, 10 * SECOND);
    });
}

#[test]
fn a_client_of_http2_that_answers_no_ping_is_given_up_and_one_that_does_is_kept() {
    run(async |ours, theirs| {
        let began = get_running_loop().time();
        let mut http = http2();
        http.keep_alive_interval(5 * SECOND).keep_alive_timeout(2 * SECOND);
        let serves = spawn(http.serve_connection(theirs, echo()));
        // The preface of HTTP/2 and an empty SETTINGS frame; then silence.
        ours.writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        let error = serves.await.unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(get_running_loop().time() - began, 7 * SECOND);
    });
    run(async |ours, theirs| {
        let mut http = http2();
        http.keep_alive_interval(5 * SECOND).keep_alive_timeout(2 * SECOND);
        let serves = spawn(http.serve_connection(theirs, echo()));
        let (mut sender, connects) = client2(ours).await;
        sleep(1000 * SECOND).await;
        assert!(!serves.is_finished());
        let response = sender.send_request(request("/", String::from("still there"))).await.unwrap();
        assert_eq!(text_of(response).await.unwrap(), "still there");
        drop(sender);
        connects.await.unwrap().unwrap();
        serves.await.unwrap().unwrap();
    });
}

#[test]
fn a_server_of_http2_that_answers_no_ping_is_given_up_and_its_requests_fail() {
    run(async |ours, theirs| {
        let mut http = client::conn::http2::Builder::new(LoopExecutor);
        http.timer(LoopTimer).keep_alive_interval(5 * SECOND).keep_alive_timeout(2 * SECOND);
        let (mut sender, connection) = http.handshake::<_, Empty<Bytes>>(ours).await.unwrap();
        let connects = spawn(connection);
        let began = get_running_loop().time();
        // A server that sends an empty SETTINGS frame and then nothing more. It reads everything.
        theirs.writer.write(b"\0\0\0\x04\0\0\0\0\0");
        let (mut reader, _writer) = theirs.split();
        let reads = spawn(async move { reader.read_to_end().await });
        let error = sender.send_request(get("/")).await.unwrap_err();
        assert!(get_running_loop().time() - began <= 8 * SECOND, "{error:?}");
        assert!(connects.await.unwrap().unwrap_err().is_timeout());
        drop(_writer);
        reads.await.unwrap().unwrap();
    });
}

#[test]
fn a_service_that_never_answers_is_bounded_by_a_limit_of_ours() {
    run(async |ours, theirs| {
        let service = service_fn(async |_| {
            let answer = waterwheel::timeout(20 * SECOND, pending::<Response<Empty<Bytes>>>()).await;
            hyper::Result::Ok(answer.unwrap_or_else(|_| {
                let mut late = Response::new(Empty::new());
                *late.status_mut() = hyper::StatusCode::GATEWAY_TIMEOUT;
                late
            }))
        });
        let serves = spawn(http1().serve_connection(theirs, service));
        let (mut sender, connects) = crate::hyper_parts::client1(ours).await;
        for _ in 0..3 {
            let began = get_running_loop().time();
            let response = sender.send_request(get("/")).await.unwrap();
            assert_eq!(response.status(), hyper::StatusCode::GATEWAY_TIMEOUT);
            assert_eq!(get_running_loop().time() - began, 20 * SECOND);
        }
        drop(sender);
        connects.await.unwrap().unwrap();
        serves.await.unwrap().unwrap();
    });
}
