//! Futures of TLS, and streams over TLS with rustls at the other end.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::thread;

use waterwheel::rustls::server::NoServerSessionStorage;
use waterwheel::rustls::{ServerConfig, ServerConnection, StreamOwned};
use waterwheel::{
    StreamReader, StreamWriter, TlsClient, TlsServer, get_running_loop, open_connection, start_server, start_tls,
    yield_now,
};

use super::connections::Quiet;
use super::moments::{Moment, drop_at, drop_while};
use super::wires::{Opened, Peer, tcp, unless_blocked};
use super::{Row, rows};
use crate::common::certificates::Authority;
use crate::common::until::until;

pub(super) const ROWS: &[Row] = rows![
    "OpenConnection" => async |moment| {
        let (ours, peer) = tcp();
        let watched = peer.try_clone().unwrap();
        let opening = open_connection(ours).tls(client()).server_hostname(NAME);
        let is_done = drop_while(moment, opening, shake(peer)).await.map(|streams| drop(streams.unwrap())).is_some();
        if !is_done {
            until_ended(watched).await;
        }
        is_done
    },
    "StartServer" => async |moment| {
        let serving = start_server(|_: StreamReader, _: StreamWriter| {}, "127.0.0.1:0").tls(TlsServer::from(server()));
        drop_at(moment, serving).await.map(|server| drop(server.unwrap())).is_some()
    },
    "StartTlsStreams" => async |moment| {
        let (ours, peer) = tcp();
        let (reader, writer) = open_connection(ours).await.unwrap();
        let watched = peer.try_clone().unwrap();
        let upgrade = start_tls(reader, writer, client()).server_hostname(NAME);
        let is_done = drop_while(moment, upgrade, shake(peer)).await.map(|streams| drop(streams.unwrap())).is_some();
        if !is_done {
            until_ended(watched).await;
        }
        is_done
    },
    "StartTls" => async |moment| {
        let (ours, peer) = tcp();
        let handle = get_running_loop();
        let watched = peer.try_clone().unwrap();
        let (transport, protocol) = handle.create_connection(|| Rc::new(Quiet), ours).await.unwrap();
        let upgrade = handle.start_tls(Rc::clone(&transport), protocol, client()).server_hostname(NAME);
        let above = drop_while(moment, upgrade, shake(peer)).await;
        let is_done = above.map(|above| above.unwrap().abort()).is_some();
        if let Moment::Waiting(0) = moment {
            // The upgrade was never polled, so it has not touched the transport.
            transport.abort();
        }
        if !is_done {
            until_ended(watched).await;
        }
        is_done
    },
];

const NAME: &str = "here.test";

/// The authority that all clients trust, and the settings of the peers, made only once because keys take long to make.
fn settings() -> &'static (String, Arc<ServerConfig>) {
    static SETTINGS: OnceLock<(String, Arc<ServerConfig>)> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let authority = Authority::new();
        let identity = authority.sign(&[NAME]);
        let server = TlsServer::new(&identity.chain, &identity.key).unwrap();
        // Sessions kept for resumption would count as leaked memory.
        let mut config = Arc::unwrap_or_clone(server.rustls_config());
        config.session_storage = Arc::new(NoServerSessionStorage {});
        (authority.pem, Arc::new(config))
    })
}

fn client() -> TlsClient {
    TlsClient::with_roots(&settings().0).unwrap()
}

fn server() -> Arc<ServerConfig> {
    Arc::clone(&settings().1)
}

type Session = StreamOwned<ServerConnection, TcpStream>;

fn session(peer: TcpStream) -> Session {
    peer.set_nonblocking(true).unwrap();
    StreamOwned::new(ServerConnection::new(server()).unwrap(), peer)
}

impl Peer for Session {
    fn end(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        while self.conn.wants_write() {
            self.conn.write_tls(&mut self.sock)?;
        }
        self.sock.shutdown(Shutdown::Write)
    }
}

/// The peer's side of a handshake, one step per turn.
async fn shake(peer: TcpStream) {
    let mut session = session(peer);
    while session.conn.is_handshaking() {
        let Session { conn, sock } = &mut session;
        unless_blocked(conn.complete_io(sock));
        yield_now().await;
    }
    // Keeps the peer alive until this future is dropped.
    std::future::pending().await
}

/// Waits until our end is closed, while the peer's is not.
async fn until_ended(mut peer: TcpStream) {
    peer.set_nonblocking(true).unwrap();
    let mut memory = [0; 4096];
    until("the peer sees the end", || match peer.read(&mut memory) {
        Ok(n) => n == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    })
    .await;
}

/// Streams over TLS, with a peer that has completed its handshake.
pub(super) async fn both_ways() -> Opened {
    let (ours, peer) = tcp();
    let mut peer = session(peer);
    let shaking = thread::spawn(move || {
        peer.sock.set_nonblocking(false).unwrap();
        while peer.conn.is_handshaking() {
            peer.conn.complete_io(&mut peer.sock).unwrap();
        }
        peer.sock.set_nonblocking(true).unwrap();
        peer
    });
    let (reader, writer) = open_connection(ours).tls(client()).server_hostname(NAME).await.unwrap();
    let peer = shaking.join().unwrap();
    Opened { reader: Some(reader), writer: Some(writer), peer: Box::new(peer) }
}
