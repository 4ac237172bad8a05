//! Streams, servers, transports, TLS and datagrams on a network that is not the operating system's: nothing bypasses
//! the `Network` trait.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::network::Conduit;
use waterwheel::{
    Address, DatagramProtocol, DatagramTransport, Endpoint, LookUpError, Promise, StreamReader, StreamWriter,
    get_running_loop, open_connection, open_unix_connection, spawn, start_server, start_unix_server, timeout,
};

use crate::common::memory::{Memory, ROOM};

/// Runs a test on a loop of the network, with a time limit.
fn run<T>(memory: &Memory, test: impl Future<Output = T>) -> T {
    memory.event_loop().run(timeout(Duration::from_secs(20), test)).expect("nothing hangs")
}

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let data = reader.read(1000).await?;
        if data.is_empty() {
            return Ok(());
        }
        writer.write_all(&data).await?;
    }
}

/// Bytes whose values depend on their positions.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn is_echoed(to: impl Into<Endpoint>, len: usize) {
    let (mut reader, writer) = open_connection(to).await.unwrap();
    let data = pattern(len);
    let sent = data.clone();
    let sending = spawn(async move {
        writer.write_all(&sent).await.unwrap();
        writer.write_eof();
        writer
    });
    assert!(reader.read_to_end().await.unwrap() == data);
    drop(sending.await.unwrap());
}

