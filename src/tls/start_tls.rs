//! Starting TLS in the middle of a conversation over streams.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use super::protocol::Told;
use super::upgrade::{Upgrade, UpgradeOptions, upgrade_options};
use super::{TlsError, TlsErrorKind, TlsRole};
use crate::event_loop::Unawaited;
use crate::executor::{Awaited, because};
use crate::streams::{StreamProtocol, StreamReader, StreamWriter, assert_of_one_connection, pair, take_apart};

/// Starts TLS on a connection that was plain so far, and returns the reader and the writer to use from then on. Bytes
/// written before are sent unencrypted, before the handshake.
///
/// Bytes that were received but not read are an error: they came before the handshake, perhaps from an attacker in
/// between, and must not be mistaken for decrypted ones. If the peer may begin TLS at once, as after the line of the
/// PROXY protocol, use [`StartTlsStreams::hand_over_unread`].
///
/// # Cancel safety
///
/// Dropping the future before it is done aborts the connection.
///
/// # Errors
///
/// If the handshake fails or times out, or if there are unread bytes, the error contains a [`TlsError`]. A client that
/// verifies names and is given no [`server_hostname`](StartTlsStreams::server_hostname) fails with `InvalidInput`. If
/// the connection is closing already, the error is `NotConnected`. In each case the connection is closed.
///
/// # Panics
///
/// If the reader and the writer belong to different connections, or if the reader is fed by a
/// [`StreamFeeder`](crate::StreamFeeder).
///
/// # Examples
///
/// ```no_run
/// use waterwheel::{TlsClient, open_connection, start_tls};
///
/// # async fn example() -> std::io::Result<()> {
/// let (mut reader, writer) = open_connection(("mail.example.org", 25)).await?;
/// reader.readline().await?;
/// writer.write_all(b"EHLO me\r\nSTARTTLS\r\n").await?;
/// // ... until the server has agreed ...
/// let (reader, writer) = start_tls(reader, writer, TlsClient::new()?).server_hostname("mail.example.org").await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "StreamWriter.start_tls")]
#[track_caller]
pub fn start_tls(reader: StreamReader, writer: StreamWriter, role: impl Into<TlsRole>) -> StartTlsStreams {
    assert_of_one_connection(&reader, &writer);
    let options = UpgradeOptions::new(role.into());
    StartTlsStreams { reader, writer, options, hand_over_unread: false, unawaited: Unawaited::new("start_tls") }
}

/// The TLS handshake to make, returned by [`start_tls`]. Await it to start TLS.
#[must_use = "TLS is not started unless this is awaited"]
pub struct StartTlsStreams {
    reader: StreamReader,
    writer: StreamWriter,
    options: UpgradeOptions,
    hand_over_unread: bool,
    unawaited: Unawaited,
}

impl StartTlsStreams {
    /// Whether bytes that were received but not read are handed to TLS, as the beginning of the handshake. By default
    /// they are an error.
    ///
    /// # Examples
    ///
    /// A server behind a proxy, which sends a line with the client's address before TLS begins:
    ///
    /// ```
    /// use waterwheel::testing::connected_pair;
    /// use waterwheel::{ReadError, TlsClient, TlsServer, spawn, start_tls};
    ///
    /// # fn main() -> Result<(), ReadError> {
    /// // A self-signed certificate, which is good enough for an example.
    /// let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("the name is good");
    /// let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    ///
    /// waterwheel::run(async {
    ///     let (server, client) = connected_pair();
    ///     let client = spawn(async move {
    ///         let (reader, writer) = client.split();
    ///         writer.write(b"PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n");
    ///         let tls = TlsClient::with_roots(cert)?;
    ///         let (mut reader, _writer) = start_tls(reader, writer, tls).server_hostname("localhost").await?;
    ///         reader.read_to_end().await
    ///     });
    ///
    ///     let (mut reader, writer) = server.split();
    ///     let line = reader.readline().await?;
    ///     assert!(line.starts_with(b"PROXY TCP4 192.0.2.1 "));
    ///     let starting = start_tls(reader, writer, TlsServer::new(&made.cert.pem(), key)?).hand_over_unread(true);
    ///     let (reader, writer) = starting.await?;
    ///     writer.write(b"hello");
    ///     drop((reader, writer));
    ///     assert_eq!(client.await.expect("it does not panic")?, b"hello");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn hand_over_unread(mut self, hand_over: bool) -> Self {
        self.hand_over_unread = hand_over;
        self
    }

    upgrade_options!();
}

impl IntoFuture for StartTlsStreams {
    type Output = io::Result<(StreamReader, StreamWriter)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::StartTls, Location::caller(), async move {
            let sessions = self.options.sessions()?;
            let plain = take_apart(self.reader, self.writer);
            let unread = plain.unread.filled();
            if !unread.is_empty() && !self.hand_over_unread {
                return Err(TlsError::from(TlsErrorKind::PlaintextBefore(unread.len())).into());
            }
            if plain.is_ended {
                return Err(TlsError::from(TlsErrorKind::ClosedInHandshake).into());
            }
            let secure = StreamProtocol::new(Some(plain.event_loop.clone()), plain.limit, None);
            // No task waits for the plain protocol any more, since its reader and writer are gone. The new protocol
            // does not know its connection yet.
            let (above, below) = (Rc::clone(&secure), plain.transport());
            let upgrade = Upgrade::begin(&plain.event_loop, &sessions, below, above, Told::Nothing, unread)?;
            plain.keep_open();
            let transport = upgrade.done().await?;
            Ok(pair(secure, transport))
        }))
    }
}

impl fmt::Debug for StartTlsStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTlsStreams")
            .field("writer", &self.writer)
            .field("options", &self.options)
            .field("hand_over_unread", &self.hand_over_unread)
            .finish_non_exhaustive()
    }
}
