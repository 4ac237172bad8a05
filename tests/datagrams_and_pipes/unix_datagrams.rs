//! Datagram endpoints over Unix sockets: by path, by abstract name, and on ready-made sockets.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use waterwheel::{Address, CreateDatagramEndpoint, EventLoop, Family, get_running_loop};

use crate::common::alone::{alone, run_alone};
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::temp_dir::TempDir;
use crate::common::unix_name::unix_name;
use crate::common::until::until;
use crate::recorder::{DatagramRecorder, Endpoint};

fn new() -> CreateDatagramEndpoint<'static, DatagramRecorder> {
    get_running_loop().create_datagram_endpoint(Rc::<DatagramRecorder>::default)
}

async fn echo_at(path: impl AsRef<Path>) -> Endpoint {
    get_running_loop().create_datagram_endpoint(DatagramRecorder::echoing).local_addr(path.as_ref()).await.unwrap()
}

/// A plain peer whose receives wait, with a time limit.
fn peer(path: impl AsRef<Path>) -> UnixDatagram {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
    socket.bind(&unix_name(path)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.into()
}

fn receive(peer: &UnixDatagram) -> Vec<u8> {
    let mut data = vec![0; 500_000];
    let len = peer.recv(&mut data).expect("a datagram comes");
    data.truncate(len);
    data
}

async fn close((transport, protocol): Endpoint) {
    transport.close();
    assert!(protocol.lost.wait().await.is_none());
}

#[test]
fn datagrams_come_whole_and_in_order_and_say_by_path_who_sent_them() {
    run_alone(|| async {
        let dir = TempDir::new();
        let (ours, theirs) = (dir.file("ours"), dir.file("theirs"));
        let (transport, protocol) = echo_at(&ours).await;
        let peer = peer(&theirs);
        let messages: Vec<Vec<u8>> = (0..8_u8).map(|n| vec![n; usize::from(n % 4) * 700]).collect();
        for message in &messages {
            peer.send_to(message, &ours).unwrap();
        }
        until("all have come", || protocol.received.borrow().len() == messages.len()).await;
        for (message, (data, from)) in messages.iter().zip(&*protocol.received.borrow()) {
            assert!(message == data && *message == receive(&peer), "there and back, the empty ones too");
            assert_eq!((from.as_path(), from), (Some(&*theirs), &Address::unix(&theirs).unwrap()));
        }
        let info = transport.extra_info();
        assert_eq!((info.sockname().unwrap().as_path(), info.peername()), (Some(&*ours), None));
        close((transport, protocol)).await;
    });
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_names_work_as_paths_do() {
    run_alone(|| async {
        let id = std::process::id();
        let (ours, theirs) = (format!("\0waterwheel\0{id}-ours"), format!("\0waterwheel\0{id}-theirs"));
        let (transport, protocol) = echo_at(&ours).await;
        let peer = peer(&theirs);
        let (name, unsaid) = (unix_name(&ours), Socket::from(peer.try_clone().unwrap()));
        unsaid.send_to(b"hello", &name).unwrap();
        until("it has come", || !protocol.received.borrow().is_empty()).await;
        assert_eq!(receive(&peer), b"hello");
        assert_eq!(protocol.received.borrow()[0].1, Address::unix(&theirs).unwrap());
        let error = new().local_addr(Path::new(&ours)).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        let client = new().local_addr(Path::new(&format!("{ours}-client"))).remote_addr(Path::new(&theirs));
        let client = client.await.unwrap();
        client.0.sendto(b"by name", None).unwrap();
        assert_eq!(receive(&peer), b"by name");
        close(client).await;
        close((transport, protocol)).await;
    });
}

#[test]
fn a_ready_socket_receives_and_answers_whatever_it_came_as() {
    run_alone(|| async {
        let dir = TempDir::new();
        let theirs = dir.file("theirs");
        let peer = peer(&theirs);
        let before = open_descriptors();
        for round in 0..3 {
            let ours = dir.file(&format!("ours {round}"));
            let ready = UnixDatagram::bind(&ours).unwrap();
            let endpoint = get_running_loop().create_datagram_endpoint(DatagramRecorder::echoing);
            let (transport, protocol) = match round {
                0 => endpoint.socket(ready),
                1 => endpoint.socket(Socket::from(ready)),
                _ => endpoint.socket(UdpSocket::from(OwnedFd::from(ready))),
            }
            .await
            .unwrap();
            for _ in 0..3 {
                peer.send_to(b"hello", &ours).unwrap();
                until("it has come", || !protocol.received.borrow().is_empty()).await;
                assert_eq!(receive(&peer), b"hello");
                let (data, from) = protocol.received.borrow_mut().remove(0);
                assert_eq!((&*data, from.as_path()), (&b"hello"[..], Some(&*theirs)));
            }
            assert!(protocol.errors.borrow().is_empty());
            close((transport, protocol)).await;
            assert!(ours.exists(), "it was handed over, and so was its path");
            until_descriptors(before).await;
        }
    });
}

#[test]
fn the_two_ends_of_a_pair_have_no_names_and_answer_each_other() {
    run_alone(|| async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let endpoint = get_running_loop().create_datagram_endpoint(DatagramRecorder::echoing).socket(ours);
        let (transport, protocol) = endpoint.await.unwrap();
        theirs.send(b"to whom it may concern").unwrap();
        until("it has come", || !protocol.received.borrow().is_empty()).await;
        assert_eq!(receive(&theirs), b"to whom it may concern");
        assert_eq!(protocol.received.borrow()[0].1.to_string(), "(unnamed)");
        transport.sendto(b"unasked", None).unwrap();
        assert_eq!(receive(&theirs), b"unasked");
        close((transport, protocol)).await;
    });
}

#[test]
fn a_sender_without_a_name_is_heard_and_cannot_be_answered() {
    run_alone(|| async {
        let dir = TempDir::new();
        let ours = dir.file("ours");
        let (transport, protocol) = new().local_addr(&ours).await.unwrap();
        UnixDatagram::unbound().unwrap().send_to(b"guess who", &ours).unwrap();
        until("it has come", || !protocol.received.borrow().is_empty()).await;
        let from = protocol.received.borrow()[0].1.clone();
        assert_eq!((from.to_string(), from.as_path()), ("(unnamed)".to_owned(), None));
        for to in [Some(from), Some("127.0.0.1:9".parse::<std::net::SocketAddr>().unwrap().into()), None] {
            let error = transport.sendto(b"who?", to.as_ref()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        assert!(protocol.errors.borrow().is_empty());
        close((transport, protocol)).await;
    });
}

#[test]
fn an_endpoint_with_one_peer_hears_nobody_else_and_is_answered_if_it_has_a_name() {
    run_alone(|| async {
        let dir = TempDir::new();
        let (ours, theirs) = (dir.file("ours"), dir.file("theirs"));
        let peer = peer(&theirs);
        let (transport, protocol) = new().local_addr(&ours).remote_addr(&theirs).await.unwrap();
        assert_eq!(transport.extra_info().peername().unwrap().as_path(), Some(&*theirs));
        transport.sendto(b"hello", None).unwrap();
        transport.sendto(b"hello", Some(&Address::unix(&theirs).unwrap())).unwrap();
        assert_eq!((receive(&peer), receive(&peer)), (b"hello".to_vec(), b"hello".to_vec()));
        let error = transport.sendto(b"x", Some(&Address::unix(dir.file("other")).unwrap())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        peer.send_to(b"answer", &ours).unwrap();
        until("it has come", || !protocol.received.borrow().is_empty()).await;
        let stranger = UnixDatagram::unbound().unwrap();
        assert_eq!(stranger.send_to(b"x", &ours).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(protocol.received.borrow().len(), 1);
        close((transport, protocol)).await;
    });
}

#[test]
fn a_datagram_that_is_longer_than_any_of_the_internet_comes_whole() {
    run_alone(|| async {
        let dir = TempDir::new();
        let (transport, protocol) = echo_at(dir.file("ours")).await;
        let peer = peer(dir.file("theirs"));
        for length in [65_507, 66_560, 66_561, 150_000, 5] {
            let message: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
            peer.send_to(&message, dir.file("ours")).unwrap();
            until("it has come", || !protocol.received.borrow().is_empty()).await;
            assert!(receive(&peer) == message && protocol.received.borrow_mut().remove(0).0 == message);
        }
        close((transport, protocol)).await;
    });
}

#[test]
fn what_the_system_refuses_is_told_and_the_endpoint_goes_on() {
    run_alone(|| async {
        let dir = TempDir::new();
        let (dead, stream) = (dir.file("dead"), dir.file("stream"));
        drop(UnixDatagram::bind(&dead).unwrap());
        let _listener = UnixListener::bind(&stream).unwrap();
        let (transport, protocol) = new().family(Family::Unix).await.unwrap();
        for path in [dir.file("nothing"), dead.clone(), stream.clone()] {
            transport.sendto(b"anyone?", Some(&Address::unix(path).unwrap())).unwrap();
        }
        until("each is told", || protocol.errors.borrow().len() == 3).await;
        assert_eq!(protocol.error_kinds()[..2], [ErrorKind::NotFound, ErrorKind::ConnectionRefused]);
        let peer = peer(dir.file("peer"));
        transport.sendto(b"still here", Some(&Address::unix(dir.file("peer")).unwrap())).unwrap();
        assert_eq!(receive(&peer), b"still here");
        close((transport, protocol)).await;

        let (transport, protocol) = new().remote_addr(dir.file("peer")).await.unwrap();
        drop(peer);
        transport.sendto(b"and you?", None).unwrap();
        until("it is told", || !protocol.errors.borrow().is_empty()).await;
        assert!(!transport.is_closing());
        close((transport, protocol)).await;

        // A failure to connect is an immediate error, and leaves no path behind.
        let ours = dir.file("ours");
        let before = open_descriptors();
        for (path, kind) in [(dir.file("nothing"), ErrorKind::NotFound), (dead, ErrorKind::ConnectionRefused)] {
            let error = new().local_addr(&ours).remote_addr(&path).await.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            assert!(!ours.exists());
        }
        assert!(new().remote_addr(&stream).await.is_err());
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_path_is_taken_from_a_dead_socket_only_and_given_back_at_the_end() {
    run_alone(|| async {
        let dir = TempDir::new();
        let (live, stream, file) = (dir.file("live"), dir.file("stream"), dir.file("file"));
        let _live = UnixDatagram::bind(&live).unwrap();
        let _stream = UnixListener::bind(&stream).unwrap();
        fs::write(&file, "precious").unwrap();
        let before = open_descriptors();
        for path in [&live, &stream, &file] {
            let error = new().local_addr(path).await.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
            assert!(error.to_string().starts_with(&format!("cannot bind to {}: ", path.display())), "{error}");
        }
        assert_eq!(open_descriptors(), before);
        assert_eq!(fs::read(&file).unwrap(), b"precious");
        let ours = dir.file("ours");
        drop(UnixDatagram::bind(&ours).unwrap());
        let endpoint = new().local_addr(&ours).await.unwrap();
        UnixDatagram::unbound().unwrap().send_to(b"x", &ours).expect("it hears there");
        close(endpoint).await;
        assert!(!ours.exists());
        // A socket that has replaced ours at the path is kept.
        let endpoint = new().local_addr(&ours).await.unwrap();
        fs::remove_file(&ours).unwrap();
        let _later = UnixDatagram::bind(&ours).unwrap();
        close(endpoint).await;
        assert!(ours.exists());
    });
}

#[test]
fn the_path_goes_with_the_loop() {
    alone(|| {
        let dir = TempDir::new();
        let path = dir.file("ours");
        let mut event_loop = EventLoop::new().unwrap();
        let (transport, protocol) = event_loop.run(async { new().local_addr(&path).await.unwrap() });
        assert!(path.exists());
        drop(event_loop);
        assert!(!path.exists());
        assert_eq!(Rc::strong_count(&protocol), 1);
        transport.close();
    });
}

#[test]
fn options_that_do_not_fit_a_unix_socket_are_errors() {
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("path");
        let long = dir.file(&"p".repeat(200));
        for (endpoint, expected) in [
            (new().local_addr(&path).remote_addr("127.0.0.1:9"), "different families"),
            (new().local_addr("127.0.0.1:0").remote_addr(&path), "different families"),
            (new().local_addr(&path).remote_addr("nowhere"), "not of the form"),
            (new().local_addr("127.0.0.1:0").family(Family::Unix), "different families"),
            (new().local_addr(&path).family(Family::V4), "family"),
            (new().local_addr(&path).reuse_port(true), "port"),
            (new().remote_addr(&path).allow_broadcast(true), "broadcast"),
            (new().local_addr(Path::new("")), "empty"),
            (new().local_addr(&long), &*long.display().to_string()),
            (new().socket(UnixDatagram::unbound().unwrap()).local_addr(&path), "no other option"),
        ] {
            let error = endpoint.await.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert!(!path.exists());
    });
}

/// Fills the queue of a peer from an unrelated socket. Returns how many datagrams it took.
fn fill(path: &Path) -> usize {
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while filler.send_to(b"filler", path).is_ok() {
        sent += 1;
        assert!(sent < 100_000, "the queue has an end");
    }
    sent
}

/// How often this thread has given up the processor voluntarily.
fn times_blocked() -> usize {
    let status = fs::read_to_string("/proc/thread-self/status").expect("Linux counts that");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("it is in there").trim().parse().expect("it is a number")
}

#[test]
fn datagrams_for_a_peer_whose_queue_is_full_of_others_wait_and_come_in_order() {
    run_alone(|| async {
        let dir = TempDir::new();
        let theirs = dir.file("theirs");
        let peer = peer(&theirs);
        let to = Address::unix(&theirs).unwrap();
        for connected in [false, true] {
            let (transport, protocol) = match connected {
                true => new().remote_addr(&theirs).await,
                false => new().family(Family::Unix).await,
            }
            .unwrap();
            transport.set_write_buffer_limits(Some(100), Some(10));
            let fillers = fill(&theirs);
            for n in 0..50_u8 {
                transport.sendto(&[n], Some(&to)).unwrap();
            }
            assert!(transport.get_write_buffer_size() > 0, "they have to wait");
            assert_eq!(*protocol.story.borrow(), ["made", "pause"]);
            // While the peer reads nothing, the loop has nothing to do and must give up the processor.
            let before = times_blocked();
            for _ in 0..5 {
                waterwheel::sleep(Duration::from_millis(6)).await;
            }
            assert!(times_blocked() >= before + 5, "it spins");
            assert_eq!(transport.get_write_buffer_size(), 50 * 9);
            for _ in 0..fillers {
                assert_eq!(receive(&peer), b"filler");
            }
            transport.close();
            let received = RefCell::new(Vec::new());
            peer.set_nonblocking(true).unwrap();
            until("all have come", || {
                let mut data = [0; 10];
                while let Ok(len) = peer.recv(&mut data) {
                    received.borrow_mut().extend_from_slice(&data[..len]);
                }
                received.borrow().len() == 50
            })
            .await;
            peer.set_nonblocking(false).unwrap();
            assert!(received.take().into_iter().eq(0..50));
            assert!(protocol.lost.wait().await.is_none());
            assert!(protocol.errors.borrow().is_empty());
        }
    });
}

/// A Python program: an asyncio endpoint that answers in capitals, and reports when it is ready.
const PYTHON: &str = "import asyncio, socket, sys
class Loud(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, address):
        self.transport.sendto(data.upper(), address)
async def main():
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Loud, local_addr=sys.argv[1], family=socket.AF_UNIX)
    print('there', flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
asyncio.run(main())";

#[test]
fn an_endpoint_of_asyncio_is_talked_to() {
    run_alone(|| async {
        let dir = TempDir::new();
        let theirs = dir.file("theirs");
        let mut python = Command::new("python3");
        python.args(["-c", PYTHON]).arg(&theirs).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.spawn().expect("Python can be run, and this test needs it");
        let mut said = BufReader::new(python.stdout.take().unwrap()).lines();
        assert_eq!(said.next().unwrap().unwrap(), "there");
        assert_eq!(new().local_addr(&theirs).await.map(|_| ()).unwrap_err().kind(), ErrorKind::AddrInUse);
        let (transport, protocol) = new().local_addr(dir.file("ours")).remote_addr(&theirs).await.unwrap();
        for text in ["one", "two", "three"] {
            transport.sendto(text.as_bytes(), None).unwrap();
        }
        until("all are answered", || protocol.received.borrow().len() == 3).await;
        for ((data, from), text) in protocol.received.borrow().iter().zip(["ONE", "TWO", "THREE"]) {
            assert_eq!((&**data, from.as_path()), (text.as_bytes(), Some(&*theirs)));
        }
        close((transport, protocol)).await;
        drop(python.stdin.take());
        assert!(python.wait().unwrap().success());
        // asyncio does not remove its path.
        close(echo_at(&theirs).await).await;
    });
}
