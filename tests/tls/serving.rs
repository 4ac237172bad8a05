//! Servers that close their clients: a session ends in order, however the connection came to use TLS.

use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::settings::both;
use waterwheel::rustls::{self, ClientConnection};
use waterwheel::{
    EventLoop, Protocol, Server, StreamReader, StreamWriter, TlsClient, TlsServer, Transport, get_running_loop,
    open_connection, spawn, start_server, start_tls, timeout, yield_now,
};

const NAME: &str = "here.test";

fn run<F: Future>(main: F) -> F::Output {
    waterwheel::run(within(main))
}

async fn within<F: Future>(main: F) -> F::Output {
    timeout(Duration::from_secs(30), main).await.expect("the test hangs")
}

/// A handler of streams that already use TLS: sends a greeting, and waits for the end.
async fn greet(mut reader: StreamReader, writer: StreamWriter) {
    writer.write(b"hello\n");
    let _ = reader.read(1).await; // any end will do
}

/// Starts TLS on its transport when the first bytes arrive, and sends a greeting when that is done.
struct Upgrading {
    tls: TlsServer,
    this: std::rc::Weak<Upgrading>,
    transport: OnceCell<Rc<dyn Transport>>,
}

impl Protocol for Upgrading {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = self.transport.set(transport); // it is called once
    }

    fn data_received(&self, data: &[u8]) {
        assert_eq!(data, b"go\n");
        let (plain, protocol) = (self.transport.get().unwrap().clone(), self.this.upgrade().unwrap());
        plain.write(b"go\n");
        let tls = self.tls.clone();
        spawn(async move {
            let secure = get_running_loop().start_tls(plain, protocol, tls).await.unwrap();
            secure.write(b"hello\n");
        });
    }
}

/// How a connection of a server came to use TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    FromTheStart,
    StreamsUpgraded,
    TransportUpgraded,
    WithinTls,
}

const WAYS: [Way; 4] = [Way::FromTheStart, Way::StreamsUpgraded, Way::TransportUpgraded, Way::WithinTls];

async fn serve(way: Way, tls: &TlsServer) -> Server {
    let inner = tls.clone();
    let upgrade_and_greet = move |mut reader: StreamReader, writer: StreamWriter| {
        let tls = inner.clone();
        async move {
            assert_eq!(reader.readline().await.unwrap(), b"go\n");
            writer.write(b"go\n");
            let (reader, writer) = start_tls(reader, writer, tls).await.unwrap();
            greet(reader, writer).await;
        }
    };
    let inner = tls.clone();
    let upgrading = move || {
        let tls = inner.clone();
        Rc::new_cyclic(|this| Upgrading { tls, this: this.clone(), transport: OnceCell::new() })
    };
    let at = "127.0.0.1:0";
    let server = match way {
        Way::FromTheStart => start_server(greet, at).tls(tls.clone()).await,
        Way::StreamsUpgraded => start_server(upgrade_and_greet, at).await,
        Way::TransportUpgraded => get_running_loop().create_server(upgrading, at).await,
        Way::WithinTls => start_server(upgrade_and_greet, at).tls(tls.clone()).await,
    };
    server.unwrap()
}

/// A client that has received the greeting.
async fn connect(way: Way, server: &Server, client: &TlsClient) -> (StreamReader, StreamWriter) {
    let open = || open_connection(server.local_addrs()[0]);
    let (mut reader, writer) = match way {
        Way::FromTheStart => open().tls(client.clone()).server_hostname(NAME).await.unwrap(),
        Way::StreamsUpgraded | Way::TransportUpgraded | Way::WithinTls => {
            let opened = if way == Way::WithinTls { open().tls(client.clone()).server_hostname(NAME) } else { open() };
            let (mut reader, writer) = opened.await.unwrap();
            writer.write(b"go\n");
            assert_eq!(reader.readline().await.unwrap(), b"go\n");
            start_tls(reader, writer, client.clone()).server_hostname(NAME).await.unwrap()
        }
    };
    assert_eq!(reader.readline().await.unwrap(), b"hello\n");
    (reader, writer)
}

