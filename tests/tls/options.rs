//! The options of TLS on everything that connects and everything that serves, protocols and streams, TCP and Unix:
//! time limits, refused settings, and what both sides learn.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::common::certificates::Authority;
use crate::common::files::Files;
use crate::common::forward_clock::run;
use crate::settings::kind_of;
use waterwheel::rustls::{ClientConfig, ProtocolVersion, ServerConfig};
use waterwheel::{
    ConnectionError, Promise, Protocol, Server, StreamReader, StreamWriter, TlsClient, TlsError, TlsErrorKind, TlsInfo,
    TlsServer, Transport, get_running_loop, open_connection, open_unix_connection, sleep, start_server,
    start_unix_server,
};

const SECOND: Duration = Duration::from_secs(1);

/// The ways to connect or to serve.
#[derive(Debug, Clone, Copy)]
enum Way {
    Streams,
    UnixStreams,
    Protocol,
    UnixProtocol,
}

const WAYS: [Way; 4] = [Way::Streams, Way::UnixStreams, Way::Protocol, Way::UnixProtocol];

/// A protocol that records why it lost its connection, and can close it at once.
#[derive(Default)]
struct Told {
    lost: Promise<Option<TlsErrorKind>>,
    info: RefCell<Option<TlsInfo>>,
    closes: bool,
}

impl Told {
    fn closing() -> Rc<Told> {
        Rc::new(Told { closes: true, ..Told::default() })
    }
}

impl Protocol for Told {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.info.replace(transport.extra_info().tls().cloned());
        if self.closes {
            transport.close();
        }
    }
    fn connection_lost(&self, error: Option<ConnectionError>) {
        let kind = error.and_then(|error| TlsError::of(&error).map(TlsError::kind));
        self.lost.set(kind).expect("it is lost once");
    }
}

/// The addresses of a server, over TCP and on a Unix socket.
#[derive(Clone)]
struct Places {
    address: SocketAddr,
    path: String,
}

/// Connects over TLS and then closes. Returns why one of the two failed, if it did.
fn client(way: Way, to: Places, tls: TlsClient) -> Pin<Box<dyn Future<Output = Option<TlsErrorKind>>>> {
    Box::pin(async move {
        let event_loop = get_running_loop();
        let streams = match way {
            Way::Streams => open_connection(to.address).tls(tls).await,
            Way::UnixStreams => open_unix_connection(&to.path).tls(tls).server_hostname("127.0.0.1").await,
            Way::Protocol | Way::UnixProtocol => {
                let factory = Told::closing;
                let connected = match way {
                    Way::Protocol => event_loop.create_connection(factory, to.address).tls(tls).await,
                    _ => {
                        let connecting = event_loop.create_unix_connection(factory, &to.path);
                        connecting.tls(tls).server_hostname("127.0.0.1").await
                    }
                };
                return match connected {
                    Ok((_transport, told)) => told.lost.wait().await,
                    Err(error) => kind_of(&error),
                };
            }
        };
        match streams {
            Ok((_reader, writer)) => {
                writer.close();
                writer.wait_closed().await.err().as_ref().and_then(kind_of)
            }
            Err(error) => kind_of(&error),
        }
    })
}

/// A TLS server that closes each connection at once, and records why that failed.
async fn closing_server(way: Way, path: &str, tls: TlsServer, ended: &Promise<Option<TlsErrorKind>>) -> Server {
    let (event_loop, ended) = (get_running_loop(), ended.clone());
    let handler = {
        let ended = ended.clone();
        move |_reader: StreamReader, writer: StreamWriter| {
            let ended = ended.clone();
            async move {
                writer.close();
                let outcome = writer.wait_closed().await;
                ended.set(outcome.err().as_ref().and_then(kind_of)).expect("there is one client");
            }
        }
    };
    let factory = move || Rc::new(Told { lost: ended.clone(), closes: true, ..Told::default() });
    let server = match way {
        Way::Streams => start_server(handler, "127.0.0.1:0").tls(tls).await,
        Way::UnixStreams => start_unix_server(handler, path).tls(tls).await,
        Way::Protocol => event_loop.create_server(factory, "127.0.0.1:0").tls(tls).await,
        Way::UnixProtocol => event_loop.create_unix_server(factory, path).tls(tls).await,
    };
    server.unwrap()
}

struct Setting {
    files: Files,
    server: TlsServer,
    client: TlsClient,
}

fn setting(topic: &str) -> Setting {
    let authority = Authority::new();
    let identity = authority.sign(&["127.0.0.1", "localhost"]);
    Setting {
        files: Files::new(topic),
        server: TlsServer::new(&identity.chain, &identity.key).unwrap(),
        client: TlsClient::with_roots(&authority.pem).unwrap(),
    }
}

/// A protocol that never reads anything.
struct Silent;

impl Protocol for Silent {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.pause_reading();
    }
}

