//! The reading end of a stream.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::constants::{GROWTH, LARGE_BUFFER, LEAST_ROOM, SMALL_BUFFER};
use crate::errors::ReadError;
use crate::executor::{operation, poll_operation, return_operation, take_operation};
use crate::interface::ReceiveBuffer;
use crate::streams::feeder::StreamFeeder;
use crate::streams::newline::newline;
use crate::streams::protocol::StreamProtocol;
use crate::streams::separators::{Match, NO_SEPARATOR, Search, Separators};

/// The reading end of a connection.
///
/// Bytes wait here until they are read, up to about twice the limit; then the peer is held back. The limit is also
/// the longest line, or piece before a separator, that is waited for.
///
/// Dropping the reader ends its direction only: what the peer has sent, and what it still sends, is thrown away, and the
/// writer goes on. The peer's end is still noticed. The connection is closed when the [`StreamWriter`](crate::StreamWriter) is gone
/// too; [`StreamWriter::close`](crate::StreamWriter::close) closes it at once, whatever is still held.
///
/// # Cancel safety
///
/// Every method may be dropped while it waits, as a [`timeout`](crate::timeout()) does: the bytes that have come are
/// in the reader, and the next read finds them.
///
/// # Errors
///
/// Bytes that came before an error are always read first. Then every read gives the error, each time. A failed write does
/// not end the reading: what the peer has sent can be read to its end.
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
pub struct StreamReader {
    protocol: Rc<StreamProtocol>,
    /// What was taken out of the protocol's inbox and not yet read. Invariant: it has no memory if that is nothing.
    buffer: ReceiveBuffer,
}

const POLLED_AGAIN: &str = "a future is not polled again after it is done";

/// Why a search for a separator gave none.
enum Miss {
    /// The stream ended. What is left is in the buffer.
    Eof,
    /// None within the limit.
    Overrun {
        consumed: usize,
    },
    Failed(ReadError),
}

impl StreamReader {
    /// A reader that is fed by hand, by the [`StreamFeeder`] beside it.
    ///
    /// # Panics
    ///
    /// If the limit is 0.
    #[track_caller]
    pub fn new(limit: usize) -> (StreamReader, StreamFeeder) {
        assert!(limit > 0, "the limit of a reader must be over 0");
        let protocol = StreamProtocol::new(None, limit, None);
        (StreamReader::of(Rc::clone(&protocol)), StreamFeeder::of(protocol))
    }

    pub(super) fn of(protocol: Rc<StreamProtocol>) -> Self {
        StreamReader { protocol, buffer: ReceiveBuffer::default() }
    }

    /// Reads what is there, up to `n` bytes, and waits only if nothing is. Empty at the end of the stream, and for
    /// `n` = 0.
    ///
    /// # Errors
    ///
    /// If the connection failed and everything before that was read.
    #[inline]
    pub fn read(&mut self, n: usize) -> impl Future<Output = io::Result<Vec<u8>>> {
        poll_fn(move |cx| {
            if n == 0 {
                return Poll::Ready(Ok(Vec::new()));
            }
            ready!(self.poll_some(n, cx))?;
            Poll::Ready(Ok(self.take(n.min(self.buffer.len()))))
        })
    }

