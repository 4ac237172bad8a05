//! Datagram endpoints: whole messages, errors that do not end the endpoint, and a queue with watermarks.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use waterwheel::{Address, DatagramTransport, EventLoop, Family, get_running_loop, sleep, yield_now};

use crate::common::running::run;
use crate::common::trace::Trace;
use crate::common::until::until;
use crate::recorder::{DatagramRecorder, Endpoint};

const EMSGSIZE: i32 = if cfg!(target_os = "linux") { 90 } else { 40 };

async fn local() -> Endpoint {
    let factory = Rc::<DatagramRecorder>::default;
    get_running_loop().create_datagram_endpoint(factory).local_addr(("127.0.0.1", 0)).await.unwrap()
}

async fn connected_to(server: &dyn DatagramTransport) -> Endpoint {
    let factory = Rc::<DatagramRecorder>::default;
    get_running_loop().create_datagram_endpoint(factory).remote_addr(address(server)).await.unwrap()
}

fn address(transport: &dyn DatagramTransport) -> SocketAddr {
    transport.extra_info().sockname().unwrap().as_inet().unwrap()
}

/// An endpoint whose peer reads only when the test does. Over the loopback, UDP drops datagrams that do not fit; a
/// Unix datagram socket makes the sender wait instead, and sending is otherwise the same.
async fn with_slow_peer() -> (Endpoint, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let factory = Rc::<DatagramRecorder>::default;
    let endpoint = get_running_loop().create_datagram_endpoint(factory).socket(ours).await.unwrap();
    (endpoint, theirs)
}

/// The numbers at the start of the datagrams that have arrived.
fn numbers_at(peer: &UnixDatagram) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut data = [0; 2000];
    while let Ok(n) = peer.recv(&mut data) {
        assert!(n >= 4);
        numbers.push(u32::from_le_bytes(data[..4].try_into().unwrap()));
    }
    numbers
}

fn numbered(number: u32) -> [u8; 1000] {
    let mut data = [0; 1000];
    data[..4].copy_from_slice(&number.to_le_bytes());
    data
}

#[test]
fn datagrams_arrive_whole_and_in_order_the_empty_ones_too() {
    run(async {
        let (server, receiver) = local().await;
        let (client, sender) = connected_to(&*server).await;
        let messages: Vec<Vec<u8>> = (0..40).map(|n: u8| vec![n; usize::from(n % 4) * 300]).collect();
        for message in &messages {
            client.sendto(message, None).unwrap();
        }
        until("all have come", || receiver.received.borrow().len() == messages.len()).await;
        assert_eq!(receiver.payloads(), messages);
        let from = receiver.received.borrow()[0].1.clone();
        assert_eq!(from, address(&*client).into());
        server.sendto(b"answer", Some(&from)).unwrap();
        until("the answer has come", || !sender.received.borrow().is_empty()).await;
        assert_eq!(*sender.received.borrow(), [(b"answer".to_vec(), address(&*server).into())]);
    });
}

#[test]
fn the_longest_datagram_arrives_whole() {
    run(async {
        let (server, receiver) = local().await;
        let (client, _) = connected_to(&*server).await;
        let longest: Vec<u8> = (0..65_507_u32).map(|n| (n % 251) as u8).collect();
        client.sendto(&longest, None).unwrap();
        until("it has come", || !receiver.received.borrow().is_empty()).await;
        assert!(receiver.payloads() == [longest]);
    });
}

#[test]
fn addresses_that_do_not_fit_the_endpoint_are_errors() {
    run(async {
        let (server, _) = local().await;
        let (client, receiver) = connected_to(&*server).await;
        let elsewhere = SocketAddr::from(([127, 0, 0, 1], 9)).into();
        let path = Address::unix("/tmp/of another family").unwrap();
        for refused in
            [client.sendto(b"x", Some(&elsewhere)), server.sendto(b"x", None), server.sendto(b"x", Some(&path))]
        {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        client.sendto(b"x", Some(&address(&*server).into())).unwrap();
        assert_eq!(client.extra_info().peername().unwrap().as_inet(), Some(address(&*server)));
        assert!(receiver.errors.borrow().is_empty());
    });
}

#[test]
fn what_the_network_refuses_is_told_and_the_endpoint_goes_on() {
    run(async {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
        gone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let factory = Rc::<DatagramRecorder>::default;
        let endpoint = get_running_loop().create_datagram_endpoint(factory).remote_addr(gone.local_addr().unwrap());
        let (client, recorder) = endpoint.await.unwrap();
        client.sendto(&[0; 70_000], None).unwrap();
        assert!(recorder.errors.borrow().is_empty(), "not from inside the call");
        until("the error is told", || !recorder.errors.borrow().is_empty()).await;
        assert_eq!(recorder.errors.borrow()[0].raw_os_error(), Some(EMSGSIZE));
        client.sendto(b"still works", None).unwrap();
        let mut data = [0; 100];
        assert_eq!(gone.recv(&mut data).unwrap(), 11);
        drop(gone);
        // Sent again and again, since a kernel may say nothing of a datagram that it has refused.
        until("the second error is told", || {
            client.sendto(b"nobody listens", None).unwrap();
            recorder.errors.borrow().len() >= 2
        })
        .await;
        assert_eq!(recorder.errors.borrow()[1].kind(), io::ErrorKind::ConnectionRefused);
        assert!(!client.is_closing());
    });
}

#[test]
fn a_flood_does_not_keep_the_loop_from_others() {
    run(async {
        let handle = get_running_loop();
        let (server, receiver) = local().await;
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            sender.send_to(b"x", address(&*server)).unwrap();
        }
        // How many datagrams had been received each time that another callback ran.
        let seen = Rc::new(RefCell::new(Vec::new()));
        while receiver.received.borrow().len() < 100 {
            let (seen, receiver) = (Rc::clone(&seen), Rc::clone(&receiver));
            handle.call_soon(move || seen.borrow_mut().push(receiver.received.borrow().len()));
            yield_now().await;
        }
        let seen = seen.borrow();
        let most = seen.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!((1..=16).contains(&most), "{seen:?}");
    });
}

