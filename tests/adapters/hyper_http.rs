//! hyper's server and client on waterwheel's connections, against each other and against plain sockets.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use waterwheel::{
    Connection, LoopExecutor, LoopTimer, StreamReader, StreamWriter, gather, open_connection, sleep, spawn,
    start_server, timeout,
};

use crate::common::bytes::pattern;
use crate::common::running::run;
use crate::ends::over_each;

/// The state of a service, which stays on its thread.
type Served = Rc<Cell<usize>>;

/// Responds with the body of the request, or with as many bytes as its path says.
async fn answer(served: Served, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    served.set(served.get() + 1);
    let body = match request.uri().path().trim_start_matches('/').parse() {
        Ok(len) => pattern(len).into(),
        Err(_) => request.into_body().collect().await.map_or_else(|_| Bytes::new(), |body| body.to_bytes()),
    };
    Ok(Response::new(Full::new(body)))
}

fn http1() -> server::conn::http1::Builder {
    let mut builder = server::conn::http1::Builder::new();
    builder.timer(LoopTimer);
    builder
}

/// Serves one HTTP/1 connection.
async fn serve(served: Served, connection: Connection) -> hyper::Result<()> {
    let service = service_fn(move |request| answer(Rc::clone(&served), request));
    http1().pipeline_flush(true).serve_connection(connection, service).await
}

fn request(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path).header("host", "test").body(Full::new(body.into())).expect("a good request")
}

async fn body_of(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.expect("the body comes").to_bytes()
}

#[test]
fn requests_are_answered_on_one_connection_with_small_and_large_bodies_both_ways() {
    over_each(async |over, ours, theirs| {
        let served = Served::default();
        let serves = spawn(serve(Rc::clone(&served), theirs));
        let (mut sender, connection) = client::conn::http1::handshake(ours).await.unwrap();
        let connects = spawn(connection);
        for number in 0..50 {
            let response = sender.send_request(request("/echo", format!("number {number}"))).await.unwrap();
            assert_eq!(body_of(response).await, format!("number {number}"));
        }
        let large = Bytes::from(pattern(4 << 20));
        let response = sender.send_request(request("/echo", large.clone())).await.unwrap();
        assert!(body_of(response).await == large, "over {over:?}");
        drop(sender);
        connects.await.unwrap().unwrap();
        serves.await.unwrap().unwrap();
        assert_eq!(served.get(), 51);
    });
}

#[test]
fn streams_of_http2_are_answered_together() {
    over_each(async |over, ours, theirs| {
        let served = Served::default();
        let state = Rc::clone(&served);
        let service = service_fn(move |request| answer(Rc::clone(&state), request));
        let serves = server::conn::http2::Builder::new(LoopExecutor).timer(LoopTimer).serve_connection(theirs, service);
        let serves = spawn(serves);
        let (sender, connection) = client::conn::http2::handshake(LoopExecutor, ours).await.unwrap();
        let connects = spawn(connection);
        let requests = (0..100_usize).map(|number| {
            let mut sender = sender.clone();
            async move {
                let response = sender.send_request(request(&format!("/{}", number * 1_000), "")).await.unwrap();
                body_of(response).await == pattern(number * 1_000)
            }
        });
        let right = gather(requests.collect::<Vec<_>>()).await.unwrap();
        assert!(right.iter().all(|right| *right), "over {over:?}");
        assert_eq!(served.get(), 100);
        drop(sender);
        connects.await.unwrap().unwrap();
        serves.await.unwrap().unwrap();
    });
}

/// Runs an HTTP/1 server while `peer` uses a plain socket in a thread of its own.
fn with_plain_peer<T: Send + 'static>(peer: impl FnOnce(TcpStream) -> T + Send + 'static) -> (T, usize) {
    run(async {
        let served = Served::default();
        let state = Rc::clone(&served);
        let handler = move |reader: StreamReader, writer: StreamWriter| serve(state.clone(), (reader, writer).into());
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        let peer = waterwheel::to_thread(move || {
            let socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            peer(socket)
        });
        let seen = peer.await.unwrap();
        server.shutdown(Duration::from_secs(10)).await;
        (seen, served.get())
    })
}

