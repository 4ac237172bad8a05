//! Below a TLS session too, a connection that is given up with bytes unsent is reset: in what is encrypted as in what
//! still waits for that.

use std::cell::OnceCell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::common::alone::alone;
use crate::common::bytes::pattern;
use crate::common::certificates::Authority;
use crate::common::tls_peer::Peer;
use waterwheel::rustls::ClientConfig;
use waterwheel::{EventLoop, Protocol, Server, TlsClient, TlsServer, Transport, get_running_loop, yield_now};

/// More than all buffers take for a client that reads nothing.
const MUCH: usize = 32 << 20;

const LITTLE: usize = 60_000;

/// Says so many bytes, keeps its transport where the test finds it, and panics when it is spoken to.
struct Speaker {
    says: usize,
    transport: Rc<OnceCell<Rc<dyn Transport>>>,
}

impl Protocol for Speaker {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.write(&pattern(self.says));
        let _ = self.transport.set(transport);
    }

    fn data_received(&self, _data: &[u8]) {
        panic!("a panic that is wanted");
    }
}

/// A client that has shaken hands, and reads nothing.
struct Spoken {
    server: Server,
    transport: Rc<dyn Transport>,
    client: Peer,
}

fn both() -> (TlsServer, Arc<ClientConfig>) {
    let authority = Authority::new();
    let identity = authority.sign(&["127.0.0.1"]);
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    (TlsServer::new(&identity.chain, &identity.key).unwrap(), client.rustls_config())
}

async fn spoken_to(says: usize) -> Spoken {
    let (server, config) = both();
    let transport = Rc::new(OnceCell::new());
    let kept = Rc::clone(&transport);
    let factory = move || Rc::new(Speaker { says, transport: Rc::clone(&kept) });
    let creating = get_running_loop().create_server(factory, "127.0.0.1:0").tls(server);
    let server = creating.tls_shutdown_timeout(Duration::from_millis(10)).await.unwrap();
    let address = server.local_addrs()[0];
    let client = thread::spawn(move || {
        let mut client = Peer::client(address, usize::MAX, config);
        client.handshake().unwrap();
        client
    });
    while transport.get().is_none() || !client.is_finished() {
        yield_now().await;
    }
    let transport = transport.get().unwrap().clone();
    assert_eq!(transport.get_write_buffer_size() > 0, says == MUCH, "what the kernel does not take");
    Spoken { server, transport, client: client.join().unwrap() }
}

/// What the client's socket sees.
#[track_caller]
fn check(client: &Peer, says: usize, how: &str) {
    let mut all = Vec::new();
    let mut socket = client.socket();
    let end = socket.read_to_end(&mut all).map_err(|error| error.kind());
    if says == MUCH {
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "{how}: after {} bytes of {MUCH}", all.len());
    } else {
        assert_eq!(end, Ok(all.len()), "{how}, with nothing unsent");
        assert!(all.len() > says, "{how}: {} bytes of records for {says}", all.len());
    }
}

fn given_up(how: &'static str, sizes: &'static [usize], give_up: impl AsyncFn(&mut Spoken) + Copy + Send + 'static) {
    alone(move || {
        for &says in sizes {
            waterwheel::run(async {
                get_running_loop().set_exception_handler(|_| {});
                let mut spoken = spoken_to(says).await;
                give_up(&mut spoken).await;
                while spoken.transport.get_protocol().is_some() || spoken.server.connections() > 0 {
                    yield_now().await;
                }
                check(&spoken.client, says, how);
            });
        }
    });
}

#[test]
fn an_abort() {
    given_up("abort", &[MUCH, LITTLE], async |spoken| spoken.transport.abort());
}

#[test]
fn an_abort_of_all_clients() {
    given_up("abort_clients", &[MUCH, LITTLE], async |spoken| spoken.server.abort_clients());
}

#[test]
fn what_a_shutdown_aborts() {
    given_up("shutdown", &[MUCH], async |spoken| {
        let report = spoken.server.shutdown(Duration::ZERO).await;
        assert_eq!((report.finished, report.closed, report.aborted), (0, 0, 1));
    });
}

#[test]
fn a_close_that_the_client_does_not_take_in_time() {
    given_up("the shutdown timeout", &[MUCH], async |spoken| spoken.transport.close());
}

#[test]
fn a_panic_of_the_protocol() {
    given_up("a panic", &[MUCH, LITTLE], async |spoken| spoken.client.write(b"x").unwrap());
}

#[test]
fn a_session_that_fails() {
    given_up("no TLS", &[MUCH], async |spoken| spoken.client.socket().write_all(b"this is no record").unwrap());
}

#[test]
fn a_dropped_loop() {
    alone(|| {
        for says in [MUCH, LITTLE] {
            let mut event_loop = EventLoop::new().unwrap();
            let spoken = event_loop.run(spoken_to(says));
            drop(event_loop);
            check(&spoken.client, says, "a dropped loop");
        }
    });
}
