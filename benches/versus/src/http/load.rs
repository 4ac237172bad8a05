//! The HTTP load: a client on std's sockets that compares every answer with the expected one.
//!
//! Each connection sends a batch in one call, then the load waits for all answers. If the load has its own core, it
//! polls the kernel without sleeping, so that no server has to wake it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use memchr::memmem;

use super::Page;
use super::streams::Streams;
use crate::children::{LOAD_CORE, Outcome, Running, cpu_time, has_load_core, own, raise_descriptor_limit};
use crate::load::{Until, connect as connect_from};
use crate::number;

/// The longest time for which a server may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// The requests of each connection in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// HTTP/1.1: the number of requests that are sent before the first answer is awaited.
    Requests(Page, usize),
    /// HTTP/2: the number of concurrent streams.
    Streams(usize),
    /// HTTP/1.1: one small answer on each connection; then the connections stay open until this process is killed.
    Hold,
}

const WORKS: &[(&str, Work)] = &[
    ("small", Work::Requests(Page::Small, 1)),
    ("pipelined", Work::Requests(Page::Small, 16)),
    ("middle", Work::Requests(Page::Middle, 1)),
    ("large", Work::Requests(Page::Large, 1)),
    ("streams", Work::Streams(100)),
    ("hold", Work::Hold),
];

pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// The process whose CPU time is measured.
    pub(crate) server: u32,
    pub(crate) work: &'static str,
    pub(crate) connections: usize,
    pub(crate) until: Until,
}

impl Plan {
    /// Starts the load in its own process.
    pub(crate) fn start(&self) -> Outcome<Running> {
        let (kind, amount) = match self.until {
            Until::Milliseconds(amount) => ("milliseconds", amount),
            Until::Batches(amount) => ("batches", amount),
        };
        let Plan { address, server, work, connections, .. } = self;
        let words = format!("http-load {address} {server} {work} {connections} {kind} {amount}");
        Running::start(own(&words.split(' ').collect::<Vec<_>>()), LOAD_CORE)
    }

    pub(crate) fn parse(words: &[&str]) -> Plan {
        let [address, server, work, connections, kind, amount] = words else { panic!("six words: {words:?}") };
        Plan {
            address: number(address),
            server: number(server),
            work: named(work).0,
            connections: number(connections),
            until: match *kind {
                "milliseconds" => Until::Milliseconds(number(amount)),
                _ => Until::Batches(number(amount)),
            },
        }
    }
}

/// The number of requests in a batch of all connections.
pub(crate) fn requests(work: &str, connections: usize) -> u64 {
    let each = match named(work).1 {
        Work::Requests(_, depth) => depth,
        Work::Streams(streams) => streams,
        Work::Hold => 1,
    };
    (connections * each) as u64
}

fn named(name: &str) -> (&'static str, Work) {
    *WORKS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no such work: {name}"))
}

/// One connection, which sends a batch and receives the answers.
pub(super) trait Batches {
    fn send(&mut self);
    fn receive(&mut self, buffer: &mut [u8]);
}

/// Prints the number of answered requests, the nanoseconds that they took, and the nanoseconds of server CPU time.
pub(crate) fn run(plan: &Plan) {
    raise_descriptor_limit();
    let work = named(plan.work).1;
    let connect = |place| -> Box<dyn Batches> {
        let socket = connect(plan.address, place);
        match work {
            Work::Requests(page, depth) => Box::new(Requests::new(socket, page, depth)),
            Work::Streams(streams) => Box::new(Streams::new(socket, streams)),
            Work::Hold => Box::new(Requests::new(socket, Page::Small, 1)),
        }
    };
    let mut connections: Vec<_> = (0..plan.connections).map(connect).collect();
    let mut buffer = vec![0; 256 * 1024];
    if work == Work::Hold {
        for connection in &mut connections {
            connection.send();
            connection.receive(&mut buffer);
        }
        println!("held");
        // The parent kills this process much earlier. This limit is for the case that the parent has died.
        std::thread::sleep(Duration::from_secs(120));
        return;
    }
    let mut batch = || {
        connections.iter_mut().for_each(|connection| connection.send());
        connections.iter_mut().for_each(|connection| connection.receive(&mut buffer));
    };
    if let Until::Milliseconds(_) = plan.until {
        Until::Milliseconds(50).repeat(&mut batch);
    }
    let before = cpu_time(plan.server);
    let (times, time) = plan.until.repeat(&mut batch);
    let cpu = cpu_time(plan.server) - before;
    println!("{} {} {cpu}", times * requests(plan.work, plan.connections), time.as_nanos());
}

fn connect(address: SocketAddr, place: usize) -> TcpStream {
    let socket = connect_from(address, place);
    socket.set_nonblocking(has_load_core()).expect("a mode");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// Receives at least a byte.
pub(super) fn receive(socket: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut asked = None;
    loop {
        match socket.read(buffer) {
            Ok(n) => {
                assert!(n > 0, "the server ends nothing");
                return n;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let asked = *asked.get_or_insert_with(Instant::now);
                assert!(asked.elapsed() < PATIENCE && has_load_core(), "no answer for a minute");
            }
            Err(error) => panic!("receiving: {error}"),
        }
    }
}

/// A connection of HTTP/1.1.
struct Requests {
    socket: TcpStream,
    batch: Vec<u8>,
    depth: usize,
    body: &'static [u8],
    /// The received part of the next answer's head.
    head: Vec<u8>,
    /// How many bytes of its body have arrived, once the head is complete.
    position: Option<usize>,
}

impl Requests {
    fn new(socket: TcpStream, page: Page, depth: usize) -> Requests {
        let path = page.path();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: versus\r\nAccept: text/plain\r\n\r\n");
        let batch = request.repeat(depth).into_bytes();
        Requests { socket, batch, depth, body: page.body(), head: Vec::new(), position: None }
    }

    /// Compares received bytes with the expected ones. Returns the number of answers that they complete.
    fn check(&mut self, mut data: &[u8]) -> usize {
        let mut whole = 0;
        while !data.is_empty() {
            let Some(position) = self.position else {
                let before = self.head.len();
                self.head.extend_from_slice(&data[..data.len().min(1024)]);
                let Some(end) = memmem::find(&self.head, b"\r\n\r\n").map(|end| end + 4) else {
                    assert!(self.head.len() < 1024, "a head is not so long");
                    return whole;
                };
                let head = &self.head[..end];
                assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(head));
                let length = format!("content-length: {}\r\n", self.body.len());
                assert!(memmem::find(head, length.as_bytes()).is_some(), "{}", String::from_utf8_lossy(head));
                data = &data[end - before..];
                self.head.clear();
                self.position = Some(0);
                continue;
            };
            let n = data.len().min(self.body.len() - position);
            assert!(data[..n] == self.body[position..position + n], "the body differs");
            data = &data[n..];
            self.position = Some(position + n).filter(|position| *position < self.body.len());
            whole += usize::from(self.position.is_none());
        }
        whole
    }
}

impl Batches for Requests {
    fn send(&mut self) {
        self.socket.write_all(&self.batch).expect("sending");
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        let mut whole = 0;
        while whole < self.depth {
            let n = receive(&mut self.socket, buffer);
            whole += self.check(&buffer[..n]);
        }
        assert_eq!(whole, self.depth, "an answer for each request");
        assert!(self.position.is_none() && self.head.is_empty(), "nothing comes behind the last answer");
    }
}
