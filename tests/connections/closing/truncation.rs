//! A connection that is given up with bytes unsent ends for the peer in a reset, never in an end that looks like all;
//! with nothing unsent it ends as it always did.
//!
//! A Unix socket has no reset of this kind: on Linux its peer sees an end, whatever `SO_LINGER` says. So this is
//! about TCP.

use std::cell::{Cell, OnceCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use waterwheel::testing::ManualClock;
use waterwheel::{
    EventLoop, Protocol, Server, StreamReader, StreamWriter, Transport, get_running_loop, sleep, start_server,
    yield_now,
};

use crate::common::alone::alone;
use crate::common::bytes::pattern;
use crate::common::descriptors::open_descriptors;

const MIB: usize = 1 << 20;

/// More than all kernels take for a client that has stopped to read.
const MUCH: usize = 32 * MIB;

/// So much a client reads of it, and then nothing for a while.
const PART: usize = MIB;

/// What a server's connections write first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsent {
    Much,
    /// All of it has gone to the kernel when the connection is given up.
    Nothing,
}

impl Unsent {
    fn bytes(self) -> usize {
        match self {
            Unsent::Much => MUCH,
            Unsent::Nothing => 64 * 1024,
        }
    }
}

/// Says what has to be sent, keeps its transport where the test finds it, and panics when it is spoken to.
struct Speaker {
    unsent: Unsent,
    transport: Rc<OnceCell<Rc<dyn Transport>>>,
}

impl Protocol for Speaker {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.write(&pattern(self.unsent.bytes()));
        assert_eq!(transport.get_write_buffer_size() > 0, self.unsent == Unsent::Much);
        let _ = self.transport.set(transport);
    }

    fn data_received(&self, _data: &[u8]) {
        panic!("a panic that is wanted");
    }
}

/// A client that is being spoken to, and has stopped to read.
struct Spoken {
    server: Server,
    transport: Rc<dyn Transport>,
    client: TcpStream,
}

fn client(address: SocketAddr) -> TcpStream {
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // Fixed, or else the kernel may come to hold much of it.
    client.set_recv_buffer_size(128 * 1024).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client.connect(&address.into()).unwrap();
    client.into()
}

async fn spoken_to(unsent: Unsent) -> Spoken {
    let transport = Rc::new(OnceCell::new());
    let kept = Rc::clone(&transport);
    let factory = move || Rc::new(Speaker { unsent, transport: Rc::clone(&kept) });
    let server = get_running_loop().create_server(factory, "127.0.0.1:0").await.unwrap();
    let client = client(server.local_addrs()[0]);
    while transport.get().is_none() {
        yield_now().await;
    }
    if unsent == Unsent::Much {
        // The kernel holds more than that: nobody need run meanwhile.
        (&client).read_exact(&mut vec![0; PART]).unwrap();
    }
    Spoken { server, transport: transport.get().unwrap().clone(), client }
}

/// What a client sees of a connection that was given up.
#[track_caller]
fn check(mut client: TcpStream, unsent: Unsent, how: &str) {
    let mut rest = Vec::new();
    let end = client.read_to_end(&mut rest);
    match unsent {
        Unsent::Much => {
            let end = end.map_err(|error| error.kind());
            assert_eq!(end, Err(ErrorKind::ConnectionReset), "{how}: after {} of {MUCH} bytes", PART + rest.len());
        }
        Unsent::Nothing => {
            end.unwrap_or_else(|error| panic!("{how}, with nothing unsent: {error}"));
            assert!(rest == pattern(unsent.bytes()), "{how}: all of it has arrived");
        }
    }
}

/// Gives a connection up in a way, with something unsent and with nothing.
fn given_up(how: &'static str, give_up: impl AsyncFn(&Spoken) + Copy + Send + 'static) {
    alone(move || {
        for unsent in [Unsent::Much, Unsent::Nothing] {
            waterwheel::run(async {
                get_running_loop().set_exception_handler(|_| {});
                let spoken = spoken_to(unsent).await;
                give_up(&spoken).await;
                while spoken.transport.get_protocol().is_some() {
                    yield_now().await;
                }
                check(spoken.client, unsent, how);
            });
        }
    });
}

#[test]
fn an_abort() {
    given_up("abort", async |spoken| spoken.transport.abort());
}

#[test]
fn an_abort_after_a_close() {
    given_up("close and abort", async |spoken| {
        spoken.transport.close();
        spoken.transport.abort();
    });
}

#[test]
fn an_abort_after_the_end_of_our_side() {
    given_up("write_eof and abort", async |spoken| {
        spoken.transport.write_eof();
        spoken.transport.abort();
    });
}

#[test]
fn an_abort_of_all_clients() {
    given_up("abort_clients", async |spoken| spoken.server.abort_clients());
}

#[test]
fn what_a_shutdown_aborts() {
    alone(|| {
        waterwheel::run(async {
            let spoken = spoken_to(Unsent::Much).await;
            let report = spoken.server.shutdown(Duration::ZERO).await;
            assert_eq!((report.finished, report.closed, report.aborted), (0, 0, 1));
            check(spoken.client, Unsent::Much, "shutdown");
        });
    });
}

#[test]
fn a_panic_of_the_protocol() {
    alone(|| {
        for unsent in [Unsent::Much, Unsent::Nothing] {
            waterwheel::run(async {
                get_running_loop().set_exception_handler(|_| {});
                let spoken = spoken_to(unsent).await;
                (&spoken.client).write_all(b"x").unwrap();
                while spoken.transport.get_protocol().is_some() {
                    yield_now().await;
                }
                check(spoken.client, unsent, "a panic");
            });
        }
    });
}

#[test]
fn the_close_timeout() {
    alone(|| {
        let clock = Rc::new(ManualClock::new());
        let builder = EventLoop::builder().clock(clock).close_timeout(Duration::from_secs(7));
        builder.build().unwrap().run(async {
            let handled = Rc::new(Cell::new(false));
            let now = Rc::clone(&handled);
            let server = start_server(
                move |_reader: StreamReader, writer: StreamWriter| {
                    writer.write(&pattern(MUCH));
                    now.set(true);
                },
                "127.0.0.1:0",
            );
            let server = server.await.unwrap();
            let client = client(server.local_addrs()[0]);
            while !handled.get() {
                yield_now().await;
            }
            (&client).read_exact(&mut vec![0; PART]).unwrap();
            // What the reading made room for goes out while the clock stands.
            for _ in 0..1_000 {
                yield_now().await;
            }
            assert_eq!(server.connections(), 1);
            sleep(Duration::from_secs(30)).await;
            assert_eq!(server.connections(), 0);
            check(client, Unsent::Much, "the close timeout");
        });
    });
}

#[test]
fn a_dropped_loop() {
    alone(|| {
        for unsent in [Unsent::Much, Unsent::Nothing] {
            let mut event_loop = EventLoop::new().unwrap();
            let spoken = event_loop.run(spoken_to(unsent));
            drop(event_loop);
            check(spoken.client, unsent, "a dropped loop");
        }
    });
}

#[test]
fn a_dropped_loop_with_a_closed_connection_on_its_way() {
    alone(|| {
        let before = open_descriptors();
        let mut event_loop = EventLoop::new().unwrap();
        let spoken = event_loop.run(async {
            let spoken = spoken_to(Unsent::Much).await;
            spoken.transport.close();
            spoken
        });
        drop(event_loop);
        let Spoken { server, transport, client } = spoken;
        assert_eq!(open_descriptors(), before + 1, "the client's");
        drop((server, transport));
        check(client, Unsent::Much, "a dropped loop");
    });
}
