//! Each option of a server has its effect, and a server that fails to start leaves nothing behind.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;

use socket2::{Domain, Socket, Type};
use waterwheel::{
    Family, Protocol, ReadError, Server, StreamReader, StreamWriter, get_running_loop, open_connection, start_server,
};

use crate::common::alone::run_alone;
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::until::until;

async fn greet(_reader: StreamReader, writer: StreamWriter) {
    writer.write(b"hello\n");
}

async fn greets(address: SocketAddr) -> bool {
    let Ok((mut reader, _writer)) = open_connection(address).await else { return false };
    reader.readline().await.is_ok_and(|line| line == b"hello\n")
}

fn hosts(server: &Server) -> Vec<String> {
    server.local_addrs().iter().map(|address| address.ip().to_string()).collect()
}

#[test]
fn an_empty_host_is_every_interface_of_both_families() {
    run_alone(|| async {
        let server = start_server(greet, ("", 0)).await.unwrap();
        assert_eq!(hosts(&server), ["::", "0.0.0.0"]);
        for (address, loopback) in server.local_addrs().into_iter().zip(["::1", "127.0.0.1"]) {
            assert!(greets(SocketAddr::new(loopback.parse().unwrap(), address.port())).await, "{address}");
        }
        // The families do not conflict: they can use the same port.
        let port = server.local_addrs()[1].port();
        drop(server);
        let server = start_server(greet, ("", port)).await.unwrap();
        assert_eq!(server.local_addrs().iter().map(SocketAddr::port).collect::<Vec<_>>(), [port, port]);
        for (family, expected) in [(Family::V4, "0.0.0.0"), (Family::V6, "::")] {
            let one = start_server(greet, ("", 0)).family(family).await.unwrap();
            assert_eq!(hosts(&one), [expected]);
        }
    });
}

