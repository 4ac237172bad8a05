//! What the tests of hyper share.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::pin::{Pin, pin};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response, client, server};
use waterwheel::{Connection, LoopExecutor, LoopTimer, Task, spawn};

/// The sender of a body whose pieces a test sends one by one.
pub(crate) type Pieces = async_channel::Sender<Result<Frame<Bytes>, Infallible>>;
pub(crate) type InPieces = StreamBody<Pin<Box<async_channel::Receiver<Result<Frame<Bytes>, Infallible>>>>>;

pub(crate) fn in_pieces() -> (Pieces, InPieces) {
    let (pieces, body) = async_channel::unbounded();
    (pieces, StreamBody::new(Box::pin(body)))
}

pub(crate) async fn piece(pieces: &Pieces, text: &'static str) {
    pieces.send(Ok(Frame::data(Bytes::from(text)))).await.expect("somebody sends the body");
}

/// Serves a connection, and shuts it down gracefully when told to.
pub(crate) async fn serve_until_told<C: Future>(
    connection: C,
    told: async_channel::Receiver<()>,
    shut_down: impl Fn(Pin<&mut C>),
) -> C::Output {
    let (mut connection, mut told) = (pin!(connection), pin!(told.recv()));
    let mut is_told = false;
    poll_fn(|cx| {
        if !is_told && told.as_mut().poll(cx).is_ready() {
            is_told = true;
            shut_down(connection.as_mut());
        }
        connection.as_mut().poll(cx)
    })
    .await
}

pub(crate) fn http1() -> server::conn::http1::Builder {
    let mut builder = server::conn::http1::Builder::new();
    builder.timer(LoopTimer);
    builder
}

pub(crate) fn http2() -> server::conn::http2::Builder<LoopExecutor> {
    let mut builder = server::conn::http2::Builder::new(LoopExecutor);
    builder.timer(LoopTimer);
    builder
}

/// A service that responds with the body of the request.
pub(crate) fn echo() -> impl HttpService<Incoming, ResBody = Full<Bytes>, Error = hyper::Error, Future: 'static> {
    service_fn(async |request: Request<Incoming>| {
        Ok(Response::new(Full::new(request.into_body().collect().await?.to_bytes())))
    })
}

/// A service for a single request, to which it responds with a body that comes later.
pub(crate) fn answer_once(
    body: InPieces,
) -> impl HttpService<Incoming, ResBody = InPieces, Error = hyper::Error, Future: 'static> {
    let body = Cell::new(Some(body));
    service_fn(move |_: Request<Incoming>| ready(Ok(Response::new(body.take().expect("there is one request")))))
}

pub(crate) fn request<B>(path: &str, body: B) -> Request<B> {
    Request::post(path).header("host", "test").body(body).expect("a good request")
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header("host", "test").body(Empty::new()).expect("a good request")
}

pub(crate) async fn text_of(response: Response<Incoming>) -> hyper::Result<String> {
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec()).expect("text"))
}

/// Reads as many bytes of a body as `expected` has, and checks that they are those.
pub(crate) async fn expect_next(body: &mut Incoming, expected: &str) {
    let mut got = Vec::new();
    while got.len() < expected.len() {
        let frame = body.frame().await.expect("more comes").expect("the connection is well");
        got.extend_from_slice(&frame.into_data().expect("data"));
    }
    assert_eq!(String::from_utf8_lossy(&got), expected);
}

/// An HTTP/1 client, and the task that drives its connection.
pub(crate) async fn client1<B>(connection: Connection) -> (client::conn::http1::SendRequest<B>, Task<hyper::Result<()>>)
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let (sender, connection) = client::conn::http1::handshake(connection).await.expect("there is no handshake");
    (sender, spawn(connection))
}

/// An HTTP/2 client, and the task that drives its connection.
pub(crate) async fn client2<B>(connection: Connection) -> (client::conn::http2::SendRequest<B>, Task<hyper::Result<()>>)
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static,
{
    let mut builder = client::conn::http2::Builder::new(LoopExecutor);
    let (sender, connection) = builder.timer(LoopTimer).handshake(connection).await.expect("the server speaks it");
    (sender, spawn(connection))
}
