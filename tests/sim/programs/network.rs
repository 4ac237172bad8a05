//! A network in front of the simulated one: each connection and each pipe gets a wire that counts its bytes.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use waterwheel::network::{
    Acceptor, BindOptions, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending, Ways,
};
use waterwheel::sim::Sim;
use waterwheel::{Address, LoopHandle};

use super::wires::Wires;

/// Makes all connections of hosts that are added later use wires.
pub(super) fn watch(sim: &mut Sim, wires: &Wires) {
    let wires = wires.clone();
    sim.wrap_network(move |_, inner| Rc::new(Watched { inner, wires: wires.clone() }));
}

struct Watched {
    inner: Rc<dyn Network>,
    wires: Wires,
}

impl Network for Watched {
    fn look_up<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        host: &'a str,
        port: u16,
        hints: Hints,
    ) -> Pending<'a, Vec<SocketAddr>> {
        self.inner.look_up(event_loop, host, port, hints)
    }

    fn connect<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        to: &'a Address,
        from: &'a [SocketAddr],
    ) -> Pending<'a, Connected> {
        let connecting = self.inner.connect(event_loop, to, from);
        Box::pin(async { Ok(self.wires.connect(connecting.await?, true)) })
    }

    fn bind<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        at: &'a Address,
        options: BindOptions,
    ) -> Pending<'a, Box<dyn Acceptor>> {
        let binding = self.inner.bind(event_loop, at, options);
        Box::pin(async {
            let inner = binding.await?;
            Ok(Box::new(WatchedAcceptor { inner, wires: self.wires.clone() }) as Box<dyn Acceptor>)
        })
    }

    fn open_datagrams<'a>(
        &'a self,
        event_loop: &'a LoopHandle,
        options: DatagramOptions,
    ) -> Pending<'a, Rc<dyn DatagramConduit>> {
        self.inner.open_datagrams(event_loop, options)
    }

    fn adopt_pipe(&self, event_loop: &LoopHandle, pipe: OwnedFd, ways: Ways) -> io::Result<Connected> {
        let descriptor = pipe.as_raw_fd();
        Ok(self.wires.connect_pipe(self.inner.adopt_pipe(event_loop, pipe, ways)?, descriptor))
    }
}

struct WatchedAcceptor {
    inner: Box<dyn Acceptor>,
    wires: Wires,
}

impl Acceptor for WatchedAcceptor {
    fn listen(&self, backlog: u32) -> io::Result<()> {
        self.inner.listen(backlog)
    }

    fn accept(&self) -> io::Result<Connected> {
        Ok(self.wires.connect(self.inner.accept()?, false))
    }

    fn sockname(&self) -> Option<Address> {
        self.inner.sockname()
    }

    fn fd(&self) -> RawFd {
        self.inner.fd()
    }
}
