//! Reading bytes: those available now, an exact count, all until the end, or in place.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::Location;
use std::task::{Context, Poll, ready};

use super::StreamReader;
use crate::constants::{GROWTH, LARGE_BUFFER, LEAST_ROOM};
use crate::errors::ReadError;
use crate::executor::{Awaited, Reason, operation, poll_operation, take_operation};

const POLLED_AGAIN: &str = "a future is not polled again after it is done";

impl StreamReader {
    /// Reads the bytes available now, up to `n`, and waits only if there are none. The result is empty at the end of
    /// the stream, and for `n` = 0.
    ///
    /// # Errors
    ///
    /// If the connection failed and all bytes before the failure were read.
    #[inline]
    #[track_caller]
    pub fn read(&mut self, n: usize) -> impl Future<Output = io::Result<Vec<u8>>> {
        let at = Location::caller();
        poll_fn(move |cx| {
            if n == 0 {
                return Poll::Ready(Ok(Vec::new()));
            }
            ready!(self.poll_some(n, Reason::new(Awaited::Read, at), cx))?;
            Poll::Ready(Ok(self.take(n.min(self.hand.len()))))
        })
    }

    /// Reads until the end of the stream, however long it is. On an error, or if the future is dropped while it waits,
    /// the bytes stay in the reader.
    ///
    /// # Errors
    ///
    /// If the connection failed.
    #[doc(alias = "read(-1)")]
    #[track_caller]
    pub fn read_to_end(&mut self) -> impl Future<Output = io::Result<Vec<u8>>> {
        let reason = Reason::new(Awaited::ReadToEnd, Location::caller());
        async move {
            self.until_end(reason).await?;
            Ok(self.take_all())
        }
    }

    /// Waits until the stream has ended, and leaves all of it in the hand.
    pub(in crate::streams) async fn until_end(&mut self, reason: Reason) -> io::Result<()> {
        operation().await;
        while self.more(reason).await? {}
        Ok(())
    }

    /// Takes all bytes in the hand.
    pub(in crate::streams) fn take_all(&mut self) -> Vec<u8> {
        self.take_much(self.hand.len())
    }

    /// Reads the bytes available now into `buf`, without allocating, and waits only if there are none. Returns the
    /// number of bytes read, which is 0 at the end of the stream and for an empty `buf`.
    ///
    /// # Errors
    ///
    /// If the connection failed and all bytes before the failure were read.
    #[inline]
    #[track_caller]
    pub fn read_into(&mut self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let at = Location::caller();
        poll_fn(move |cx| self.poll_into(buf, Reason::new(Awaited::ReadInto, at), cx))
    }

