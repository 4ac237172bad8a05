//! Connecting to numeric addresses, to localhost, and with ready-made sockets.

mod cancel;
mod names;
mod options;
mod race;
mod ready_sockets;

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use crate::common::plain_peer::read_to_end;
use crate::common::recorder::Recorder;
use crate::common::running::{run, turns};
use crate::common::sockets::sockets;
use crate::common::trace::Trace;
use socket2::{Domain, Socket, Type};
use waterwheel::{get_running_loop, open_connection, spawn, timeout};

/// An address that refuses connections.
fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// How many descriptors this process has open.
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn every_form_of_an_endpoint_reaches_the_listener() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (port, text) = (address.port(), address.to_string());
        let mut local = Vec::new();
        for connecting in [
            open_connection(address),
            open_connection(("127.0.0.1", port)),
            open_connection((Ipv4Addr::LOCALHOST, port)),
            open_connection(text.as_str()),
            open_connection(&text),
            open_connection(text.clone()),
            open_connection(format!("localhost:{port}")),
            open_connection((String::from("localhost"), port)),
            open_connection(("", port)),
            open_connection(TcpStream::connect(address).unwrap()),
        ] {
            let (_reader, writer) = connecting.await.unwrap();
            assert_eq!(writer.peer_addr(), Some(address));
            assert!(writer.extra_info().socket().unwrap().tcp_nodelay().unwrap());
            local.push(writer.local_addr().unwrap());
        }
        let mut accepted: Vec<_> = local.iter().map(|_| listener.accept().unwrap().1).collect();
        accepted.sort();
        local.sort();
        assert_eq!(accepted, local);
    });
}

#[test]
fn a_refusal_names_the_address_and_several_are_all_named() {
    run(async {
        let address = refusing();
        let error = open_connection(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        let port = address.port();
        let error = open_connection((["127.0.0.1", "127.0.0.2"], port)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        for ip in ["127.0.0.1", "127.0.0.2"] {
            assert!(error.to_string().contains(&format!("{ip}:{port}")), "{error}");
        }
    });
}

#[test]
fn when_one_address_refuses_the_next_is_tried() {
    run(async {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (_reader, writer) = open_connection((["127.0.0.1", "127.0.0.2"], address.port())).await.unwrap();
        assert_eq!(writer.peer_addr(), Some(address));
    });
}

#[test]
fn the_factory_is_called_once_and_only_when_the_connection_is_there() {
    run(async {
        let trace = Trace::default();
        let said = trace.clone();
        let factory = move || {
            said.say("factory");
            Recorder::new()
        };
        assert!(get_running_loop().create_connection(factory.clone(), refusing()).await.is_err());
        assert!(trace.words().is_empty());
        let (_, recorder) = get_running_loop().create_connection(factory, sockets().0).await.unwrap();
        trace.say("returned");
        assert_eq!(trace.words(), ["factory", "returned"]);
        assert_eq!(recorder.words()[0], "made");
    });
}

#[test]
fn a_factory_that_panics_closes_the_socket() {
    run(async {
        let (ours, peer) = sockets();
        let factory = || -> Rc<Recorder> { panic!("no protocol") };
        let task = spawn(async move { get_running_loop().create_connection(factory, ours).await.is_ok() });
        assert!(task.await.unwrap_err().is_panic());
        assert!(read_to_end(&peer).await.unwrap().is_empty());
    });
}

#[test]
fn sockets_that_are_no_connections_are_refused_or_fail() {
    run(async {
        let datagrams = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        assert_eq!(open_connection(datagrams).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let unconnected = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Only its first use shows that it is not connected.
        let (mut reader, writer) = open_connection(unconnected).await.unwrap();
        assert_eq!(writer.peer_addr(), None);
        assert_eq!(reader.read(1).await.unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn giving_up_while_connecting_leaves_no_descriptor_behind() {
    run(async {
        // The listener's queue is full: further connection attempts get no answer.
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let fillers: Vec<_> = (0..4)
            .map(|_| {
                let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                filler.set_nonblocking(true).unwrap();
                let _ = filler.connect(&address.into());
                filler
            })
            .collect();
        let given_up = Rc::new(Cell::new(0));
        for _ in 0..10 {
            let counting = Rc::clone(&given_up);
            let attempt = async move {
                if timeout(Duration::from_millis(1), open_connection(address).into_future()).await.is_err() {
                    counting.set(counting.get() + 1);
                }
            };
            attempt.await;
        }
        assert!(given_up.get() >= 8, "{} attempts were left waiting", given_up.get());
        drop(fillers);
        turns(3).await;
        // Other tests run in the same process, so only a leak of many descriptors would stand out.
        let tasks: Vec<_> = (0..500).map(|_| spawn(open_connection(address).into_future())).collect();
        turns(2).await;
        let during = open_descriptors();
        tasks.iter().for_each(waterwheel::Task::cancel);
        turns(3).await;
        let after = open_descriptors();
        assert!(after + 400 < during, "{after} of {during} descriptors are still open");
    });
}

#[test]
fn giving_up_on_a_connection_that_is_being_made_closes_it() {
    run(async {
        let (ours, peer) = sockets();
        let recorder = Recorder::new();
        let protocol = Rc::clone(&recorder);
        let connecting = get_running_loop().create_connection(move || protocol, ours);
        // After two polls the transport exists, and its creator does not know yet.
        let task = spawn(connecting.into_future());
        turns(1).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(read_to_end(&peer).await.unwrap().is_empty());
        recorder.lost.wait().await;
        assert_eq!(recorder.words(), ["made", "lost"]);
    });
}
