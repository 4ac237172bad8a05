//! Servers that start at one path at the same time, and which sockets there count as alive.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use waterwheel::{EventLoop, Promise, StreamWriter, start_unix_server};

use super::{answers, echo};
use crate::common::alone::{alone, run_alone};
use crate::common::descriptors::open_descriptors;
use crate::common::temp_dir::TempDir;
use crate::common::unix_name::unix_name;

/// A starter's number, and the result of its attempt to take the path.
type Outcome = (u8, io::Result<()>);

/// Starts a server at the path and reports the result. If it succeeds, serves its number to one client.
async fn start_once(number: u8, path: &Path, outcome: &Sender<Outcome>) {
    let served = Rc::new(Promise::new());
    let done = Rc::clone(&served);
    let handler = move |_reader, writer: StreamWriter| {
        writer.write(&[number]);
        writer.close();
        let _ = done.set(()); // one client is enough
    };
    match start_unix_server(handler, path).await {
        Ok(server) => {
            outcome.send((number, Ok(()))).unwrap();
            served.wait().await;
            drop(server);
        }
        Err(error) => outcome.send((number, Err(error))).unwrap(),
    }
}

/// A plain server: takes the path if nothing is there, and never removes anything to get it.
fn start_plainly(number: u8, path: &Path, outcome: &Sender<Outcome>) {
    match UnixListener::bind(path) {
        Ok(listener) => {
            outcome.send((number, Ok(()))).unwrap();
            let (mut client, _) = listener.accept().unwrap();
            io::Write::write_all(&mut client, &[number]).unwrap();
            fs::remove_file(path).unwrap();
        }
        Err(error) => outcome.send((number, Err(error))).unwrap(),
    }
}

