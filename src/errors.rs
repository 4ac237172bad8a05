//! The errors that `io::Error` cannot carry, and who gets which.
//!
//! | error | who gets it |
//! | --- | --- |
//! | [`std::io::Error`] | callers who await a connection, a server, a drain or a plain read |
//! | [`ReadError`] | callers who read a line, up to a separator, or an exact count |
//! | [`ConnectionError`] | a protocol's `connection_lost`; streams convert it into an `io::Error` |
//! | [`JoinError`] | callers who await a [`Task`](crate::Task) |
//! | [`TimedOut`] | callers who await a [`timeout`](crate::timeout()) |
//!
//! `LookUpError`, `ConnectError` and `TlsError` are found inside an `io::Error`, after a failed look-up, connect or
//! TLS session.
//!
//! Each error type is small, `#[non_exhaustive]` where it may grow, and converts into `io::Error`, so that `?` works
//! in a function that returns `io::Result`.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a read of a line, up to a separator, or of an exact count failed.
///
/// # Examples
///
/// ```
/// use waterwheel::{ReadError, StreamReader};
///
/// /// The next message: four bytes, then a line.
/// async fn message(reader: &mut StreamReader) -> Result<Vec<u8>, String> {
///     match reader.readexactly(4).await {
///         Ok(_) => {}
///         Err(ReadError::IncompleteRead { partial, .. }) if partial.is_empty() => return Err("no more".to_owned()),
///         Err(error) => return Err(error.to_string()),
///     }
///     match reader.readline().await {
///         Err(ReadError::LimitOverrun { .. }) => Err("the line is too long".to_owned()),
///         line => line.map_err(|error| error.to_string()),
///     }
/// }
///
/// waterwheel::run(async {
///     let (mut reader, feeder) = StreamReader::new(10);
///     feeder.feed_data(b"one:short\ntwo:much too long\nthr");
///     feeder.feed_eof();
///     assert_eq!(message(&mut reader).await.unwrap(), b"short\n");
///     assert_eq!(message(&mut reader).await.unwrap_err(), "the line is too long");
///     assert_eq!(message(&mut reader).await.unwrap_err(), "3 bytes read on a total of 4 expected bytes");
///     assert_eq!(message(&mut reader).await.unwrap_err(), "no more");
/// });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended first. The bytes received before the end have moved from the reader to `partial`.
    #[doc(alias = "IncompleteReadError")]
    IncompleteRead {
        /// The bytes that were read before the end of the stream.
        partial: Vec<u8>,
        /// How many bytes were requested; `None` if the read was for a separator.
        expected: Option<usize>,
    },
    /// There was no separator within the reader's limit. `readuntil` leaves the bytes in the reader; `readline` has
    /// discarded what was received of the line.
    #[doc(alias = "LimitOverrunError")]
    LimitOverrun {
        /// How many bytes may be discarded without cutting a separator in two.
        consumed: usize,
    },
    /// The connection failed. Everything received before the failure has already been read.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::IncompleteRead { partial, expected: Some(expected) } => {
                write!(f, "{} bytes read on a total of {expected} expected bytes", partial.len())
            }
            ReadError::IncompleteRead { partial, expected: None } => {
                write!(f, "{} bytes read, and the stream ended before the separator", partial.len())
            }
            ReadError::LimitOverrun { consumed } => {
                write!(f, "no separator in {consumed} bytes, which is over the limit: .limit() sets a larger one")
            }
            ReadError::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReadError::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

