//! Opening a connection as a pair of streams.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;

use crate::constants::DEFAULT_LIMIT;
use crate::event_loop::{Unawaited, get_running_loop};
use crate::executor::{Awaited, because};
use crate::net::{ConnectOptions, Endpoint, connect_options};
use crate::streams::protocol::{StreamProtocol, pair};
use crate::streams::{StreamReader, StreamWriter};

/// Connects, and returns a reader and a writer.
///
/// # Cancel safety
///
/// Dropping the future before it is done closes everything it has opened.
///
/// # Errors
///
/// If connecting fails for every address, the error names them all and contains a
/// [`ConnectError`](crate::ConnectError). If the name is not found, the error contains a
/// [`LookUpError`](crate::LookUpError). Connecting also fails if the endpoint is invalid, if a socket passed as the
/// endpoint is not a stream socket, or if the limit is 0.
///
/// # Panics
///
/// When awaited where no loop runs.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let (reader, writer) = waterwheel::open_connection(("127.0.0.1", 8888)).limit(1024).await?;
/// # Ok(())
/// # }
/// ```
///
/// If the peer does not answer, this waits until the system gives up, which may take minutes.
/// [`timeout`](crate::timeout()) bounds the time:
///
/// ```no_run
/// use std::time::Duration;
/// use waterwheel::{open_connection, timeout};
///
/// # async fn example() -> std::io::Result<()> {
/// let (reader, writer) = timeout(Duration::from_secs(5), open_connection("example.org:80")).await??;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "asyncio.open_connection")]
#[track_caller]
pub fn open_connection(to: impl Into<Endpoint>) -> OpenConnection {
    let unawaited = Unawaited::new("open_connection");
    OpenConnection { options: ConnectOptions::new(to.into()), limit: DEFAULT_LIMIT, unawaited }
}

/// Connects to a Unix socket, and returns a reader and a writer. A path that begins with a zero byte is a name in
/// Linux's abstract namespace.
///
/// # Errors
///
/// The system's error, with the path; `InvalidInput` if the path is too long or the limit is 0. A full queue at the
/// server is not an error: connecting waits.
///
/// # Cancel safety, panics
///
/// The same as [`open_connection`].
#[doc(alias = "asyncio.open_unix_connection")]
#[track_caller]
pub fn open_unix_connection(path: impl AsRef<Path>) -> OpenConnection {
    open_connection(Endpoint::unix(path))
}

/// The connection to open, returned by [`open_connection`]. Await it to connect.
#[must_use = "nothing is connected unless this is awaited"]
pub struct OpenConnection {
    pub(crate) options: ConnectOptions,
    limit: usize,
    unawaited: Unawaited,
}

impl OpenConnection {
    /// The reader's limit, in bytes; the default is 64 KiB.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    connect_options!();
}

impl IntoFuture for OpenConnection {
    type Output = io::Result<(StreamReader, StreamWriter)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::OpenConnection, Location::caller(), async move {
            check_limit(self.limit)?;
            let event_loop = get_running_loop();
            let protocol = StreamProtocol::new(Some(event_loop.clone()), self.limit, None);
            let (transport, protocol) = self.options.connect(&event_loop, || protocol).await?;
            Ok(pair(protocol, transport))
        }))
    }
}

pub(super) fn check_limit(limit: usize) -> io::Result<()> {
    if limit == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the limit of a reader must be greater than 0"));
    }
    Ok(())
}

impl fmt::Debug for OpenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenConnection").field("options", &self.options).field("limit", &self.limit).finish()
    }
}
