//! A lot of data over TLS: it arrives whole, and only a little of it is held at any time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::common::alone::alone;
use crate::settings::both;
use waterwheel::{
    BufferedProtocol, ConnectionError, Protocol, ReceiveBuffer, StreamReader, StreamWriter, Transport,
    get_running_loop, open_connection, spawn, start_server, timeout, yield_now,
};

fn run<F: Future>(main: F) -> F::Output {
    waterwheel::run(async { timeout(Duration::from_secs(120), main).await.expect("the test hangs") })
}

/// Bytes without a period that is a power of two, and their checksum.
struct Noise {
    state: u64,
    sum: u64,
}

impl Noise {
    fn new() -> Noise {
        Noise { state: 0x9e37_79b9_7f4a_7c15, sum: 0 }
    }

    fn fill(&mut self, into: &mut [u8]) {
        for word in into.chunks_mut(8) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            word.copy_from_slice(&self.state.to_le_bytes()[..word.len()]);
        }
        self.add(into);
    }

    /// FNV-1a: a lost, doubled or moved byte changes it.
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.sum = (self.sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// How much goes each way: one gibibyte, or less in a build that is not optimised, which would take minutes.
const TOTAL: usize = if cfg!(debug_assertions) { 64 << 20 } else { 1 << 30 };

/// The process must grow by less than this meanwhile.
const TOO_MUCH: usize = 16 << 20;

/// The resident memory of the process.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux says how large a process is");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number");
    pages * 4096
}

#[test]
fn a_gibibyte_goes_both_ways_at_once_and_little_is_held() {
    // The test measures the memory of the process.
    alone(|| {
        let (server, client) = both("127.0.0.1");
        let before = resident();
        run(async {
            let echo = async |mut reader: StreamReader, writer: StreamWriter| -> io::Result<()> {
                while let n @ 1.. = reader.fill_buf().await?.len() {
                    writer.write(reader.fill_buf().await?);
                    reader.consume(n);
                    writer.drain().await?;
                }
                Ok(())
            };
            let server = start_server(echo, "127.0.0.1:0").tls(server).await.unwrap();
            let (mut reader, writer) = open_connection(server.local_addrs()[0]).tls(client).await.unwrap();
            let writer = Rc::new(writer);
            let most_held = Rc::new(Cell::new(0));
            let (sending, held) = (Rc::clone(&writer), Rc::clone(&most_held));
            let sender = spawn(async move {
                let mut noise = Noise::new();
                let mut chunk = vec![0; 200_000];
                let mut left = TOTAL;
                // Sizes from one byte to many records.
                for size in [1, 100, 16_384, 16_385, 65_536, 200_000].into_iter().cycle() {
                    let size = left.min(size);
                    noise.fill(&mut chunk[..size]);
                    sending.write(&chunk[..size]);
                    held.set(sending.transport().get_write_buffer_size().max(held.get()));
                    sending.drain().await?;
                    left -= size;
                    if left == 0 {
                        break;
                    }
                }
                io::Result::Ok(noise.sum)
            });
            let mut received = Noise::new();
            let (mut count, mut rounds, mut grown) = (0, 0, 0);
            while count < TOTAL {
                rounds += 1;
                if rounds % 100 == 0 {
                    grown = grown.max(resident().saturating_sub(before));
                }
                let bytes = reader.fill_buf().await.unwrap();
                assert!(!bytes.is_empty(), "the stream ended after {count} bytes");
                received.add(bytes);
                let n = bytes.len();
                count += n;
                reader.consume(n);
            }
            assert_eq!(received.sum, sender.await.unwrap().unwrap());
            assert!(most_held.get() > 0, "the peer was behind at some time");
            assert!(most_held.get() < 1 << 20, "{} bytes were held", most_held.get());
            assert!(rounds > 1_000 && grown < TOO_MUCH, "the process grew by {grown} bytes");
            println!("{} bytes were held at most, and the process grew by {grown}", most_held.get());
            writer.close();
            writer.wait_closed().await.unwrap();
        });
    });
}