impl From<TimedOut> for ReadError {
    fn from(error: TimedOut) -> Self {
        ReadError::Io(error.into())
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            ReadError::IncompleteRead { .. } => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            ReadError::LimitOverrun { .. } => io::Error::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// Why a connection was lost. Cheap to clone: the protocol, every waiting reader and every drain get the same error.
///
/// # Examples
///
/// ```
/// use std::io::{self, ErrorKind};
/// use waterwheel::ConnectionError;
///
/// /// How a protocol describes the error in `connection_lost`.
/// fn describe(error: &ConnectionError) -> String {
///     match (error.kind(), error.raw_os_error()) {
///         (ErrorKind::ConnectionReset, _) => "the peer has given up".to_owned(),
///         (_, Some(number)) => format!("error {number} of the system"),
///         // An error of the code above the sockets is inside, and can be downcast.
///         _ => match error.get_ref().and_then(|inner| inner.downcast_ref::<std::num::ParseIntError>()) {
///             Some(bad) => format!("not a number: {bad}"),
///             None => error.to_string(),
///         },
///     }
/// }
///
/// let number = rustix::io::Errno::NETDOWN.raw_os_error();
/// assert_eq!(describe(&io::Error::from_raw_os_error(number).into()), format!("error {number} of the system"));
/// assert_eq!(describe(&io::Error::from(ErrorKind::ConnectionReset).into()), "the peer has given up");
/// let bad = "x".parse::<u16>().unwrap_err();
/// assert_eq!(describe(&io::Error::other(bad).into()), "not a number: invalid digit found in string");
///
/// // Each task that waits for the connection gets its own `io::Error`, though there is only one error.
/// let lost = ConnectionError::from(io::Error::from(ErrorKind::TimedOut));
/// let (one, other) = (lost.to_io_error(), lost.to_io_error());
/// assert_eq!((one.kind(), other.kind()), (ErrorKind::TimedOut, ErrorKind::TimedOut));
/// ```
#[derive(Clone)]
pub struct ConnectionError(Arc<io::Error>);

impl ConnectionError {
    /// The kind of the underlying I/O error.
    pub fn kind(&self) -> io::ErrorKind {
        self.0.kind()
    }

    /// The error number of the operating system, if the error came from there.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.raw_os_error()
    }

    /// The inner error, if there is one, as in [`io::Error::get_ref`].
    pub fn get_ref(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.get_ref()
    }

    /// An equivalent I/O error: with the system's error number if there is one, otherwise wrapping a clone of this
    /// error.
    pub fn to_io_error(&self) -> io::Error {
        match self.raw_os_error() {
            Some(number) => io::Error::from_raw_os_error(number),
            None => io::Error::new(self.kind(), self.clone()),
        }
    }
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        ConnectionError(Arc::new(error))
    }
}

impl From<ConnectionError> for io::Error {
    fn from(error: ConnectionError) -> Self {
        Arc::try_unwrap(error.0).unwrap_or_else(|shared| ConnectionError(shared).to_io_error())
    }
}

/// Includes the text, since this is what is printed when `main` returns the error.
impl fmt::Debug for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionError({:?}: {self})", self.kind())
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for ConnectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Why a task has no result.
///
/// # Examples
///
/// ```
/// use waterwheel::{JoinError, spawn};
///
/// waterwheel::run(async {
///     let endless = spawn(std::future::pending::<()>());
///     endless.cancel();
///     assert!(endless.await.unwrap_err().is_cancelled());
///
///     let error: JoinError = spawn(async { panic!("too much") }).await.map(|never: ()| never).unwrap_err();
///     assert!(error.is_panic());
///     assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"too much"));
/// });
/// ```
#[non_exhaustive]
pub enum JoinError {
    /// The task was cancelled, or its loop closed, before it finished.
    #[doc(alias = "CancelledError")]
    Cancelled,
    /// The task panicked with this payload.
    Panicked(PanicPayload),
    /// Work for [`to_thread`](crate::to_thread) did not begin, since no thread could be started for it.
    NoThread(io::Error),
}

impl JoinError {
    /// Whether the task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, JoinError::Cancelled)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JoinError::Panicked(_))
    }

    /// The payload of the panic, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// If the task did not panic.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        match self {
            JoinError::Panicked(payload) => payload.into_inner(),
            error => panic!("into_panic() of a task that did not panic: {error}"),
        }
    }
}

/// The payload of a task's panic. It is displayed as the panic's message, if it has one.
///
/// The payload of a panic need not be `Sync`, and errors have to be, to go through `?` into a `Box<dyn Error + Send +
/// Sync>`. So it is kept in a mutex until it is taken.
///
/// # Examples
///
/// Resuming the panic in the caller that awaits the task, as if the task were a function call:
///
/// ```
/// use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
/// use waterwheel::{JoinError, spawn};
///
/// let outcome = catch_unwind(AssertUnwindSafe(|| {
///     waterwheel::run(async {
///         match spawn(async { panic!("too much") }).await {
///             Err(JoinError::Panicked(payload)) => resume_unwind(payload.into_inner()),
///             other => other,
///         }
///     })
/// }));
/// let payload = outcome.map(drop).unwrap_err();
/// assert_eq!(payload.downcast_ref::<&str>(), Some(&"too much"));
/// ```
pub struct PanicPayload(
    // Boxed, since every task has memory for its error, and few tasks panic.
    Box<Mutex<Box<dyn Any + Send + 'static>>>,
);

