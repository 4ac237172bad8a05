//! A transport's pauses and water marks, on a pair of Unix sockets.

use std::rc::Rc;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use waterwheel::testing::socket_pair;
use waterwheel::{Connection, EventLoop, Transport, spawn};

use crate::{TIMES, event_loop};

/// Both ends, on one loop.
fn pair(event_loop: &mut EventLoop) -> (Connection, Connection) {
    event_loop.run(async { socket_pair() }).expect("there are descriptors")
}

/// Reading is paused and resumed, with nothing to read.
#[divan::bench]
fn pause_and_resume_reading(bencher: Bencher<'_, '_>) {
    let mut event_loop = event_loop();
    let (ours, _other) = pair(&mut event_loop);
    let transport: Rc<dyn Transport> = ours.writer.transport();
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            for _ in 0..TIMES {
                transport.pause_reading();
                transport.resume_reading();
            }
        });
    });
}

/// A byte goes back and forth between two tasks: two sends, two receives and two polls of the selector.
#[divan::bench]
fn round_trip(bencher: Bencher<'_, '_>) {
    const TRIPS: usize = 100;
    let mut event_loop = event_loop();
    let (mut ours, mut other) = pair(&mut event_loop);
    bencher.counter(ItemsCount::new(TRIPS)).bench_local(|| {
        event_loop.run(async {
            for _ in 0..TRIPS {
                ours.writer.write(b"x");
                assert_eq!(other.reader.read_into(&mut [0]).await.expect("it was sent"), 1);
                other.writer.write(b"x");
                assert_eq!(ours.reader.read_into(&mut [0]).await.expect("it was sent"), 1);
            }
        });
    });
}

/// Pieces that are each larger than the high-water mark, so the writer waits for each one while the other end reads.
#[divan::bench(args = [4 * 1024, 64 * 1024])]
fn over_the_high_water_mark(bencher: Bencher<'_, '_>, high: usize) {
    const TOTAL: usize = 4 * 1024 * 1024;
    let mut event_loop = event_loop();
    let (ours, mut other) = pair(&mut event_loop);
    let (_reader, writer) = ours.split();
    writer.transport().set_write_buffer_limits(Some(high), None);
    let writer = Rc::new(writer);
    let piece: Rc<[u8]> = vec![b'x'; 2 * high].into();
    bencher.counter(BytesCount::new(TOTAL)).bench_local(|| {
        event_loop.run(async {
            let (writer, piece) = (Rc::clone(&writer), Rc::clone(&piece));
            let writing = spawn(async move {
                for _ in 0..TOTAL / piece.len() {
                    writer.write_all(&piece).await.expect("the other end reads");
                }
            });
            let mut left = TOTAL;
            while left > 0 {
                let received = other.reader.fill_buf().await.expect("it is sent").len();
                assert!(received > 0, "the stream ended with {left} bytes left");
                other.reader.consume(received);
                left -= received;
            }
            writing.await.expect("it ends well");
        });
    });
}
