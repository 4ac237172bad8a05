//! A server that has no descriptors left: it reports that once, serves the clients that it has, and accepts the others
//! when it can.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::processes::{MOMENT, PATIENCE, until};
use crate::figures::figure;
use crate::servers::{Server, example};

/// How many descriptors the server may have, and how many clients connect.
const LIMIT: usize = 32;
const CLIENTS: usize = 3 * LIMIT;

/// The server's message when it cannot accept.
const COMPLAINT: &str = "A server cannot accept connections";

/// The clients that have an answer, and those that have none yet.
struct Clients {
    served: Vec<Client>,
    waiting: Vec<Client>,
}

impl Clients {
    fn ask(server: &Server, count: usize) -> Clients {
        let waiting = (0..count).map(|number| Client::ask(server.address, number)).collect();
        Clients { served: Vec::new(), waiting }
    }

    fn look(&mut self) {
        let (answered, silent) = std::mem::take(&mut self.waiting).into_iter().partition(Client::is_answered);
        self.waiting = silent;
        self.served.extend::<Vec<Client>>(answered);
    }

    /// No client connects meanwhile, so each that is served had been waiting.
    #[track_caller]
    fn until_served(&mut self, count: usize) {
        until("as many are served as there are descriptors", || {
            self.look();
            self.served.len() >= count
        });
        assert_eq!(self.served.len(), count);
    }
}

struct Client {
    stream: TcpStream,
    number: usize,
}

impl Client {
    /// Connects and sends a question at once. The kernel takes both, whether or not the server accepts.
    fn ask(address: SocketAddr, number: usize) -> Client {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("there is room to wait in the kernel");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        let client = Client { stream, number };
        client.send();
        client
    }

    fn question(&self) -> Vec<u8> {
        format!("I am number {:04}", self.number).into_bytes()
    }

    fn send(&self) {
        (&self.stream).write_all(&self.question()).expect("the kernel takes a few bytes");
    }

    fn expect_answer(&self) {
        let mut answer = self.question();
        (&self.stream).read_exact(&mut answer).expect("the server answers");
        assert_eq!(answer, self.question(), "each gets its own answer");
    }

    /// Reads the answer and returns true, if it has arrived.
    fn is_answered(&self) -> bool {
        self.stream.set_nonblocking(true).expect("it can be set");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("it can be set");
        match &peeked {
            Ok(_) => self.expect_answer(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "number {} was dropped", self.number),
        }
        peeked.is_ok()
    }
}

fn complaints(server: &Server) -> usize {
    server.process.errors().matches(COMPLAINT).count()
}

/// Repeats an action for a while.
fn during(time: Duration, mut act: impl FnMut()) {
    let began = Instant::now();
    while began.elapsed() < time {
        act();
        std::thread::sleep(MOMENT);
    }
}

#[test]
fn a_server_without_descriptors_complains_once_and_serves_on() {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={LIMIT}")).arg(example("echo_streams")).arg("127.0.0.1:0");
    let server = Server::start(&mut limited);
    let before = server.descriptors();
    let places = (0..LIMIT).filter(|place| !before.contains(place)).count();

    let mut clients = Clients::ask(&server, CLIENTS);
    clients.until_served(places);
    until("the server complains", || complaints(&server) > 0);

    // A little longer than one of the server's pauses, without any work: it must not spin. A tick is 10 ms.
    let ticks = server.ticks();
    during(Duration::from_millis(1200), || {});
    let ticks = server.ticks() - ticks;
    assert!(ticks < 60, "it used {ticks} of 120 ticks for nothing");

    // The connected clients are served through further pauses, and no other client is.
    during(Duration::from_millis(1200), || {
        clients.served.iter().for_each(Client::send);
        clients.served.iter().for_each(Client::expect_answer);
    });
    clients.until_served(places);
    assert_eq!(complaints(&server), 1, "{}", server.process.errors());

    // Each descriptor that becomes free serves a waiting client.
    drop(clients.served.drain(..places / 2));
    clients.until_served(places);
    while !clients.waiting.is_empty() {
        clients.served.clear();
        clients.until_served(places.min(clients.waiting.len()));
    }
    assert_eq!(complaints(&server), 1, "it was one shortage: {}", server.process.errors());

    // The shortage is over, so the next one is reported again.
    drop(clients);
    until("all is closed", || server.descriptors() == before);
    let mut clients = Clients::ask(&server, places + 1);
    clients.until_served(places);
    until("the server complains again", || complaints(&server) == 2);
}

/// How many servers run in parallel, since a server without descriptors pauses for a second before it tries again.
const SIDE_BY_SIDE: usize = 8;

#[test]
#[ignore = "takes a while: see faults/README.md"]
fn descriptors_run_out_again_and_again_and_each_time_all_are_served() {
    let cycles = figure("WATERWHEEL_EMFILE_CYCLES", 200) as usize;
    let (mut ticks, mut time) = (0, Duration::ZERO);
    std::thread::scope(|scope| {
        let running = || scope.spawn(|| run_out(cycles.div_ceil(SIDE_BY_SIDE)));
        let servers: Vec<_> = (0..SIDE_BY_SIDE).map(|_| running()).collect();
        for server in servers {
            let (used, passed) = server.join().expect("it recovers");
            ticks += used;
            time += passed;
        }
    });
    let share = ticks as f64 / (100.0 * time.as_secs_f64());
    println!("{cycles} times without descriptors; {:.2} % of a processor meanwhile", 100.0 * share);
    assert!(share < 0.05, "{ticks} ticks in {time:?}");
}

/// Lets a server run out of descriptors again and again. Returns the ticks that it used, and the time that passed.
fn run_out(cycles: usize) -> (u64, Duration) {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={LIMIT}")).arg(example("echo_streams")).arg("127.0.0.1:0");
    let server = Server::start(&mut limited);
    let before = server.descriptors();
    let places = (0..LIMIT).filter(|place| !before.contains(place)).count();
    let (ticks, began) = (server.ticks(), Instant::now());
    for cycle in 1..=cycles {
        let mut clients = Clients::ask(&server, places + 3);
        clients.until_served(places);
        until("the server complains", || complaints(&server) == cycle);
        // The waiting clients are served when there are descriptors again, which ends this shortage.
        clients.served.clear();
        clients.until_served(3);
        drop(clients);
        until("all is closed", || server.descriptors() == before);
    }
    (server.ticks() - ticks, began.elapsed())
}