#[test]
fn a_slow_reader_gets_all_of_a_large_answer_and_then_the_end() {
    const BODY: usize = 50_000_000;
    let (got, served) = with_plain_peer(|mut socket| {
        write!(socket, "GET /{BODY} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
        let mut all = Vec::new();
        let mut piece = vec![0; 1 << 20];
        loop {
            match socket.read(&mut piece).unwrap() {
                0 => return all,
                n => all.extend_from_slice(&piece[..n]),
            }
            thread::sleep(Duration::from_micros(300));
        }
    });
    let head = got.windows(4).position(|four| four == b"\r\n\r\n").expect("there is a head") + 4;
    assert!(got[..head].starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(got[head..] == pattern(BODY));
    assert_eq!(served, 1);
}

#[test]
fn requests_that_come_together_are_answered_in_order_after_a_half_close() {
    let (got, served) = with_plain_peer(|mut socket| {
        let requests: String = (1..=20).map(|n| format!("GET /{n} HTTP/1.1\r\nhost: test\r\n\r\n")).collect();
        socket.write_all(requests.as_bytes()).unwrap();
        let mut all = Vec::new();
        let mut piece = [0; 10];
        while all.windows(8).filter(|eight| eight == b"HTTP/1.1").count() < 20 {
            let n = socket.read(&mut piece).unwrap();
            assert!(n > 0, "the server does not end what the client may go on with");
            all.extend_from_slice(&piece[..n]);
        }
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        socket.read_to_end(&mut all).unwrap();
        String::from_utf8_lossy(&all).into_owned()
    });
    let lengths: Vec<_> = got.lines().filter_map(|line| line.strip_prefix("content-length: ")).collect();
    assert_eq!(lengths, (1..=20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(served, 20);
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    run(async {
        let limited = |reader: StreamReader, writer: StreamWriter| async {
            let service = service_fn(|request| answer(Served::default(), request));
            let connection = Connection::from((reader, writer));
            let served = http1().header_read_timeout(Duration::from_millis(5)).serve_connection(connection, service);
            assert!(served.await.unwrap_err().is_timeout());
        };
        let server = start_server(limited, "127.0.0.1:0").await.unwrap();
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        writer.write(b"GET / HT");
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn a_request_that_is_given_up_harms_no_other() {
    run(async {
        let served = Served::default();
        let state = Rc::clone(&served);
        let handler = move |reader: StreamReader, writer: StreamWriter| {
            let served = state.clone();
            async move {
                // The client goes away in the middle of a response.
                let _ = serve(served, (reader, writer).into()).await;
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        for round in 0..10 {
            let connection: Connection = open_connection(server.local_addrs()[0]).await.unwrap().into();
            let (mut sender, connection) = client::conn::http1::handshake(connection).await.unwrap();
            let connects = spawn(connection).cancel_on_drop();
            let begun = sender.send_request(request("/10000000", ""));
            let _ = timeout(Duration::from_millis(round / 2), begun).await;
            drop(connects);
        }
        let connection: Connection = open_connection(server.local_addrs()[0]).await.unwrap().into();
        let (mut sender, connection) = client::conn::http1::handshake(connection).await.unwrap();
        let _connects = spawn(connection).cancel_on_drop();
        let response = sender.send_request(request("/echo", "still there")).await.unwrap();
        assert_eq!(body_of(response).await, "still there");
        drop(sender);
        sleep(Duration::from_millis(1)).await;
        assert!(served.get() > 1, "some were begun before they were given up");
    });
}

#[test]
fn a_client_speaks_to_a_plain_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\nhello") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        // One byte at a time, and the body ends where the connection does.
        for byte in b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nwelcome" {
            socket.write_all(&[*byte]).unwrap();
        }
        drop(socket);
        String::from_utf8(head).unwrap()
    });
    run(async {
        let connection: Connection = open_connection(address).await.unwrap().into();
        let (mut sender, connection) = client::conn::http1::handshake(connection).await.unwrap();
        let connects = spawn(connection);
        let response = sender.send_request(request("/path", "hello")).await.unwrap();
        assert_eq!(body_of(response).await, "welcome");
        connects.await.unwrap().unwrap();
    });
    assert!(peer.join().unwrap().starts_with("POST /path HTTP/1.1\r\n"));
}
