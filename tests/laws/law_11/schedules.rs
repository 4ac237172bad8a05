//! Streams in both directions at once, over every wire, while their peer sends and receives random pieces on its own
//! thread: any read, drain or wait is dropped at a random moment, and every byte arrives, once and in order.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use waterwheel::{ReadError, StreamReader, StreamWriter, spawn, yield_now};

use super::moments::{Moment, drop_at};
use super::remains::{live_bytes, remains};
use super::wires::{Opened, Peer, Wire, unless_blocked};
use crate::common::alone::alone;
use crate::common::bytes::pattern;
use crate::common::descriptors::until_descriptors;
use crate::tools::run_clean;

/// How many schedules are run without `PROPTEST_CASES`. They are the same in every run, and a longer run begins with
/// them.
const SCHEDULES: u32 = 100;

/// How often a schedule is repeated until it keeps no memory.
const ROUNDS: usize = 6;

const READS: usize = 11;
const WRITES: usize = 3;

#[derive(Debug, Clone)]
struct Schedule {
    wire: Wire,
    /// How many bytes the peer sends.
    incoming: usize,
    /// The sizes of the pieces that the peer sends and receives, used in rotation.
    pieces: Vec<usize>,
    reads: Vec<Step>,
    writes: Vec<Step>,
}

/// An operation of some kind, on about `n` bytes, that is dropped at a moment.
#[derive(Debug, Clone)]
struct Step {
    kind: usize,
    n: usize,
    moment: Moment,
    /// How many turns pass before the next operation.
    rest: usize,
}

fn steps(kinds: usize, bytes: usize) -> impl Strategy<Value = Vec<Step>> {
    let moment = prop_oneof![
        3 => (0..4_usize).prop_map(Moment::Waiting),
        2 => (1..4_usize).prop_map(Moment::Woken),
        1 => Just(Moment::Waiting(usize::MAX)),
    ];
    let step = (0..kinds, 1..bytes, moment, 0..3_usize);
    prop::collection::vec(step.prop_map(|(kind, n, moment, rest)| Step { kind, n, moment, rest }), 1..40)
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let wire = prop::sample::select(Wire::ALL);
    let pieces = prop::collection::vec(prop_oneof![1..100_usize, 1..20_000_usize], 1..20);
    // Less than a reader's limit, so that no line is too long.
    let incoming = 0..60_000_usize;
    (wire, incoming, pieces, steps(READS, 3_000), steps(WRITES, 30_000))
        .prop_map(|(wire, incoming, pieces, reads, writes)| Schedule { wire, incoming, pieces, reads, writes })
}

/// How often each kind of operation was dropped, and how often it was completed.
#[derive(Default)]
struct Tally {
    reads: [Count; READS],
    writes: [Count; WRITES],
}

#[derive(Default)]
struct Count {
    dropped: Cell<usize>,
    done: Cell<usize>,
}

impl Count {
    fn add<T>(&self, outcome: &Option<T>) {
        let which = if outcome.is_some() { &self.done } else { &self.dropped };
        which.set(which.get() + 1);
    }
}

/// A read of some kind, which appends what it reads to `to`.
async fn read(reader: &mut StreamReader, kind: usize, n: usize, to: &mut Vec<u8>) -> Result<(), ReadError> {
    match kind {
        0 => to.extend(reader.read(n).await?),
        1 => {
            let mut piece = vec![0; n];
            let n = reader.read_into(&mut piece).await?;
            to.extend_from_slice(&piece[..n]);
        }
        2 => {
            let lent = reader.fill_buf().await?;
            let used = lent.len().min(n);
            to.extend_from_slice(&lent[..used]);
            reader.consume(used);
        }
        3 => to.extend(reader.readexactly(n).await?),
        4 => to.extend(reader.readline().await?),
        5 => drop(reader.readline_into(to).await?),
        6 => to.extend(reader.next_line().await?.unwrap_or_default()),
        7 => to.extend(reader.readuntil([b"\x00\x1f".as_slice(), b"\x01"]).await?),
        8 => drop(reader.readuntil_into(b"\x02\x03", to).await?),
        9 => to.extend(reader.readline_within(70_000).await?),
        _ => to.extend(reader.read_to_end().await?),
    }
    Ok(())
}

/// Reads as the schedule says, and then to the end.
async fn read_all(mut reader: StreamReader, steps: Vec<Step>, tally: Rc<Tally>) -> Vec<u8> {
    let mut all = Vec::new();
    for Step { kind, n, moment, rest } in steps {
        let before = all.len();
        let outcome = drop_at(moment, read(&mut reader, kind, n, &mut all)).await;
        tally.reads[kind].add(&outcome);
        match outcome {
            None => assert_eq!(all.len(), before, "a read of kind {kind} that was dropped gave something"),
            Some(Ok(())) => {}
            Some(Err(ReadError::IncompleteRead { partial, .. })) => all.extend(partial),
            Some(Err(error)) => panic!("a read of kind {kind}: {error}"),
        }
        for _ in 0..rest {
            yield_now().await;
        }
    }
    all.extend(reader.read_to_end().await.unwrap());
    assert!(reader.at_eof());
    all
}

/// How many bytes the steps write in all. A `write_all` that is never polled writes nothing.
fn written(steps: &[Step]) -> usize {
    let is_polled = |step: &&Step| step.kind != 2 || !matches!(step.moment, Moment::Waiting(0));
    steps.iter().filter(is_polled).map(|step| step.n).sum()
}