/// Four starters race for one stale path, again and again. The last of them is a plain one if `with_plain`.
fn race(rounds: usize, with_plain: bool) {
    let dir = TempDir::new();
    let path = dir.file("contended");
    let start = Arc::new(Barrier::new(5));
    let (outcome, outcomes) = channel();
    let starters: Vec<_> = (0..4)
        .map(|number| {
            let (path, start, outcome) = (path.clone(), Arc::clone(&start), outcome.clone());
            thread::spawn(move || {
                let mut event_loop = EventLoop::new().unwrap();
                for _ in 0..rounds {
                    start.wait();
                    if with_plain && number == 3 {
                        start_plainly(number, &path, &outcome);
                    } else {
                        event_loop.run(start_once(number, &path, &outcome));
                    }
                    start.wait();
                }
            })
        })
        .collect();
    for round in 0..rounds {
        drop(UnixListener::bind(&path).expect("the last winner has removed its path"));
        start.wait();
        let mut winners = Vec::new();
        for _ in 0..4 {
            match outcomes.recv_timeout(Duration::from_secs(20)).expect("each says how it went") {
                (number, Ok(())) => winners.push(number),
                (_, Err(error)) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "round {round}: {error}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?} have won");
        let mut client = UnixStream::connect(&path).expect("the winner can be reached");
        let mut said = Vec::new();
        client.read_to_end(&mut said).unwrap();
        assert_eq!(said, winners, "round {round}");
        start.wait();
    }
    for starter in starters {
        starter.join().unwrap();
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn of_four_servers_that_start_at_a_stale_path_one_wins_and_can_be_reached() {
    alone(|| race(2_000, false));
}

#[test]
fn a_plain_server_among_the_four_wins_alone_or_loses() {
    alone(|| race(500, true));
}

/// A socket of this type that is bound but does not listen, and its path.
fn bound(path: PathBuf, kind: Type) -> (PathBuf, Socket) {
    let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
    socket.bind(&unix_name(&path)).unwrap();
    (path, socket)
}

#[test]
fn who_has_bound_and_does_not_listen_yet_is_alive() {
    run_alone(|| async {
        let dir = TempDir::new();
        let ours = dir.file("ours");
        let server = start_unix_server(echo, &ours).start_serving(false).await.unwrap();
        let plain = bound(dir.file("plain"), Type::STREAM);
        let packets = bound(dir.file("packets"), Type::SEQPACKET);
        let datagrams = bound(dir.file("datagrams"), Type::DGRAM);
        let before = open_descriptors();
        for path in [&ours, &plain.0, &packets.0, &datagrams.0] {
            let error = start_unix_server(echo, path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
            assert!(path.exists());
        }
        assert_eq!(open_descriptors(), before);
        server.start_serving().await.unwrap();
        assert!(answers(&ours).await, "it can be reached at its path");
        // The plain socket still owns its path: a client that connects now reaches it.
        plain.1.listen(1).unwrap();
        UnixStream::connect(&plain.0).unwrap();
        plain.1.accept().expect("it came here");
    });
}

#[test]
fn looking_at_a_live_server_brings_it_no_client() {
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("live");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(start_unix_server(echo, &path).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn what_a_dead_socket_of_any_type_left_is_replaced() {
    run_alone(|| async {
        let dir = TempDir::new();
        for kind in [Type::STREAM, Type::DGRAM, Type::SEQPACKET] {
            let (path, socket) = bound(dir.file("stale"), kind);
            drop(socket);
            let server = start_unix_server(echo, &path).await.unwrap();
            assert!(answers(&path).await, "{kind:?}");
            drop(server);
        }
    });
}

#[test]
fn a_python_server_keeps_its_path_while_it_is_bound_and_loses_it_when_it_is_killed() {
    const BIND: &str = "import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
print('bound', flush=True)
sys.stdin.read()";
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("python");
        let mut python = Command::new("python3");
        python.args(["-c", BIND]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.spawn().expect("Python can be run, and this test needs it");
        let mut said = [0; 6];
        python.stdout.take().unwrap().read_exact(&mut said).unwrap();
        assert_eq!(&said, b"bound\n");
        assert_eq!(start_unix_server(echo, &path).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        python.kill().unwrap();
        python.wait().unwrap();
        let _server = start_unix_server(echo, &path).await.unwrap();
        assert!(answers(&path).await);
    });
}

/// A Python program that takes the lock under which servers bind to paths in a directory, like a server that is
/// stopped while it holds the lock, and reports that. It knows only the name of the lock.
#[cfg(target_os = "linux")]
const HOLD: &str = "import os, socket, sys
directory = os.stat(sys.argv[1])
lock = socket.socket(socket.AF_UNIX)
lock.bind('\\0waterwheel/binding/%x/%x' % (directory.st_dev, directory.st_ino))
print('locked', flush=True)
sys.stdin.read()";

#[cfg(target_os = "linux")]
#[test]
fn a_server_waits_for_one_that_is_just_binding_in_the_directory_and_no_longer_than_that_lives() {
    run_alone(|| async {
        let (dir, other) = (TempDir::new(), TempDir::new());
        let path = dir.file("socket");
        drop(UnixListener::bind(&path).unwrap());
        let mut python = Command::new("python3");
        python.args(["-c", HOLD]).arg(dir.as_ref()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.spawn().expect("Python can be run, and this test needs it");
        let mut said = [0; 7];
        python.stdout.take().unwrap().read_exact(&mut said).unwrap();
        assert_eq!(&said, b"locked\n");
        let starting = path.clone();
        let starting = waterwheel::spawn(async move { start_unix_server(echo, starting).await });
        // A server in another directory does not wait.
        let elsewhere = start_unix_server(echo, other.file("socket")).await.unwrap();
        waterwheel::sleep(Duration::from_millis(10)).await;
        assert!(!starting.is_finished());
        let before = open_descriptors();
        let given_up = dir.file("given up");
        let task = waterwheel::spawn(async move { start_unix_server(echo, given_up).await.map(drop) });
        waterwheel::yield_now().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(open_descriptors() == before && !dir.file("given up").exists());
        python.kill().unwrap();
        let server = starting.await.unwrap().unwrap();
        python.wait().unwrap();
        assert!(answers(&path).await && answers(other.file("socket")).await);
        drop((server, elsewhere));
    });
}
