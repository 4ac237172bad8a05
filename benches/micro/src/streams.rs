//! The buffer of a stream reader: it is fed, and read in each of the available ways.

use divan::Bencher;
use divan::counter::BytesCount;
use waterwheel::{StreamFeeder, StreamReader};

use crate::{TIMES, event_loop};

const MESSAGE: usize = 64;

/// Feeds `together` messages at once and reads them one by one with `read`.
fn fed(bencher: Bencher<'_, '_>, together: usize, read: impl AsyncFn(&mut StreamReader, &mut Vec<u8>)) {
    let mut event_loop = event_loop();
    let line = [&[b'm'; MESSAGE - 1][..], b"\n"].concat().repeat(together);
    bencher.counter(BytesCount::new(TIMES * MESSAGE)).bench_local(|| {
        event_loop.run(async {
            let (mut reader, feeder): (StreamReader, StreamFeeder) = StreamReader::new(64 * 1024);
            let mut memory = vec![0; MESSAGE];
            for _ in 0..TIMES / together {
                feeder.feed_data(&line);
                for _ in 0..together {
                    read(&mut reader, &mut memory).await;
                }
            }
        });
    });
}

const TOGETHER: [usize; 2] = [1, 100];

#[divan::bench(args = TOGETHER)]
fn fill_buf(bencher: Bencher<'_, '_>, together: usize) {
    fed(bencher, together, async |reader, _| {
        assert!(reader.fill_buf().await.expect("it was fed").len() >= MESSAGE);
        reader.consume(MESSAGE);
    });
}

#[divan::bench(args = TOGETHER)]
fn read_into(bencher: Bencher<'_, '_>, together: usize) {
    fed(bencher, together, async |reader, memory| {
        assert_eq!(reader.read_into(memory).await.expect("it was fed"), MESSAGE);
    });
}

#[divan::bench(args = TOGETHER)]
fn read(bencher: Bencher<'_, '_>, together: usize) {
    fed(bencher, together, async |reader, _| {
        assert_eq!(reader.read(MESSAGE).await.expect("it was fed").len(), MESSAGE);
    });
}

#[divan::bench(args = TOGETHER)]
fn readexactly(bencher: Bencher<'_, '_>, together: usize) {
    fed(bencher, together, async |reader, _| {
        assert_eq!(reader.readexactly(MESSAGE).await.expect("it was fed").len(), MESSAGE);
    });
}

#[divan::bench(args = TOGETHER)]
fn readline(bencher: Bencher<'_, '_>, together: usize) {
    fed(bencher, together, async |reader, _| {
        assert_eq!(reader.readline().await.expect("it was fed").len(), MESSAGE);
    });
}

#[divan::bench(args = TOGETHER)]
fn readline_into(bencher: Bencher<'_, '_>, together: usize) {
    fed(bencher, together, async |reader, line| {
        line.clear();
        assert_eq!(reader.readline_into(line).await.expect("it was fed"), MESSAGE);
    });
}

#[divan::bench(args = TOGETHER)]
fn readuntil(bencher: Bencher<'_, '_>, together: usize) {
    fed(bencher, together, async |reader, _| {
        assert_eq!(reader.readuntil(b"m\n").await.expect("it was fed").len(), MESSAGE);
    });
}
