//! Servers: listening, serving, closing, and what waits for what.

mod options;
mod serve_until;
mod shutdown;
#[cfg(target_os = "linux")]
mod shutdown_delivers;

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use crate::common::plain_peer::{read_exactly, read_to_end};
use crate::common::recorder::Recorder;
use crate::common::running::{run, turns};
use crate::common::settle::settle;
use crate::common::until::until;
use waterwheel::{Server, StreamReader, StreamWriter, get_running_loop, open_connection, spawn, start_server, timeout};

/// Sends back everything until the peer ends its side.
async fn echo(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
    loop {
        let data = reader.read(1000).await?;
        if data.is_empty() {
            return Ok(());
        }
        writer.write_all(&data).await?;
    }
}

/// An address of a test's own, with any port. No other test takes that port after the server is closed, so a
/// connection to it is refused.
fn lonely(number: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 1, number], 0))
}

async fn echo_server() -> Server {
    start_server(echo, "127.0.0.1:0").await.unwrap()
}

/// A server, and the protocol of its client, which records its callbacks.
async fn recorded_server() -> (Server, Rc<Recorder>) {
    let recorder = Recorder::new();
    let protocol = Rc::clone(&recorder);
    let factory = move || Rc::clone(&protocol);
    (get_running_loop().create_server(factory, "127.0.0.1:0").await.unwrap(), recorder)
}

fn dial(to: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(to).unwrap();
    client.set_nonblocking(true).unwrap();
    client
}

/// A client that the server has accepted: its echo has arrived.
async fn client_of(server: &Server) -> TcpStream {
    let client = dial(server.local_addrs()[0]);
    check_echo(&client).await;
    client
}

async fn check_echo(mut client: &TcpStream) {
    client.write_all(b"ping").unwrap();
    assert_eq!(read_exactly(client, 4).await, b"ping");
}

