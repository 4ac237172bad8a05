//! A TLS session: bytes in, bytes out. It has no socket, no clock and no loop.
//!
//! ```text
//!   wire ──► take_in ──► read ──► plaintext
//!   wire ◄── put_out ◄── write ◄── plaintext
//! ```
//!
//! rustls does the work. This module adds an order: nothing is taken from the wire while there is plaintext to be read,
//! which keeps memory use low; and plaintext that came before a fault is read before the fault is reported.

use std::fmt;
use std::io::{BufRead, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, Error, ServerConfig, ServerConnection};

use super::TlsInfo;
use crate::interface::ReceiveBuffer;

pub(super) struct TlsSession {
    engine: Connection,
    /// The name that a client verifies, if it verifies one.
    server_name: Option<String>,
    /// The engine has decrypted bytes that were not read yet.
    has_plaintext: bool,
    /// The peer's close_notify has arrived.
    peer_closed: bool,
    /// Why the engine failed. After a failure, it takes nothing in.
    failed: Option<Error>,
}

/// The result of taking in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intake {
    /// There is plaintext to be read.
    Plaintext,
    /// All available bytes were taken in; more must come from the wire.
    Nothing,
    /// The peer has ended the session, and all plaintext was read.
    Closed,
    /// The peer violated TLS, in the way that [`failure`](TlsSession::failure) says. All plaintext that came before was
    /// read. [`put_out`](TlsSession::put_out) has an alert for the peer.
    Failed,
}

impl TlsSession {
    /// A client's side. `told_name` is the name for [`TlsInfo`]: that of the server, if it is verified.
    pub(super) fn client(
        config: Arc<ClientConfig>,
        server_name: ServerName<'static>,
        told_name: Option<String>,
    ) -> Result<Self, Error> {
        let engine = ClientConnection::new(config, server_name)?;
        Ok(TlsSession::new(engine.into(), told_name))
    }

    /// A server's side.
    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        let engine = ServerConnection::new(config)?;
        Ok(TlsSession::new(engine.into(), None))
    }

    fn new(mut engine: Connection, server_name: Option<String>) -> Self {
        // The caller sends the output of a write at once, so no limit is needed, and without one every write is taken
        // whole.
        engine.set_buffer_limit(None);
        TlsSession { engine, server_name, has_plaintext: false, peer_closed: false, failed: None }
    }

    pub(super) fn is_client(&self) -> bool {
        matches!(self.engine, Connection::Client(_))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.engine.is_handshaking()
    }

    /// Whether the peer has ended the session. There may still be plaintext to be read.
    pub(super) fn is_closed_by_peer(&self) -> bool {
        self.peer_closed
    }

    /// Takes bytes from the wire until there is plaintext, or until they are used up. After an end or a failure, every
    /// call returns it again.
    #[inline]
    pub(super) fn take_in(&mut self, wire: &mut ReceiveBuffer) -> Intake {
        while !self.has_plaintext {
            if self.failed.is_some() {
                return Intake::Failed;
            }
            if self.peer_closed {
                // Bytes after the end do not belong to the session.
                wire.consume(wire.len());
                return Intake::Closed;
            }
            if wire.is_empty() {
                return Intake::Nothing;
            }
            self.feed(wire);
        }
        Intake::Plaintext
    }

    /// Why the engine failed.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failed.clone()
    }

    fn feed(&mut self, wire: &mut ReceiveBuffer) {
        // The engine refuses bytes only if too much plaintext is unread, which never happens here, or if a message is
        // too large.
        match self.engine.read_tls(&mut wire.filled()) {
            Ok(taken) => wire.consume(taken),
            Err(error) => {
                self.failed = Some(Error::General(error.to_string()));
                return;
            }
        }
        match self.engine.process_new_packets() {
            Ok(state) => {
                self.has_plaintext = state.plaintext_bytes_to_read() > 0;
                self.peer_closed = state.peer_has_closed();
            }
            Err(error) => {
                // There may be good records before the bad one.
                self.has_plaintext = self.engine_has_plaintext();
                self.failed = Some(error);
            }
        }
    }

    fn engine_has_plaintext(&mut self) -> bool {
        self.engine.reader().fill_buf().is_ok_and(|plaintext| !plaintext.is_empty())
    }

    /// Decrypts into `into`, until it is full or the wire's bytes are used up. Returns how many bytes were decrypted,
    /// and what comes next, as [`take_in`](TlsSession::take_in) does.
    #[inline]
    pub(super) fn read(&mut self, wire: &mut ReceiveBuffer, into: &mut [u8]) -> (usize, Intake) {
        let mut read = 0;
        loop {
            match self.take_in(wire) {
                Intake::Plaintext if read < into.len() => {
                    // There is plaintext, so reading it does not fail.
                    read += self.engine.reader().read(&mut into[read..]).unwrap_or(0);
                    // The engine returns all the plaintext that it has, if there is room.
                    self.has_plaintext = read == into.len() && self.engine_has_plaintext();
                }
                next => return (read, next),
            }
        }
    }

    /// Encrypts. After a failure the engine takes nothing, and the bytes are dropped: the application may still write
    /// when it is given the plaintext that came before the fault, but nobody could decrypt it.
    pub(super) fn write(&mut self, plaintext: &[u8]) {
        let taken = self.engine.writer().write(plaintext);
        let all_taken = taken.is_ok_and(|taken| taken == plaintext.len());
        debug_assert!(all_taken || self.failed.is_some(), "without a limit all is taken");
    }

    /// Ends our side: the peer is told that nothing follows.
    pub(super) fn send_close_notify(&mut self) {
        self.engine.send_close_notify();
    }

    /// Whether there are bytes for the wire.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        self.engine.wants_write()
    }

    /// Puts bytes for the wire into `into`, until it is full or there are no more. Returns how many.
    pub(super) fn put_out(&mut self, into: &mut [u8]) -> usize {
        let mut put = 0;
        while put < into.len() && self.has_output() {
            let mut room = &mut into[put..];
            // Writing to memory does not fail.
            put += self.engine.write_tls(&mut room).unwrap_or(0);
        }
        put
    }

    /// What the handshake agreed on; `None` before its end.
    pub(super) fn info(&self) -> Option<TlsInfo> {
        let server_name = match &self.engine {
            Connection::Client(_) => self.server_name.clone(),
            Connection::Server(engine) => engine.server_name().map(str::to_owned),
        };
        Some(TlsInfo {
            protocol_version: self.engine.protocol_version()?,
            cipher_suite: self.engine.negotiated_cipher_suite()?.suite(),
            peer_certificates: self.engine.peer_certificates().unwrap_or_default().to_vec(),
            alpn: self.engine.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
        })
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession")
            .field("client", &self.is_client())
            .field("handshaking", &self.is_handshaking())
            .field("peer_closed", &self.peer_closed)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
