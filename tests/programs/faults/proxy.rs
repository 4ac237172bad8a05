//! A proxy that spoils what passes through it, each direction separately: it delays, dribbles, stalls, cuts in order,
//! or resets. It uses threads and blocking sockets, and none of our code.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::driven::{Ended, driver};
use crate::common::processes::{PATIENCE, signal};
use crate::figures::figure;
use crate::servers::Server;

/// What happens to the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoil {
    Nothing,
    /// Each piece is delayed by up to 20 ms.
    Delay,
    /// The first few thousand bytes are passed on one by one.
    Dribble,
    /// For a while nothing is read from the connection, so the sender's buffers fill.
    Stall,
    /// After this many bytes the direction ends, in order.
    Cut(usize),
    /// After this many bytes the whole connection is reset, on both sides.
    Reset(usize),
}

/// How often each fault has happened.
#[derive(Debug, Default)]
struct Counters {
    delays: AtomicU64,
    dribbled: AtomicU64,
    stalls: AtomicU64,
    cuts: AtomicU64,
    resets: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn mix(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (number ^ (number >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

impl Spoil {
    fn drawn(number: u64) -> Spoil {
        let (drawn, after) = (mix(number), mix(number ^ 0xabcd) as usize % 20_000);
        match drawn % 8 {
            0 | 1 => Spoil::Delay,
            2 | 3 => Spoil::Dribble,
            4 => Spoil::Stall,
            5 => Spoil::Cut(after),
            6 => Spoil::Reset(after),
            _ => Spoil::Nothing,
        }
    }
}

/// Passes bytes on until the end, or until the fault ends the direction.
fn carry(mut from: &TcpStream, mut to: &TcpStream, spoil: Spoil, counters: &Counters) -> std::io::Result<()> {
    let (mut carried, mut piece) = (0, [0; 16_384]);
    loop {
        let most = match spoil {
            Spoil::Cut(after) | Spoil::Reset(after) => (after - carried).min(piece.len()),
            Spoil::Stall if carried == 0 => 1,
            _ => piece.len(),
        };
        if most == 0 {
            break;
        }
        let n = from.read(&mut piece[..most])?;
        if n == 0 {
            return to.shutdown(Shutdown::Write);
        }
        match spoil {
            Spoil::Delay => {
                add(&counters.delays);
                thread::sleep(Duration::from_millis(mix((carried + n) as u64) % 20));
            }
            Spoil::Stall if carried == 0 => {
                add(&counters.stalls);
                (0..20).for_each(|_| thread::sleep(Duration::from_millis(20)));
            }
            _ => {}
        }
        if spoil == Spoil::Dribble && carried < 4_000 {
            add(&counters.dribbled);
            piece[..n].chunks(1).try_for_each(|byte| to.write_all(byte))?;
        } else {
            to.write_all(&piece[..n])?;
        }
        carried += n;
    }
    if let Spoil::Reset(_) = spoil {
        add(&counters.resets);
        for socket in [from, to] {
            SockRef::from(socket).set_linger(Some(Duration::ZERO))?;
            // The other thread uses the socket too, and lets go of it when its read ends.
            SockRef::from(socket).shutdown(Shutdown::Read)?;
        }
        return Ok(());
    }
    add(&counters.cuts);
    to.shutdown(Shutdown::Write)?;
    // Bytes after the cut are read and thrown away, so that the sender does not notice the cut.
    while from.read(&mut piece)? > 0 {}
    Ok(())
}

/// Starts a proxy in front of a server, and returns its address.
fn proxy(server: SocketAddr, seed: u64, counters: &Arc<Counters>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let counters = Arc::clone(counters);
    // The thread ends with the test's process.
    thread::spawn(move || {
        for (number, visitor) in listener.incoming().flatten().enumerate() {
            let host = TcpStream::connect(server).expect("the server listens");
            for socket in [&visitor, &host] {
                socket.set_nodelay(true).expect("it is TCP");
                socket.set_read_timeout(Some(PATIENCE)).expect("it can be set");
            }
            let sockets = Arc::new((visitor, host));
            for up in [true, false] {
                let (sockets, counters) = (Arc::clone(&sockets), Arc::clone(&counters));
                thread::spawn(move || {
                    let (visitor, host) = &*sockets;
                    let (from, to) = if up { (visitor, host) } else { (host, visitor) };
                    let spoil = Spoil::drawn(seed << 32 | (number as u64) << 1 | u64::from(up));
                    if carry(from, to, spoil, &counters).is_err() {
                        // One of the two sides has reset its connection. The other side is reset when both threads
                        // have ended.
                        let _ = SockRef::from(to).set_linger(Some(Duration::ZERO));
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = SockRef::from(to).shutdown(Shutdown::Read);
                    }
                });
            }
        }
    });
    address
}

#[test]
#[ignore = "takes a while: see README.md"]
fn a_proxy_that_delays_dribbles_stalls_cuts_and_resets_is_seen_through() {
    let seeds = figure("WATERWHEEL_PROXY_SEEDS", 4);
    for wire in ["tcp", "tls"] {
        let counters = Arc::new(Counters::default());
        let server = Server::start(driver(&[], &["serve", wire]).env("FAULTS_CUT_IN_ORDER", "1"));
        let before = server.descriptors();
        let (mut whole, mut failed) = (0, 0);
        for seed in 0..seeds {
            let address = proxy(server.address, seed, &counters).to_string();
            let mut command = driver(&[], &["visit", wire, &address, "100", "60000", &seed.to_string()]);
            let ended = Ended::run(command.env("FAULTS_TOLERANT", "1").env("FAULTS_CUT_IN_ORDER", "1"));
            assert!(ended.in_order(), "{wire}, seed {seed}: {ended:?}");
            whole += ended.count("whole");
            failed += ended.count("failed");
            crate::common::processes::until("the server has none left", || server.descriptors() == before);
        }
        assert!(signal(server.pid(), "TERM"), "the server runs");
        let (status, said, errors) = server.process.finish();
        let hosts = Ended { status, said: said.join("\n"), errors };
        assert!(hosts.in_order(), "{hosts:?}");
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        println!("{wire}: {whole} whole and {failed} failed, by {counters:?}");
        let all = [&counters.delays, &counters.dribbled, &counters.stalls, &counters.cuts, &counters.resets];
        assert!(all.iter().all(|counter| count(counter) >= seeds), "{counters:?}");
        assert!(whole >= 20 * seeds, "most directions are only slow: {whole}");
        assert!(failed >= seeds, "cuts and resets are errors: {failed}");
    }
}
