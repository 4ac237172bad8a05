//! The load: an independent client on plain epoll that checks every byte.
//!
//! Each connection sends a batch of messages, waits until all are echoed, and sends the next.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::children::cpu_time;
use crate::number;

/// What to send, and for how long.
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// Whose CPU time is measured.
    pub(crate) server: u32,
    pub(crate) connections: usize,
    pub(crate) size: usize,
    pub(crate) depth: usize,
    pub(crate) until: Until,
}

#[derive(Clone, Copy)]
pub(crate) enum Until {
    Milliseconds(u64),
    /// So many batches on each connection.
    Batches(u64),
}

impl Plan {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let (kind, amount) = match self.until {
            Until::Milliseconds(amount) => ("milliseconds", amount),
            Until::Batches(amount) => ("batches", amount),
        };
        let Plan { address, server, connections, size, depth, .. } = self;
        format!("load {address} {server} {connections} {size} {depth} {kind} {amount}")
            .split(' ')
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn parse(words: &[&str]) -> Plan {
        let [address, server, connections, size, depth, kind, amount] = words else { panic!("seven words: {words:?}") };
        let until = match *kind {
            "milliseconds" => Until::Milliseconds(number(amount)),
            _ => Until::Batches(number(amount)),
        };
        Plan {
            address: number(address),
            server: number(server),
            connections: number(connections),
            size: number(size),
            depth: number(depth),
            until,
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// Bytes sent and received, in all.
    sent: usize,
    received: usize,
    batches: u64,
}

/// Every message is a line: printable bytes that differ from message to message, and a newline.
struct Messages {
    /// A cycle of messages, and its beginning once more so that any batch is one slice.
    bytes: Vec<u8>,
    cycle: usize,
}

impl Messages {
    fn new(size: usize, batch: usize) -> Messages {
        let cycle = size * (64 * 1024 / size).max(7);
        let mut seed = 0x9e37_79b9_u32;
        let mut bytes: Vec<u8> = (0..cycle)
            .map(|place| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if place % size == size - 1 { b'\n' } else { b'!' + (seed >> 24) as u8 % 90 }
            })
            .collect();
        bytes.extend_from_within(..batch);
        Messages { bytes, cycle }
    }

    /// `len` bytes from a place of the stream on, at most a batch.
    fn at(&self, place: usize, len: usize) -> &[u8] {
        &self.bytes[place % self.cycle..][..len]
    }
}

/// Prints how many messages were echoed, in how many nanoseconds, and for how many of the server's CPU.
pub(crate) fn run(plan: &Plan) {
    let batch = plan.size * plan.depth;
    let messages = Messages::new(plan.size, batch);
    let mut poll = Poll::new().expect("epoll");
    let mut connections: Vec<Connection> = (0..plan.connections)
        .map(|index| {
            let stream = std::net::TcpStream::connect(plan.address).expect("the server accepts");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            stream.set_nonblocking(true).expect("non-blocking");
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), interest).expect("epoll takes it");
            Connection { stream, sent: 0, received: 0, batches: 0 }
        })
        .collect();
    let warm_up = match plan.until {
        Until::Milliseconds(_) => Until::Milliseconds(50),
        Until::Batches(_) => Until::Batches(0),
    };
    drive(&mut poll, &mut connections, &messages, batch, warm_up);
    let before = cpu_time(&plan.server.to_string());
    let (batches, time) = drive(&mut poll, &mut connections, &messages, batch, plan.until);
    let cpu = cpu_time(&plan.server.to_string()) - before;
    println!("{} {} {}", batches * plan.depth as u64, time.as_nanos(), cpu);
}

fn drive(
    poll: &mut Poll,
    connections: &mut [Connection],
    messages: &Messages,
    batch: usize,
    until: Until,
) -> (u64, Duration) {
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; batch];
    let start = Instant::now();
    let (deadline, most) = match until {
        Until::Milliseconds(amount) => (start + Duration::from_millis(amount), u64::MAX),
        Until::Batches(amount) => (start + Duration::from_secs(300), amount),
    };
    let mut done = 0;
    let mut active = 0;
    if most > 0 {
        for connection in connections.iter_mut() {
            connection.batches = 1;
            active += 1;
            connection.send(messages, batch);
        }
    }
    while active > 0 {
        poll.poll(&mut events, Some(Duration::from_secs(10))).expect("epoll");
        assert!(!events.is_empty(), "no answer for ten seconds");
        let over = Instant::now() >= deadline;
        for event in &events {
            let connection = &mut connections[event.token().0];
            if connection.sent == connection.received && connection.sent % batch == 0 {
                continue;
            }
            connection.send(messages, batch);
            if !connection.receive(messages, batch, &mut scratch) {
                continue;
            }
            done += 1;
            if over || connection.batches >= most {
                active -= 1;
            } else {
                connection.batches += 1;
                connection.send(messages, batch);
            }
        }
    }
    (done, start.elapsed())
}

impl Connection {
    /// Sends what is left of the current batch, as far as the kernel takes it; the first call after a batch was
    /// received begins the next one.
    fn send(&mut self, messages: &Messages, batch: usize) {
        let end = (self.received / batch + 1) * batch;
        while self.sent < end {
            match self.stream.write(messages.at(self.sent, end - self.sent)) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("sending: {error}"),
            }
        }
    }

    /// Receives and checks; true when the batch is complete.
    fn receive(&mut self, messages: &Messages, batch: usize, scratch: &mut [u8]) -> bool {
        let end = (self.received / batch + 1) * batch;
        while self.received < end {
            match self.stream.read(&mut scratch[..end - self.received]) {
                Ok(0) => panic!("the server closed the connection"),
                Ok(n) => {
                    assert!(scratch[..n] == *messages.at(self.received, n), "an echo differs");
                    self.received += n;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => panic!("receiving: {error}"),
            }
        }
        true
    }
}
