//! Peers that begin a TLS handshake and never continue: how much memory each makes the server hold, and that all of it
//! is freed at the timeout. This counts bytes rather than time, since they are the same on every machine.

#[path = "../../../tests/common/certificates.rs"]
#[expect(dead_code, reason = "no peer gets as far as to verify the server, so nobody asks for its authority")]
mod certificates;
#[path = "../../../tests/common/forward_clock.rs"]
mod forward_clock;

use std::cell::Cell;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use certificates::Authority;
use forward_clock::Forward;
use gate::counting::{self, Counting};
use waterwheel::{Server, TlsServer, start_server};

#[global_allocator]
static COUNTING: Counting = Counting;

const PEERS: usize = 300;

/// The beginning of a ClientHello of 512 bytes.
const BEGINNING: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];

/// Has peers stall after these bytes. Returns how many bytes each one cost, and how many were left in all when they
/// were gone.
async fn stall(server: &Server, clock: &Rc<Forward>, said: &[u8]) -> (usize, usize) {
    let before = counting::live_bytes();
    let mut peers = Vec::with_capacity(PEERS);
    for _ in 0..PEERS {
        let mut peer = TcpStream::connect(server.local_addrs()[0]).expect("the server listens");
        peer.write_all(said).expect("the kernel takes it");
        peers.push(peer);
    }
    clock.until("all are accepted", || server.connections() == PEERS).await;
    clock.settle().await;
    let held = counting::live_bytes() - before - PEERS * size_of::<TcpStream>();
    clock.put(Duration::from_secs(61)).await;
    clock.until("all are gone", || server.connections() == 0).await;
    clock.settle().await;
    drop(peers);
    (held / PEERS, counting::live_bytes().saturating_sub(before))
}

#[test]
fn a_stalled_handshake_costs_little_and_gives_it_back_at_the_timeout() {
    let authority = Authority::new();
    let identity = authority.sign(&["127.0.0.1"]);
    let tls = TlsServer::new(&identity.chain, &identity.key).expect("a good identity");
    forward_clock::run(async |clock| {
        let handled = Rc::new(Cell::new(0));
        let count = Rc::clone(&handled);
        let handler = move |_, _| count.set(count.get() + 1);
        let server = start_server(handler, "127.0.0.1:0").backlog(400).tls(tls).await.expect("a server");
        // Memory that grows with the number of connections, and is kept for reuse, has been allocated after the first
        // time.
        for said in [&b""[..], BEGINNING] {
            stall(&server, &clock, said).await;
        }
        for (what, said, limit) in [("silence", &b""[..], 3_000), ("a part of a ClientHello", BEGINNING, 7_200)] {
            let (each, left) = stall(&server, &clock, said).await;
            println!("{each} bytes for each handshake that stalls with {what}; {left} are left of {PEERS}");
            assert!(each <= limit, "{what}: {each} bytes");
            assert_eq!(left, 0, "{what}");
        }
        assert_eq!(handled.get(), 0);
    });
}
