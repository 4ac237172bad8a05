//! The network of a host's loop.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use super::cluster::Cluster;
use super::connect::connect;
use super::datagrams::Datagrams;
use super::faults::Fault;
use super::links::Way;
use super::listener::{Backlog, SimAcceptor};
use super::machine::Machine;
use super::world::Note;
use crate::event_loop::LoopHandle;
use crate::interface::Address;
use crate::net::port::{
    Acceptor, BindOptions, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending, Ways,
};
use crate::net::{LookUpError, LookUpErrorKind};
use crate::promise::Promise;

pub(super) struct SimNetwork {
    pub(super) cluster: Rc<Cluster>,
    pub(super) machine: Rc<Machine>,
}

impl SimNetwork {
    async fn resolve(&self, host: &str, port: u16, hints: Hints) -> io::Result<Vec<SocketAddr>> {
        let answered = Promise::new();
        let (way, answer) = (Way { from: self.machine.number, to: self.machine.number }, answered.clone());
        // The name server is close: its answer takes the latency within one host.
        self.cluster.world.after(self.cluster.links.latency(way), move || {
            let _first = answer.set(());
        });
        answered.wait().await;
        self.cluster.world.note(Note::LookUp, self.machine.number, 0);
        if self.cluster.world.decide(Fault::FailedLookUp, self.machine.number).is_some() {
            let cause = io::Error::new(ErrorKind::TimedOut, "no name server answered");
            return Err(LookUpError::new(host, LookUpErrorKind::TryAgain, cause).into());
        }
        let ips = self.cluster.look_up(host).unwrap_or_default();
        let wanted = ips.into_iter().filter(|ip| hints.family.fits(ip));
        let addresses: Vec<SocketAddr> = wanted.map(|ip| SocketAddr::new(ip, port)).collect();
        if addresses.is_empty() {
            let cause = io::Error::new(ErrorKind::NotFound, "no host of the simulation has this name");
            return Err(LookUpError::new(host, LookUpErrorKind::NoSuchName, cause).into());
        }
        Ok(addresses)
    }

    fn take_address(&self, at: &Address) -> io::Result<Box<dyn Acceptor>> {
        let (machine, at) = (&self.machine, self.machine.with_port(at));
        if at.as_inet().is_some_and(|at| !machine.can_bind(at.ip())) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let desk = machine.desk();
        let fd = desk.open()?;
        let backlog = Rc::new(Backlog::new(&desk, fd));
        if let Err(error) = machine.listen(&at, &backlog) {
            desk.close(fd);
            return Err(error);
        }
        let (holder, held, holding) = (Rc::clone(machine), at.clone(), Rc::clone(&backlog));
        Ok(Box::new(SimAcceptor {
            world: Rc::clone(&self.cluster.world),
            host: machine.number,
            at,
            backlog,
            give_free: Some(Box::new(move || holder.unlisten(&held, &holding))),
        }))
    }
}

impl Network for SimNetwork {
    fn look_up<'a>(
        &'a self,
        _: &'a LoopHandle,
        host: &'a str,
        port: u16,
        hints: Hints,
    ) -> Pending<'a, Vec<SocketAddr>> {
        Box::pin(self.resolve(host, port, hints))
    }

    fn connect<'a>(&'a self, _: &'a LoopHandle, to: &'a Address, from: &'a [SocketAddr]) -> Pending<'a, Connected> {
        Box::pin(connect(&self.cluster, &self.machine, to, from))
    }

    fn bind<'a>(&'a self, _: &'a LoopHandle, at: &'a Address, _: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
        Box::pin(async { self.take_address(at) })
    }

    fn open_datagrams<'a>(
        &'a self,
        _: &'a LoopHandle,
        options: DatagramOptions,
    ) -> Pending<'a, Rc<dyn DatagramConduit>> {
        Box::pin(async {
            let socket = Datagrams::open(&self.cluster, &self.machine, options)?;
            Ok(Rc::new(socket) as Rc<dyn DatagramConduit>)
        })
    }

    /// Accepts only pipes of the simulation, since no other pipe has a simulated other end.
    fn adopt_pipe(&self, _: &LoopHandle, pipe: OwnedFd, ways: Ways) -> io::Result<Connected> {
        let Some(end) = self.cluster.take_pipe(pipe.as_raw_fd()) else {
            let text = "a simulated host takes the pipes of its simulation only";
            return Err(io::Error::new(ErrorKind::Unsupported, text));
        };
        if !end.is_for(ways) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "this end of the pipe is for the other direction"));
        }
        end.take_descriptor()?;
        Ok(end.with_stand_in(pipe).connected())
    }
}
