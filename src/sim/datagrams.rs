//! Datagram sockets of the simulated network. A datagram arrives once, twice or not at all, and in any order.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;
use std::rc::Rc;

use super::cluster::Cluster;
use super::faults::Fault;
use super::inbox::Inbox;
use super::links::Way;
use super::machine::Machine;
use super::world::Note;
use crate::interface::Address;
use crate::net::port::{DatagramConduit, DatagramOptions};

/// The size of the largest datagram, as in UDP.
const LARGEST: usize = 65_507;

pub(super) struct Datagrams {
    cluster: Rc<Cluster>,
    machine: Rc<Machine>,
    at: Address,
    peer: Option<Address>,
    inbox: Rc<Inbox>,
}

impl Datagrams {
    pub(super) fn open(
        cluster: &Rc<Cluster>,
        machine: &Rc<Machine>,
        options: DatagramOptions,
    ) -> io::Result<Datagrams> {
        let unbound = match &options.connect_to {
            Some(Address::Inet(to)) => Address::Inet(SocketAddr::new(
                if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() },
                0,
            )),
            _ => Address::unix(format!("\0{}", machine.free_port()))?,
        };
        let at = machine.with_port(&options.bind_to.unwrap_or(unbound));
        if at.as_inet().is_some_and(|at| !machine.can_bind(at.ip())) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let desk = machine.desk();
        let inbox = Rc::new(Inbox::new(&desk, desk.open()?));
        if let Err(error) = machine.open_inbox(&at, &inbox) {
            inbox.close();
            return Err(error);
        }
        Ok(Datagrams { cluster: Rc::clone(cluster), machine: Rc::clone(machine), at, peer: options.connect_to, inbox })
    }

    /// The sender's address as the receiver sees it.
    fn sender(&self, to: SocketAddr) -> Address {
        match self.at.as_inet() {
            Some(at) if at.ip().is_unspecified() => {
                let ip: IpAddr =
                    if to.ip().is_loopback() { to.ip() } else { self.machine.ips()[usize::from(!to.is_ipv4())] };
                Address::Inet(SocketAddr::new(ip, at.port()))
            }
            _ => self.at.clone(),
        }
    }

    fn send_inet(&self, data: &[u8], to: SocketAddr) -> io::Result<()> {
        if data.len() > LARGEST {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        // A datagram to an address that no host has is sent, and lost.
        let Some(target) = self.cluster.machine_at(to.ip(), &self.machine) else { return Ok(()) };
        let way = Way { from: self.machine.number, to: target.number };
        let world = &self.cluster.world;
        if world.decide(Fault::LostDatagram, way.from).is_some() {
            return Ok(());
        }
        let times = if world.decide(Fault::DoubledDatagram, way.from).is_some() { 2 } else { 1 };
        for _ in 0..times {
            let (cluster, target) = (Rc::clone(&self.cluster), Rc::clone(&target));
            let (data, from) = (data.to_vec(), self.sender(to));
            let answer_to = self.peer.is_some().then(|| Rc::downgrade(&self.inbox));
            // Each datagram has its own latency, so a later one may arrive first.
            world.after(self.cluster.links.latency(way), move || {
                if !cluster.links.passes(way) {
                    return;
                }
                cluster.world.note(Note::Datagram, way.to, data.len());
                match target.inbox(&Address::Inet(to)) {
                    Some(inbox) => inbox.arrive(data, from),
                    // A connected socket is notified, as by ICMP.
                    None => answer_to.and_then(|inbox| inbox.upgrade()).into_iter().for_each(|inbox| inbox.refused()),
                }
            });
        }
        Ok(())
    }

    /// Unix datagrams are neither lost nor late.
    fn send_unix(&self, data: &[u8], to: &Address) -> io::Result<()> {
        let kind = if to.as_path().is_some() { ErrorKind::NotFound } else { ErrorKind::ConnectionRefused };
        let inbox = self.machine.inbox(to).ok_or(kind)?;
        if !inbox.has_room(data.len()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        inbox.arrive(data.to_vec(), self.at.clone());
        Ok(())
    }
}

impl DatagramConduit for Datagrams {
    fn recv_from<'m>(&self, memory: &'m mut [u8], larger: &'m mut Vec<u8>) -> io::Result<(&'m [u8], Address)> {
        if let Some(kind) = self.inbox.take_error() {
            return Err(kind.into());
        }
        let (data, from) = self.inbox.take().ok_or(ErrorKind::WouldBlock)?;
        if data.len() > memory.len() {
            *larger = data;
            return Ok((larger, from));
        }
        let memory = &mut memory[..data.len()];
        memory.copy_from_slice(&data);
        Ok((memory, from))
    }

    fn send_to(&self, data: &[u8], to: Option<&Address>) -> io::Result<()> {
        if self.inbox.is_dead() {
            return Err(ErrorKind::NotConnected.into());
        }
        if let Some(kind) = self.inbox.take_error() {
            return Err(kind.into());
        }
        let to = to.or(self.peer.as_ref()).ok_or(ErrorKind::NotConnected)?;
        match to.as_inet() {
            Some(inet) => self.send_inet(data, inet),
            None => self.send_unix(data, to),
        }
    }

    fn peername(&self) -> Option<Address> {
        self.peer.clone()
    }

    fn sockname(&self) -> Option<Address> {
        Some(self.at.clone())
    }

    fn fd(&self) -> RawFd {
        self.inbox.fd()
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.machine.close_inbox(&self.at, &self.inbox);
        self.inbox.close();
    }
}