#[test]
fn a_server_serves_many_clients_until_it_is_closed() {
    run(async {
        let server = echo_server().await;
        assert!(server.is_serving());
        let address = server.local_addrs()[0];
        let clients: Vec<_> = (0..20_u8)
            .map(|n| {
                spawn(async move {
                    let (mut reader, writer) = open_connection(address).await.unwrap();
                    assert_eq!(writer.peer_addr(), Some(address));
                    writer.write(&[n; 1000]);
                    writer.write_eof();
                    assert_eq!(reader.read_to_end().await.unwrap(), [n; 1000]);
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        server.close();
        server.close();
        assert!(!server.is_serving());
        assert!(server.local_addrs().is_empty());
        server.wait_closed().await;
        assert_eq!(open_connection(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn localhost_and_every_interface_take_a_port_of_each_family() {
    run(async {
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        let expected = if v6 { 2 } else { 1 };
        for host in ["localhost", ""] {
            let server = start_server(echo, (host, 0)).await.unwrap();
            let addresses = server.local_addrs();
            assert_eq!(addresses.len(), expected, "{host:?}: {addresses:?}");
            for address in addresses {
                assert_ne!(address.port(), 0);
                let ip = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
                let client = dial(SocketAddr::new(ip, address.port()));
                check_echo(&client).await;
            }
        }
        // Both families get the same port, and an address that is named twice is bound once.
        let server = start_server(echo, (["127.0.0.1", "localhost"], 0)).await.unwrap();
        assert_eq!(server.local_addrs().len(), expected);
        let port = server.local_addrs()[0].port();
        if v6 {
            if let Ok(second) = start_server(echo, ("::1", port)).await {
                assert_eq!(second.local_addrs()[0].port(), port);
            }
        }
    });
}

#[test]
fn an_address_in_use_is_an_error_that_names_it_and_leaves_nothing_bound() {
    run(async {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = start_server(echo, address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        // If one of several hosts cannot be bound, none is.
        let hosts = (["127.0.0.2", "127.0.0.1"], address.port());
        assert_eq!(start_server(echo, hosts).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(TcpListener::bind(("127.0.0.2", address.port())).expect("it was given back"));
        for nowhere in ["nowhere", "127.0.0.1:70000"] {
            assert_eq!(start_server(echo, nowhere).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn a_listener_that_is_ready_made_is_taken_over_and_closed() {
    run(async {
        let listener = TcpListener::bind(lonely(1)).unwrap();
        let address = listener.local_addr().unwrap();
        // This client has waited in the kernel's queue since before the server existed.
        let early = dial(address);
        let server = start_server(echo, listener).await.unwrap();
        assert_eq!(server.local_addrs(), [address]);
        check_echo(&early).await;
        server.close();
        assert!(TcpStream::connect(address).is_err());
    });
}

#[test]
fn until_it_starts_serving_a_server_holds_the_address_and_refuses() {
    run(async {
        let server = start_server(echo, "127.0.0.1:0").start_serving(false).await.unwrap();
        let address = server.local_addrs()[0];
        assert!(!server.is_serving());
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        server.start_serving().await.unwrap();
        server.start_serving().await.unwrap();
        assert!(server.is_serving());
        assert_eq!(server.local_addrs(), [address]);
        let _client = client_of(&server).await;
        server.close();
        assert!(server.start_serving().await.is_err());
        assert!(server.serve_forever().await.is_err());
    });
}

#[test]
fn a_server_closed_before_it_served_is_closed() {
    run(async {
        let server = start_server(echo, "127.0.0.1:0").start_serving(false).await.unwrap();
        let address = server.local_addrs()[0];
        server.close();
        server.wait_closed().await;
        drop(TcpListener::bind(address).expect("the address is free"));
    });
}

#[test]
fn closing_leaves_the_connections() {
    run(async {
        let server = echo_server().await;
        let client = client_of(&server).await;
        server.close();
        settle().await;
        check_echo(&client).await;
        drop(server);
        settle().await;
        check_echo(&client).await;
    });
}

#[test]
fn wait_closed_waits_for_the_close_and_for_the_last_connection() {
    run(async {
        let server = Rc::new(echo_server().await);
        let wait = || {
            let server = Rc::clone(&server);
            spawn(async move { server.wait_closed().await })
        };
        let open = wait();
        let client = client_of(&server).await;
        let with_client = wait();
        settle().await;
        assert!(!open.is_finished() && !with_client.is_finished());
        server.close();
        let closed = wait();
        settle().await;
        assert!(!open.is_finished() && !with_client.is_finished() && !closed.is_finished());
        assert!(timeout(Duration::from_millis(1), server.wait_closed()).await.is_err());
        drop(client);
        for task in [open, with_client, closed] {
            task.await.unwrap();
        }
        server.wait_closed().await;
    });
}

#[test]
fn a_client_that_goes_as_the_server_closes_is_not_waited_for_in_vain() {
    run(async {
        let server = Rc::new(echo_server().await);
        let client = client_of(&server).await;
        let waiting = Rc::clone(&server);
        let task = spawn(async move { waiting.wait_closed().await });
        turns(2).await;
        let closing = Rc::clone(&server);
        get_running_loop().call_soon(move || closing.close());
        get_running_loop().call_soon(move || drop(client));
        task.await.unwrap();
    });
}

#[test]
fn closing_the_clients_flushes_and_leaves_the_listeners() {
    run(async {
        let (server, recorder) = recorded_server().await;
        let client = dial(server.local_addrs()[0]);
        until("the connection", || recorder.words() == ["made"]).await;
        let data = crate::common::bytes::pattern(8 << 20);
        recorder.transport().write(&data);
        server.close_clients();
        assert!(recorder.transport().is_closing() && server.is_serving());
        assert!(read_to_end(&client).await.unwrap() == data);
        assert_eq!(recorder.lost.wait().await, None);
        assert!(server.is_serving());
        let _next = dial(server.local_addrs()[0]);
        server.close();
        server.close_clients();
        server.wait_closed().await;
    });
}

#[test]
fn aborting_the_clients_does_not_wait_for_one_that_does_not_read() {
    run(async {
        let (server, recorder) = recorded_server().await;
        let _client = dial(server.local_addrs()[0]);
        until("the connection", || recorder.words() == ["made"]).await;
        recorder.transport().write(&vec![0; 8 << 20]);
        server.close();
        server.close_clients();
        assert!(timeout(Duration::from_millis(5), server.wait_closed()).await.is_err());
        server.abort_clients();
        server.wait_closed().await;
        assert_eq!(recorder.words(), ["made", "pause", "lost"]);
    });
}

#[test]
fn serve_forever_ends_when_the_server_is_closed() {
    run(async {
        let server = Rc::new(start_server(echo, "127.0.0.1:0").start_serving(false).await.unwrap());
        let serving = Rc::clone(&server);
        let task = spawn(async move { serving.serve_forever().await });
        until("serving", || server.is_serving()).await;
        let client = client_of(&server).await;
        server.close();
        task.await.unwrap().unwrap();
        check_echo(&client).await;
    });
}

#[test]
fn cancelling_serve_forever_closes_the_server_and_its_clients() {
    run(async {
        let server = Rc::new(start_server(echo, lonely(2)).await.unwrap());
        let address = server.local_addrs()[0];
        let client = client_of(&server).await;
        let serving = Rc::clone(&server);
        let task = spawn(async move { serving.serve_forever().await });
        turns(3).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!server.is_serving() && server.local_addrs().is_empty());
        assert!(read_to_end(&client).await.unwrap().is_empty());
        server.wait_closed().await;
        assert!(TcpStream::connect(address).is_err());
        assert!(server.serve_forever().await.is_err());
    });
}

#[test]
fn connections_that_nobody_accepted_are_reset_by_the_close() {
    run(async {
        let server = start_server(echo, "127.0.0.1:0").backlog(100).await.unwrap();
        let address = server.local_addrs()[0];
        // No turn passes between these connects and the close.
        let waiting: Vec<_> = (0..5).map(|_| dial(address)).collect();
        server.close();
        server.wait_closed().await;
        for client in &waiting {
            assert!(read_to_end(client).await.map_or(true, |data| data.is_empty()));
        }
    });
}

#[test]
fn a_connection_accepted_but_not_yet_set_up_when_the_server_closes_is_closed() {
    run(async {
        for turns_before in 0..6 {
            let server = echo_server().await;
            let client = dial(server.local_addrs()[0]);
            // After each number of turns the connection is at another stage of its setup.
            for _ in 0..turns_before {
                timeout(Duration::ZERO, waterwheel::sleep(Duration::from_micros(1))).await.ok();
            }
            server.close();
            server.abort_clients();
            timeout(Duration::from_secs(5), server.wait_closed()).await.expect("nothing is counted that is gone");
            let end = read_to_end(&client).await;
            assert!(end.map_or(true, |data| data.is_empty()));
        }
    });
}

#[test]
fn a_backlog_of_zero_or_one_still_serves_everyone() {
    run(async {
        for backlog in [0, 1] {
            let server = start_server(echo, "127.0.0.1:0").backlog(backlog).await.unwrap();
            for _ in 0..5 {
                let _client = client_of(&server).await;
            }
        }
    });
}

#[test]
fn the_pipeline_of_a_connection_is_made_then_data() {
    run(async {
        let (server, recorder) = recorded_server().await;
        let client = dial(server.local_addrs()[0]);
        (&client).write_all(b"at once").unwrap();
        let ours = client.local_addr().unwrap();
        drop(client);
        recorder.lost.wait().await;
        assert_eq!(recorder.words(), ["made", "data", "eof", "lost"]);
        let info = recorder.transport().extra_info();
        assert_eq!(info.peername().unwrap().as_inet(), Some(ours));
        assert_eq!(info.sockname().unwrap().as_inet(), Some(server.local_addrs()[0]));
    });
}
