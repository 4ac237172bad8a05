//! A host as the network sees it: its addresses, and which of its ports and paths are taken.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use super::awake::Awake;
use super::desk::Desk;
use super::inbox::Inbox;
use super::listener::Backlog;
use crate::interface::Address;

/// The first port that the network chooses by itself, as on Linux.
const FIRST_FREE_PORT: u16 = 32_768;

/// How many descriptors a host may have by default.
const DESCRIPTORS: usize = 20_000;

pub(super) struct Machine {
    pub(super) number: usize,
    pub(super) name: String,
    ips: [IpAddr; 2],
    awake: Rc<Awake>,
    /// The desk of the running program. A host that starts again gets a new one.
    desk: RefCell<Rc<Desk>>,
    descriptor_limit: Cell<usize>,
    listeners: RefCell<HashMap<Address, Rc<Backlog>>>,
    inboxes: RefCell<HashMap<Address, Rc<Inbox>>>,
    next_port: Cell<u16>,
}

impl Machine {
    pub(super) fn new(number: usize, name: &str, awake: &Rc<Awake>) -> Machine {
        let [.., high, low] = (number as u32 + 1).to_be_bytes();
        let number_in_v6 = number as u16 + 1;
        Machine {
            number,
            name: name.to_owned(),
            ips: [Ipv4Addr::new(10, 0, high, low).into(), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number_in_v6).into()],
            awake: Rc::clone(awake),
            desk: RefCell::new(Rc::new(Desk::new(number, awake, DESCRIPTORS))),
            descriptor_limit: Cell::new(DESCRIPTORS),
            listeners: RefCell::default(),
            inboxes: RefCell::default(),
            next_port: Cell::new(FIRST_FREE_PORT),
        }
    }

    /// Its addresses: first IPv4, then IPv6.
    pub(super) fn ips(&self) -> [IpAddr; 2] {
        self.ips
    }

    pub(super) fn has(&self, ip: IpAddr) -> bool {
        self.ips.contains(&ip)
    }

    /// Whether a socket here can be bound to the address.
    pub(super) fn can_bind(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || ip.is_unspecified() || self.has(ip)
    }

    pub(super) fn desk(&self) -> Rc<Desk> {
        Rc::clone(&self.desk.borrow())
    }

    /// The host crashes. Everything that the program holds ends without notice to any peer.
    pub(super) fn crash(&self) {
        let desk = Rc::new(Desk::new(self.number, &self.awake, self.descriptor_limit.get()));
        self.desk.replace(desk).die();
        let (listeners, inboxes) = (self.listeners.take(), self.inboxes.take());
        drop((listeners, inboxes));
    }

    pub(super) fn limit_descriptors(&self, limit: usize) {
        self.descriptor_limit.set(limit);
        self.desk().limit_open(limit);
    }

    /// The address, with a free port if it has no port.
    pub(super) fn with_port(&self, at: &Address) -> Address {
        match at {
            Address::Inet(inet) if inet.port() == 0 => Address::Inet(SocketAddr::new(inet.ip(), self.free_port())),
            at => at.clone(),
        }
    }

    pub(super) fn free_port(&self) -> u16 {
        let is_taken = |port: u16| {
            let is_at = |at: &Address| at.as_inet().is_some_and(|inet| inet.port() == port);
            self.listeners.borrow().keys().any(is_at) || self.inboxes.borrow().keys().any(is_at)
        };
        loop {
            let port = self.next_port.get();
            self.next_port.set(port.checked_add(1).unwrap_or(FIRST_FREE_PORT));
            if !is_taken(port) {
                return port;
            }
        }
    }

    pub(super) fn listen(&self, at: &Address, backlog: &Rc<Backlog>) -> io::Result<()> {
        take(&self.listeners, at, backlog)
    }

    pub(super) fn open_inbox(&self, at: &Address, inbox: &Rc<Inbox>) -> io::Result<()> {
        take(&self.inboxes, at, inbox)
    }

    /// Releases an address, if it still belongs to this listener.
    pub(super) fn unlisten(&self, at: &Address, backlog: &Rc<Backlog>) {
        give_free(&self.listeners, at, backlog);
    }

    pub(super) fn close_inbox(&self, at: &Address, inbox: &Rc<Inbox>) {
        give_free(&self.inboxes, at, inbox);
    }

    /// The listener at this address, or at all addresses of this host.
    pub(super) fn listener(&self, at: &Address) -> Option<Rc<Backlog>> {
        find(&self.listeners, at).filter(|backlog| backlog.is_listening())
    }

    pub(super) fn inbox(&self, at: &Address) -> Option<Rc<Inbox>> {
        find(&self.inboxes, at)
    }
}

fn take<T>(taken: &RefCell<HashMap<Address, Rc<T>>>, at: &Address, by: &Rc<T>) -> io::Result<()> {
    let mut taken = taken.borrow_mut();
    if taken.contains_key(at) {
        return Err(ErrorKind::AddrInUse.into());
    }
    taken.insert(at.clone(), Rc::clone(by));
    Ok(())
}

fn give_free<T>(taken: &RefCell<HashMap<Address, Rc<T>>>, at: &Address, by: &Rc<T>) {
    let mut taken = taken.borrow_mut();
    if taken.get(at).is_some_and(|holder| Rc::ptr_eq(holder, by)) {
        taken.remove(at);
    }
}

fn find<T>(taken: &RefCell<HashMap<Address, Rc<T>>>, at: &Address) -> Option<Rc<T>> {
    let taken = taken.borrow();
    let everywhere = at.as_inet().map(|inet| {
        let any: IpAddr = if inet.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        Address::Inet(SocketAddr::new(any, inet.port()))
    });
    taken.get(at).or_else(|| taken.get(&everywhere?)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Address {
        Address::Inet(text.parse().unwrap())
    }

    #[test]
    fn who_listens_everywhere_hears_what_is_for_one_address_of_its_family() {
        let machine = Machine::new(0, "a", &Rc::default());
        let backlog = Rc::new(Backlog::new(&machine.desk(), 1));
        machine.listen(&at("0.0.0.0:80"), &backlog).unwrap();
        assert!(machine.listener(&at("10.0.0.1:80")).is_none(), "it is bound, but does not listen");
        assert_eq!(machine.listen(&at("0.0.0.0:80"), &backlog).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(find(&machine.listeners, &at("10.0.0.1:80")).is_some());
        assert!(find(&machine.listeners, &at("[fd00::1]:80")).is_none());
        assert!(find(&machine.listeners, &at("10.0.0.1:81")).is_none());
        machine.unlisten(&at("0.0.0.0:80"), &backlog);
        assert!(find(&machine.listeners, &at("10.0.0.1:80")).is_none());
    }
}
