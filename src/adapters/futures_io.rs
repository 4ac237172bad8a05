//! `AsyncRead`, `AsyncBufRead` and `AsyncWrite` of the `futures` crates.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::halves::{buf_read_half, write_half};
use crate::streams::{Connection, StreamReader, StreamWriter};

impl AsyncRead for StreamReader {
    /// See [`StreamReader::poll_read`].
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        StreamReader::poll_read(self.get_mut(), cx, buf)
    }
}

impl AsyncRead for Connection {
    /// See [`StreamReader::poll_read`].
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().reader.poll_read(cx, buf)
    }
}

buf_read_half!(AsyncBufRead, StreamReader, |reader| reader);
buf_read_half!(AsyncBufRead, Connection, |connection| &mut connection.reader);
write_half!(AsyncWrite, poll_close, [], StreamWriter, |writer| writer);
write_half!(AsyncWrite, poll_close, [], Connection, |connection| &connection.writer);