/// Servers that never read anything, over TCP and on a Unix socket.
async fn silent_servers(path: &str, tls: Option<&TlsServer>) -> (Places, [Server; 2]) {
    let here = get_running_loop();
    let factory = || Rc::new(Silent);
    let (mut tcp, mut unix) = (here.create_server(factory, "127.0.0.1:0"), here.create_unix_server(factory, path));
    if let Some(tls) = tls {
        (tcp, unix) = (tcp.tls(tls), unix.tls(tls));
    }
    let servers = [tcp.await.unwrap(), unix.await.unwrap()];
    (Places { address: servers[0].local_addrs()[0], path: path.to_owned() }, servers)
}

#[test]
fn a_client_has_sixty_seconds_for_the_handshake_and_thirty_for_the_end() {
    let Setting { files, server, client: tls } = setting("tls-options-client");
    let handshake = TlsErrorKind::HandshakeTimedOut(60 * SECOND);
    let shutdown = TlsErrorKind::ShutdownTimedOut(30 * SECOND);
    for way in WAYS {
        for (number, expected, limit) in [(0, handshake, 60 * SECOND), (1, shutdown, 30 * SECOND)] {
            run(async |clock| {
                let path = files.put("socket", "");
                std::fs::remove_file(&path).unwrap();
                let (places, servers) = silent_servers(&path, (number == 1).then_some(&server)).await;
                let client = waterwheel::spawn(client(way, places, tls.clone()));
                clock.until("it is connected", || servers.iter().any(|server| server.connections() > 0)).await;
                clock.settle().await;
                clock.put(limit - 5 * SECOND).await;
                assert!(!client.is_finished(), "{way:?}: too early for {expected:?}");
                clock.put(6 * SECOND).await;
                clock.settle().await;
                assert!(client.is_finished(), "{way:?}: too late for {expected:?}");
                assert_eq!(client.await.unwrap(), Some(expected), "{way:?}");
            });
        }
    }
}

#[test]
fn a_server_gives_sixty_seconds_for_the_handshake_and_thirty_for_the_end() {
    let Setting { files, server: tls, client } = setting("tls-options-server");
    for way in WAYS {
        run(async |clock| {
            let path = files.put("socket", "");
            std::fs::remove_file(&path).unwrap();
            let ended = Promise::new();
            let server = closing_server(way, &path, tls.clone(), &ended).await;
            let is_unix = matches!(way, Way::UnixStreams | Way::UnixProtocol);
            let place = || if is_unix { None } else { Some(server.local_addrs()[0]) };

            let here = get_running_loop();
            let silent = || Rc::new(Silent);

            // A client that sends nothing.
            let connected = match place() {
                Some(address) => here.create_connection(silent, address).await,
                None => here.create_unix_connection(silent, &path).await,
            };
            let (_transport, _) = connected.unwrap();
            clock.until("it is connected", || server.connections() > 0).await;
            clock.put(55 * SECOND).await;
            assert_eq!(server.connections(), 1, "{way:?}");
            clock.put(6 * SECOND).await;
            assert_eq!((server.connections(), ended.is_set()), (0, false), "{way:?}");

            // A client that does not answer the end.
            let connected = match place() {
                Some(address) => here.create_connection(silent, address).tls(&client).await,
                None => here.create_unix_connection(silent, &path).tls(&client).server_hostname("localhost").await,
            };
            let (_transport, _) = connected.unwrap();
            clock.until("it is connected", || server.connections() > 0).await;
            clock.settle().await;
            clock.put(25 * SECOND).await;
            assert!(!ended.is_set(), "{way:?}");
            clock.put(6 * SECOND).await;
            clock.settle().await;
            assert!(ended.is_set(), "{way:?}: too late");
            assert_eq!(ended.wait().await, Some(TlsErrorKind::ShutdownTimedOut(30 * SECOND)), "{way:?}");
        });
    }
}

/// Checks that the settings are refused before anything connects or binds.
fn assert_refused<T>(outcome: io::Result<T>, case: &str) {
    let kind = outcome.err().unwrap_or_else(|| panic!("{case}: it was taken")).kind();
    assert_eq!(kind, io::ErrorKind::InvalidInput, "{case}");
}

// No server listens on this address, and no test may bind it.
const NOWHERE: &str = "127.0.0.1:1";
const NO_PATH: &str = "/nowhere/socket";

