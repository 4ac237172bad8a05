//! `Server::shutdown` over TLS: a reply that was handed to the kernel arrives whole, followed by the end of the
//! session.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::common::alone::{alone, run_alone};
use crate::common::bytes::pattern;
use crate::common::certificates::Authority;
use crate::common::running::turns;
use crate::common::tls_peer::Peer;
use crate::common::until::until;
use waterwheel::rustls::ClientConfig;
use waterwheel::{
    Server, ShutdownReport, StreamReader, StreamWriter, TlsClient, TlsServer, Transport, spawn, start_server,
};

/// As much as the kernel takes for a client that does not read yet.
const REPLY: usize = 2 << 20;

/// More than all buffers take for such a client.
const MUCH: usize = 32 << 20;

/// How long a connection lingers for a client that makes no progress.
const BOUND: Duration = Duration::from_secs(5);

/// What a handler does after writing its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Closes,
    /// It waits for more input than the client ever sends.
    Waits,
}

/// A server that sends a reply to each client.
struct Speaking {
    server: Server,
    config: Arc<ClientConfig>,
    transports: Rc<RefCell<Vec<Rc<dyn Transport>>>>,
}

async fn start(reply: usize, then: Then) -> Speaking {
    let authority = Authority::new();
    let identity = authority.sign(&["127.0.0.1"]);
    let tls = TlsServer::new(&identity.chain, &identity.key).unwrap();
    let config = TlsClient::with_roots(&authority.pem).unwrap().rustls_config();
    let transports: Rc<RefCell<Vec<Rc<dyn Transport>>>> = Rc::default();
    let kept = Rc::clone(&transports);
    let handler = move |mut reader: StreamReader, writer: StreamWriter| {
        writer.write(&pattern(reply));
        if then == Then::Closes {
            writer.close();
        }
        kept.borrow_mut().push(writer.transport());
        async move {
            let _ = reader.readexactly(MUCH).await;
            drop(writer);
        }
    };
    let server = start_server(handler, "127.0.0.1:0").tls(tls).await.unwrap();
    Speaking { server, config, transports }
}

impl Speaking {
    /// A client in a thread, which completes the handshake, and then waits until it is told to act.
    fn client<T: Send + 'static>(&self, act: impl FnOnce(Peer) -> T + Send + 'static) -> (Sender<()>, Receiver<T>) {
        let (address, config) = (self.server.local_addrs()[0], Arc::clone(&self.config));
        let (go, may_go) = channel();
        let (tell, told) = channel();
        thread::spawn(move || {
            let mut peer = Peer::client(address, usize::MAX, config);
            peer.handshake().unwrap();
            may_go.recv_timeout(Duration::from_secs(10)).unwrap();
            let _ = tell.send(act(peer));
        });
        (go, told)
    }

    /// Whether the kernel has taken all of one reply.
    fn has_handed_over(&self) -> bool {
        self.transports.borrow().first().is_some_and(|transport| transport.get_write_buffer_size() == 0)
    }
}

fn counts(report: ShutdownReport) -> (usize, usize, usize) {
    (report.finished, report.closed, report.aborted)
}

#[test]
fn a_reply_that_is_on_its_way_arrives_whole_and_ends_well() {
    run_alone(|| async {
        for then in [Then::Closes, Then::Waits] {
            for round in 1..=5 {
                let speaking = start(REPLY, then).await;
                let (go, told) = speaking.client(|mut peer| {
                    // If our end was closed by now, this would be answered by a reset.
                    peer.write(b"and another thing").map_err(|error| error.to_string())?;
                    let read = peer.read_to_close_notify().map_err(|error| error.to_string())?;
                    let _ = peer.close_notify();
                    Ok::<_, String>((read, peer.hang_up()))
                });
                until("the kernel has the reply", || speaking.has_handed_over()).await;
                let server = Rc::new(speaking.server);
                let shutting_down = Rc::clone(&server);
                let shutdown = spawn(async move { shutting_down.shutdown(Duration::ZERO).await });
                // By then the shutdown has closed the connections and checked what is left of them.
                turns(10).await;
                go.send(()).unwrap();
                let report = shutdown.await.unwrap();
                let told = told.recv_timeout(Duration::from_secs(10)).unwrap();
                assert_eq!(told, Ok((REPLY, true)), "{then:?}, round {round}");
                assert_eq!(counts(report), (0, 1, 0), "{then:?}, round {round}");
            }
        }
    });
}

#[test]
fn with_a_client_that_never_ends_it_is_over_at_the_grace_and_the_bound() {
    alone(|| {
        for (reply, expected) in [(1000, (0, 1, 0)), (MUCH, (0, 0, 1))] {
            crate::common::forward_clock::run(async |clock| {
                let speaking = start(reply, Then::Waits).await;
                let (go, _told) = speaking.client(|mut peer| peer.swallow());
                clock.until("the reply is written", || !speaking.transports.borrow().is_empty()).await;
                clock.settle().await;
                let server = Rc::new(speaking.server);
                let (shutting_down, report) = (Rc::clone(&server), Rc::new(Cell::new(None)));
                let told = Rc::clone(&report);
                drop(spawn(async move { told.set(Some(shutting_down.shutdown(Duration::from_secs(10)).await)) }));
                // The shutdown has begun before the clock is put forward.
                clock.settle().await;
                clock.put(Duration::from_secs(9)).await;
                assert_eq!(report.get(), None, "it has ten seconds");
                clock.put(Duration::from_secs(1)).await;
                clock.put(BOUND + Duration::from_millis(100)).await;
                clock.until("the shutdown is over", || report.get().is_some()).await;
                assert_eq!(report.get().map(counts), Some(expected), "{reply} bytes");
                assert_eq!(server.connections(), 0);
                drop(go);
            });
        }
    });
}
