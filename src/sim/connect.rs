//! Connecting: the request, which may be lost, and the answer.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::cluster::Cluster;
use super::end::End;
use super::faults::Fault;
use super::line::{Kind, Line};
use super::links::Way;
use super::machine::Machine;
use super::side::Side;
use super::world::Note;
use crate::interface::Address;
use crate::net::port::Connected;
use crate::promise::Promise;

/// How many requests are sent before the attempt fails with `TimedOut`, as on Linux. The pauses after them are 1, 2,
/// 4 … 64 seconds.
const REPEATS: u32 = 7;

/// An attempt to connect.
struct Attempt {
    cluster: Rc<Cluster>,
    from: Rc<Machine>,
    local: Address,
    to: Address,
    /// Whether nothing waits for it any more.
    is_over: Cell<bool>,
    outcome: RefCell<Option<io::Result<End>>>,
    is_answered: Promise<()>,
}

/// Ends the attempt when the future of [`connect`] is dropped.
struct Waiting(Rc<Attempt>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.is_over.set(true);
        let outcome = self.0.outcome.take();
        drop(outcome);
    }
}

pub(super) async fn connect(
    cluster: &Rc<Cluster>,
    from: &Rc<Machine>,
    to: &Address,
    candidates: &[SocketAddr],
) -> io::Result<Connected> {
    let attempt = Rc::new(Attempt {
        cluster: Rc::clone(cluster),
        from: Rc::clone(from),
        local: local_address(cluster, from, to, candidates)?,
        to: to.clone(),
        is_over: Cell::new(false),
        outcome: RefCell::default(),
        is_answered: Promise::new(),
    });
    cluster.world.note(Note::Connect, from.number, 0);
    attempt.ask(0);
    let waiting = Waiting(attempt);
    waiting.0.is_answered.wait().await;
    let answer = waiting.0.outcome.take();
    answer.expect("an answer comes with its outcome").map(End::connected)
}

/// The local address of the connection.
fn local_address(
    cluster: &Cluster,
    from: &Rc<Machine>,
    to: &Address,
    candidates: &[SocketAddr],
) -> io::Result<Address> {
    let Some(to) = to.as_inet() else { return Address::unix(format!("\0{}", from.free_port())) };
    if !candidates.is_empty() {
        let usable = candidates.iter().find(|candidate| from.can_bind(candidate.ip()));
        let usable = usable.ok_or_else(|| {
            let text = format!("cannot bind to {}: no such address here", candidates[0]);
            io::Error::new(ErrorKind::AddrNotAvailable, text)
        })?;
        return Ok(from.with_port(&Address::Inet(*usable)));
    }
    let is_here = cluster.machine_at(to.ip(), from).is_some_and(|machine| Rc::ptr_eq(&machine, from));
    let ip: IpAddr = match (is_here, to.is_ipv4()) {
        (true, _) if !to.ip().is_unspecified() => to.ip(),
        (_, true) => from.ips()[0],
        (_, false) => from.ips()[1],
    };
    Ok(Address::Inet(SocketAddr::new(ip, from.free_port())))
}

impl Attempt {
    /// Sends the request, for the first time or again.
    fn ask(self: &Rc<Self>, asked_before: u32) {
        let target = match self.to.as_inet() {
            Some(to) => self.cluster.machine_at(to.ip(), &self.from),
            None => Some(Rc::clone(&self.from)),
        };
        let Some(target) = target else {
            return self.answer_later(self.from.number, Err(ErrorKind::HostUnreachable.into()));
        };
        let way = Way { from: self.from.number, to: target.number };
        let (attempt, latency) = (Rc::clone(self), self.cluster.links.latency(way));
        self.cluster.world.after(latency, move || attempt.arrive(&target, way, asked_before));
    }

    fn arrive(self: &Rc<Self>, target: &Rc<Machine>, way: Way, asked_before: u32) {
        if self.is_over.get() {
            return;
        }
        let world = &self.cluster.world;
        let is_lost = way.from != way.to && world.decide(Fault::LostConnect, way.from).is_some();
        if is_lost || !self.cluster.links.passes(way) {
            return self.ask_again(asked_before);
        }
        let Some(backlog) = target.listener(&self.to) else {
            let kind = match self.to.as_path() {
                Some(_) => ErrorKind::NotFound,
                None => ErrorKind::ConnectionRefused,
            };
            return self.answer_later(target.number, Err(kind.into()));
        };
        if !backlog.has_room() {
            return self.ask_again(asked_before);
        }
        let desk = self.from.desk();
        let fd = match desk.open() {
            Ok(fd) => fd,
            Err(error) => return self.answer_later(self.from.number, Err(error)),
        };
        let kind = if self.to.as_inet().is_some() { Kind::Inet } else { Kind::Unix };
        let sides = [Side::new(way.from, &desk, Some(fd)), Side::new(way.to, &target.desk(), None)];
        let line = Line::new(world, &self.cluster.links, kind, sides);
        let ours = End::new(&line, 0, Some(self.to.clone()), Some(self.local.clone()));
        let theirs = End::new(&line, 1, Some(self.local.clone()), Some(self.to.clone()));
        backlog.arrive(theirs);
        self.answer_later(target.number, Ok(ours));
    }

    fn ask_again(self: &Rc<Self>, asked_before: u32) {
        let (attempt, pause) = (Rc::clone(self), Duration::from_secs(1 << asked_before));
        self.cluster.world.after(pause, move || {
            if asked_before + 1 < REPEATS {
                attempt.ask(asked_before + 1);
            } else {
                attempt.answer(Err(ErrorKind::TimedOut.into()));
            }
        });
    }

    /// Sends the answer.
    fn answer_later(self: &Rc<Self>, from: usize, outcome: io::Result<End>) {
        let (attempt, way) = (Rc::clone(self), Way { from, to: self.from.number });
        self.cluster.links.send(way, move || attempt.answer(outcome));
    }

    fn answer(&self, outcome: io::Result<End>) {
        if !self.is_over.get() {
            *self.outcome.borrow_mut() = Some(outcome);
            let _first = self.is_answered.set(());
        }
    }
}
