//! The common parts of the I/O traits: each trait is implemented for one half of a stream, and for a connection.

#[cfg(any(feature = "tokio-io", feature = "hyper"))]
use std::io;
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
use std::task::{Context, Poll, ready};

#[cfg(any(feature = "tokio-io", feature = "hyper"))]
use crate::streams::StreamReader;

/// Implements a writing trait for a type that has a writer. The traits differ in the name of the method that ends the
/// stream, and in whether they have a method `is_write_vectored`.
macro_rules! write_half {
    ($trait:ident, $end:ident, [$($is_vectored:ident)?], $type:ty, |$whole:ident| $writer:expr) => {
        impl $trait for $type {
            /// See [`StreamWriter::poll_write`](crate::StreamWriter::poll_write).
            #[inline]
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
                let $whole = self.get_mut();
                StreamWriter::poll_write($writer, cx, data)
            }

            /// See [`StreamWriter::poll_write_vectored`](crate::StreamWriter::poll_write_vectored).
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                parts: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $whole = self.get_mut();
                StreamWriter::poll_write_vectored($writer, cx, parts)
            }

            $(fn $is_vectored(&self) -> bool {
                true
            })?

            /// See [`StreamWriter::poll_flush`](crate::StreamWriter::poll_flush).
            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $whole = self.get_mut();
                StreamWriter::poll_flush($writer, cx)
            }

            /// See [`StreamWriter::poll_shutdown`](crate::StreamWriter::poll_shutdown).
            fn $end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $whole = self.get_mut();
                StreamWriter::poll_shutdown($writer, cx)
            }
        }
    };
}

/// Implements a trait for reading in place for a type that has a reader.
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
macro_rules! buf_read_half {
    ($trait:ident, $type:ty, |$whole:ident| $reader:expr) => {
        impl $trait for $type {
            /// See [`StreamReader::poll_fill_buf`](crate::StreamReader::poll_fill_buf).
            #[inline]
            fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
                let $whole = self.get_mut();
                StreamReader::poll_fill_buf($reader, cx)
            }

            #[inline]
            fn consume(self: Pin<&mut Self>, n: usize) {
                let $whole = self.get_mut();
                StreamReader::consume($reader, n);
            }
        }
    };
}

/// Passes the bytes available now to `put`, up to `room` of them, and waits only if there are none. The memory that
/// `put` fills may be uninitialized.
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
#[inline]
pub(super) fn poll_put(
    reader: &mut StreamReader,
    cx: &mut Context<'_>,
    room: usize,
    put: impl FnOnce(&[u8]),
) -> Poll<io::Result<()>> {
    if room > 0 {
        let bytes = ready!(reader.poll_fill_buf(cx))?;
        let n = bytes.len().min(room);
        put(&bytes[..n]);
        reader.consume(n);
    }
    Poll::Ready(Ok(()))
}

#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
pub(super) use buf_read_half;
pub(super) use write_half;
