//! The cost of a line that arrives one byte at a time: it should double when the line doubles.
//!
//!     cargo bench --manifest-path benches/micro/Cargo.toml --bench line

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use waterwheel::StreamReader;

const MIB: usize = 1024 * 1024;

/// Feeds `length` bytes without a separator, one by one, and lets the reader search after each; then feeds the
/// separator.
fn line_of(length: usize, separator: &[u8]) -> Duration {
    let (mut reader, feeder) = StreamReader::new(2 * length);
    let mut cx = Context::from_waker(Waker::noop());
    let start = Instant::now();
    let mut line = pin!(reader.readuntil(separator));
    assert!(line.as_mut().poll(&mut cx).is_pending());
    // The bytes repeat the beginning of the separator, which is the hardest case for a search.
    let filler = separator[..separator.len() - 1].iter().cycle().copied().chain(std::iter::repeat(b'a'));
    for byte in filler.take(length) {
        feeder.feed_data(&[if separator.len() == 1 { b'a' } else { byte }]);
        assert!(line.as_mut().poll(&mut cx).is_pending());
    }
    feeder.feed_data(separator);
    let Poll::Ready(Ok(line)) = line.poll(&mut cx) else { panic!("the separator was not found") };
    let elapsed = start.elapsed();
    assert_eq!(line.len(), length + separator.len());
    elapsed
}

fn main() {
    println!("| separator | 1 MiB | 2 MiB | 4 MiB | 8 MiB | worst ratio of doubling |");
    println!("| --- | --: | --: | --: | --: | --: |");
    for separator in [&b"\n"[..], b"\r\n", b"aab\n", b"aaaaaab\n"] {
        // The best of three, since noise can only add time.
        let times = [1, 2, 4, 8].map(|mib| (0..3).map(|_| line_of(mib * MIB, separator)).min().unwrap_or_default());
        let worst = times.windows(2).map(|pair| pair[1].as_secs_f64() / pair[0].as_secs_f64()).fold(0.0, f64::max);
        let [a, b, c, d] = times.map(|time| format!("{} ms", time.as_millis()));
        println!("| {:?} | {a} | {b} | {c} | {d} | {worst:.2} |", String::from_utf8_lossy(separator));
    }
}