#[test]
fn several_hosts_are_listened_at_each_once() {
    run_alone(|| async {
        let server = start_server(greet, (["127.0.0.1", "localhost", "127.0.0.2", "::1"], 0)).await.unwrap();
        assert_eq!(hosts(&server), ["127.0.0.1", "::1", "127.0.0.2"]);
        for address in server.local_addrs() {
            assert!(greets(address).await, "{address}");
        }
        assert_eq!(server.sockets().len(), 3);
        let error = start_server(greet, (Vec::<String>::new(), 0)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn with_reuse_port_two_servers_share_an_address_and_without_it_they_do_not() {
    run_alone(|| async {
        let first = start_server(greet, "127.0.0.1:0").reuse_port(true).await.unwrap();
        let address = first.local_addrs()[0];
        let second = start_server(greet, address).reuse_port(true).await.unwrap();
        assert!(second.sockets()[0].socket().unwrap().reuse_port().unwrap());
        assert_eq!(second.local_addrs(), [address]);
        first.close();
        assert!(greets(address).await, "the second serves on");
        let error = start_server(greet, address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    });
}

#[test]
fn an_address_whose_connections_are_still_closing_can_be_had_unless_reuse_address_is_off() {
    run_alone(|| async {
        let server = start_server(greet, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        assert!(server.sockets()[0].socket().unwrap().reuse_address().unwrap());
        // The server's side closes first, so the connection is in TIME_WAIT there.
        let (mut reader, writer) = open_connection(address).await.unwrap();
        reader.read_to_end().await.unwrap();
        drop((reader, writer));
        until("the server's side is closed", || server.connections() == 0).await;
        drop(server);
        let error = start_server(greet, address).reuse_address(false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let server = start_server(greet, address).await.unwrap();
        assert!(greets(address).await);
        drop(server);
    });
}

#[test]
fn accepted_sockets_have_keep_alive_if_the_server_has() {
    run_alone(|| async {
        for keep in [false, true] {
            let seen = Rc::new(RefCell::new(Vec::new()));
            let notes = Rc::clone(&seen);
            let note = move |_reader, writer: StreamWriter| {
                let info = writer.extra_info();
                let socket = info.socket().unwrap();
                notes.borrow_mut().push((socket.keepalive().unwrap(), socket.tcp_nodelay().unwrap()));
            };
            let server = start_server(note, "127.0.0.1:0").keep_alive(keep).await.unwrap();
            let _client = open_connection(server.local_addrs()[0]).await.unwrap();
            until("it is accepted", || !seen.borrow().is_empty()).await;
            assert_eq!(*seen.borrow(), [(keep, true)]);
        }
    });
}

#[test]
fn a_backlog_of_any_size_even_of_none_at_all_lets_clients_through() {
    run_alone(|| async {
        for backlog in [0, 1, 7, u32::MAX] {
            let server = start_server(greet, "127.0.0.1:0").backlog(backlog).await.unwrap();
            let address = server.local_addrs()[0];
            // One by one: without a queue the kernel may drop one of several simultaneous connections.
            for _ in 0..5 {
                assert!(greets(address).await, "with a backlog of {backlog}");
            }
        }
    });
}

#[test]
fn until_it_serves_a_server_holds_its_address_and_refuses_connections() {
    run_alone(|| async {
        let server = start_server(greet, "127.0.0.1:0").start_serving(false).await.unwrap();
        let address = server.local_addrs()[0];
        assert!(!server.is_serving());
        assert_eq!(open_connection(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        server.start_serving().await.unwrap();
        server.start_serving().await.unwrap();
        assert!(server.is_serving() && greets(address).await);
        server.close();
        assert!(!server.is_serving() && server.local_addrs().is_empty());
        assert_eq!(server.start_serving().await.unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn a_server_that_is_refused_when_it_starts_to_serve_says_its_address_and_is_closed() {
    run_alone(|| async {
        // With SO_REUSEADDR, Linux lets several sockets bind to an address, but only one of them listen.
        let first = start_server(greet, "127.0.0.1:0").start_serving(false).await.unwrap();
        let address = first.local_addrs()[0];
        let free = start_server(greet, (["127.0.0.2", "127.0.0.1"], address.port())).start_serving(false);
        let second = free.await.unwrap();
        first.start_serving().await.unwrap();
        let error = second.start_serving().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert!(!second.is_serving() && second.local_addrs().is_empty());
        let other = SocketAddr::new("127.0.0.2".parse().unwrap(), address.port());
        assert_eq!(open_connection(other).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(greets(address).await);
    });
}

#[test]
fn a_bind_that_fails_leaves_nothing_open_and_names_the_address() {
    run_alone(|| async {
        let taken = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let before = open_descriptors();
        let error = start_server(greet, (["127.0.0.1", "127.0.0.2", "127.0.0.3"], port)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&format!("cannot bind to 127.0.0.2:{port}: ")), "{error}");
        assert_eq!(open_descriptors(), before);
        // 192.0.2.0/24 is reserved for documentation: this only tries to bind, and nothing is sent there.
        let error = start_server(greet, "192.0.2.1:0").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("192.0.2.1:0"), "{error}");
        let server = start_server(greet, (["192.0.2.1", "127.0.0.1"], 0)).await.unwrap();
        assert_eq!(hosts(&server), ["127.0.0.1"], "one that this machine does not have is passed over");
        drop(server);
        for (error, kind) in [
            (start_server(greet, "nowhere").await.unwrap_err(), ErrorKind::InvalidInput),
            (start_server(greet, "127.0.0.1:0").limit(0).await.unwrap_err(), ErrorKind::InvalidInput),
            (start_server(greet, ("\0", 0)).await.unwrap_err(), ErrorKind::InvalidInput),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
        }
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_ready_listener_is_served_whatever_made_it() {
    run_alone(|| async {
        let before = open_descriptors();
        let made = TcpListener::bind("127.0.0.1:0").unwrap();
        let bound = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        bound.bind(&"[::1]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        for server in [start_server(greet, made).await.unwrap(), start_server(greet, bound).await.unwrap()] {
            assert!(greets(server.local_addrs()[0]).await);
        }
        // The socket is not even bound: listening binds it to every interface and a free port.
        let server = start_server(greet, Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).await.unwrap();
        let port = server.local_addrs()[0].port();
        assert!(greets((IpAddr::from([127, 0, 0, 1]), port).into()).await);
        drop(server);
        let error = start_server(greet, Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        until_descriptors(before).await;
    });
}

#[test]
fn the_limit_is_that_of_each_reader() {
    run_alone(|| async {
        let overruns = Rc::new(RefCell::new(0));
        let count = Rc::clone(&overruns);
        let read = move |mut reader: StreamReader, writer: StreamWriter| {
            let count = Rc::clone(&count);
            async move {
                let _open = writer;
                if let Err(ReadError::LimitOverrun { .. }) = reader.readline().await {
                    *count.borrow_mut() += 1;
                }
            }
        };
        let server = start_server(read, "127.0.0.1:0").limit(10).await.unwrap();
        let (_reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        writer.write(&[b'x'; 30]);
        until("the limit is overrun", || *overruns.borrow() == 1).await;
    });
}

#[test]
fn a_server_of_protocols_takes_the_same_options() {
    struct Silent;
    impl Protocol for Silent {}
    run_alone(|| async {
        let event_loop = get_running_loop();
        let server = event_loop.create_server(|| Rc::new(Silent), ("localhost", 0)).family(Family::V6).backlog(3);
        let server = server.keep_alive(true).reuse_port(true).start_serving(false).await.unwrap();
        assert_eq!(hosts(&server), ["::1"]);
        let sockets = server.sockets();
        let socket = sockets[0].socket().unwrap();
        assert!(socket.keepalive().unwrap() && socket.reuse_port().unwrap() && socket.only_v6().unwrap());
        server.start_serving().await.unwrap();
        let _client = open_connection(server.local_addrs()[0]).await.unwrap();
        until("it is accepted", || server.connections() == 1).await;
    });
}