impl PanicPayload {
    pub(crate) fn new(payload: Box<dyn Any + Send + 'static>) -> Self {
        PanicPayload(Box::new(Mutex::new(payload)))
    }

    /// The payload itself, for [`std::panic::resume_unwind`], or to be downcast.
    pub fn into_inner(self) -> Box<dyn Any + Send + 'static> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of the text, so that the lock is not held while the user's formatter runs.
    fn text(&self) -> String {
        let payload = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        panic_text(&**payload).to_owned()
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), f)
    }
}

impl fmt::Display for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Cancelled => f.write_str("Cancelled"),
            JoinError::Panicked(payload) => f.debug_tuple("Panicked").field(payload).finish(),
            JoinError::NoThread(error) => f.debug_tuple("NoThread").field(error).finish(),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Cancelled => f.write_str("the task was cancelled"),
            JoinError::Panicked(payload) => write!(f, "the task panicked: {payload}"),
            JoinError::NoThread(error) => error.fmt(f),
        }
    }
}

impl Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        io::Error::other(error)
    }
}

/// A [`timeout`](crate::timeout()) ran out. It has its own type, so that it cannot be mistaken for a connection that
/// the operating system timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "TimeoutError")]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time ran out")
    }
}

impl Error for TimedOut {}

impl From<TimedOut> for io::Error {
    fn from(error: TimedOut) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, error)
    }
}

/// The text of a panic, if its payload is one of the two types that `panic!` creates.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a value that is not text"
    }
}

/// The error of a connection whose protocol panicked in `method`.
pub(crate) fn protocol_panicked(method: &str) -> ConnectionError {
    io::Error::other(format!("the protocol's {method} panicked")).into()
}

/// The error of a connection whose protocol lent a buffer without room.
pub(crate) fn buffer_without_room() -> ConnectionError {
    io::Error::new(io::ErrorKind::InvalidInput, "get_buffer() returned a buffer without room").into()
}

/// Finds an error of type `E` in `error`: `error` itself, or one inside an `io::Error`, a [`ConnectionError`] or a
/// [`ReadError`], however deeply nested.
pub(crate) fn find_in<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = if let Some(error) = error.downcast_ref::<io::Error>() {
            error.get_ref().map(|inner| inner as &(dyn Error + 'static))
        } else if let Some(ConnectionError(shared)) = error.downcast_ref() {
            Some(&**shared)
        } else if let Some(ReadError::Io(inner)) = error.downcast_ref() {
            Some(inner)
        } else {
            None
        };
    }
    None
}

/// The error of every operation on a closed loop.
pub(crate) fn loop_is_closed() -> io::Error {
    io::Error::other("the event loop is closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_of_a_lost_connection_out_of_main_has_its_text() {
        for error in [io::Error::from_raw_os_error(32), io::ErrorKind::BrokenPipe.into(), io::Error::other("a reason")]
        {
            let text = error.to_string();
            let lost = ConnectionError::from(error);
            assert_eq!(format!("{lost:?}"), format!("ConnectionError({:?}: {text})", lost.kind()));
        }
    }

    #[test]
    fn an_error_is_found_however_deep_it_is() {
        let lost = ConnectionError::from(io::Error::from(TimedOut));
        let also_held = lost.clone();
        for error in [io::Error::from(lost), ReadError::from(also_held.to_io_error()).into()] {
            assert_eq!(find_in::<TimedOut>(&error), Some(&TimedOut));
            assert!(find_in::<ReadError>(&error).is_none());
        }
        assert_eq!(find_in::<TimedOut>(&ReadError::Io(TimedOut.into())), Some(&TimedOut));
        assert_eq!(find_in::<TimedOut>(&io::Error::from(io::ErrorKind::TimedOut)), None);
    }
}