#[test]
fn a_server_that_closes_its_clients_ends_their_sessions_in_order_however_they_came_to_tls() {
    let (tls, client) = both(NAME);
    for way in WAYS {
        run(async {
            let server = serve(way, &tls).await;
            let (mut reader, _writer) = connect(way, &server, &client).await;
            server.close_clients();
            assert_eq!(reader.read_to_end().await.unwrap(), b"", "{way:?}");
            server.close();
            server.wait_closed().await;
        });
    }
}

#[test]
fn a_server_that_shuts_down_ends_the_sessions_in_order_however_they_came_to_tls() {
    let (tls, client) = both(NAME);
    for way in WAYS {
        run(async {
            let server = serve(way, &tls).await;
            let (mut reader, _writer) = connect(way, &server, &client).await;
            let report = server.shutdown(Duration::ZERO).await;
            assert_eq!((report.finished, report.closed, report.aborted), (0, 1, 0), "{way:?}");
            assert_eq!(reader.read_to_end().await.unwrap(), b"", "{way:?}");
        });
    }
}

#[test]
fn a_server_that_aborts_its_clients_leaves_them_at_once_however_they_came_to_tls() {
    let (tls, client) = both(NAME);
    for way in WAYS {
        run(async {
            let server = serve(way, &tls).await;
            let (mut reader, _writer) = connect(way, &server, &client).await;
            server.close();
            server.abort_clients();
            server.wait_closed().await;
            assert!(reader.read_to_end().await.is_err(), "{way:?}: an abort is no end in order");
        });
    }
}

#[test]
fn a_handler_that_fails_after_it_started_tls_ends_the_session_in_order() {
    let (tls, client) = both(NAME);
    let mut event_loop = EventLoop::new().unwrap();
    let reported = Rc::new(Cell::new(0));
    let count = Rc::clone(&reported);
    event_loop.handle().set_debug(false); // The speed of the machine does not matter here.
    event_loop.handle().set_exception_handler(move |_| count.set(count.get() + 1));
    event_loop.run(within(async {
        let handler = move |mut reader: StreamReader, writer: StreamWriter| {
            let tls = tls.clone();
            async move {
                reader.readline().await?;
                writer.write(b"go\n");
                let (_reader, writer) = start_tls(reader, writer, tls).await?;
                writer.write(b"hello\n");
                Err::<(), io::Error>(io::Error::other("I cannot go on"))
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let (mut reader, _writer) = connect(Way::StreamsUpgraded, &server, &client).await;
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
    }));
    assert_eq!(reported.get(), 1);
}

#[test]
fn a_session_whose_peer_does_not_answer_is_closed_by_a_shutdown_all_the_same() {
    let (tls, client) = both(NAME);
    run(async {
        let server = serve(Way::FromTheStart, &tls).await;
        let (address, config) = (server.local_addrs()[0], client.rustls_config());
        let (told, greeted) = std::sync::mpsc::channel();
        let client = thread::spawn(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let mut engine = ClientConnection::new(config, NAME.try_into().unwrap()).unwrap();
            let mut greeting = [0; 6];
            let mut session = rustls::Stream::new(&mut engine, &mut socket);
            session.read_exact(&mut greeting).unwrap();
            // The server will end with these bytes unread, which must not cost us its end.
            session.write_all(&[b'x'; 100_000]).unwrap();
            told.send(()).unwrap();
            session.read_to_end(&mut Vec::new())
        });
        while greeted.try_recv().is_err() {
            yield_now().await;
        }
        let report = server.shutdown(Duration::ZERO).await;
        assert_eq!((report.finished, report.closed, report.aborted), (0, 1, 0));
        while !client.is_finished() {
            yield_now().await;
        }
        assert_eq!(client.join().unwrap().unwrap(), 0, "an end in order, and no reset");
    });
}
