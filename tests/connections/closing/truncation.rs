//! A connection that is aborted with unsent bytes ends for the peer in a reset, never in an end of stream that looks
//! complete; with nothing unsent it ends as usual. Below a TLS session the same holds for encrypted bytes and for
//! bytes that are not encrypted yet.
//!
//! A Unix socket has no such reset: on Linux its peer sees an end of stream, whatever `SO_LINGER` says. So these tests
//! use TCP, and the network in memory, which behaves like TCP.

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{CreateServer, EventLoop, Protocol, Server, Transport, get_running_loop, yield_now};

use super::MIB;
use crate::common::alone::alone;
use crate::common::bytes::pattern;
use crate::common::descriptors::open_descriptors;
use crate::common::memory::Memory;
use crate::common::until::until;
use crate::common::wires::{Peer, Plain, Wire};

/// More than all buffers hold for a client that reads nothing.
const MUCH: usize = 32 * MIB;

/// What a server's connections write first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsent {
    Much,
    /// The kernel has taken everything when the connection is aborted.
    Nothing,
}

impl Unsent {
    const BOTH: [Unsent; 2] = [Unsent::Much, Unsent::Nothing];

    fn bytes(self) -> usize {
        match self {
            Unsent::Much => MUCH,
            Unsent::Nothing => 60_000,
        }
    }
}

/// Writes first, keeps its transport for the test, and panics when it receives data.
struct Speaker {
    unsent: Unsent,
    transport: Rc<OnceCell<Rc<dyn Transport>>>,
}

impl Protocol for Speaker {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.write(&pattern(self.unsent.bytes()));
        let _ = self.transport.set(transport);
    }

    fn data_received(&self, _data: &[u8]) {
        panic!("a panic that is wanted");
    }
}

/// A server's transport, and its client, which reads nothing.
struct Spoken {
    server: Server,
    transport: Rc<dyn Transport>,
    client: Box<dyn Peer>,
}

impl Spoken {
    async fn over(wire: &dyn Wire, unsent: Unsent) -> Spoken {
        Spoken::served(wire, unsent, |server| server).await
    }

    async fn served(wire: &dyn Wire, unsent: Unsent, with: fn(CreateServer) -> CreateServer) -> Spoken {
        get_running_loop().set_exception_handler(|_| {});
        let transport = Rc::new(OnceCell::new());
        let kept = Rc::clone(&transport);
        let factory = move || Rc::new(Speaker { unsent, transport: Rc::clone(&kept) });
        let server = wire.serve(get_running_loop().create_server(factory, "127.0.0.1:0"));
        let server = with(server).await.unwrap();
        let mut client = wire.connect(server.local_addrs()[0]);
        while transport.get().is_none() {
            // This reads only the handshake: the server sends nothing else before `connection_made`.
            client.read_all();
            yield_now().await;
        }
        let transport = transport.get().unwrap().clone();
        assert_eq!(transport.get_write_buffer_size() > 0, unsent == Unsent::Much, "what the kernel does not take");
        Spoken { server, transport, client }
    }

    async fn until_lost(&self) {
        let is_lost = || self.transport.get_protocol().is_none() && self.server.connections() == 0;
        until("the connection is lost", is_lost).await;
    }
}

/// Checks what a client sees of an aborted connection.
#[track_caller]
fn check(mut client: Box<dyn Peer>, unsent: Unsent, case: &str) {
    let rest = client.read_to_end().map_err(|error| error.kind());
    match unsent {
        Unsent::Much => assert_eq!(rest.map(|rest| rest.len()), Err(ErrorKind::ConnectionReset), "{case}"),
        Unsent::Nothing => {
            let rest = rest.unwrap_or_else(|error| panic!("{case}, with nothing unsent: {error}"));
            assert!(rest == pattern(unsent.bytes()), "{case}: {} bytes have arrived, not all", rest.len());
        }
    }
}

