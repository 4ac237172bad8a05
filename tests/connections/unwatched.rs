//! A conduit that no selector watches, because its operations never have to wait.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::network::{
    Acceptor, BindOptions, Conduit, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending,
};
use waterwheel::{Address, EventLoop, LoopHandle, open_connection, timeout};

/// Returns its bytes a few at a time, then the end.
struct Morsels {
    left: RefCell<VecDeque<u8>>,
    receives: Rc<Cell<usize>>,
}

impl Conduit for Morsels {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        self.receives.set(self.receives.get() + 1);
        let room = into.len().min(3);
        self.left.borrow_mut().read(&mut into[..room])
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        Ok(data.len())
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(pieces.iter().map(|piece| piece.len()).sum())
    }

    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn fd(&self) -> RawFd {
        -1
    }

    fn is_unwatched(&self) -> bool {
        true
    }
}

/// A network that only connects, and has such a conduit at every address.
struct Kitchen(Rc<Cell<usize>>);

fn nothing<'a, T>() -> Pending<'a, T> {
    Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
}

impl Network for Kitchen {
    fn look_up<'a>(&'a self, _: &'a LoopHandle, _: &'a str, _: u16, _: Hints) -> Pending<'a, Vec<SocketAddr>> {
        nothing()
    }

    fn connect<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: &'a [SocketAddr]) -> Pending<'a, Connected> {
        let left = RefCell::new((0..100).collect());
        let connected = Connected::new(Morsels { left, receives: Rc::clone(&self.0) });
        Box::pin(async { Ok(connected) })
    }

    fn bind<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
        nothing()
    }

    fn open_datagrams<'a>(&'a self, _: &'a LoopHandle, _: DatagramOptions) -> Pending<'a, Rc<dyn DatagramConduit>> {
        nothing()
    }
}

/// A short receive must not lead to a wait for an event, since none will come.
#[test]
fn it_is_read_to_its_end_though_each_receive_is_short() {
    let receives = Rc::new(Cell::new(0));
    let kitchen = Rc::new(Kitchen(Rc::clone(&receives)));
    let mut event_loop = EventLoop::builder().network(kitchen).build().unwrap();
    let read = event_loop.run(timeout(Duration::from_secs(20), async {
        let (mut reader, _writer) = open_connection("192.0.2.1:7").await.unwrap();
        reader.read_to_end().await.unwrap()
    }));
    assert_eq!(read.expect("it does not hang"), (0..100).collect::<Vec<u8>>());
    assert_eq!(receives.get(), 35, "34 times some bytes, and once the end");
}
