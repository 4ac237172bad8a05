//! What the tests of connecting, serving and closing share: a watchdog, counts of what the process holds, and peers
//! that behave badly on purpose.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use waterwheel::sleep;

/// Runs a test while no other test of the binary runs, so that descriptors and threads can be counted, and on a
/// thread of its own, so that one that hangs fails.
pub(crate) fn alone(test: impl FnOnce() + Send + 'static) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (done, is_done) = channel::<()>();
    let thread = thread::spawn(move || {
        let _done = done;
        test();
    });
    let patience = Duration::from_secs(60);
    assert_ne!(is_done.recv_timeout(patience), Err(RecvTimeoutError::Timeout), "the test hangs");
    if let Err(payload) = thread.join() {
        resume_unwind(payload);
    }
}

/// As [`alone`], for a test that is a coroutine.
pub(crate) fn run_alone<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    alone(move || waterwheel::run(test()));
}

/// How many descriptors the process has open.
pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux lists the descriptors of a process").count()
}

/// How many worker threads of event loops the process has.
pub(crate) fn worker_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux lists the threads of a process");
    // The kernel keeps 15 bytes of a name.
    let name = |task: io::Result<fs::DirEntry>| fs::read_to_string(task.ok()?.path().join("comm")).ok();
    tasks.filter_map(name).filter(|name| name.trim_end() == "waterwheel-work").count()
}

/// Lets the loop run until a condition holds; fails if it does not within a few seconds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..5_000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come to this: {what}");
}

/// Lets the loop run until the process has this many descriptors open.
pub(crate) async fn until_descriptors(expected: usize) {
    until(&format!("{expected} descriptors are open"), || open_descriptors() == expected).await;
}

/// An address on this machine whose listener answers no connection attempt: its queue is full.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _listener: Socket,
    _queued: Vec<Socket>,
}

impl BlackHole {
    pub(crate) fn new() -> BlackHole {
        BlackHole::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> BlackHole {
        let address: SocketAddr = address.parse().expect("an address");
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        listener.bind(&address.into()).expect("the address is free");
        listener.listen(0).expect("it listens");
        let name = listener.local_addr().expect("it has a name");
        let address = name.as_socket().expect("an internet address");
        let mut queued = Vec::new();
        for _ in 0..16 {
            let client = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
            if client.connect_timeout(&name, Duration::from_millis(15)).is_err() {
                return BlackHole { address, _listener: listener, _queued: queued };
            }
            queued.push(client);
        }
        panic!("the queue of a listener with a backlog of 0 never got full");
    }
}

/// An address on this machine where nobody listens and nobody else will: the port is taken, without a listener.
pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    _bound: Socket,
}

impl Refusing {
    pub(crate) fn new() -> Refusing {
        Refusing::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> Refusing {
        let address: SocketAddr = address.parse().expect("an address");
        let bound = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        bound.bind(&address.into()).expect("the address is free");
        let address = bound.local_addr().ok().and_then(|name| name.as_socket()).expect("an internet address");
        Refusing { address, _bound: bound }
    }
}

/// A directory for one test, removed at its end.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> TempDir {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("waterwheel-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the name is free");
        TempDir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.0);
        if !thread::panicking() {
            removed.expect("the directory can be removed");
        }
    }
}

/// Bytes with a period that is a prime number, so that a lost or doubled piece shows. Made by copying: megabytes are
/// wanted of a build that is not optimised.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..65_521_usize).map(|i| (i ^ (i >> 8)).wrapping_mul(31) as u8).collect();
    let mut all = period.repeat(len.div_ceil(period.len()));
    all.truncate(len);
    all
}

/// A plain client, whose reads block for ten seconds at most.
pub(crate) fn plain_client(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("the server listens");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("it can be set");
    client
}

/// Everything up to the end of the stream.
pub(crate) fn read_all(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    from.read_to_end(&mut all)?;
    Ok(all)
}

/// The name of a Unix socket.
pub(crate) fn unix_name(path: impl AsRef<Path>) -> SockAddr {
    SockAddr::unix(path).expect("the path fits")
}
