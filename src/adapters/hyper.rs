//! The traits that hyper reads and writes with, and the executor for its tasks.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::rt::{Executor, Read, ReadBufCursor, Write};

use super::halves::{poll_put, write_half};
use crate::streams::{Connection, StreamReader, StreamWriter};
use crate::task::spawn;

impl Read for StreamReader {
    /// See [`StreamReader::poll_read`].
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        poll_put(self.get_mut(), cx, buf.remaining(), |bytes| buf.put_slice(bytes))
    }
}

impl Read for Connection {
    /// See [`StreamReader::poll_read`].
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        poll_put(&mut self.get_mut().reader, cx, buf.remaining(), |bytes| buf.put_slice(bytes))
    }
}

write_half!(Write, poll_shutdown, [is_write_vectored], StreamWriter, |writer| writer);
write_half!(Write, poll_shutdown, [is_write_vectored], Connection, |connection| &connection.writer);

/// Runs hyper's tasks on the running loop. They need not be `Send`, so a service may keep its state in an `Rc`.
///
/// A task that panics is reported like one of [`spawn`](crate::spawn).
///
/// # Panics
///
/// Executing a future panics where no loop runs.
///
/// # Examples
///
/// An HTTP/2 server, whose streams are tasks:
///
/// ```no_run
/// use std::convert::Infallible;
/// use hyper::service::service_fn;
/// use hyper::{Request, Response, body::Incoming, server::conn::http2};
/// use waterwheel::{Connection, LoopExecutor, LoopTimer};
///
/// async fn serve(connection: Connection) -> hyper::Result<()> {
///     let service = service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(String::from("hello"))));
///     http2::Builder::new(LoopExecutor).timer(LoopTimer).serve_connection(connection, service).await
/// }
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[doc(alias = "TokioExecutor")]
pub struct LoopExecutor;

impl<F: Future + 'static> Executor<F> for LoopExecutor {
    #[track_caller]
    fn execute(&self, future: F) {
        drop(spawn(future));
    }
}
