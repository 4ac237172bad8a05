//! Which network a loop has: the one that its builder was given, else the operating system's.
//!
//! The core of the loop keeps it without knowing what it is, for that stands below all networks.

use std::rc::Rc;

use crate::event_loop::{Builder, LoopHandle};
use crate::net::port::Network;
use crate::net::system::System;

impl Builder {
    /// Where connections, listeners and datagrams come from. The default is the operating system; the
    /// [`network`](crate::network) module says what another one has to do.
    pub fn network(mut self, network: Rc<dyn Network>) -> Self {
        self.network = Some(Box::new(network));
        self
    }
}

impl LoopHandle {
    pub(crate) fn network(&self) -> &dyn Network {
        let network = self.core().network.get_or_init(|| Box::new(Rc::new(System) as Rc<dyn Network>));
        &**network.downcast_ref::<Rc<dyn Network>>().expect("only a network is put there")
    }
}
