//! Which hosts can reach each other, and what is held back until they can.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::faults::Fault;
use super::world::{Action, Note, World};

/// The links between the hosts, which are identified by their numbers.
pub(super) struct Links {
    world: Rc<World>,
    /// The ways that are cut.
    cut: RefCell<BTreeSet<Way>>,
    down: RefCell<BTreeSet<usize>>,
    /// The actions that are held back on ways that nothing can pass, in order.
    held: RefCell<BTreeMap<Way, Vec<Action>>>,
}

/// The direction from one host to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Links {
    pub(super) fn new(world: Rc<World>) -> Links {
        Links { world, cut: RefCell::default(), down: RefCell::default(), held: RefCell::default() }
    }

    /// Whether the way is open now.
    pub(super) fn passes(&self, way: Way) -> bool {
        !self.cut.borrow().contains(&way) && !self.down.borrow().contains(&way.to)
    }

    /// How long something that is sent now takes to arrive.
    pub(super) fn latency(&self, way: Way) -> Duration {
        let latency = self.world.within(&self.world.setting(|faults| faults.latency.clone()));
        let latency = if way.from == way.to { latency / 100 } else { latency };
        match self.world.decide(Fault::SlowSegment, way.from) {
            Some(_) => latency * 10,
            None => latency,
        }
    }

    /// Does something at the far end after the latency, once the way is open.
    pub(super) fn send(self: &Rc<Self>, way: Way, action: impl FnOnce() + 'static) {
        let links = Rc::clone(self);
        self.world.after(self.latency(way), move || links.pass(way, Box::new(action)));
    }

    fn pass(&self, way: Way, action: Action) {
        if self.passes(way) { action() } else { self.hold(way, action) }
    }

    /// Does something once the way is open.
    pub(super) fn hold(&self, way: Way, action: Action) {
        self.held.borrow_mut().entry(way).or_default().push(action);
    }

    pub(super) fn cut(&self, way: Way) {
        if self.cut.borrow_mut().insert(way) {
            self.world.note(Note::Link, way.from, way.to);
        }
    }

    pub(super) fn open(self: &Rc<Self>, way: Way) {
        if self.cut.borrow_mut().remove(&way) {
            self.world.note(Note::Link, way.to, way.from);
            self.release(|held| held == way);
        }
    }

    pub(super) fn take_down(&self, host: usize) {
        self.down.borrow_mut().insert(host);
    }

    pub(super) fn bring_up(self: &Rc<Self>, host: usize) {
        if self.down.borrow_mut().remove(&host) {
            self.release(|held| held.to == host);
        }
    }

    /// Drops the actions that are held back.
    pub(super) fn end(&self) {
        let held = self.held.take();
        drop(held);
    }

    /// Sends on the actions that were held back on the ways that `is_meant` selects.
    fn release(self: &Rc<Self>, is_meant: impl Fn(Way) -> bool) {
        let ways: Vec<Way> = self.held.borrow().keys().copied().filter(|&way| is_meant(way)).collect();
        for way in ways {
            let actions = self.held.borrow_mut().remove(&way).unwrap_or_default();
            // All actions have the same latency, so that they stay in order.
            let latency = self.latency(way);
            for action in actions {
                let links = Rc::clone(self);
                self.world.after(latency, move || links.pass(way, action));
            }
        }
    }
}
