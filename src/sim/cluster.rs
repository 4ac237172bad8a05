//! All hosts of a simulation, their names, and the links between them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::rc::Rc;

use super::end::End;
use super::links::Links;
use super::machine::Machine;
use super::world::World;

pub(super) struct Cluster {
    pub(super) world: Rc<World>,
    pub(super) links: Rc<Links>,
    machines: RefCell<Vec<Rc<Machine>>>,
    /// Names in addition to those of the hosts.
    names: RefCell<BTreeMap<String, Vec<IpAddr>>>,
    /// The ends of pipes that no loop has taken over, by the number of the descriptor that stands for each.
    pipes: RefCell<BTreeMap<RawFd, End>>,
}

impl Cluster {
    pub(super) fn new(seed: u64) -> Cluster {
        let world = Rc::new(World::new(seed));
        let links = Rc::new(Links::new(Rc::clone(&world)));
        Cluster { world, links, machines: RefCell::default(), names: RefCell::default(), pipes: RefCell::default() }
    }

    /// Adds a host.
    ///
    /// # Panics
    ///
    /// Panics if there is a host of this name.
    #[track_caller]
    pub(super) fn add(&self, name: &str) -> Rc<Machine> {
        assert!(self.find(name).is_none(), "there is a host of the name {name:?} already");
        let mut machines = self.machines.borrow_mut();
        let machine = Rc::new(Machine::new(machines.len(), name, &self.world.awake));
        machines.push(Rc::clone(&machine));
        machine
    }

    pub(super) fn find(&self, name: &str) -> Option<Rc<Machine>> {
        self.machines.borrow().iter().find(|machine| machine.name == name).cloned()
    }

    /// The host of this name.
    ///
    /// # Panics
    ///
    /// Panics if there is no such host.
    #[track_caller]
    pub(super) fn named(&self, name: &str) -> Rc<Machine> {
        self.find(name).unwrap_or_else(|| panic!("there is no host of the name {name:?}"))
    }

    pub(super) fn name_of(&self, host: usize) -> String {
        self.machines.borrow().get(host).map_or_else(String::new, |machine| machine.name.clone())
    }

    /// The machine with this address, as seen from the machine `from`.
    pub(super) fn machine_at(&self, ip: IpAddr, from: &Rc<Machine>) -> Option<Rc<Machine>> {
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(Rc::clone(from));
        }
        self.machines.borrow().iter().find(|machine| machine.has(ip)).cloned()
    }

    pub(super) fn set_name(&self, name: &str, ips: Vec<IpAddr>) {
        self.names.borrow_mut().insert(name.to_owned(), ips);
    }

    /// The addresses of a name.
    pub(super) fn look_up(&self, name: &str) -> Option<Vec<IpAddr>> {
        let named = self.names.borrow().get(name).cloned();
        named.or_else(|| self.find(name).map(|machine| machine.ips().to_vec()))
    }

    pub(super) fn keep_pipe(&self, stand_in: RawFd, end: End) {
        self.pipes.borrow_mut().insert(stand_in, end);
    }

    pub(super) fn take_pipe(&self, stand_in: RawFd) -> Option<End> {
        self.pipes.borrow_mut().remove(&stand_in)
    }

    /// Drops everything that is still to happen.
    pub(super) fn end(&self) {
        let pipes = self.pipes.take();
        drop(pipes);
        self.links.end();
        self.world.end();
    }
}