#[test]
fn a_protocol_that_panics_is_reported_and_gets_the_next_datagram() {
    run(async {
        let incidents = Trace::of_incidents();
        let (server, receiver) = local().await;
        receiver.panic_at.set(Some(2));
        let (client, _) = connected_to(&*server).await;
        for n in 0..5_u8 {
            client.sendto(&[n], None).unwrap();
        }
        until("all five have come", || receiver.received.borrow().len() == 5).await;
        assert_eq!(incidents.words().len(), 1, "{:?}", incidents.words());
        assert!(incidents.take()[0].contains("as the test asked"));
        assert!(!server.is_closing());
    });
}

#[test]
fn nothing_is_received_after_a_close_from_inside_a_callback() {
    run(async {
        let (server, receiver) = local().await;
        receiver.close_at.set(Some(2));
        let (client, _) = connected_to(&*server).await;
        for n in 0..5_u8 {
            client.sendto(&[n], None).unwrap();
        }
        assert!(receiver.lost.wait().await.is_none());
        assert_eq!(receiver.payloads(), [[0], [1]]);
        assert_eq!(*receiver.story.borrow(), ["made", "lost"]);
        assert!(server.extra_info().socket().is_none(), "the socket is closed");
    });
}

#[test]
fn a_full_queue_pauses_the_protocol_and_keeps_the_order() {
    run(async {
        let ((transport, protocol), peer) = with_slow_peer().await;
        transport.set_write_buffer_limits(Some(10_000), Some(2_000));
        let mut sent = 0;
        while !protocol.story.borrow().contains(&"pause") {
            transport.sendto(&numbered(sent), None).unwrap();
            sent += 1;
            assert!(sent < 10_000, "the kernel takes them all");
        }
        // Each counts eight bytes more than its data, so ten are over the mark.
        assert_eq!(transport.get_write_buffer_size(), 10 * 1_008);
        let mut received = Vec::new();
        while received.len() < sent as usize {
            received.extend(numbers_at(&peer));
            sleep(Duration::from_millis(1)).await;
        }
        assert!(received.into_iter().eq(0..sent));
        assert_eq!(*protocol.story.borrow(), ["made", "pause", "resume"]);
        assert_eq!(transport.get_write_buffer_size(), 0);
    });
}

#[test]
fn close_sends_what_is_queued_and_abort_drops_it() {
    for abort in [false, true] {
        run(async {
            let ((transport, protocol), peer) = with_slow_peer().await;
            let mut sent = 0;
            while transport.get_write_buffer_size() < 20_000 {
                transport.sendto(&numbered(sent), None).unwrap();
                sent += 1;
                assert!(sent < 10_000, "the kernel takes them all");
            }
            transport.close();
            transport.sendto(&numbered(sent), None).unwrap();
            assert!(transport.is_closing());
            yield_now().await;
            assert_eq!(*protocol.story.borrow(), ["made"], "something is still queued");
            let queued = transport.get_write_buffer_size() / 1_008;
            assert!(queued >= 19);
            if abort {
                transport.abort();
                assert_eq!(transport.get_write_buffer_size(), 0);
            }
            let mut received = Vec::new();
            while !protocol.lost.is_set() {
                received.extend(numbers_at(&peer));
                sleep(Duration::from_millis(1)).await;
            }
            received.extend(numbers_at(&peer));
            let expected = if abort { sent - queued as u32 } else { sent };
            assert!(received.into_iter().eq(0..expected), "what is sent after the close is dropped");
            assert!(protocol.lost.get().unwrap().is_none());
        });
    }
}