async fn write_all(writer: &StreamWriter, steps: Vec<Step>, tally: &Tally) -> io::Result<()> {
    let bytes = pattern(written(&steps));
    let mut rest_of_bytes = &bytes[..];
    for Step { kind, n, moment, rest } in steps {
        let (piece, after) = rest_of_bytes.split_at(n.min(rest_of_bytes.len()));
        let outcome = match kind {
            0 => {
                writer.write(piece);
                drop_at(moment, writer.drain()).await
            }
            1 => {
                writer.writelines(piece.chunks(777));
                drop_at(moment, writer.drain()).await
            }
            _ => drop_at(moment, writer.write_all(piece)).await,
        };
        if kind != 2 || !matches!(moment, Moment::Waiting(0)) {
            rest_of_bytes = after;
        }
        tally.writes[kind].add(&outcome);
        outcome.transpose()?;
        for _ in 0..rest {
            yield_now().await;
        }
    }
    assert!(rest_of_bytes.is_empty());
    writer.drain().await
}

/// Runs a peer that sends and receives this much in such pieces, and ends its side once both are done and `may_end` is
/// set: with TLS, waits of ours may fail after the peer has ended. Returns everything that the peer received.
fn peer(
    mut peer: Box<dyn Peer>,
    sends: usize,
    takes: usize,
    pieces: Vec<usize>,
    may_end: &Arc<AtomicBool>,
) -> JoinHandle<Vec<u8>> {
    let may_end = Arc::clone(may_end);
    thread::spawn(move || {
        let bytes = pattern(sends);
        let (mut rest, mut got, mut memory) = (&bytes[..], Vec::new(), vec![0; 20_000]);
        let mut is_ended = false;
        for &piece in pieces.iter().cycle() {
            let mut moved = 0;
            if !rest.is_empty() {
                let n = unless_blocked(peer.write(&rest[..piece.min(rest.len())])).unwrap_or(0);
                rest = &rest[n..];
                moved += n;
            }
            if let Some(n) = unless_blocked(peer.read(&mut memory[..piece])) {
                got.extend_from_slice(&memory[..n]);
                moved += n;
                if n == 0 && is_ended {
                    return got;
                }
            }
            let _ = unless_blocked(peer.flush());
            if rest.is_empty() && got.len() == takes && !is_ended && may_end.load(Ordering::Relaxed) {
                peer.end().unwrap();
                is_ended = true;
            }
            if moved == 0 {
                thread::sleep(Duration::from_micros(50));
            }
        }
        unreachable!("there is a piece")
    })
}

/// Runs a schedule on a loop of its own.
fn run(schedule: &Schedule, tally: &Rc<Tally>) {
    let Schedule { wire, incoming, pieces, reads, writes } = schedule.clone();
    let outgoing = written(&writes);
    let tally = Rc::clone(tally);
    run_clean(async {
        let before = remains();
        let may_end = Arc::new(AtomicBool::new(false));
        let (reader, writer, peers) = open(wire, incoming, outgoing, pieces, &may_end).await;
        let reading = spawn(read_all(reader, reads, Rc::clone(&tally)));
        let last = writes.last().expect("there is one").moment;
        write_all(&writer, writes, &tally).await.unwrap();
        may_end.store(true, Ordering::Relaxed);
        let read = reading.await.unwrap();
        assert!(read == pattern(incoming), "{} bytes of {incoming} were read", read.len());
        writer.close();
        if let Some(closed) = drop_at(last, writer.wait_closed()).await {
            closed.unwrap();
        }
        writer.wait_closed().await.unwrap();
        drop(writer);
        let came: Vec<u8> = peers.into_iter().flat_map(|peer| peer.join().unwrap()).collect();
        assert!(came == pattern(outgoing), "{} bytes of {outgoing} came to the peer", came.len());
        until_descriptors(before.descriptors).await;
        assert_eq!(remains(), before);
    });
}

/// Streams with their peers: one peer for each direction if the wire has only one direction.
async fn open(
    wire: Wire,
    incoming: usize,
    outgoing: usize,
    pieces: Vec<usize>,
    may_end: &Arc<AtomicBool>,
) -> (StreamReader, StreamWriter, Vec<JoinHandle<Vec<u8>>>) {
    let to_write = wire.to_write().await;
    let writer = to_write.writer.expect("it is to write");
    if let Some(reader) = to_write.reader {
        return (reader, writer, vec![peer(to_write.peer, incoming, outgoing, pieces, may_end)]);
    }
    let Opened { reader, peer: sending, .. } = wire.to_read().await;
    let peers =
        vec![peer(to_write.peer, 0, outgoing, pieces.clone(), may_end), peer(sending, incoming, 0, pieces, may_end)];
    (reader.expect("it is to read"), writer, peers)
}

#[test]
fn no_byte_is_lost_by_dropping_waits_in_any_schedule() {
    alone(|| {
        let asked_for = std::env::var_os("PROPTEST_CASES").is_some();
        let mut config =
            ProptestConfig { failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
        if !asked_for {
            config.cases = SCHEDULES;
        }
        let tally = Rc::new(Tally::default());
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let outcome = runner.run(&schedule(), |schedule| {
            let mut grown = Vec::new();
            for _ in 0..ROUNDS {
                let before = live_bytes();
                run(&schedule, &tally);
                match live_bytes().saturating_sub(before) {
                    0 => return Ok(()),
                    more => grown.push(more),
                }
            }
            Err(TestCaseError::fail(format!("memory is left, in bytes each time: {grown:?}")))
        });
        if let Err(fault) = outcome {
            panic!("{fault}");
        }
        for (kind, count) in tally.reads.iter().chain(&tally.writes).enumerate() {
            let (dropped, done) = (count.dropped.get(), count.done.get());
            assert!(dropped > 10 && done > 10, "operation {kind}: dropped {dropped} times, done {done} times");
        }
    });
}
