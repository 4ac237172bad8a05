//! `AsyncRead`, `AsyncBufRead` and `AsyncWrite` of tokio.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::halves::{buf_read_half, poll_put, write_half};
use crate::streams::{Connection, StreamReader, StreamWriter};

impl AsyncRead for StreamReader {
    /// See [`StreamReader::poll_read`].
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_put(self.get_mut(), cx, buf.remaining(), |bytes| buf.put_slice(bytes))
    }
}

impl AsyncRead for Connection {
    /// See [`StreamReader::poll_read`].
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_put(&mut self.get_mut().reader, cx, buf.remaining(), |bytes| buf.put_slice(bytes))
    }
}

buf_read_half!(AsyncBufRead, StreamReader, |reader| reader);
buf_read_half!(AsyncBufRead, Connection, |connection| &mut connection.reader);
write_half!(AsyncWrite, poll_shutdown, [is_write_vectored], StreamWriter, |writer| writer);
write_half!(AsyncWrite, poll_shutdown, [is_write_vectored], Connection, |connection| &connection.writer);
