//! A connection through each of the traits.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use waterwheel::Connection;

/// The poll methods of one trait, on a connection.
pub(super) trait Side: 'static {
    const NAME: &'static str;

    /// Whether the trait has a way to read in place.
    const LENDS: bool = true;

    fn over(connection: Connection) -> Self;

    fn connection(&mut self) -> &mut Connection;

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Copies the front of the buffer that is lent, consumes that much, and returns its length.
    fn lend(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    fn write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    fn write_vectored(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    fn end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

pub(super) struct FuturesIo(Connection);

pub(super) struct TokioIo(Connection);

pub(super) struct Hyper(Connection);

/// All methods except those for reading, which differ.
macro_rules! common {
    ($name:literal, $write:path, $end:ident) => {
        const NAME: &'static str = $name;

        fn over(connection: Connection) -> Self {
            Self(connection)
        }

        fn connection(&mut self) -> &mut Connection {
            &mut self.0
        }

        fn write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            use $write as Write;
            Write::poll_write(Pin::new(&mut self.0), cx, data)
        }

        fn write_vectored(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            use $write as Write;
            Write::poll_write_vectored(Pin::new(&mut self.0), cx, parts)
        }

        fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            use $write as Write;
            Write::poll_flush(Pin::new(&mut self.0), cx)
        }

        fn end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            use $write as Write;
            Write::$end(Pin::new(&mut self.0), cx)
        }
    };
}

/// Reading in place.
macro_rules! lend {
    ($trait:path) => {
        fn lend(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            use $trait as BufRead;
            let lent = ready!(BufRead::poll_fill_buf(Pin::new(&mut self.0), cx))?;
            let (all, n) = (lent.len(), lent.len().min(buf.len()));
            buf[..n].copy_from_slice(&lent[..n]);
            BufRead::consume(Pin::new(&mut self.0), n);
            Poll::Ready(Ok(all))
        }
    };
}

impl Side for FuturesIo {
    common!("futures-io", futures::io::AsyncWrite, poll_close);
    lend!(futures::io::AsyncBufRead);

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        futures::io::AsyncRead::poll_read(Pin::new(&mut self.0), cx, buf)
    }
}

impl Side for TokioIo {
    common!("tokio-io", tokio::io::AsyncWrite, poll_shutdown);
    lend!(tokio::io::AsyncBufRead);

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = tokio::io::ReadBuf::new(buf);
        ready!(tokio::io::AsyncRead::poll_read(Pin::new(&mut self.0), cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl Side for Hyper {
    common!("hyper", hyper::rt::Write, poll_shutdown);
    const LENDS: bool = false;

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = hyper::rt::ReadBuf::new(buf);
        ready!(hyper::rt::Read::poll_read(Pin::new(&mut self.0), cx, buf.unfilled()))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn lend(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        unreachable!("hyper reads nothing in place")
    }
}
