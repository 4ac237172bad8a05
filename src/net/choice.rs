//! Which network a loop has: the one that its builder was given, else the operating system's.
//!
//! The loop's core keeps the network without knowing its type, since the core is below all networks.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::event_loop::{Builder, LoopHandle};
use crate::interface::Address;
use crate::net::port::{
    Acceptor, BindOptions, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending, Ways,
};
use crate::net::system::System;

/// The network of a loop.
///
/// The operating system's network is not a `dyn Network`, since that would put the code of all its methods into every
/// program. So a program that uses no datagrams, pipes or names of addresses carries none of their code.
enum Choice {
    System,
    Given(Rc<dyn Network>),
}

impl Builder {
    /// Sets where connections, listeners and datagrams come from. The default is the operating system; the
    /// [`network`](crate::network) module says what another network has to do.
    pub fn network(mut self, network: Rc<dyn Network>) -> Self {
        self.network = Some(Box::new(Choice::Given(network)));
        self
    }
}

impl LoopHandle {
    pub(crate) fn network(&self) -> &impl Network {
        let choice = self.core().network.get_or_init(|| Box::new(Choice::System));
        choice.downcast_ref::<Choice>().expect("only a choice is put there")
    }
}

impl Network for Choice {
    fn look_up<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        host: &'a str,
        port: u16,
        hints: Hints,
    ) -> Pending<'a, Vec<SocketAddr>> {
        match self {
            Choice::System => System.look_up(event_loop, host, port, hints),
            Choice::Given(network) => network.look_up(event_loop, host, port, hints),
        }
    }

    fn look_up_name<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        address: SocketAddr,
        flags: i32,
    ) -> Pending<'a, (String, String)> {
        match self {
            Choice::System => System.look_up_name(event_loop, address, flags),
            Choice::Given(network) => network.look_up_name(event_loop, address, flags),
        }
    }

    fn connect<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        to: &'a Address,
        from: &'a [SocketAddr],
    ) -> Pending<'a, Connected> {
        match self {
            Choice::System => System.connect(event_loop, to, from),
            Choice::Given(network) => network.connect(event_loop, to, from),
        }
    }

    fn bind<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        at: &'a Address,
        options: BindOptions,
    ) -> Pending<'a, Box<dyn Acceptor>> {
        match self {
            Choice::System => System.bind(event_loop, at, options),
            Choice::Given(network) => network.bind(event_loop, at, options),
        }
    }

    fn open_datagrams<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        options: DatagramOptions,
    ) -> Pending<'a, Rc<dyn DatagramConduit>> {
        match self {
            Choice::System => System.open_datagrams(event_loop, options),
            Choice::Given(network) => network.open_datagrams(event_loop, options),
        }
    }

    fn adopt_connection(&self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Connected> {
        match self {
            Choice::System => System.adopt_connection(event_loop, socket),
            Choice::Given(network) => network.adopt_connection(event_loop, socket),
        }
    }

    fn adopt_listener(&self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Box<dyn Acceptor>> {
        match self {
            Choice::System => System.adopt_listener(event_loop, socket),
            Choice::Given(network) => network.adopt_listener(event_loop, socket),
        }
    }

    fn adopt_datagrams(&self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Rc<dyn DatagramConduit>> {
        match self {
            Choice::System => System.adopt_datagrams(event_loop, socket),
            Choice::Given(network) => network.adopt_datagrams(event_loop, socket),
        }
    }

    fn adopt_pipe(&self, event_loop: &LoopHandle, pipe: OwnedFd, ways: Ways) -> io::Result<Connected> {
        match self {
            Choice::System => System.adopt_pipe(event_loop, pipe, ways),
            Choice::Given(network) => network.adopt_pipe(event_loop, pipe, ways),
        }
    }
}
