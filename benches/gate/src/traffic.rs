//! What clients do to a watched server, and how much one message or one connection costs the server.
//!
//! The traffic is run twice, with few and with many rounds. The difference is the cost of the additional rounds,
//! without the start and the end of the program.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::watched::{PATIENCE, Tool, Watched};

/// Rounds of the shorter run: by then all memory has been allocated.
const FEW: usize = 10;

/// The size of a message, in bytes.
pub const MESSAGE: usize = 64;

/// What clients do in each round.
#[derive(Debug, Clone, Copy)]
pub enum Traffic {
    /// On each of `connections` connections, `depth` lines of 64 bytes are sent together and echoed.
    Echo { connections: usize, depth: usize },
    /// `together` clients connect at once, have one message echoed, and end.
    Lives { together: usize, ended_by: Side },
}

/// The side that ends a connection first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// The cost to a server of this kind of each message, or of each connection from start to end.
pub fn cost_of_each(tool: Tool, program: &str, kind: &str, traffic: Traffic, rounds: usize) -> f64 {
    let few = traffic.total(tool, program, kind, FEW);
    let many = traffic.total(tool, program, kind, FEW + rounds);
    (many - few) as f64 / (rounds * traffic.in_a_round()) as f64
}

impl Traffic {
    fn in_a_round(self) -> usize {
        match self {
            Traffic::Echo { connections, depth } => connections * depth,
            Traffic::Lives { together, .. } => together,
        }
    }

    fn total(self, tool: Tool, program: &str, kind: &str, rounds: usize) -> u64 {
        match self {
            Traffic::Echo { connections, depth } => {
                let server = Watched::start(tool, program, kind, connections);
                echo(&server, connections, depth, rounds);
                server.total()
            }
            Traffic::Lives { together, ended_by } => {
                let server = Watched::start(tool, program, kind, together * rounds);
                lives(&server, together, ended_by, rounds);
                server.total()
            }
        }
    }
}

fn echo(server: &Watched, connections: usize, depth: usize, rounds: usize) {
    let batch = batch(depth);
    let streams = server.while_stopped(|| connect(server.address, connections));
    for _ in 0..rounds {
        let send = || streams.iter().for_each(|stream| send(stream, &batch));
        if connections == 1 {
            // A single client cannot arrive earlier or later than others.
            send();
        } else {
            server.while_stopped(send);
        }
        streams.iter().for_each(|stream| expect(stream, &batch));
    }
    server.while_stopped(|| drop(streams));
}

fn lives(server: &Watched, together: usize, ended_by: Side, rounds: usize) {
    let message = batch(1);
    for round in 0..rounds {
        let streams = server.while_stopped(|| {
            let streams = connect(server.address, together);
            streams.iter().for_each(|stream| send(stream, &message));
            streams
        });
        streams.iter().for_each(|stream| expect(stream, &message));
        let end = || streams.iter().for_each(|stream| stream.shutdown(Shutdown::Write).expect("it is open"));
        if ended_by == Side::Client {
            server.while_stopped(end);
        }
        for mut stream in &streams {
            assert_eq!(stream.read(&mut [0]).expect("the server ends the stream"), 0);
        }
        // The last round ends the server, whichever side ends the connections.
        if ended_by == Side::Server && round + 1 < rounds {
            server.while_stopped(end);
        }
    }
}

/// Lines, each of which contains its number.
fn batch(depth: usize) -> Vec<u8> {
    (0..depth).flat_map(|line| format!("line {line:.<width$}\n", width = MESSAGE - 6).into_bytes()).collect()
}

fn connect(address: SocketAddr, connections: usize) -> Vec<TcpStream> {
    let connect = |_| {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("it can be set");
        stream
    };
    (0..connections).map(connect).collect()
}

fn send(mut stream: &TcpStream, data: &[u8]) {
    stream.write_all(data).expect("the server reads");
}

fn expect(mut stream: &TcpStream, data: &[u8]) {
    let mut answer = vec![0; data.len()];
    stream.read_exact(&mut answer).expect("the server answers");
    assert!(answer == data, "an echo differs");
}
