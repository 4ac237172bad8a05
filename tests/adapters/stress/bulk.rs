//! Fifty million bytes each way through each adapter, by tasks of the loop, to a slow peer.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use waterwheel::network::Conduit;
use waterwheel::{Connection, open_connection, spawn, yield_now};

use super::sides::{FuturesIo, Hyper, Side, TokioIo};
use crate::common::bytes::pattern;
use crate::common::memory::End;
use crate::common::watchdog::watchdog;
use crate::dribble::Random;
use crate::dribbling::Dribbling;

const MUCH: usize = 50_000_000;

/// For at most this many turns nothing may happen. The wire never pauses that long.
const PATIENCE: usize = 200;

async fn send<S: Side>(mut side: S, data: &[u8]) -> S {
    let (mut random, mut rest) = (Random::new(1), data);
    while !rest.is_empty() {
        let piece = &rest[..random.size().min(rest.len())];
        let n = poll_fn(|cx| side.write(cx, piece)).await.expect("the peer is there");
        rest = &rest[n..];
        if random.below(50) == 0 {
            poll_fn(|cx| side.flush(cx)).await.expect("the peer is there");
        }
    }
    poll_fn(|cx| side.end(cx)).await.expect("the peer is there");
    side
}

async fn receive<S: Side>(mut side: S, expected: &[u8]) -> S {
    let (mut random, mut rest) = (Random::new(2), expected);
    let mut buf = vec![0; 200_000];
    loop {
        let room = random.size();
        let n = poll_fn(|cx| side.read(cx, &mut buf[..room])).await.expect("the peer is there");
        if n == 0 {
            assert_eq!(rest.len(), 0, "the end came early");
            return side;
        }
        assert!(rest[..n] == buf[..n], "other bytes came than were sent");
        rest = &rest[n..];
    }
}

/// The peer: in each turn it moves a few bytes, and sometimes none.
struct Peer<'a> {
    end: End,
    random: Random,
    to_say: &'a [u8],
    to_hear: &'a [u8],
    has_ended: bool,
    idle: usize,
}

impl Peer<'_> {
    fn turn(&mut self) {
        let mut moved = 0;
        if self.random.below(4) == 0 {
            return;
        }
        let mut buf = vec![0; self.random.size()];
        if let Ok(n) = self.end.recv(&mut buf) {
            assert!(self.to_hear[..n] == buf[..n], "the peer got other bytes than were written");
            self.to_hear = &self.to_hear[n..];
            moved += n;
        }
        let piece = self.random.size().min(self.to_say.len());
        if let Ok(n) = self.end.send(&self.to_say[..piece]) {
            self.to_say = &self.to_say[n..];
            moved += n;
        }
        if self.to_say.is_empty() && !std::mem::replace(&mut self.has_ended, true) {
            self.end.shutdown_write().expect("the peer ends its side");
        }
        self.idle = if moved > 0 { 0 } else { self.idle + 1 };
        assert!(self.idle < PATIENCE, "nothing moves: {} to say, {} to hear", self.to_say.len(), self.to_hear.len());
    }
}

fn much_goes_both_ways<S: Side>() {
    let _watchdog = watchdog();
    let data = Rc::new(pattern(MUCH));
    let network = Dribbling::new(2);
    network.event_loop().run(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let listener = network.memory().listen(address);
        let ours: Connection = open_connection(address).await.expect("the peer listens").into();
        let end = listener.next();
        let mut peer = Peer { end, random: Random::new(3), to_say: &data, to_hear: &data, has_ended: false, idle: 0 };
        // The task reads nothing until it has sent everything, so the reader's limit holds the peer back.
        let of_task = Rc::clone(&data);
        let tasks = spawn(async move {
            let mut side = S::over(ours);
            side = send(side, &of_task).await;
            receive(side, &of_task).await
        });
        while !tasks.is_finished() {
            peer.turn();
            yield_now().await;
        }
        drop(tasks.await.expect("both ways end well"));
        assert_eq!((peer.to_say.len(), peer.to_hear.len()), (0, 0));
    });
    let faults = network.faults();
    assert!(faults.one_byte_reads > 0 && faults.one_byte_writes > 0 && faults.pauses > 0, "{faults:?}");
}

#[test]
fn fifty_million_bytes_go_each_way_through_futures_io() {
    much_goes_both_ways::<FuturesIo>();
}

#[test]
fn fifty_million_bytes_go_each_way_through_tokio_io() {
    much_goes_both_ways::<TokioIo>();
}

#[test]
fn fifty_million_bytes_go_each_way_through_hyper_io() {
    much_goes_both_ways::<Hyper>();
}
