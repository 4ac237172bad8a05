//! The reading end of a stream.

mod bytes;
mod lines;
mod until;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;

use crate::errors::ReadError;
use crate::executor::Reason;
#[cfg(feature = "tls")]
use crate::interface::ReceiveBuffer;
use crate::streams::feeder::StreamFeeder;
use crate::streams::protocol::{Hand, StreamProtocol};

/// The reading end of a connection.
///
/// Received bytes are kept until they are read. Above twice the limit nothing more is received, which holds the peer
/// back. The limit is also the length of the longest line, or piece before a separator, that can be read.
///
/// Dropping the reader ends its direction only: unread bytes, and all that the peer sends later, are thrown away, and
/// the writer goes on. The connection is closed when the [`StreamWriter`](crate::StreamWriter) is gone too.
/// [`StreamWriter::close`](crate::StreamWriter::close) closes it while both exist.
///
/// # Cancel safety
///
/// The future of every method may be dropped while it waits, as a [`timeout`](crate::timeout()) does: the received
/// bytes stay in the reader, and the next read finds them.
///
/// # Wakers
///
/// A reader wakes one task: the one that polled it last, through a future of one of its methods or through a method
/// whose name begins with `poll_`. The waker is kept until more bytes or the end arrive. A dropped future leaves its
/// waker behind, so its task is at worst woken once for nothing. No other task can be waiting, since polling needs
/// exclusive access to the reader.
///
/// # Errors
///
/// Bytes that arrived before an error are always read first. After them, every read returns the error. A failed write
/// does not end reading: the bytes that the peer has sent can be read to their end.
///
/// # Examples
///
/// ```
/// use waterwheel::StreamReader;
///
/// waterwheel::run(async {
///     let (mut reader, feeder) = StreamReader::new(64 * 1024);
///     feeder.feed_data(b"one\ntwo\nthree");
///     feeder.feed_eof();
///     let mut lines = 0;
///     while let Some(line) = reader.next_line().await? {
///         lines += 1;
///         assert!(line.len() > 2);
///     }
///     assert_eq!(lines, 3);
///     Ok::<(), waterwheel::ReadError>(())
/// })
/// # .unwrap()
/// ```
///
/// Methods that are given memory allocate nothing for a message:
///
/// ```
/// use waterwheel::StreamReader;
///
/// waterwheel::run(async {
///     let (mut reader, feeder) = StreamReader::new(1024);
///     feeder.feed_data(b"name: value\nkey=1;rest");
///     let mut line = Vec::new();
///     // A limit for this piece alone.
///     assert_eq!(reader.readuntil_within(": ", 100).await?, b"name: ");
///     assert_eq!(reader.readline_into(&mut line).await?, 6);
///     line.clear();
///     reader.readuntil_into(";", &mut line).await?;
///     assert_eq!(line, b"key=1;");
///     let mut buffer = [0; 2];
///     assert_eq!(reader.read_into(&mut buffer).await?, 2);
///     // Bytes that are only looked at stay until they are consumed.
///     assert_eq!(reader.fill_buf().await?, b"st");
///     reader.consume(1);
///     feeder.feed_data(b"op\n");
///     assert_eq!(reader.readline_within(10).await?, b"top\n");
///     Ok::<(), waterwheel::ReadError>(())
/// })
/// # .unwrap()
/// ```
pub struct StreamReader {
    protocol: Rc<StreamProtocol>,
    hand: Hand,
}

impl StreamReader {
    /// Makes a reader without a connection, and the [`StreamFeeder`] that feeds it.
    ///
    /// # Panics
    ///
    /// If the limit is 0.
    #[track_caller]
    pub fn new(limit: usize) -> (StreamReader, StreamFeeder) {
        assert!(limit > 0, "the limit of a reader must be greater than 0");
        let protocol = StreamProtocol::new(None, limit, None);
        (StreamReader::of(Rc::clone(&protocol)), StreamFeeder::of(protocol))
    }

    pub(super) fn of(protocol: Rc<StreamProtocol>) -> Self {
        StreamReader { protocol, hand: Hand::default() }
    }

    #[cfg(feature = "process")]
    pub(super) fn set_limit(&self, limit: usize) {
        self.protocol.set_limit(limit);
    }

    /// Whether the stream has ended and everything was read.
    pub fn at_eof(&self) -> bool {
        self.protocol.at_eof()
    }

    /// Takes all unread bytes away from the reader.
    #[cfg(feature = "tls")]
    pub(super) fn take_unread(&mut self) -> ReceiveBuffer {
        self.protocol.take_unread(&mut self.hand)
    }

    #[cfg(feature = "tls")]
    pub(super) fn protocol(&self) -> &Rc<StreamProtocol> {
        &self.protocol
    }

    /// Moves newly received bytes behind those left in the hand. Returns false if there are none.
    fn take_what_came(&mut self) -> bool {
        let had = self.hand.len();
        self.protocol.take_inbox(&mut self.hand);
        self.hand.len() > had
    }

    /// Waits until there are more bytes in the hand than now. Returns false if the stream has ended instead.
    #[inline]
    fn more(&mut self, reason: Reason) -> impl Future<Output = io::Result<bool>> {
        let had = self.hand.len();
        poll_fn(move |cx| self.protocol.poll_more(&mut self.hand, had, reason, cx))
    }

    /// The bytes in the hand.
    pub(in crate::streams) fn at_hand(&self) -> &[u8] {
        self.hand.filled()
    }

    fn incomplete(&mut self, expected: Option<usize>) -> ReadError {
        ReadError::IncompleteRead { partial: self.take(self.hand.len()), expected }
    }

    #[inline(always)]
    fn take(&mut self, n: usize) -> Vec<u8> {
        self.take_with(n, <[u8]>::to_vec)
    }

    /// Consumes `n` bytes, after passing them to `keep`.
    #[inline(always)]
    #[track_caller]
    fn take_with<T>(&mut self, n: usize, keep: impl FnOnce(&[u8]) -> T) -> T {
        self.protocol.consume(&mut self.hand, n, keep)
    }
}

/// Returns how many bytes were appended.
#[inline]
fn append(to: &mut Vec<u8>, bytes: &[u8]) -> usize {
    to.extend_from_slice(bytes);
    bytes.len()
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.protocol.reader_gone(std::mem::take(&mut self.hand));
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader").field("in_hand", &self.hand.len()).field("stream", &*self.protocol).finish()
    }
}
