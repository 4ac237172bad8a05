//! Short connections: each is opened, has one message echoed, and is closed.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Events;
use mio::net::TcpStream;

use super::watch::Watch;
use super::{Plan, Taken, Until, light};
use crate::wire::text;

struct Visit {
    stream: TcpStream,
    sent: bool,
    received: usize,
    began: Instant,
}

/// Keeps the planned number of connections in progress at all times, until the end.
pub(super) fn run(plan: &Plan, until: Until) -> Taken {
    let message = text(plan.size, plan.size);
    let mut watch = Watch::new();
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; plan.size];
    let mut taken = Taken::default();
    let start = Instant::now();
    let (deadline, most) = match until {
        Until::Milliseconds(amount) => (start + Duration::from_millis(amount), u64::MAX),
        Until::Batches(amount) => (start + Duration::from_secs(600), amount * plan.connections as u64),
    };
    let mut begun = 0;
    let mut visits = Vec::new();
    while visits.len() < plan.connections && begun < most {
        visits.push(Some(Visit::begin(plan.address, &watch, visits.len())));
        begun += 1;
    }
    let mut active = visits.len();
    while active > 0 {
        let now = watch.next(&mut events);
        for event in &events {
            let place = event.token().0;
            // This is an event of a connection that was closed earlier in the same batch.
            let Some(visit) = &mut visits[place] else { continue };
            if !visit.advance(&message, &mut scratch) {
                continue;
            }
            taken.latencies.push(visit.began.elapsed().as_nanos() as u64);
            // The connection is closed before the next one is opened.
            visits[place] = None;
            if now >= deadline || begun >= most {
                active -= 1;
            } else {
                visits[place] = Some(Visit::begin(plan.address, &watch, place));
                begun += 1;
            }
        }
    }
    taken.time = start.elapsed();
    taken
}

impl Visit {
    fn begin(address: SocketAddr, watch: &Watch, place: usize) -> Visit {
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).expect("a free port");
        light(&stream);
        watch.add(&mut stream, place);
        Visit { stream, sent: false, received: 0, began }
    }

    /// Returns true when the message has come back.
    fn advance(&mut self, message: &[u8], scratch: &mut [u8]) -> bool {
        if !self.sent {
            match self.stream.write(message) {
                Ok(n) => assert_eq!(n, message.len(), "a new connection takes a small message"),
                // The connection is not established yet.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return false,
                Err(error) => panic!("sending: {error}"),
            }
            self.sent = true;
        }
        while self.received < message.len() {
            match self.stream.read(scratch) {
                Ok(0) => panic!("the server closed the connection"),
                Ok(n) => {
                    assert!(scratch[..n] == message[self.received..][..n], "an echo differs");
                    self.received += n;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => panic!("receiving: {error}"),
            }
        }
        true
    }
}