/// All wires that have resets, with their names.
fn wires() -> Vec<(&'static str, Box<dyn Wire>)> {
    Vec::from([
        ("a socket", Box::new(Plain) as Box<dyn Wire>),
        ("a network in memory", Box::new(Memory::default())),
        #[cfg(feature = "tls")]
        ("TLS", Box::new(crate::common::wires::Tls::new())),
    ])
}

/// Runs the test over each kind of wire, in a process of its own.
fn over_each_wire(test: impl Fn(&str, &dyn Wire) + Send + 'static) {
    alone(move || wires().iter().for_each(|(name, wire)| test(name, &**wire)));
}

/// Checks a way to give up a connection.
fn given_up(unsents: &'static [Unsent], give_up: impl AsyncFn(&mut Spoken) + Send + 'static) {
    over_each_wire(move |name, wire| {
        for &unsent in unsents {
            wire.builder().build().unwrap().run(async {
                let mut spoken = Spoken::over(wire, unsent).await;
                give_up(&mut spoken).await;
                spoken.until_lost().await;
                check(spoken.client, unsent, name);
            });
        }
    });
}

#[test]
fn an_abort() {
    given_up(&Unsent::BOTH, async |spoken| spoken.transport.abort());
}

#[test]
fn an_abort_after_a_close() {
    given_up(&Unsent::BOTH, async |spoken| {
        spoken.transport.close();
        spoken.transport.abort();
    });
}

#[test]
fn an_abort_after_the_end_of_our_side() {
    given_up(&Unsent::BOTH, async |spoken| {
        if spoken.transport.can_write_eof() {
            spoken.transport.write_eof();
        }
        spoken.transport.abort();
    });
}

#[test]
fn an_abort_of_all_clients() {
    given_up(&Unsent::BOTH, async |spoken| spoken.server.abort_clients());
}

#[test]
fn what_a_shutdown_aborts() {
    given_up(&[Unsent::Much], async |spoken| {
        let report = spoken.server.shutdown(Duration::ZERO).await;
        assert_eq!((report.finished, report.closed, report.aborted), (0, 0, 1));
    });
}

#[test]
fn a_panic_of_the_protocol() {
    given_up(&Unsent::BOTH, async |spoken| spoken.client.say(b"x"));
}

/// The bytes are refused by the TLS session, or by the protocol itself.
#[test]
fn bytes_that_cannot_be_taken() {
    given_up(&[Unsent::Much], async |spoken| spoken.client.say_raw(b"this is no record"));
}

#[test]
fn a_dropped_loop() {
    over_each_wire(|name, wire| {
        for unsent in Unsent::BOTH {
            let mut event_loop = wire.builder().build().unwrap();
            let spoken = event_loop.run(Spoken::over(wire, unsent));
            drop(event_loop);
            check(spoken.client, unsent, name);
        }
    });
}

#[test]
fn a_dropped_loop_with_a_closed_connection_on_its_way() {
    alone(|| {
        let before = open_descriptors();
        let mut event_loop = EventLoop::new().unwrap();
        let spoken = event_loop.run(async {
            let spoken = Spoken::over(&Plain, Unsent::Much).await;
            spoken.transport.close();
            spoken
        });
        drop(event_loop);
        let Spoken { server, transport, client } = spoken;
        assert_eq!(open_descriptors(), before + 1, "the client's");
        drop((server, transport));
        check(client, Unsent::Much, "a socket");
    });
}

#[cfg(feature = "tls")]
#[test]
fn a_close_of_a_session_that_the_client_does_not_take_in_time() {
    alone(|| {
        waterwheel::run(async {
            let wire = crate::common::wires::Tls::new();
            let with = |server: CreateServer| server.tls_shutdown_timeout(Duration::from_millis(10));
            let spoken = Spoken::served(&wire, Unsent::Much, with).await;
            spoken.transport.close();
            spoken.until_lost().await;
            check(spoken.client, Unsent::Much, "TLS");
        });
    });
}