#[test]
fn streams_go_there_and_back() {
    let memory = Memory::default();
    run(&memory, async {
        let server = start_server(echo, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        for len in [0, 1, ROOM, 10 * ROOM + 1] {
            is_echoed(address, len).await;
        }
        is_echoed(("some.memory", address.port()), 100).await;
        server.close();
        server.wait_closed().await;
        assert_eq!(open_connection(address).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_server_of_every_interface_is_found_and_so_is_one_at_a_path() {
    let memory = Memory::default();
    run(&memory, async {
        let server = start_server(echo, ("", 0)).await.unwrap();
        assert_eq!(server.local_addrs().len(), 2);
        is_echoed(("127.0.0.1", server.local_addrs()[1].port()), 10).await;
        let path = Path::new("/nowhere/echo");
        let at_path = start_unix_server(echo, path).await.unwrap();
        let taken = start_unix_server(echo, path).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        assert!(taken.to_string().starts_with("cannot bind to /nowhere/echo: "), "{taken}");
        is_echoed(path, 1000).await;
        drop(at_path);
        let gone = open_unix_connection(path).await.unwrap_err();
        assert!(gone.to_string().starts_with("connect to /nowhere/echo failed: "), "{gone}");
    });
}

#[test]
fn what_a_network_does_not_find_is_told_as_of_the_system() {
    run(&Memory::default(), async {
        let error = open_connection(("elsewhere", 80)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(LookUpError::of(&error).unwrap().host(), "elsewhere");
        let socket = std::os::unix::net::UnixStream::pair().unwrap().0;
        assert_eq!(open_connection(socket).await.unwrap_err().kind(), io::ErrorKind::Unsupported);
    });
}

#[test]
fn a_plain_peer_is_served_and_a_reset_is_heard() {
    let memory = Memory::default();
    run(&memory, async {
        let listener = memory.listen("127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap());
        let (mut reader, writer) = open_connection("127.0.0.1:80").await.unwrap();
        let peer = listener.next();
        assert_eq!(writer.extra_info().peername(), Some(&listener.address()));
        writer.write_all(b"hello").await.unwrap();
        // The bytes are sent at the end of the step.
        waterwheel::yield_now().await;
        let mut got = [0; 10];
        assert_eq!(peer.recv(&mut got).unwrap(), 5);
        peer.send(b"the last words").unwrap();
        peer.reset_on_close();
        drop(peer);
        // Two reads, since the bytes that have arrived are read before the error.
        assert_eq!(reader.readexactly(14).await.unwrap(), b"the last words");
        let error = reader.read(1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_server_lingers_until_the_peer_has_ended_its_side() {
    let memory = Memory::default();
    run(&memory, async {
        let reply = async |_: StreamReader, writer: StreamWriter| writer.write_all(b"413").await;
        let server = start_server(reply, "127.0.0.1:0").await.unwrap();
        let peer = memory.connect(server.local_addrs()[0]).unwrap();
        while server.connections() == 0 {
            waterwheel::yield_now().await;
        }
        while server.connections() > 0 {
            waterwheel::yield_now().await;
        }
        // The protocol has lost the connection. Later input is thrown away and does not reset it.
        assert_eq!(peer.send(&[1; 1000]).unwrap(), 1000);
        let closing = spawn(async move { server.shutdown(Duration::ZERO).await });
        for _ in 0..10 {
            waterwheel::yield_now().await;
        }
        assert!(!closing.is_finished(), "it waits for who lingers");
        let mut got = [0; 10];
        assert_eq!(peer.recv(&mut got).unwrap(), 3);
        assert_eq!(peer.recv(&mut got).unwrap(), 0);
        drop(peer);
        closing.await.unwrap();
    });
}

/// Keeps the datagrams that it receives, and may send them back.
#[derive(Default)]
struct Echo {
    transport: RefCell<Option<Rc<dyn DatagramTransport>>>,
    got: RefCell<Vec<(Vec<u8>, Address)>>,
    first: Promise<()>,
    answers: bool,
}

impl DatagramProtocol for Echo {
    fn connection_made(&self, transport: Rc<dyn DatagramTransport>) {
        self.transport.replace(Some(transport));
    }

    fn datagram_received(&self, data: &[u8], from: &Address) {
        self.got.borrow_mut().push((data.to_vec(), from.clone()));
        let _ = self.first.set(());
        if self.answers {
            let transport = self.transport.borrow().clone().expect("it was made");
            transport.sendto(data, Some(from)).expect("the sender has an address");
        }
    }
}

#[test]
fn datagrams_are_echoed_of_the_internet_and_at_a_path() {
    for at in [Endpoint::from("127.0.0.1:0"), Endpoint::from(Path::new("/nowhere/datagrams"))] {
        run(&Memory::default(), async {
            let handle = get_running_loop();
            let server = || Rc::new(Echo { answers: true, ..Echo::default() });
            let (server, _) = handle.create_datagram_endpoint(server).local_addr(at).await.unwrap();
            let to = server.extra_info().sockname().cloned().unwrap();
            let client = handle.create_datagram_endpoint(Rc::<Echo>::default);
            let client = match to.as_inet() {
                Some(to) => client.remote_addr(to),
                None => client.remote_addr(to.as_path().unwrap()),
            };
            let (client, protocol) = client.await.unwrap();
            // Larger than the buffer that the loop lends.
            let large = pattern(300_000);
            client.sendto(&large, None).unwrap();
            protocol.first.wait().await;
            assert!(*protocol.got.borrow() == [(large, to)]);
            client.close();
            server.close();
        });
    }
}

#[cfg(feature = "tls")]
#[test]
fn tls_goes_there_and_back_and_ends_in_order() {
    use waterwheel::{TlsClient, TlsServer};

    let authority = crate::common::certificates::Authority::new();
    let identity = authority.sign(&["some.memory"]);
    run(&Memory::default(), async {
        let tls = TlsServer::new(&identity.chain, &identity.key).unwrap();
        let server = start_server(echo, "127.0.0.1:0").tls(tls).await.unwrap();
        let client = TlsClient::with_roots(&authority.pem).unwrap();
        let to = ("some.memory", server.local_addrs()[0].port());
        let (mut reader, writer) = open_connection(to).tls(client).await.unwrap();
        let data = pattern(5 * ROOM);
        let sent = data.clone();
        let sending = spawn(async move {
            writer.write_all(&sent).await.unwrap();
            writer
        });
        assert!(reader.readexactly(data.len()).await.unwrap() == data);
        let writer = sending.await.unwrap();
        writer.close();
        writer.wait_closed().await.unwrap();
        let report = server.shutdown(Duration::from_secs(5)).await;
        assert_eq!(report.aborted, 0);
    });
}

#[cfg(feature = "tls")]
#[test]
fn a_tls_peer_that_takes_nothing_is_given_up_when_the_shutdown_timeout_has_passed_once() {
    use waterwheel::testing::ManualClock;
    use waterwheel::{EventLoop, TlsClient, TlsServer, sleep};

    const SECOND: Duration = Duration::from_secs(1);
    let authority = crate::common::certificates::Authority::new();
    let identity = authority.sign(&["some.memory"]);
    let (memory, clock) = (Memory::default(), Rc::new(ManualClock::new()));
    let builder = EventLoop::builder().network(Rc::new(memory.clone())).selector(Box::new(memory));
    builder.clock(clock.clone()).build().unwrap().run(async {
        let tls = TlsServer::new(&identity.chain, &identity.key).unwrap();
        let talk = async |_: StreamReader, writer: StreamWriter| {
            writer.write(&pattern(10 * ROOM));
            // By then the client's buffers are full.
            sleep(SECOND).await;
            writer.close();
            // The writer is kept, or the close timeout of a dropped writer would end the connection.
            let _ = writer.wait_closed().await;
        };
        let server = start_server(talk, "127.0.0.1:0").tls(tls).tls_shutdown_timeout(30 * SECOND).await.unwrap();
        let client = TlsClient::with_roots(&authority.pem).unwrap();
        let to = ("some.memory", server.local_addrs()[0].port());
        let silent = open_connection(to).tls(client).await.unwrap();
        while server.connections() == 0 {
            waterwheel::yield_now().await;
        }
        let start = clock.elapsed();
        while server.connections() > 0 {
            sleep(SECOND).await;
        }
        let took = clock.elapsed() - start;
        assert!((31 * SECOND..=32 * SECOND).contains(&took), "{took:?}");
        drop(silent);
    });
}