#[test]
fn a_writer_that_heeds_pauses_holds_no_more_than_the_marks_say() {
    let (server, client) = both("127.0.0.1");
    run(async {
        // The peer reads nothing until the gate opens.
        let gate: waterwheel::Promise<()> = waterwheel::Promise::new();
        let opened = gate.clone();
        let handler = move |mut reader: StreamReader, writer: StreamWriter| {
            let opened = opened.clone();
            async move {
                let _kept_open = writer;
                opened.wait().await;
                let _ = reader.read_to_end().await;
            }
        };
        let server = start_server(handler, "127.0.0.1:0").tls(server).await.unwrap();
        let (_reader, writer) = open_connection(server.local_addrs()[0]).tls(client).await.unwrap();
        assert_eq!(writer.transport().get_write_buffer_limits(), (128 * 1024, 512 * 1024));
        let mut written = 0_usize;
        // Fills the kernel's buffers on both sides, then ours.
        while let Ok(drained) = timeout(Duration::from_millis(20), writer.drain()).await {
            drained.unwrap();
            writer.write(&[7; 10_000]);
            written += 10_000;
            assert!(written < 100 << 20, "it is never paused");
        }
        let held = writer.transport().get_write_buffer_size();
        assert!((512 * 1024..640 * 1024).contains(&held), "{held}");
        gate.set(()).unwrap();
        writer.drain().await.unwrap();
        assert!(writer.transport().get_write_buffer_size() <= 192 * 1024);
        // All of it is sent, although the writer is closed at once.
        writer.write(&[7; 300_000]);
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn many_small_records_in_one_segment_are_read_byte_by_byte() {
    const BYTES: usize = 2_000;
    let (server, client) = both("127.0.0.1");
    run(async {
        let handler = async |mut reader: StreamReader, writer: StreamWriter| {
            // One record each, since each step encrypts what it wrote.
            for number in 0..BYTES {
                writer.write(&[number as u8]);
                yield_now().await;
            }
            let _ = reader.read(1).await;
        };
        let server = start_server(handler, "127.0.0.1:0").tls(server).await.unwrap();
        let connecting = open_connection(server.local_addrs()[0]).tls(client).limit(1);
        let (mut reader, _writer) = connecting.await.unwrap();
        for number in 0..BYTES {
            assert_eq!(reader.readexactly(1).await.unwrap(), [number as u8]);
        }
    });
}

/// A protocol that lends a buffer of three bytes.
#[derive(Default)]
struct Tiny {
    got: RefCell<VecDeque<u8>>,
    lent: Cell<usize>,
}

impl Protocol for Tiny {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.write(b"ten bytes!");
    }
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }
    fn connection_lost(&self, error: Option<ConnectionError>) {
        assert!(error.is_none(), "{error:?}");
        self.got.borrow_mut().push_back(b'.');
    }
}

impl BufferedProtocol for Tiny {
    fn get_buffer(&self) -> ReceiveBuffer {
        self.lent.set(self.lent.get() + 1);
        ReceiveBuffer::new(3)
    }
    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        assert_eq!(buffer.len(), received);
        self.got.borrow_mut().extend(buffer.filled());
    }
}

#[test]
fn a_buffered_protocol_gets_all_however_small_its_buffers_are() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let echo = async |mut reader: StreamReader, writer: StreamWriter| -> io::Result<()> {
            writer.write_all(&reader.readexactly(10).await?).await
        };
        let server = start_server(echo, "127.0.0.1:0").tls(server).await.unwrap();
        let connecting = get_running_loop().create_connection(|| Rc::new(Tiny::default()), server.local_addrs()[0]);
        let (_transport, tiny) = connecting.tls(client).await.unwrap();
        while tiny.got.borrow().back() != Some(&b'.') {
            yield_now().await;
        }
        assert_eq!(tiny.got.borrow_mut().make_contiguous(), b"ten bytes!.");
        assert_eq!(tiny.lent.get(), 4);
    });
}
