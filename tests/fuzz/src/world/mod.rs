//! A network with one connection whose every answer the target decides, without an operating system and without real
//! time.
//!
//! The network keeps to the contract of its traits and does no more: each change causes an event, and there are
//! spurious events too; a receive that returns less than it had room for is followed by another event if there is
//! more.

mod seams;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use waterwheel::EventLoop;
use waterwheel::testing::ManualClock;

pub(crate) use self::wire::{IncomingEnd, Wire};

/// The address at which a target's server listens.
pub(crate) const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// A loop on a network of its own, and the network's only connection.
pub(crate) struct World {
    pub(crate) event_loop: EventLoop,
    pub(crate) wire: Wire,
    pub(crate) clock: Rc<ManualClock>,
}

impl World {
    /// Any incident is a fault, since the targets do nothing that should be reported.
    pub(crate) fn new() -> World {
        let (wire, clock) = (Wire::default(), Rc::new(ManualClock::new()));
        let builder = EventLoop::builder().network(Rc::new(wire.clone())).selector(Box::new(wire.clone()));
        let event_loop = builder.clock(clock.clone()).build().expect("nothing is asked of the system");
        event_loop.handle().set_exception_handler(|incident| panic!("an incident: {incident}"));
        World { event_loop, wire, clock }
    }

    pub(crate) fn turn(&mut self) {
        let _turned = self.event_loop.turn(Some(Duration::ZERO));
    }

    /// Takes turns until there is nothing left to do. The limit is far above what any input leaves to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000_000 {
            self.turn();
            if !self.event_loop.is_ready() && self.wire.has_no_events() {
                return;
            }
        }
        panic!("the loop spins, with {} bytes on their way to it", self.wire.unreceived());
    }
}