#[test]
fn contradictory_and_missing_options_are_errors() {
    run(async {
        let handle = get_running_loop();
        let new = || handle.create_datagram_endpoint(Rc::<DatagramRecorder>::default);
        let socket = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let stream = UdpSocket::from(OwnedFd::from(std::os::unix::net::UnixStream::pair().unwrap().0));
        let packets = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap().0;
        for (endpoint, expected) in [
            (new(), "needs a local address"),
            (new().local_addr("127.0.0.1:0").remote_addr("[::1]:9"), "different families"),
            (new().socket(socket()).local_addr("127.0.0.1:0"), "no other option"),
            (new().socket(socket()).reuse_port(true), "no other option"),
            (new().socket(stream), "a UDP or Unix datagram socket was expected"),
            (new().socket(packets), "a UDP or Unix datagram socket was expected"),
            (new().local_addr("nowhere"), "not of the form"),
        ] {
            let error = endpoint.await.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(expected), "{error}");
        }
        let taken = socket();
        let error = new().local_addr(taken.local_addr().unwrap()).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("cannot bind to 127.0.0.1:"), "{error}");
    });
}

#[test]
fn a_ready_socket_is_used_as_it_is_and_closed_at_the_end() {
    run(async {
        let handle = get_running_loop();
        let (ready, peer) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (at, theirs) = (ready.local_addr().unwrap(), peer.local_addr().unwrap());
        let (transport, recorder) =
            handle.create_datagram_endpoint(Rc::<DatagramRecorder>::default).socket(ready).await.unwrap();
        assert_eq!(address(&*transport), at);
        peer.send_to(b"hello", at).unwrap();
        until("it has come", || !recorder.received.borrow().is_empty()).await;
        assert_eq!(*recorder.received.borrow(), [(b"hello".to_vec(), theirs.into())]);
        transport.close();
        assert!(recorder.lost.wait().await.is_none());
        UdpSocket::bind(at).expect("the address is free again");
    });
}

#[test]
fn a_socket_has_the_options_that_were_asked_for_and_no_others() {
    run(async {
        let handle = get_running_loop();
        let new = || handle.create_datagram_endpoint(Rc::<DatagramRecorder>::default).local_addr("127.0.0.1:0");
        for (endpoint, port, broadcast) in
            [(new(), false, false), (new().reuse_port(true), true, false), (new().allow_broadcast(true), false, true)]
        {
            let (transport, _) = endpoint.await.unwrap();
            let info = transport.extra_info();
            let socket = info.socket().unwrap();
            assert_eq!((socket.reuse_port().unwrap(), socket.broadcast().unwrap()), (port, broadcast));
            assert!(!socket.reuse_address().unwrap(), "two endpoints would share the address without being asked");
        }
    });
}

#[test]
fn an_endpoint_of_a_family_alone_sends_anywhere() {
    run(async {
        let handle = get_running_loop();
        let (server, receiver) = local().await;
        let factory = Rc::<DatagramRecorder>::default;
        let (client, _) = handle.create_datagram_endpoint(factory).family(Family::V4).await.unwrap();
        client.sendto(b"hello", Some(&address(&*server).into())).unwrap();
        until("it has come", || receiver.received.borrow().len() == 1).await;
        assert!(client.extra_info().peername().is_none());
    });
}

#[test]
fn endpoints_that_reuse_a_port_share_it() {
    run(async {
        let handle = get_running_loop();
        let new = || handle.create_datagram_endpoint(Rc::<DatagramRecorder>::default).reuse_port(true);
        let (first, _) = new().local_addr("127.0.0.1:0").await.unwrap();
        let (second, _) = new().local_addr(address(&*first)).await.unwrap();
        assert_eq!(address(&*first), address(&*second));
    });
}

#[test]
fn a_broadcaster_remembers_its_remote_and_hears_everyone() {
    run(async {
        let handle = get_running_loop();
        let (server, receiver) = local().await;
        let (stranger, _) = local().await;
        let endpoint = handle.create_datagram_endpoint(Rc::<DatagramRecorder>::default).allow_broadcast(true);
        let (client, recorder) = endpoint.local_addr("127.0.0.1:0").remote_addr(address(&*server)).await.unwrap();
        client.sendto(b"to the remote", None).unwrap();
        stranger.sendto(b"from a stranger", Some(&address(&*client).into())).unwrap();
        until("both have come", || receiver.received.borrow().len() == 1 && recorder.received.borrow().len() == 1)
            .await;
        assert_eq!(recorder.received.borrow()[0].1, address(&*stranger).into());
        assert!(client.extra_info().socket().unwrap().broadcast().unwrap());
    });
}

#[test]
fn dropping_the_loop_closes_its_endpoints_and_frees_their_protocols() {
    let mut event_loop = EventLoop::new().unwrap();
    let (transport, protocol) = event_loop.run(local());
    let at = address(&*transport);
    drop(event_loop);
    assert_eq!(Rc::strong_count(&protocol), 1);
    assert_eq!(*protocol.story.borrow(), ["made"]);
    UdpSocket::bind(at).expect("the address is free again");
    transport.sendto(b"harmless", Some(&at.into())).unwrap();
    transport.close();
}
