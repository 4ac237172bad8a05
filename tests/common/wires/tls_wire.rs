//! TLS as a wire: the server's end is waterwheel's, and the peer's is rustls on a plain socket.

use std::io::{self, BufRead, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use waterwheel::rustls::{ClientConfig, ClientConnection};
use waterwheel::{CreateServer, TlsClient, TlsServer};

use super::{Peer, Wire, connected, wait_for_reads};
use crate::common::certificates::Authority;

pub(crate) struct Tls {
    server: TlsServer,
    client: Arc<ClientConfig>,
}

impl Tls {
    pub(crate) fn new() -> Tls {
        let authority = Authority::new();
        let identity = authority.sign(&["127.0.0.1"]);
        let server = TlsServer::new(&identity.chain, &identity.key).expect("a good identity");
        let client = TlsClient::with_roots(&authority.pem).expect("a good authority");
        Tls { server, client: client.rustls_config() }
    }
}

impl Wire for Tls {
    fn serve(&self, server: CreateServer) -> CreateServer {
        server.tls(&self.server)
    }

    fn connect(&self, address: SocketAddr) -> Box<dyn Peer> {
        let engine = ClientConnection::new(Arc::clone(&self.client), address.ip().into());
        Box::new(TlsPeer { socket: connected(address), engine: engine.expect("the configuration is good") })
    }

    fn has_halves(&self) -> bool {
        false
    }
}

struct TlsPeer {
    socket: TcpStream,
    engine: ClientConnection,
}

impl TlsPeer {
    fn send(&mut self) {
        while self.engine.wants_write() && self.engine.write_tls(&mut self.socket).is_ok() {}
    }
}

impl Peer for TlsPeer {
    fn say(&mut self, text: &[u8]) {
        let _ = self.engine.writer().write(text);
        self.send();
    }

    fn say_raw(&mut self, bytes: &[u8]) {
        let _ = self.socket.write(bytes);
    }

    fn read_all(&mut self) {
        self.send();
        while let Ok(1..) = self.engine.read_tls(&mut self.socket) {
            if self.engine.process_new_packets().is_err() {
                break;
            }
            let mut reader = self.engine.reader();
            while let Ok(n @ 1..) = reader.fill_buf().map(<[u8]>::len) {
                reader.consume(n);
            }
        }
        self.send();
    }

    fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        wait_for_reads(&self.socket)?;
        let mut all = Vec::new();
        while self.engine.read_tls(&mut self.socket)? > 0 {
            self.engine.process_new_packets().map_err(io::Error::other)?;
            let mut reader = self.engine.reader();
            while let Ok(n @ 1..) = reader.fill_buf().map(|piece| {
                all.extend_from_slice(piece);
                piece.len()
            }) {
                reader.consume(n);
            }
        }
        Ok(all)
    }

    fn end(&mut self) {
        self.engine.send_close_notify();
        self.send();
    }

    fn cut(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}