#[test]
fn options_of_tls_mean_nothing_without_tls() {
    run(async |_| {
        let here = get_running_loop();
        let told = Rc::<Told>::default;
        let handler = |_, _| {};
        assert_refused(open_connection(NOWHERE).server_hostname("x").await, "a name");
        assert_refused(open_unix_connection(NO_PATH).server_hostname("x").await, "a name");
        assert_refused(here.create_connection(told, NOWHERE).server_hostname("x").await, "a name");
        assert_refused(here.create_unix_connection(told, NO_PATH).server_hostname("x").await, "a name");
        let case = "a timeout";
        assert_refused(open_connection(NOWHERE).tls_handshake_timeout(SECOND).await, case);
        assert_refused(open_unix_connection(NO_PATH).tls_shutdown_timeout(SECOND).await, case);
        assert_refused(here.create_connection(told, NOWHERE).tls_handshake_timeout(SECOND).await, case);
        assert_refused(here.create_unix_connection(told, NO_PATH).tls_shutdown_timeout(SECOND).await, case);
        assert_refused(start_server(handler, NOWHERE).tls_handshake_timeout(SECOND).await, case);
        assert_refused(start_unix_server(handler, NO_PATH).tls_shutdown_timeout(SECOND).await, case);
        assert_refused(here.create_server(told, NOWHERE).tls_handshake_timeout(SECOND).await, case);
        assert_refused(here.create_unix_server(told, NO_PATH).tls_shutdown_timeout(SECOND).await, case);
    });
}

#[test]
fn a_timeout_of_nothing_is_refused() {
    let Setting { server, client, .. } = setting("tls-options-zero");
    const ZERO: Duration = Duration::ZERO;
    run(async |_| {
        let here = get_running_loop();
        let told = Rc::<Told>::default;
        let handler = |_, _| {};
        let case = "a timeout of 0";
        assert_refused(open_connection(NOWHERE).tls(&client).tls_handshake_timeout(ZERO).await, case);
        assert_refused(here.create_connection(told, NOWHERE).tls(&client).tls_shutdown_timeout(ZERO).await, case);
        assert_refused(start_server(handler, NOWHERE).tls(&server).tls_handshake_timeout(ZERO).await, case);
        assert_refused(here.create_server(told, NOWHERE).tls(&server).tls_shutdown_timeout(ZERO).await, case);
    });
}

#[test]
fn without_a_host_the_name_must_be_given() {
    let Setting { client, .. } = setting("tls-options-name");
    run(async |_| {
        let here = get_running_loop();
        let told = Rc::<Told>::default;
        let socket = || UnixStream::pair().unwrap().0;
        assert_refused(open_unix_connection(NO_PATH).tls(&client).await, "a path");
        assert_refused(here.create_unix_connection(told, NO_PATH).tls(&client).await, "a path");
        assert_refused(open_connection(socket()).tls(&client).await, "a socket");
        assert_refused(here.create_connection(told, socket()).tls(&client).await, "a socket");
        assert_refused(open_connection(NOWHERE).tls(&client).server_hostname("not a name").await, "a bad name");
        // With a name or a host, the attempt gets as far as connecting.
        let error = here.create_connection(told, NOWHERE).tls(&client).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = open_unix_connection(NO_PATH).tls(&client).server_hostname("x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn both_sides_are_told_what_was_agreed_also_with_configurations_of_rustls() {
    let authority = Authority::new();
    let (server_side, client_side) = (authority.sign(&["localhost"]), authority.sign(&["me"]));
    let server =
        TlsServer::requiring_client_certificates(&server_side.chain, &server_side.key, &authority.pem).unwrap();
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    let client = client.client_certificate(&client_side.chain, &client_side.key).unwrap();
    let server: Arc<ServerConfig> = server.alpn(["h2", "echo"]).rustls_config();
    let client: Arc<ClientConfig> = client.alpn(["echo"]).rustls_config();
    run(async |_| {
        let here = get_running_loop();
        let accepted: Rc<RefCell<Vec<Rc<Told>>>> = Rc::default();
        let kept = Rc::clone(&accepted);
        let factory = move || {
            let told = Rc::<Told>::default();
            kept.borrow_mut().push(Rc::clone(&told));
            told
        };
        let server = here.create_server(factory, "127.0.0.1:0").tls(server).await.unwrap();
        let connecting = here.create_connection(Rc::<Told>::default, server.local_addrs()[0]);
        let (transport, told) = connecting.tls(client).server_hostname("localhost").await.unwrap();
        while accepted.borrow().first().is_none_or(|told| told.info.borrow().is_none()) {
            sleep(Duration::from_millis(1)).await;
        }
        let ours = told.info.borrow().clone().unwrap();
        let theirs = accepted.borrow()[0].info.borrow().clone().unwrap();
        for (info, peer) in [(&ours, &server_side), (&theirs, &client_side)] {
            assert_eq!(info.protocol_version(), ProtocolVersion::TLSv1_3);
            assert!(info.cipher_suite().as_str().is_some_and(|name| name.starts_with("TLS13_")), "{info:?}");
            assert_eq!(info.alpn(), Some(&b"echo"[..]));
            assert_eq!(info.server_name(), Some("localhost"));
            assert_eq!(info.peer_certificates(), [peer.certificate()]);
        }
        assert_eq!(ours.cipher_suite(), theirs.cipher_suite());
        assert!(transport.extra_info().tls().is_some());
    });
}
