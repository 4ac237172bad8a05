//! The poll methods of a writer, on which the adapters for other crates' traits are built.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use super::StreamWriter;
use crate::constants::{DIRECT_WRITE_OF_PIECES, MOST_PER_POLL_WRITE};
use crate::executor::take_operation;

/// Methods for hand-written futures and adapters for other crates' traits. See [`StreamWriter`] on wakers.
impl StreamWriter {
    /// The poll method behind [`drain`](StreamWriter::drain): ready when the peer has caught up.
    ///
    /// Unlike `drain`, it does not wait a turn if the connection is closing.
    ///
    /// # Errors
    ///
    /// The same as [`drain`](StreamWriter::drain).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::future::poll_fn;
    /// use waterwheel::{StreamWriter, open_connection};
    ///
    /// async fn both(one: &StreamWriter, other: &StreamWriter) -> std::io::Result<()> {
    ///     poll_fn(|cx| one.poll_drain(cx)).await?;
    ///     poll_fn(|cx| other.poll_drain(cx)).await
    /// }
    /// ```
    #[inline]
    pub fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if take_operation() && self.protocol.may_write() {
            return Poll::Ready(Ok(()));
        }
        self.protocol.poll_drain(cx)
    }

    /// Writes bytes once the peer has caught up, as [`poll_drain`](StreamWriter::poll_drain) followed by
    /// [`write`](StreamWriter::write) does. Returns how many bytes were written: all, if there are fewer than 32 KiB. A
    /// larger write takes only as many bytes as the kernel accepts now, and waits until it accepts some, so that none
    /// are buffered here. Through a layer such as TLS, it takes at most 256 KiB.
    ///
    /// Smaller writes of one step are handed to the kernel when the step ends, in one system call, however many there
    /// were. They are sent even if this is never polled again.
    ///
    /// # Errors
    ///
    /// The same as [`drain`](StreamWriter::drain). `BrokenPipe` if our side has ended, or the connection is closing;
    /// nothing is written then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use waterwheel::testing::socket_pair;
    ///
    /// waterwheel::run(async {
    ///     let (ours, mut theirs) = socket_pair()?;
    ///     assert_eq!(poll_fn(|cx| ours.writer.poll_write(cx, b"hello\n")).await?, 6);
    ///     assert_eq!(theirs.reader.readline().await?, b"hello\n");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    #[inline]
    pub fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        if data.len() >= DIRECT_WRITE_OF_PIECES {
            return self.poll_write_much(cx, &[IoSlice::new(data)]);
        }
        self.transport.write(data);
        Poll::Ready(Ok(data.len()))
    }

    /// Like [`poll_write`](StreamWriter::poll_write), for several pieces in order. If they have too many bytes
    /// together, only those at the front are written.
    ///
    /// # Errors
    ///
    /// The same as [`poll_write`](StreamWriter::poll_write).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::io::IoSlice;
    /// use waterwheel::testing::socket_pair;
    ///
    /// waterwheel::run(async {
    ///     let (ours, mut theirs) = socket_pair()?;
    ///     let parts = [IoSlice::new(b"a head and "), IoSlice::new(b"a body\n")];
    ///     assert_eq!(poll_fn(|cx| ours.writer.poll_write_vectored(cx, &parts)).await?, 18);
    ///     assert_eq!(theirs.reader.readline().await?, b"a head and a body\n");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    pub fn poll_write_vectored(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        let mut total = 0;
        for part in parts {
            total += part.len();
            if total >= DIRECT_WRITE_OF_PIECES {
                return self.poll_write_much(cx, parts);
            }
        }
        self.transport.writelines(parts);
        Poll::Ready(Ok(total))
    }

    /// Writes as many bytes of the pieces as the kernel accepts now, and waits while it accepts none. Where the
    /// transport cannot write without buffering, the bytes at the front are buffered, up to the most that one poll may
    /// write.
    #[inline(never)]
    fn poll_write_much(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(n) = self.transport.write_some(parts) {
            return Poll::Ready(Ok(n));
        }
        // The attempt may have found that the kernel's buffer is full, or that the connection has failed.
        ready!(self.poll_room(cx))?;
        let (fit, n) = at_the_front(parts);
        if n > 0 {
            self.transport.writelines(&parts[..fit]);
            return Poll::Ready(Ok(n));
        }
        // The first piece alone has too many bytes.
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
        let front = &first[..first.len().min(MOST_PER_POLL_WRITE)];
        self.transport.write(front);
        Poll::Ready(Ok(front.len()))
    }

    /// The poll method behind [`flush`](StreamWriter::flush): ready when the kernel has taken what earlier steps wrote.
    ///
    /// # Errors
    ///
    /// The same as [`flush`](StreamWriter::flush).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use waterwheel::testing::socket_pair;
    ///
    /// waterwheel::run(async {
    ///     let (ours, _theirs) = socket_pair()?;
    ///     ours.writer.write(b"on its way");
    ///     poll_fn(|cx| ours.writer.poll_flush(cx)).await
    /// })
    /// # .unwrap()
    /// ```
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.protocol.poll_flush(&*self.transport, cx)
    }

    /// Ends our side cleanly, and is ready when the kernel has taken all written bytes, and the end behind them.
    ///
    /// Where our side can end alone, this is [`write_eof`](StreamWriter::write_eof), and the reader continues to read.
    /// Otherwise, as with TLS, it is [`close`](StreamWriter::close): the peer gets a close_notify, and bytes it sends
    /// from now on are thrown away. In both cases, dropping the halves does the rest.
    ///
    /// # Errors
    ///
    /// The error of the connection. After the connection has ended cleanly, there is none, however often this is
    /// polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use waterwheel::testing::socket_pair;
    ///
    /// waterwheel::run(async {
    ///     let (mut ours, mut theirs) = socket_pair()?;
    ///     ours.writer.write(b"a question");
    ///     poll_fn(|cx| ours.writer.poll_shutdown(cx)).await?;
    ///     assert_eq!(theirs.reader.read_to_end().await?, b"a question");
    ///     theirs.writer.write(b"an answer");
    ///     drop(theirs);
    ///     assert_eq!(ours.reader.read_to_end().await?, b"an answer");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    #[doc(alias = "poll_close")]
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.can_write_eof() {
            self.write_eof();
        } else {
            self.close();
        }
        self.poll_flush(cx)
    }

    /// The poll method behind [`wait_closed`](StreamWriter::wait_closed): ready when the connection is lost.
    ///
    /// # Errors
    ///
    /// The same as [`wait_closed`](StreamWriter::wait_closed).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use waterwheel::testing::socket_pair;
    ///
    /// waterwheel::run(async {
    ///     let (ours, _theirs) = socket_pair()?;
    ///     ours.writer.close();
    ///     poll_fn(|cx| ours.writer.poll_closed(cx)).await
    /// })
    /// # .unwrap()
    /// ```
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.protocol.poll_closed(cx)
    }

    /// Waits until more may be written.
    #[inline]
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if take_operation() && self.protocol.may_write() {
            return Poll::Ready(Ok(()));
        }
        self.poll_room_slowly(cx)
    }

    #[cold]
    fn poll_room_slowly(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.protocol.is_open_for_writes() {
            return self.protocol.poll_drain(cx);
        }
        self.protocol.outcome()?;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "nothing can be written: our side has ended")))
    }
}

/// How many of the pieces at the front may be written at once, and how many bytes they have.
fn at_the_front(parts: &[IoSlice<'_>]) -> (usize, usize) {
    let mut n = 0;
    for (fit, part) in parts.iter().enumerate() {
        if part.len() > MOST_PER_POLL_WRITE - n {
            return (fit, n);
        }
        n += part.len();
    }
    (parts.len(), n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_pieces_go_at_once_as_are_not_too_many_bytes() {
        let half = vec![0; MOST_PER_POLL_WRITE / 2];
        let (half, one) = (IoSlice::new(&half), IoSlice::new(b"1"));
        assert_eq!(at_the_front(&[]), (0, 0));
        assert_eq!(at_the_front(&[one, IoSlice::new(b""), one]), (3, 2));
        assert_eq!(at_the_front(&[half, half]), (2, MOST_PER_POLL_WRITE));
        assert_eq!(at_the_front(&[half, half, one]), (2, MOST_PER_POLL_WRITE));
        assert_eq!(at_the_front(&[half, one, half, one]), (2, half.len() + 1));
    }
}
