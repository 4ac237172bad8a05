//! Feeding bytes to a reader directly.

use std::fmt;
use std::io;
use std::rc::Rc;

use crate::streams::protocol::StreamProtocol;

/// Feeds bytes to a [`StreamReader`](crate::StreamReader) directly, in tests or from a source of your own. Dropping the
/// feeder ends the stream.
///
/// ```
/// let (mut reader, feeder) = waterwheel::StreamReader::new(1024);
/// feeder.feed_data(b"hello\nwor");
/// drop(feeder);
/// waterwheel::run(async {
///     assert_eq!(reader.readline().await.unwrap(), b"hello\n");
///     assert_eq!(reader.readline().await.unwrap(), b"wor");
/// });
/// ```
pub struct StreamFeeder {
    protocol: Rc<StreamProtocol>,
}

impl StreamFeeder {
    pub(super) fn of(protocol: Rc<StreamProtocol>) -> Self {
        StreamFeeder { protocol }
    }

    /// Adds bytes for the reader.
    ///
    /// # Panics
    ///
    /// After [`feed_eof`](StreamFeeder::feed_eof).
    #[track_caller]
    pub fn feed_data(&self, data: &[u8]) {
        assert!(!self.protocol.has_eof(), "feed_data() after feed_eof()");
        self.protocol.feed(data);
    }

    /// Ends the stream. Repeating it is harmless.
    pub fn feed_eof(&self) {
        self.protocol.feed_eof();
    }

    /// Makes the stream fail. Bytes that were fed before can still be read, then every read returns this error.
    ///
    /// # Examples
    ///
    /// How a parser handles a connection that fails in the middle of a line:
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use waterwheel::{ReadError, StreamReader};
    ///
    /// waterwheel::run(async {
    ///     let (mut reader, feeder) = StreamReader::new(1024);
    ///     feeder.feed_data(b"one\nhalf a l");
    ///     feeder.set_exception(ErrorKind::ConnectionReset.into());
    ///     assert_eq!(reader.readline().await?, b"one\n");
    ///     let error = reader.readuntil(b"\n").await.unwrap_err();
    ///     assert!(matches!(error, ReadError::Io(error) if error.kind() == ErrorKind::ConnectionReset));
    ///     Ok::<(), ReadError>(())
    /// })
    /// # .unwrap()
    /// ```
    pub fn set_exception(&self, error: io::Error) {
        self.protocol.fail(error.into());
    }
}

impl Drop for StreamFeeder {
    fn drop(&mut self) {
        self.feed_eof();
    }
}

impl fmt::Debug for StreamFeeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFeeder").field("stream", &*self.protocol).finish()
    }
}