    /// Reads until the end of the stream, however long that is. On an error, and if dropped while it waits, the bytes
    /// stay in the reader.
    ///
    /// # Errors
    ///
    /// If the connection failed.
    #[doc(alias = "read(-1)")]
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        operation().await;
        while self.more().await? {}
        Ok(self.take_much(self.buffer.len()))
    }

    /// Reads what is there into `buf`, without allocating, and waits only if nothing is. Returns how many bytes that
    /// were; 0 at the end of the stream, and for an empty `buf`.
    ///
    /// # Errors
    ///
    /// If the connection failed and everything before that was read.
    #[inline]
    pub fn read_into(&mut self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        poll_fn(move |cx| {
            if buf.is_empty() {
                return Poll::Ready(Ok(0));
            }
            ready!(self.poll_some(buf.len(), cx))?;
            let n = buf.len().min(self.buffer.len());
            self.take_with(n, |bytes| buf[..n].copy_from_slice(bytes));
            Poll::Ready(Ok(n))
        })
    }

    /// Reads a line, with its `\n`. At the end of the stream the last line may be without, and then comes an empty
    /// one, each time.
    ///
    /// # Errors
    ///
    /// [`ReadError::LimitOverrun`] for a line over the limit: it is thrown away through its `\n`, as far as it has
    /// come. [`ReadError::Io`] if the connection failed and the lines before that were read.
    #[inline]
    pub fn readline(&mut self) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let mut searched = 0;
        poll_fn(move |cx| self.poll_line(&mut searched, self.protocol.limit(), cx, <[u8]>::to_vec))
    }

    /// Reads a line as [`readline`](StreamReader::readline) does, with a limit for this line only. It may be over the
    /// reader's own.
    ///
    /// # Errors
    ///
    /// As [`readline`](StreamReader::readline).
    #[inline]
    pub fn readline_within(&mut self, limit: usize) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let mut searched = 0;
        poll_fn(move |cx| self.poll_line(&mut searched, limit, cx, <[u8]>::to_vec))
    }

    /// Reads a line as [`readline`](StreamReader::readline) does, and appends it to `line`: a `Vec` that is used
    /// again costs no allocation. Returns how many bytes were appended.
    ///
    /// # Errors
    ///
    /// As [`readline`](StreamReader::readline); nothing is appended then.
    #[inline]
    pub fn readline_into(&mut self, line: &mut Vec<u8>) -> impl Future<Output = Result<usize, ReadError>> {
        let mut searched = 0;
        poll_fn(move |cx| self.poll_line(&mut searched, self.protocol.limit(), cx, |bytes| append(line, bytes)))
    }

    /// Reads the next line, with its `\n`; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`readline`](StreamReader::readline); the lines after one that was too long can be read.
    #[doc(alias = "async for")]
    #[doc(alias = "__anext__")]
    #[inline]
    pub fn next_line(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, ReadError>> {
        let mut searched = 0;
        poll_fn(move |cx| {
            self.poll_line(&mut searched, self.protocol.limit(), cx, |line| {
                if line.is_empty() { None } else { Some(line.to_vec()) }
            })
        })
    }

    /// Reads exactly `n` bytes; `n` may be over the limit.
    ///
    /// # Errors
    ///
    /// [`ReadError::IncompleteRead`] with what was there, if the stream ends first. [`ReadError::Io`] if the
    /// connection failed first; what was there stays in the reader.
    pub async fn readexactly(&mut self, n: usize) -> Result<Vec<u8>, ReadError> {
        operation().await;
        while self.buffer.len() < n {
            self.make_room_for(n);
            if !self.more().await? {
                return Err(self.incomplete(Some(n)));
            }
        }
        Ok(self.take_much(n))
    }

    /// Reads up to and with a separator, or the first of several.
    ///
    /// # Errors
    ///
    /// [`ReadError::LimitOverrun`] if there are more bytes than the limit before the separator, or without one: they
    /// stay in the reader. [`ReadError::IncompleteRead`] with what was there, if the stream ends first.
    /// [`ReadError::Io`] if the connection failed first, or if there is no separator or an empty one.
    pub async fn readuntil(&mut self, separator: impl Separators) -> Result<Vec<u8>, ReadError> {
        let end = self.separator_end(separator, self.protocol.limit()).await?;
        Ok(self.take(end))
    }

    /// Reads as [`readuntil`](StreamReader::readuntil) does, with a limit for this piece only. It may be over the
    /// reader's own.
    ///
    /// # Errors
    ///
    /// As [`readuntil`](StreamReader::readuntil).
    pub async fn readuntil_within(&mut self, separator: impl Separators, limit: usize) -> Result<Vec<u8>, ReadError> {
        let end = self.separator_end(separator, limit).await?;
        Ok(self.take(end))
    }

    /// Reads as [`readuntil`](StreamReader::readuntil) does, and appends to `to`: a `Vec` that is used again costs no
    /// allocation. Returns how many bytes were appended.
    ///
    /// # Errors
    ///
    /// As [`readuntil`](StreamReader::readuntil); nothing is appended then.
    pub async fn readuntil_into(&mut self, separator: impl Separators, to: &mut Vec<u8>) -> Result<usize, ReadError> {
        let end = self.separator_end(separator, self.protocol.limit()).await?;
        Ok(self.take_with(end, |bytes| append(to, bytes)))
    }

    /// Lends what is there, and waits only if nothing is; empty at the end of the stream. Nothing is copied. What was
    /// used of it is taken by [`consume`](StreamReader::consume).
    ///
    /// # Errors
    ///
    /// If the connection failed and everything before that was read.
    #[inline]
    pub fn fill_buf(&mut self) -> impl Future<Output = io::Result<&[u8]>> {
        let mut reader = Some(self);
        poll_fn(move |cx| {
            let had = ready!(reader.as_mut().expect(POLLED_AGAIN).poll_some(1, cx));
            let this = reader.take().expect(POLLED_AGAIN);
            Poll::Ready(had.map(|()| this.buffer.filled()))
        })
    }

    /// Takes `n` bytes of those that [`fill_buf`](StreamReader::fill_buf) lent.
    ///
    /// # Panics
    ///
    /// If it lent fewer.
    #[inline]
    #[track_caller]
    pub fn consume(&mut self, n: usize) {
        let left = self.buffer.drop_front(n);
        self.protocol.consumed(&mut self.buffer, n, left);
    }

    /// Whether the stream has ended and everything was read.
    pub fn at_eof(&self) -> bool {
        self.protocol.at_eof()
    }

    /// All that was received and not read; the reader has nothing then.
    #[cfg(feature = "tls")]
    pub(super) fn take_unread(&mut self) -> ReceiveBuffer {
        self.protocol.take_inbox(&mut self.buffer);
        std::mem::take(&mut self.buffer)
    }

    #[cfg(feature = "tls")]
    pub(super) fn protocol(&self) -> &Rc<StreamProtocol> {
        &self.protocol
    }

    /// Gets as much of `wanted` bytes as is there. Waits until there is something, or the stream has ended.
    #[inline(always)]
    fn poll_some(&mut self, wanted: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if !self.buffer.has_memory() {
            ready!(self.protocol.poll_first(&mut self.buffer, cx))?;
        } else if self.buffer.len() < wanted || !take_operation() {
            ready!(self.poll_at_hand(cx));
        }
        Poll::Ready(Ok(()))
    }

    /// There is something at hand. Gets what came since, too.
    #[inline(never)]
    fn poll_at_hand(&mut self, cx: &Context<'_>) -> Poll<()> {
        ready!(poll_operation(cx));
        self.take_what_came();
        Poll::Ready(())
    }

    /// Moves what was received since behind what the buffer has left; false if that was nothing.
    fn take_what_came(&mut self) -> bool {
        let had = self.buffer.len();
        self.protocol.take_inbox(&mut self.buffer);
        self.buffer.len() > had
    }

    /// Has a large piece received where it will stay, instead of moving it each time the buffer has grown. How much
    /// memory is asked for goes by what has come, since `n` may be a number that the peer has sent.
    fn make_room_for(&mut self, n: usize) {
        let most = self.buffer.len().saturating_mul(GROWTH);
        if n > LARGE_BUFFER && most > LARGE_BUFFER {
            // With the least room behind it there is no growing for the last few bytes.
            self.buffer.grow(n.min(most).saturating_add(LEAST_ROOM));
        }
    }

    /// Waits until there is more in the buffer than now: true, or false if the stream has ended.
    #[inline]
    fn more(&mut self) -> impl Future<Output = io::Result<bool>> {
        let had = self.buffer.len();
        poll_fn(move |cx| self.protocol.poll_more(&mut self.buffer, had, cx))
    }

    /// Waits for the next line, which is empty at the end of the stream, and takes it: `keep` shall keep what it wants
    /// of it. One that is here already, as most are, takes the short way.
    #[inline(always)]
    fn poll_line<T>(
        &mut self,
        searched: &mut usize,
        limit: usize,
        cx: &Context<'_>,
        keep: impl FnOnce(&[u8]) -> T,
    ) -> Poll<Result<T, ReadError>> {
        let at_hand = self.buffer.filled();
        match newline(at_hand) {
            Some(place) if place <= limit && take_operation() => {
                let kept = keep(&at_hand[..=place]);
                self.consume(place + 1);
                Poll::Ready(Ok(kept))
            }
            _ => {
                let end = ready!(self.poll_line_end(searched, limit, cx))?;
                Poll::Ready(Ok(self.take_with(end, keep)))
            }
        }
    }

    /// Waits for a newline behind the first `searched` bytes, and says how long the line is; 0 at the end of the
    /// stream. [`search`](StreamReader::search) does the same for any
    /// separator; lines are so common that they have a way of their own, as short as it can be.
    #[inline(never)]
    fn poll_line_end(
        &mut self,
        searched: &mut usize,
        limit: usize,
        cx: &Context<'_>,
    ) -> Poll<Result<usize, ReadError>> {
        if *searched == 0 && !self.buffer.has_memory() {
            // The first line of what has come, or nothing has.
            ready!(self.protocol.poll_first(&mut self.buffer, cx))?;
        } else {
            ready!(poll_operation(cx));
        }
        loop {
            // While this waits the bytes are in the protocol's hands.
            if let Some(unsearched) = self.buffer.filled().get(*searched..) {
                let newline = newline(unsearched).map(|place| *searched + place);
                *searched = self.buffer.len();
                if newline.is_none() && self.take_what_came() {
                    // All that has come is searched before the limit counts: a line that is too long can then go as
                    // a whole.
                    continue;
                }
                let line = newline.unwrap_or(*searched);
                if line > limit {
                    // A line that is too long must not be in the way of the next one.
                    self.consume(newline.map_or(*searched, |newline| newline + 1));
                    return Poll::Ready(Err(ReadError::LimitOverrun { consumed: line }));
                }
                if let Some(newline) = newline {
                    return Poll::Ready(Ok(newline + 1));
                }
            }
            let more = self.protocol.poll_more(&mut self.buffer, *searched, cx);
            if more.is_pending() {
                return_operation();
            }
            if !ready!(more)? {
                return Poll::Ready(Ok(self.buffer.len()));
            }
        }
    }

    async fn separator_end(&mut self, separator: impl Separators, limit: usize) -> Result<usize, ReadError> {
        operation().await;
        match self.search(separator, limit).await {
            Ok(found) => Ok(found.end),
            Err(Miss::Eof) => Err(self.incomplete(None)),
            Err(Miss::Overrun { consumed }) => Err(ReadError::LimitOverrun { consumed }),
            Err(Miss::Failed(error)) => Err(error),
        }
    }

    /// Waits for a separator. Every byte is searched once, however small the pieces in which they come.
    async fn search(&mut self, separators: impl Separators, limit: usize) -> Result<Match, Miss> {
        let Some(mut search) = Search::new(&separators) else {
            return Err(Miss::Failed(io::Error::new(io::ErrorKind::InvalidInput, NO_SEPARATOR).into()));
        };
        loop {
            if let Some(found) = search.find(self.buffer.filled()) {
                if found.start > limit {
                    return Err(Miss::Overrun { consumed: found.start });
                }
                return Ok(found);
            }
            // All that has come is searched before the limit counts: a line that is too long can then go as a whole.
            if self.take_what_came() {
                continue;
            }
            let consumed = search.searched(self.buffer.len());
            if consumed > limit {
                return Err(Miss::Overrun { consumed });
            }
            match self.more().await {
                Ok(true) => {}
                Ok(false) => return Err(Miss::Eof),
                Err(error) => return Err(Miss::Failed(error.into())),
            }
        }
    }

    fn incomplete(&mut self, expected: Option<usize>) -> ReadError {
        ReadError::IncompleteRead { partial: self.take(self.buffer.len()), expected }
    }

    #[inline(always)]
    fn take(&mut self, n: usize) -> Vec<u8> {
        self.take_with(n, <[u8]>::to_vec)
    }

    /// Takes `n` bytes that may be many: those that fill most of the buffer are taken with its memory, not copied.
    fn take_much(&mut self, n: usize) -> Vec<u8> {
        if n <= LARGE_BUFFER {
            return self.take(n);
        }
        let bytes = self.buffer.split_front(n, SMALL_BUFFER);
        let left = self.buffer.len();
        self.protocol.consumed(&mut self.buffer, n, left);
        bytes
    }

    /// Takes `n` bytes; `keep` shall keep what it wants of them.
    #[inline(always)]
    fn take_with<T>(&mut self, n: usize, keep: impl FnOnce(&[u8]) -> T) -> T {
        let (bytes, left) = self.buffer.take_front(n);
        let kept = keep(bytes);
        self.protocol.consumed(&mut self.buffer, n, left);
        kept
    }
}

/// Returns how much was appended.
#[inline]
fn append(to: &mut Vec<u8>, bytes: &[u8]) -> usize {
    to.extend_from_slice(bytes);
    bytes.len()
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.protocol.reader_gone(std::mem::take(&mut self.buffer));
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader").field("in_hand", &self.buffer.len()).field("stream", &*self.protocol).finish()
    }
}
