//! Lasting connections: each sends a batch of requests, waits until all are answered, and sends the next batch.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::Events;
use mio::net::TcpStream;

use super::messages::Messages;
use super::watch::Watch;
use super::{Plan, Taken, Until, connect};

/// All connections of a load, which stay open until this is dropped.
pub(super) struct Exchange {
    watch: Watch,
    messages: Messages,
    connections: Vec<Connection>,
    scratch: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// The total numbers of bytes sent and received.
    sent: usize,
    received: usize,
    batches: u64,
    began: Instant,
}

impl Exchange {
    pub(super) fn new(plan: &Plan) -> Exchange {
        let watch = Watch::new();
        let messages = Messages::new(plan.app, plan.size, plan.depth);
        let open = |index| {
            let mut stream = TcpStream::from_std(connect(plan.address, index));
            watch.add(&mut stream, index);
            Connection { stream, sent: 0, received: 0, batches: 0, began: Instant::now() }
        };
        let connections = (0..plan.connections).map(open).collect();
        Exchange { watch, messages, connections, scratch: vec![0; 256 * 1024] }
    }

    /// Works on all connections until the end.
    pub(super) fn run(&mut self, until: Until) -> Taken {
        let mut events = Events::with_capacity(1024);
        let mut taken = Taken::default();
        let start = Instant::now();
        let (deadline, most) = match until {
            Until::Milliseconds(amount) => (start + Duration::from_millis(amount), u64::MAX),
            Until::Batches(amount) => (start + Duration::from_secs(600), amount),
        };
        let mut active = 0;
        if most > 0 {
            for connection in &mut self.connections {
                connection.batches = 0;
                connection.begin(&self.messages);
                active += 1;
            }
        }
        while active > 0 {
            let now = self.watch.next(&mut events);
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if !connection.is_waiting(&self.messages) {
                    continue;
                }
                connection.send(&self.messages);
                if !connection.receive(&self.messages, &mut self.scratch) {
                    continue;
                }
                taken.latencies.push((now - connection.began).as_nanos() as u64);
                connection.batches += 1;
                if now >= deadline || connection.batches >= most {
                    active -= 1;
                } else {
                    connection.begin(&self.messages);
                }
            }
        }
        taken.time = start.elapsed();
        taken
    }
}

impl Connection {
    fn begin(&mut self, messages: &Messages) {
        self.began = Instant::now();
        // Sending and receiving are both at the end of a batch here, so this sends the beginning of the next batch.
        self.send_until(messages, self.sent + messages.requests.batch);
    }

    /// Whether a batch is in progress.
    fn is_waiting(&self, messages: &Messages) -> bool {
        let complete = self.received / messages.answers.batch;
        self.sent > complete * messages.requests.batch
    }

    /// Sends as much of the rest of the batch as the kernel takes.
    fn send(&mut self, messages: &Messages) {
        self.send_until(messages, (self.received / messages.answers.batch + 1) * messages.requests.batch);
    }

    fn send_until(&mut self, messages: &Messages, end: usize) {
        while self.sent < end {
            match self.stream.write(messages.requests.at(self.sent, end - self.sent)) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("sending: {error}"),
            }
        }
    }

    /// Receives and checks bytes. Returns true when the batch is complete.
    fn receive(&mut self, messages: &Messages, scratch: &mut [u8]) -> bool {
        let batch = messages.answers.batch;
        let end = (self.received / batch + 1) * batch;
        while self.received < end {
            let room = scratch.len().min(end - self.received);
            match self.stream.read(&mut scratch[..room]) {
                Ok(0) => panic!("the server closed the connection"),
                Ok(n) => {
                    assert!(scratch[..n] == *messages.answers.at(self.received, n), "an answer differs");
                    self.received += n;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => panic!("receiving: {error}"),
            }
        }
        true
    }
}
