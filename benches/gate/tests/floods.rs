//! How much memory a peer can make us hold, by sending without being read, and by not reading.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use gate::counting::{self, Counting};
use waterwheel::{Promise, StreamReader, StreamWriter, sleep, start_server, timeout};

#[global_allocator]
static COUNTING: Counting = Counting;

const PATIENCE: Duration = Duration::from_secs(10);

/// One receive brings at most this many bytes.
const CHUNK: usize = 64 * 1024;

/// For memory other than buffers: timers, tasks, the queue.
const SLACK: usize = 8 * 1024;

/// A peer that sends as much as it can, until it is told to stop.
fn flooding(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    let mut sending = stream.try_clone().expect("a descriptor is left");
    thread::spawn(move || while sending.write_all(&[b'x'; 100_000]).is_ok() {});
    stream
}

#[test]
fn a_flooded_reader_holds_at_most_twice_its_limit_and_a_chunk() {
    for limit in [1024, 16 * 1024, 64 * 1024, 300 * 1024] {
        let held = waterwheel::run(async {
            let held = Promise::new();
            let answer = held.clone();
            let handler = move |mut reader: StreamReader, writer: StreamWriter| {
                let answer = answer.clone();
                async move {
                    reader.readexactly(1).await.expect("the peer sends");
                    let before = counting::live_bytes();
                    while writer.transport().is_reading() {
                        sleep(Duration::from_millis(1)).await;
                    }
                    answer.set(counting::live_bytes().saturating_sub(before)).expect("there is one connection");
                    assert_eq!(reader.read(1).await.expect("it is all there"), b"x");
                }
            };
            let server = start_server(handler, "127.0.0.1:0").limit(limit).await.expect("a server");
            let peer = flooding(server.local_addrs()[0]);
            let held = timeout(PATIENCE, held.wait()).await.expect("reading is paused in the end");
            drop(peer);
            held
        });
        println!("{held} bytes held with a limit of {limit}");
        assert!(held <= 2 * limit + CHUNK + SLACK, "{held} bytes with a limit of {limit}");
    }
}

#[test]
fn a_writer_whose_peer_never_reads_holds_at_most_its_high_mark_and_its_largest_write() {
    for (high, piece) in [(64 * 1024, 1000), (64 * 1024, 100_000), (10_000, 50_000)] {
        let (buffered, held) = waterwheel::run(async {
            let measured = Promise::new();
            let answer = measured.clone();
            let handler = move |_reader, writer: StreamWriter| {
                let answer = answer.clone();
                async move {
                    writer.transport().set_write_buffer_limits(Some(high), None);
                    let data = vec![b'x'; piece];
                    let before = counting::live_bytes();
                    // The kernel takes some megabytes, and then draining never ends.
                    while timeout(Duration::from_millis(300), writer.write_all(&data)).await.is_ok() {}
                    let buffered = writer.transport().get_write_buffer_size();
                    let held = counting::live_bytes().saturating_sub(before);
                    answer.set((buffered, held)).expect("there is one connection");
                    writer.transport().abort();
                }
            };
            let server = start_server(handler, "127.0.0.1:0").await.expect("a server");
            let peer = TcpStream::connect(server.local_addrs()[0]).expect("the server listens");
            let measured = timeout(PATIENCE, measured.wait()).await.expect("draining waits in the end");
            drop(peer);
            measured
        });
        println!("{buffered} bytes buffered, {held} held, with a mark of {high} and pieces of {piece}");
        assert!(buffered > high && buffered <= high + piece, "{buffered} bytes with a mark of {high}");
        // The last piece of the backlog may be almost empty, and the first one almost completely sent.
        assert!(held <= high + piece + 2 * CHUNK + SLACK, "{held} bytes with a mark of {high}");
    }
}
