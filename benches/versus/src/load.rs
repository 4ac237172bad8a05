//! The load: an independent client on plain epoll that checks every byte.

mod churn;
mod exchange;
mod messages;
mod watch;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::id;
use std::time::{Duration, Instant};

use exchange::Exchange;
use rustix::net::sockopt::set_tcp_congestion;

use crate::children::{LOAD_CORE, Outcome, Running, cpu_time, own, waiting_time};
use crate::number;
use crate::wire::App;

/// What the load sends, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// The process whose CPU time is measured.
    pub(crate) server: u32,
    pub(crate) app: App,
    pub(crate) style: Style,
    pub(crate) connections: usize,
    /// The size of a message in bytes, if the application does not determine it.
    pub(crate) size: usize,
    /// The number of messages that are sent before the first answer is awaited.
    pub(crate) depth: usize,
    pub(crate) until: Until,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Connections are kept.
    Keep,
    /// A connection for each message.
    Churn,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Milliseconds(u64),
    /// This number of batches on each connection.
    Batches(u64),
}

impl Until {
    /// Repeats the work until then. Returns the number of repetitions, and the time that they took.
    pub(crate) fn repeat(self, mut work: impl FnMut()) -> (u64, Duration) {
        let start = Instant::now();
        let mut times = 0;
        loop {
            let over = match self {
                Until::Milliseconds(amount) => start.elapsed() >= Duration::from_millis(amount),
                Until::Batches(amount) => times >= amount,
            };
            if over {
                return (times, start.elapsed());
            }
            work();
            times += 1;
        }
    }
}

/// The results of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) messages: f64,
    pub(crate) nanoseconds: f64,
    /// The server's CPU time.
    pub(crate) cpu: f64,
    /// Nanoseconds from sending a batch to its last answer: the 99th percentile.
    pub(crate) slowest: f64,
    /// Nanoseconds for which the server or the load waited for a core that another program was using.
    pub(crate) disturbed: f64,
}

/// The share of a measurement's time for which other programs may have used a core that the server or the load needed.
const MOST_DISTURBED: f64 = 0.05;

impl Found {
    pub(crate) fn is_undisturbed(&self) -> bool {
        self.disturbed <= MOST_DISTURBED * self.nanoseconds
    }
}

/// The raw measurements of a load.
#[derive(Default)]
struct Taken {
    time: Duration,
    latencies: Vec<u64>,
}

impl Plan {
    fn arguments(&self) -> Vec<String> {
        let (kind, amount) = match self.until {
            Until::Milliseconds(amount) => ("milliseconds", amount),
            Until::Batches(amount) => ("batches", amount),
        };
        let style = if self.style == Style::Keep { "keep" } else { "churn" };
        let Plan { address, server, app, connections, size, depth, .. } = self;
        let app = app.name();
        format!("load {address} {server} {app} {style} {connections} {size} {depth} {kind} {amount}")
            .split(' ')
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn parse(words: &[&str]) -> Plan {
        let [address, server, app, style, connections, size, depth, kind, amount] = words else {
            panic!("nine words: {words:?}")
        };
        Plan {
            address: number(address),
            server: number(server),
            app: App::parse(app),
            style: if *style == "keep" { Style::Keep } else { Style::Churn },
            connections: number(connections),
            size: number(size),
            depth: number(depth),
            until: match *kind {
                "milliseconds" => Until::Milliseconds(number(amount)),
                _ => Until::Batches(number(amount)),
            },
        }
    }

    /// Runs the load in its own process.
    pub(crate) fn run(&self) -> Outcome<Found> {
        let arguments = self.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let deadline = match self.until {
            Until::Milliseconds(amount) => Duration::from_millis(amount) + Duration::from_secs(30),
            Until::Batches(_) => Duration::from_secs(240),
        };
        let answer = Running::start(own(&arguments), LOAD_CORE)?.line(deadline)?;
        let numbers: Vec<f64> = answer.split(' ').flat_map(str::parse).collect();
        let [messages, nanoseconds, cpu, slowest, disturbed] = numbers[..] else {
            return Err(format!("the load prints {answer}"));
        };
        Ok(Found { messages, nanoseconds, cpu, slowest, disturbed })
    }
}

/// Runs the load in this process, and prints the results.
pub(crate) fn run(plan: &Plan) {
    let warm_up = match plan.until {
        Until::Milliseconds(_) => Until::Milliseconds(50),
        Until::Batches(_) => Until::Batches(0),
    };
    let mut exchange = (plan.style == Style::Keep).then(|| Exchange::new(plan));
    let mut work = |until| match &mut exchange {
        Some(exchange) => exchange.run(until),
        None => churn::run(plan, until),
    };
    work(warm_up);
    let before = (cpu_time(plan.server), waiting_time(plan.server), waiting_time(id()));
    let Taken { time, mut latencies } = work(plan.until);
    let cpu = cpu_time(plan.server) - before.0;
    let disturbed = (waiting_time(plan.server) - before.1).max(waiting_time(id()) - before.2);
    let messages = latencies.len() * plan.depth;
    latencies.sort_unstable();
    let slowest = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    println!("{messages} {} {cpu} {slowest} {disturbed}", time.as_nanos());
}

/// Opens a connection. There may be more connections than ports, so every ten thousand connections have their own
/// address of the loopback network.
pub(crate) fn connect(address: SocketAddr, index: usize) -> TcpStream {
    let from = Ipv4Addr::new(127, 0, 0, 1 + (index / 10_000) as u8);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    if !from.eq(&Ipv4Addr::LOCALHOST) {
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("the loopback net has many addresses");
    }
    socket.connect(&address.into()).expect("the server accepts");
    socket.set_tcp_nodelay(true).expect("TCP_NODELAY");
    socket.set_nonblocking(true).expect("non-blocking");
    light(&socket);
    socket.into()
}

/// Makes a socket use the simplest congestion control. Others, such as BBR, cost more for each message, and pace bulk
/// data by their estimate of a network that does not exist here.
fn light(socket: impl AsFd) {
    // Every Linux has Reno. If setting it fails, the load is only a little slower.
    let _ = set_tcp_congestion(socket, "reno");
}