    /// The poll method behind [`read_into`](StreamReader::read_into), for hand-written futures and adapters for other
    /// crates' traits. It keeps the waker of the last poll; see [`StreamReader`] on wakers.
    ///
    /// # Errors
    ///
    /// The same as [`read_into`](StreamReader::read_into).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use waterwheel::StreamReader;
    ///
    /// waterwheel::run(async {
    ///     let (mut reader, feeder) = StreamReader::new(1024);
    ///     feeder.feed_data(b"some bytes");
    ///     let mut buf = [0; 4];
    ///     assert_eq!(poll_fn(|cx| reader.poll_read(cx, &mut buf)).await?, 4);
    ///     assert_eq!(&buf, b"some");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_into(buf, Reason::polled(Awaited::ReadInto), cx)
    }

    #[inline(always)]
    fn poll_into(&mut self, buf: &mut [u8], reason: Reason, cx: &Context<'_>) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_some(buf.len(), reason, cx))?;
        let n = buf.len().min(self.hand.len());
        self.take_with(n, |bytes| buf[..n].copy_from_slice(bytes));
        Poll::Ready(Ok(n))
    }

    /// Reads exactly `n` bytes; `n` may exceed the limit.
    ///
    /// # Errors
    ///
    /// [`ReadError::IncompleteRead`], with the bytes received so far, if the stream ends first. [`ReadError::Io`] if
    /// the connection failed first; the bytes received so far stay in the reader.
    #[track_caller]
    pub fn readexactly(&mut self, n: usize) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let reason = Reason::read_exactly(n, Location::caller());
        async move {
            operation().await;
            while self.hand.len() < n {
                self.make_room_for(n);
                if !self.more(reason).await? {
                    return Err(self.incomplete(Some(n)));
                }
            }
            Ok(self.take_much(n))
        }
    }

    /// Lends the bytes available now, and waits only if there are none. The slice is empty at the end of the stream.
    /// Nothing is copied. Afterwards, call [`consume`](StreamReader::consume) with the number of bytes that were used.
    ///
    /// # Errors
    ///
    /// If the connection failed and all bytes before the failure were read.
    #[inline]
    #[track_caller]
    pub fn fill_buf(&mut self) -> impl Future<Output = io::Result<&[u8]>> {
        let at = Location::caller();
        let mut reader = Some(self);
        poll_fn(move |cx| {
            let reason = Reason::new(Awaited::FillBuf, at);
            let had = ready!(reader.as_mut().expect(POLLED_AGAIN).poll_some(1, reason, cx));
            let this = reader.take().expect(POLLED_AGAIN);
            Poll::Ready(had.map(|()| this.hand.filled()))
        })
    }

    /// The poll method behind [`fill_buf`](StreamReader::fill_buf). It keeps the waker of the last poll; see
    /// [`StreamReader`] on wakers.
    ///
    /// # Errors
    ///
    /// The same as [`fill_buf`](StreamReader::fill_buf).
    ///
    /// # Examples
    ///
    /// A future that waits for the first byte and leaves it where it is:
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::task::Poll;
    /// use waterwheel::StreamReader;
    ///
    /// async fn peek(reader: &mut StreamReader) -> std::io::Result<Option<u8>> {
    ///     poll_fn(|cx| reader.poll_fill_buf(cx).map_ok(|bytes| bytes.first().copied())).await
    /// }
    ///
    /// waterwheel::run(async {
    ///     let (mut reader, feeder) = StreamReader::new(1024);
    ///     feeder.feed_data(b"some bytes");
    ///     assert_eq!(peek(&mut reader).await?, Some(b's'));
    ///     assert_eq!(reader.read(1024).await?, b"some bytes");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    #[inline]
    pub fn poll_fill_buf(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        ready!(self.poll_some(1, Reason::polled(Awaited::FillBuf), cx))?;
        Poll::Ready(Ok(self.hand.filled()))
    }

    /// Like [`fill_buf`](StreamReader::fill_buf), for a caller with its own reason.
    pub(in crate::streams) fn filled(&mut self, reason: Reason) -> impl Future<Output = io::Result<()>> {
        poll_fn(move |cx| self.poll_some(1, reason, cx))
    }

    /// Consumes `n` of the bytes that [`fill_buf`](StreamReader::fill_buf) lent.
    ///
    /// # Panics
    ///
    /// If `fill_buf` lent fewer.
    #[inline]
    #[track_caller]
    pub fn consume(&mut self, n: usize) {
        self.take_with(n, |_| ());
    }

    /// Gets up to `wanted` bytes into the hand. Waits only while there are none and the stream has not ended.
    #[inline(always)]
    fn poll_some(&mut self, wanted: usize, reason: Reason, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.hand.is_empty() {
            ready!(self.protocol.poll_first(&mut self.hand, reason, cx))?;
        } else if self.hand.len() < wanted || !take_operation() {
            ready!(self.poll_at_hand(cx));
        }
        Poll::Ready(Ok(()))
    }

    /// The hand already has bytes. Adds those that were received since.
    #[inline(never)]
    fn poll_at_hand(&mut self, cx: &Context<'_>) -> Poll<()> {
        ready!(poll_operation(cx));
        self.take_what_came();
        Poll::Ready(())
    }

    /// Lets a large piece be received where it will stay, so that it is not copied each time the buffer grows. The
    /// memory grows with the bytes received and is not `n` bytes from the start: `n` may come from the peer, which
    /// could otherwise make us allocate any amount.
    fn make_room_for(&mut self, n: usize) {
        let most = self.hand.len().saturating_mul(GROWTH);
        if n > LARGE_BUFFER && most > LARGE_BUFFER {
            // With this room behind the piece, the buffer does not grow again for its last few bytes.
            self.hand.grow(n.min(most).saturating_add(LEAST_ROOM));
        }
    }

    /// Takes `n` bytes, possibly many. If they fill most of the buffer, its memory is taken instead of copied.
    fn take_much(&mut self, n: usize) -> Vec<u8> {
        if n <= LARGE_BUFFER {
            return self.take(n);
        }
        self.protocol.consume_much(&mut self.hand, n)
    }
}
