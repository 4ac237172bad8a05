//! Connections that hyper hands over: after a CONNECT or an upgrade, with the bytes that followed the request, and as
//! an HTTP/2 stream.
//!
//! hyper's own way to upgrade an HTTP/1 connection needs one that is `Send`, and none of waterwheel's is. Here the
//! connection is taken apart instead, the way that hyper offers for such connections.

use std::future::{poll_fn, ready};
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBuf, Write};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client};
use waterwheel::{Connection, spawn};

use crate::ends::over_each;
use crate::hyper_parts::{client2, http1, http2};

/// Echoes everything that comes through the upgraded connection, in capital letters, until its end.
async fn echo_loudly(mut connection: Connection, already_there: Bytes) -> io::Result<()> {
    connection.writer.write(&already_there.to_ascii_uppercase());
    loop {
        let bytes = connection.reader.read(1024).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        connection.writer.write(&bytes.to_ascii_uppercase());
    }
}

#[test]
fn what_came_behind_a_request_is_there_for_whoever_takes_the_connection_over() {
    over_each(async |over, mut ours, theirs| {
        takes_over(over, &mut ours, theirs, "CONNECT example.org:443 HTTP/1.1\r\n", StatusCode::OK).await;
    });
    over_each(async |over, mut ours, theirs| {
        let head = "GET /chat HTTP/1.1\r\nconnection: upgrade\r\nupgrade: loud\r\n";
        takes_over(over, &mut ours, theirs, head, StatusCode::SWITCHING_PROTOCOLS).await;
    });
}

async fn takes_over(
    over: crate::ends::Over,
    ours: &mut Connection,
    theirs: Connection,
    head: &str,
    status: StatusCode,
) {
    let serves = spawn(async move {
        let agree = service_fn(move |_: Request<Incoming>| {
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = status;
            if status == StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert("connection", "upgrade".parse().unwrap());
                response.headers_mut().insert("upgrade", "loud".parse().unwrap());
            }
            ready(hyper::Result::Ok(response))
        });
        let parts = http1().serve_connection(theirs, agree).without_shutdown().await.unwrap();
        echo_loudly(parts.io, parts.read_buf).await
    });
    ours.writer.write(format!("{head}host: test\r\n\r\nearly, ").as_bytes());
    let answer = ours.reader.readuntil(b"\r\n\r\n").await.unwrap();
    assert!(answer.starts_with(format!("HTTP/1.1 {} ", status.as_u16()).as_bytes()), "over {over:?}");
    assert_eq!(ours.reader.readexactly(7).await.unwrap(), b"EARLY, ");
    ours.writer.write(b"later");
    assert_eq!(ours.reader.readexactly(5).await.unwrap(), b"LATER");
    if over.has_halves() {
        ours.writer.write(b" and last");
        ours.writer.write_eof();
        assert_eq!(ours.reader.read_to_end().await.unwrap(), b" AND LAST");
        serves.await.unwrap().unwrap();
    }
}

#[test]
fn a_client_takes_its_connection_over_with_what_the_server_said_behind_its_answer() {
    over_each(async |over, ours, mut theirs| {
        let (mut sender, connection) = client::conn::http1::handshake(ours).await.unwrap();
        let connects = spawn(connection.without_shutdown());
        let asked = Request::get("/").header("host", "test").header("connection", "upgrade").header("upgrade", "loud");
        let asks = spawn(sender.send_request(asked.body(Empty::<Bytes>::new()).unwrap()));
        let head = theirs.reader.readuntil(b"\r\n\r\n").await.unwrap();
        assert!(String::from_utf8_lossy(&head).contains("upgrade: loud\r\n"), "over {over:?}");
        theirs.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: loud\r\n\r\nhello, ");
        assert_eq!(asks.await.unwrap().unwrap().status(), StatusCode::SWITCHING_PROTOCOLS);
        let parts = connects.await.unwrap().unwrap();
        let echoes = spawn(echo_loudly(parts.io, parts.read_buf));
        assert_eq!(theirs.reader.readexactly(7).await.unwrap(), b"HELLO, ");
        theirs.writer.write(b"client");
        assert_eq!(theirs.reader.readexactly(6).await.unwrap(), b"CLIENT");
        drop(theirs);
        echoes.await.unwrap().unwrap();
    });
}

#[test]
fn a_tunnel_through_a_stream_of_http2_goes_both_ways_beside_others() {
    over_each(async |over, ours, theirs| {
        let tunnel = service_fn(async |mut request: Request<Incoming>| {
            let upgraded = hyper::upgrade::on(&mut request);
            drop(spawn(async move {
                let mut stream = upgraded.await.unwrap();
                while let Some(bytes) = read(&mut stream).await {
                    write_all(&mut stream, &bytes.to_ascii_uppercase()).await;
                }
                poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await.unwrap();
            }));
            hyper::Result::Ok(Response::new(Empty::<Bytes>::new()))
        });
        let serves = spawn(http2().serve_connection(theirs, tunnel));
        let (sender, connects) = client2(ours).await;
        let tunnels = (0..5).map(|number| {
            let mut sender = sender.clone();
            spawn(async move {
                let asked = Request::connect("example.org:443").body(Empty::<Bytes>::new()).unwrap();
                let response = sender.send_request(asked).await.unwrap();
                let mut stream = hyper::upgrade::on(response).await.unwrap();
                let text = format!("tunnel {number}, ").repeat(10_000);
                let mut got = Vec::new();
                for piece in text.as_bytes().chunks(9_999) {
                    write_all(&mut stream, piece).await;
                    let whole = got.len() + piece.len();
                    while got.len() < whole {
                        got.extend(read(&mut stream).await.expect("the echo is whole"));
                    }
                }
                assert_eq!(String::from_utf8(got).unwrap(), text.to_ascii_uppercase(), "over {over:?}");
                poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await.unwrap();
                assert_eq!(read(&mut stream).await, None);
            })
        });
        for tunnel in tunnels.collect::<Vec<_>>() {
            tunnel.await.unwrap();
        }
        drop(sender);
        connects.await.unwrap().unwrap();
        serves.await.unwrap().unwrap();
    });
}

/// The next bytes from a tunnel. `None` at its end.
async fn read(tunnel: &mut hyper::upgrade::Upgraded) -> Option<Vec<u8>> {
    let mut memory = [0; 4096];
    let n = poll_fn(|cx| {
        let mut buf = ReadBuf::new(&mut memory);
        let polled = Pin::new(&mut *tunnel).poll_read(cx, buf.unfilled());
        polled.map_ok(|()| buf.filled().len())
    });
    let n = n.await.expect("the tunnel is well");
    (n > 0).then(|| memory[..n].to_vec())
}

async fn write_all(tunnel: &mut hyper::upgrade::Upgraded, mut data: &[u8]) {
    while !data.is_empty() {
        let n = poll_fn(|cx| Pin::new(&mut *tunnel).poll_write(cx, data)).await.expect("the tunnel is well");
        data = &data[n..];
    }
    poll_fn(|cx| Pin::new(&mut *tunnel).poll_flush(cx)).await.expect("the tunnel is well");
}
