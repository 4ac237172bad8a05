//! Both ends of a connection on one loop, over each kind of wire.

use std::time::Duration;

use waterwheel::{Connection, EventLoop, StreamReader, StreamWriter, open_connection, start_server, timeout};
use waterwheel::{TlsClient, TlsServer};

use crate::common::certificates::Authority;
use crate::common::memory::Memory;
use crate::common::watchdog::watchdog;
use crate::dribbling::Dribbling;

/// What connects the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Memory,
    Dribbling,
    Tls,
}

impl Over {
    const ALL: &[Over] = &[Over::Tcp, Over::Memory, Over::Dribbling, Over::Tls];

    /// Whether one direction may end while the other goes on.
    pub(crate) fn has_halves(self) -> bool {
        self != Over::Tls
    }

    fn event_loop(self) -> EventLoop {
        match self {
            Over::Memory => Memory::default().event_loop(),
            Over::Dribbling => Dribbling::new(7).event_loop(),
            _ => EventLoop::new().expect("the system has descriptors"),
        }
    }

    /// Connects two ends and returns them, the client's first.
    pub(crate) async fn connect(self) -> (Connection, Connection) {
        let (accept, accepted) = async_channel::unbounded();
        let accept = move |reader: StreamReader, writer: StreamWriter| {
            accept.try_send(Connection::from((reader, writer))).expect("the test waits for it");
        };
        let server = start_server(accept, "127.0.0.1:0");
        let authority = Authority::new();
        let server = match self {
            Over::Tls => {
                let identity = authority.sign(&["127.0.0.1"]);
                server.tls(TlsServer::new(&identity.chain, &identity.key).expect("a good identity"))
            }
            _ => server,
        };
        let server = server.await.expect("a port is free");
        let client = open_connection(server.local_addrs()[0]);
        let client = match self {
            Over::Tls => client.tls(TlsClient::with_roots(&authority.pem).expect("a good authority")),
            _ => client,
        };
        let client = client.await.expect("the server listens").into();
        (client, accepted.recv().await.expect("it was accepted"))
    }
}

/// Runs a test over each kind of wire, on a loop of its own, with both ends of a connection.
pub(crate) fn over_each(test: impl AsyncFn(Over, Connection, Connection)) {
    let _watchdog = watchdog();
    for &over in Over::ALL {
        over.event_loop().run(async {
            let test = async {
                let (ours, theirs) = over.connect().await;
                test(over, ours, theirs).await;
            };
            timeout(Duration::from_secs(60), test).await.unwrap_or_else(|_| panic!("over {over:?} it is over in time"));
        });
    }
}
