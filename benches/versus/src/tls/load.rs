//! The load over TLS: rustls on std's blocking sockets, without an event loop.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::{NAME, client};
use crate::children::{LOAD_CORE, Outcome, Running, cpu_time, own};
use crate::load::Until;
use crate::number;

/// The size of one bulk transfer, in mebibytes.
const BULK: u64 = 4;
const MESSAGE: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A new connection each time: handshake and clean close.
    Handshakes,
    /// Echoed messages of 64 bytes: one is sent on each connection, then all answers are received.
    Trips,
    /// [`BULK`] mebibytes to the server at a time, which answers with one byte.
    Up,
    /// [`BULK`] mebibytes from the server at a time.
    Down,
    /// One echo on each connection; then the connections stay open until this process is killed.
    Hold,
}

impl Work {
    /// The number of messages, handshakes or mebibytes in a batch.
    pub(crate) fn units(self, connections: usize) -> u64 {
        match self {
            Work::Trips => connections as u64,
            Work::Up | Work::Down => BULK,
            Work::Handshakes | Work::Hold => 1,
        }
    }
}

const WORKS: &[(&str, Work)] = &[
    ("handshakes", Work::Handshakes),
    ("trips", Work::Trips),
    ("up", Work::Up),
    ("down", Work::Down),
    ("hold", Work::Hold),
];

pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: String,
    /// The process whose CPU time is measured.
    pub(crate) server: u32,
    pub(crate) work: Work,
    pub(crate) connections: usize,
    pub(crate) until: Until,
}

impl Plan {
    fn arguments(&self) -> Vec<String> {
        let (kind, amount) = match self.until {
            Until::Milliseconds(amount) => ("milliseconds", amount),
            Until::Batches(amount) => ("batches", amount),
        };
        let Plan { address, certificate, server, connections, .. } = self;
        let (work, _) = WORKS.iter().find(|(_, work)| *work == self.work).expect("every work has a name");
        format!("tls-load {address} {certificate} {server} {work} {connections} {kind} {amount}")
            .split(' ')
            .map(str::to_owned)
            .collect()
    }

    /// Starts the load in its own process.
    pub(crate) fn start(&self) -> Outcome<Running> {
        let arguments = self.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Running::start(own(&arguments), LOAD_CORE)
    }

    pub(crate) fn parse(words: &[&str]) -> Plan {
        let [address, certificate, server, work, connections, kind, amount] = words else {
            panic!("seven words: {words:?}")
        };
        let (_, work) = WORKS.iter().find(|(name, _)| name == work).expect("such work is known");
        Plan {
            address: number(address),
            certificate: (*certificate).to_owned(),
            server: number(server),
            work: *work,
            connections: number(connections),
            until: match *kind {
                "milliseconds" => Until::Milliseconds(number(amount)),
                _ => Until::Batches(number(amount)),
            },
        }
    }
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// Prints the amount of work done, the nanoseconds that it took, and the nanoseconds of server CPU time.
pub(crate) fn run(plan: &Plan) {
    let config = client(&plan.certificate);
    let connections = if plan.work == Work::Handshakes { 0 } else { plan.connections };
    let mut connections: Vec<Connection> = (0..connections).map(|_| connect(plan, &config)).collect();
    if plan.work == Work::Hold {
        trips(&mut connections);
        println!("held");
        // The parent kills this process much earlier. This limit is for the case that the parent has died.
        std::thread::sleep(Duration::from_secs(120));
        return;
    }
    let mut buffer = vec![0; 64 * 1024];
    let mut work = || match plan.work {
        Work::Handshakes => end(connect(plan, &config)),
        Work::Trips | Work::Hold => trips(&mut connections),
        Work::Up => transfer(&mut connections[0], BULK << 20, 1, &mut buffer),
        Work::Down => transfer(&mut connections[0], 0, BULK << 20, &mut buffer),
    };
    let warm_up = match plan.until {
        Until::Milliseconds(_) => Until::Milliseconds(50),
        Until::Batches(_) => Until::Batches(0),
    };
    warm_up.repeat(&mut work);
    let before = cpu_time(plan.server);
    let (times, time) = plan.until.repeat(&mut work);
    let cpu = cpu_time(plan.server) - before;
    let units = times * plan.work.units(plan.connections);
    println!("{units} {} {cpu}", time.as_nanos());
    connections.into_iter().for_each(end);
}

/// Connects, and completes the handshake.
fn connect(plan: &Plan, config: &Arc<ClientConfig>) -> Connection {
    let mut socket = TcpStream::connect(plan.address).expect("the server accepts");
    socket.set_nodelay(true).expect("TCP_NODELAY");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let name = NAME.try_into().expect("the name is good");
    let mut engine = ClientConnection::new(Arc::clone(config), name).expect("a session");
    while engine.is_handshaking() {
        engine.complete_io(&mut socket).expect("a handshake");
    }
    StreamOwned::new(engine, socket)
}

/// Ends the session, and waits until the server has ended it, too.
fn end(mut connection: Connection) {
    connection.conn.send_close_notify();
    connection.flush().expect("sending the end");
    assert_eq!(connection.read(&mut [0]).expect("the server ends in order"), 0, "nothing comes before the end");
}

fn trips(connections: &mut [Connection]) {
    let message = [b'x'; MESSAGE];
    for connection in connections.iter_mut() {
        connection.write_all(&message).expect("sending");
        connection.flush().expect("sending");
    }
    for connection in connections {
        let mut echo = [0; MESSAGE];
        connection.read_exact(&mut echo).expect("an echo");
        assert_eq!(echo, message);
    }
}

/// Announces how many bytes will go up and should come down, and transfers them.
fn transfer(connection: &mut Connection, up: u64, down: u64, buffer: &mut [u8]) {
    let header = [up.to_be_bytes(), down.to_be_bytes()].concat();
    connection.write_all(&header).expect("sending");
    let mut left = up;
    while left > 0 {
        let n = left.min(buffer.len() as u64) as usize;
        connection.write_all(&buffer[..n]).expect("sending");
        left -= n as u64;
    }
    connection.flush().expect("sending");
    let mut left = down;
    while left > 0 {
        let n = left.min(buffer.len() as u64) as usize;
        let n = connection.read(&mut buffer[..n]).expect("receiving");
        assert!(n > 0, "the server sends all it was asked for");
        left -= n as u64;
    }
}
