//! Law 11: every wait is cancel-safe. Here the streams: any read or write is given up after a random number of polls
//! and tried again, and not a byte is lost, doubled or moved.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use waterwheel::{Endpoint, ReadError, StreamReader, StreamWriter, open_connection, spawn, yield_now};

use crate::common::bytes::pattern;
use crate::common::give_up::give_up_after;
use crate::tools::{Random, guarded, run_clean};

const READS: usize = 9;

/// Counts how often a wait was given up, so that the test knows that it tested something.
#[derive(Default)]
struct Tally {
    given_up: [usize; READS],
    done: [usize; READS],
}

/// One read of a random kind, perhaps given up. What was read is added to `to`; true at the end of the stream.
async fn read_somehow(reader: &mut StreamReader, random: &mut Random, tally: &mut Tally, to: &mut Vec<u8>) -> bool {
    let kind = random.below(READS);
    let polls = random.below(4);
    let n = 1 + random.below(5000);
    let before = to.len();
    let outcome: Option<bool> = match kind {
        0 => give_up_after(polls, reader.read(n)).await.map(|read| keep(to, &read.unwrap())),
        1 => {
            let mut piece = vec![0; n];
            let read = give_up_after(polls, reader.read_into(&mut piece)).await;
            read.map(|n| keep(to, &piece[..n.unwrap()]))
        }
        2 => match give_up_after(polls, reader.fill_buf()).await {
            None => None,
            Some(lent) => {
                let lent = lent.unwrap().to_vec();
                let used = lent.len().min(n);
                reader.consume(used);
                Some(keep(to, &lent[..used]))
            }
        },
        3 => give_up_after(polls, reader.readline()).await.map(|line| keep(to, &line.unwrap())),
        4 => give_up_after(polls, reader.readline_into(to)).await.map(|n| n.unwrap() == 0),
        5 => give_up_after(polls, reader.next_line()).await.map(|line| keep(to, &line.unwrap().unwrap_or_default())),
        6 => give_up_after(polls, reader.readexactly(n)).await.map(|read| keep_or_partial(to, read)),
        7 => give_up_after(polls, reader.readuntil([b"\x00\x1f".as_slice(), b"\x01"]))
            .await
            .map(|read| keep_or_partial(to, read)),
        _ => match give_up_after(polls, reader.readuntil_into(b"\x02\x03", to)).await {
            Some(Ok(_)) => Some(false),
            Some(Err(error)) => Some(keep_or_partial(to, Err(error))),
            None => None,
        },
    };
    match outcome {
        Some(_) => tally.done[kind] += 1,
        None => {
            assert_eq!(to.len(), before, "a read of kind {kind} that was given up gave something");
            tally.given_up[kind] += 1;
        }
    }
    outcome == Some(true)
}

fn keep(to: &mut Vec<u8>, read: &[u8]) -> bool {
    to.extend_from_slice(read);
    read.is_empty()
}

fn keep_or_partial(to: &mut Vec<u8>, read: Result<Vec<u8>, ReadError>) -> bool {
    match read {
        Ok(read) => keep(to, &read),
        Err(ReadError::IncompleteRead { partial, .. }) => {
            keep(to, &partial);
            true
        }
        Err(error) => panic!("{error}"),
    }
}

/// Writes in pieces, giving up drains and `write_all`s: what these were polled for is written.
async fn write_somehow(writer: StreamWriter, bytes: Vec<u8>, mut random: Random) {
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(1 + random.below(9000)));
        rest = after;
        let polls = 1 + random.below(3);
        match random.below(3) {
            0 => writer.write(piece),
            1 => {
                writer.writelines(piece.chunks(777));
                give_up_after(random.below(3), writer.drain()).await;
            }
            _ => drop(give_up_after(polls, writer.write_all(piece)).await),
        }
        if random.below(3) == 0 {
            yield_now().await;
        }
    }
    while give_up_after(1 + random.below(3), writer.drain()).await.is_none() {
        yield_now().await;
    }
    writer.write_eof();
    // The peer ends its side when it has read everything; till then the end is waited for in vain, many times.
    let mut waits = 0;
    while give_up_after(random.below(3), writer.wait_closed()).await.is_none() {
        waits += 1;
        if waits == 10 {
            writer.close();
        }
        yield_now().await;
    }
}

async fn read_all(mut reader: StreamReader, mut random: Random, tally: &mut Tally) -> Vec<u8> {
    let mut read = Vec::new();
    while !read_somehow(&mut reader, &mut random, tally, &mut read).await {
        if random.below(2) == 0 {
            yield_now().await;
        }
    }
    // Nothing was left behind.
    read.extend(reader.read_to_end().await.unwrap());
    assert!(reader.at_eof());
    read
}

async fn across<E: Into<Endpoint>>(near: E, far: E, seed: u64, tally: &mut Tally) {
    let bytes = pattern(60_000 + Random::new(seed).below(60_000));
    let (_unused, writer) = open_connection(near).await.unwrap();
    let (reader, _writer) = open_connection(far).limit(1 << 20).await.unwrap();
    let writing = spawn(write_somehow(writer, bytes.clone(), Random::new(seed + 1)));
    let read = read_all(reader, Random::new(seed + 2), tally).await;
    assert!(read == bytes, "seed {seed}: {} bytes read of {}", read.len(), bytes.len());
    writing.await.unwrap();
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// A reader that is fed by hand, in small pieces, while it is read to the end and given up.
async fn read_to_end_given_up(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let bytes = pattern(2000);
    let (mut reader, feeder) = StreamReader::new(100);
    let mut given_up = 0;
    for piece in bytes.chunks(1 + random.below(200)) {
        feeder.feed_data(piece);
        assert!(give_up_after(random.below(3), reader.read_to_end()).await.is_none());
        assert!(!reader.at_eof());
        given_up += 1;
    }
    feeder.feed_eof();
    assert!(reader.read_to_end().await.unwrap() == bytes, "seed {seed}");
    given_up
}

#[test]
fn law_11_every_wait_is_cancel_safe() {
    guarded(|| {
        let mut tally = Tally::default();
        run_clean(async {
            for seed in 0..30 {
                let (near, far) = UnixStream::pair().unwrap();
                across(near, far, 1 + seed * 1000, &mut tally).await;
                let (near, far) = tcp_pair();
                across(near, far, 500 + seed * 1000, &mut tally).await;
                assert!(read_to_end_given_up(seed).await >= 10);
            }
        });
        for kind in 0..READS {
            let (given_up, done) = (tally.given_up[kind], tally.done[kind]);
            assert!(given_up > 20 && done > 20, "read {kind}: given up {given_up} times, done {done} times");
        }
    });
    crate::law_11_others::waits_of_loops_and_servers();
}
