//! What is between a peer's bytes and its socket: nothing, or the server's side of a TLS session.

use crate::peer::Ended;

pub(crate) enum Session {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Box<over_tls::TlsSession>),
}

impl Session {
    pub(crate) fn over(over: &str) -> Session {
        match over {
            #[cfg(feature = "tls")]
            "tls" => Session::Tls(over_tls::TlsSession::new()),
            _ => Session::Plain,
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Session::Plain)
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        match self {
            Session::Plain => false,
            #[cfg(feature = "tls")]
            Session::Tls(session) => session.is_handshaking(),
        }
    }

    /// The wire's form of `data`, after the session's own messages.
    pub(crate) fn seal(&mut self, data: &[u8]) -> Vec<u8> {
        match self {
            Session::Plain => data.to_vec(),
            #[cfg(feature = "tls")]
            Session::Tls(session) => session.seal(data),
        }
    }

    /// Decodes the wire's bytes, appends them to `got`, and returns how the session ended, if it has.
    pub(crate) fn open(&mut self, wire: &[u8], got: &mut Vec<u8>) -> Option<Ended> {
        match self {
            Session::Plain => {
                got.extend_from_slice(wire);
                None
            }
            #[cfg(feature = "tls")]
            Session::Tls(session) => session.open(wire, got),
        }
    }

    /// How the stream has ended if the wire ends before the session does.
    pub(crate) fn end_of_the_wire(&self) -> Ended {
        if self.is_plain() { Ended::Eof } else { Ended::Truncated }
    }

    /// The bytes that end the session; `None` if the end of the wire does that.
    pub(crate) fn end(&mut self) -> Option<Vec<u8>> {
        match self {
            Session::Plain => None,
            #[cfg(feature = "tls")]
            Session::Tls(session) => Some(session.end()),
        }
    }
}

#[cfg(feature = "tls")]
pub(crate) mod over_tls {
    use std::io::{Read, Write};
    use std::sync::{Arc, OnceLock};

    use waterwheel::rustls::ServerConnection;
    use waterwheel::{TlsClient, TlsServer};

    use crate::common::certificates::Authority;
    use crate::peer::Ended;

    /// The name in the peer's certificate.
    pub(crate) const NAME: &str = "peer.test";

    /// One identity for all peers, and a client configuration that trusts it.
    fn both() -> &'static (TlsServer, TlsClient) {
        static BOTH: OnceLock<(TlsServer, TlsClient)> = OnceLock::new();
        BOTH.get_or_init(|| {
            let authority = Authority::new();
            let identity = authority.sign(&[NAME]);
            let server = TlsServer::new(&identity.chain, &identity.key).expect("a good identity");
            let mut config = server.rustls_config();
            // Tickets are sent unasked and might be left unread.
            Arc::make_mut(&mut config).send_tls13_tickets = 0;
            (config.into(), TlsClient::with_roots(&authority.pem).expect("a good authority"))
        })
    }

    /// The TLS configuration of our end.
    pub(crate) fn client() -> &'static TlsClient {
        &both().1
    }

    pub(crate) struct TlsSession(ServerConnection);

    impl TlsSession {
        pub(crate) fn new() -> Box<TlsSession> {
            let mut session = ServerConnection::new(both().0.rustls_config()).expect("the configuration is good");
            session.set_buffer_limit(None);
            Box::new(TlsSession(session))
        }

        pub(crate) fn is_handshaking(&self) -> bool {
            self.0.is_handshaking()
        }

        pub(crate) fn seal(&mut self, data: &[u8]) -> Vec<u8> {
            self.0.writer().write_all(data).expect("there is no limit");
            let mut wire = Vec::new();
            while self.0.wants_write() {
                self.0.write_tls(&mut wire).expect("a vector takes it");
            }
            wire
        }

        pub(crate) fn open(&mut self, mut wire: &[u8], got: &mut Vec<u8>) -> Option<Ended> {
            let mut ended = None;
            while !wire.is_empty() && ended.is_none() {
                self.0.read_tls(&mut wire).expect("what was decrypted before is taken out");
                let Ok(state) = self.0.process_new_packets() else { return Some(Ended::Lost) };
                // An error means only that there is no more for now.
                let _ = self.0.reader().read_to_end(got);
                if state.peer_has_closed() {
                    // This side ends the session too.
                    self.0.send_close_notify();
                    ended = Some(Ended::Eof);
                }
            }
            ended
        }

        pub(crate) fn end(&mut self) -> Vec<u8> {
            self.0.send_close_notify();
            self.seal(b"")
        }
    }
}
