//! `Stream` of the `futures` crates, for lines, ticks and signals.

use std::borrow::BorrowMut;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use ::futures_core::Stream;

use crate::errors::ReadError;
use crate::executor::{Awaited, Reason};
use crate::streams::StreamReader;
use crate::time::Interval;

/// The lines of a reader as a stream, each with its `\n`, as [`StreamReader::next_line`] returns them.
///
/// It owns a reader, or borrows one: `Lines::new(&mut reader)`. Dropping it, or a future of its next line, loses
/// nothing.
///
/// # Errors
///
/// The same as [`StreamReader::readline`]. After the error for a line that was too long, the next line follows. The
/// error of the connection is the last item.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use waterwheel::{Lines, StreamReader};
///
/// waterwheel::run(async {
///     let (reader, feeder) = StreamReader::new(1024);
///     feeder.feed_data(b"one\ntwo\nthree");
///     feeder.feed_eof();
///     let lengths = Lines::new(reader).map(|line| line.map_or(0, |line| line.len()));
///     assert_eq!(lengths.collect::<Vec<_>>().await, [4, 4, 5]);
/// });
/// ```
///
/// After the lines, the reader can be used for other data:
///
/// ```
/// use futures::StreamExt;
/// use waterwheel::{Lines, StreamReader};
///
/// # waterwheel::run(async {
/// let (reader, feeder) = StreamReader::new(1024);
/// feeder.feed_data(b"length: 4\r\n\r\nbody");
/// let mut lines = Lines::new(reader);
/// while let Some(line) = lines.next().await.transpose()? {
///     if line == b"\r\n" {
///         break;
///     }
/// }
/// let mut reader = lines.into_inner();
/// assert_eq!(reader.readexactly(4).await?, b"body");
/// # Ok::<(), waterwheel::ReadError>(())
/// # }).unwrap();
/// ```
#[doc(alias = "async for")]
#[must_use = "streams do nothing unless polled"]
pub struct Lines<R> {
    reader: R,
    /// How many bytes of the next line were already searched for its end.
    searched: usize,
    /// The connection has failed, and the error was returned.
    has_failed: bool,
}

impl<R: BorrowMut<StreamReader>> Lines<R> {
    /// A stream of the lines that are not read yet.
    pub fn new(reader: R) -> Self {
        Lines { reader, searched: 0, has_failed: false }
    }

    /// Returns the reader, with all bytes after the last line that was returned.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<R: BorrowMut<StreamReader> + Unpin> Stream for Lines<R> {
    type Item = Result<Vec<u8>, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Lines { reader, searched, has_failed } = &mut *self;
        if *has_failed {
            return Poll::Ready(None);
        }
        let line = ready!(reader.borrow_mut().poll_next_line(searched, Reason::polled(Awaited::NextLine), cx));
        *searched = 0;
        *has_failed = matches!(line, Err(ReadError::Io(_)));
        Poll::Ready(line.transpose())
    }
}

/// A stream of the times at which the ticks were due. It has no end.
impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}

/// A stream of the numbers of the signals. It has no end.
#[cfg(feature = "signals")]
impl Stream for crate::signals::Signals {
    type Item = i32;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<i32>> {
        self.poll_next_signal(cx).map(Some)
    }
}

impl<R: BorrowMut<StreamReader>> fmt::Debug for Lines<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("reader", self.reader.borrow()).finish_non_exhaustive()
    }
}
