//! Law 9: readiness is sticky. An operation that stops early (paused, out of budget, buffer full) continues without a
//! new event: after the bytes that are sent here there is silence, or only the end.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use waterwheel::{
    AfterEof, BufferedProtocol, ConnectionError, Promise, Protocol, ReceiveBuffer, Transport, get_running_loop,
    open_connection, sleep, spawn, yield_now,
};

use crate::common::bytes::pattern;
use crate::tools::{guarded, run_clean};

const BURST: usize = 8 << 20;

/// How a protocol receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    /// It pauses after each piece and is resumed in the next turn.
    Pausing,
    /// With a buffer of its own, of this size.
    Buffered(usize),
}

struct Collector {
    style: Style,
    transport: OnceCell<Rc<dyn Transport>>,
    bytes: RefCell<Vec<u8>>,
    wanted: Cell<usize>,
    complete: Promise<()>,
    lost: Promise<()>,
}

impl Collector {
    fn new(style: Style, wanted: usize) -> Collector {
        let (transport, bytes) = (OnceCell::new(), RefCell::default());
        Collector { style, transport, bytes, wanted: Cell::new(wanted), complete: Promise::new(), lost: Promise::new() }
    }
}

impl Protocol for Collector {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = self.transport.set(transport);
    }

    fn data_received(&self, data: &[u8]) {
        self.bytes.borrow_mut().extend_from_slice(data);
        if self.bytes.borrow().len() >= self.wanted.get() {
            let _ = self.complete.set(());
        }
        if self.style == Style::Pausing {
            let transport = self.transport.get().expect("it was made").clone();
            transport.pause_reading();
            get_running_loop().call_soon(move || transport.resume_reading());
        }
    }

    fn eof_received(&self) -> AfterEof {
        AfterEof::Close
    }

    fn connection_lost(&self, _error: Option<ConnectionError>) {
        let _ = self.lost.set(());
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        matches!(self.style, Style::Buffered(_)).then_some(self as &dyn BufferedProtocol)
    }
}

impl BufferedProtocol for Collector {
    fn get_buffer(&self) -> ReceiveBuffer {
        let Style::Buffered(size) = self.style else { unreachable!("asked only if buffered") };
        ReceiveBuffer::new(size)
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        if received > 0 {
            self.data_received(buffer.filled());
        }
    }
}

/// A peer that sends a burst and then nothing, and keeps the connection open until this is dropped.
struct Silence(Option<(Sender<()>, JoinHandle<()>)>);

impl Drop for Silence {
    fn drop(&mut self) {
        if let Some((keep, thread)) = self.0.take() {
            drop(keep);
            thread.join().expect("the peer sent all");
        }
    }
}

fn bursting_peer() -> (TcpStream, Silence) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let (keep, until) = channel::<()>();
    let thread = thread::spawn(move || {
        far.write_all(&pattern(BURST)).unwrap();
        let _ = until.recv();
    });
    (near, Silence(Some((keep, thread))))
}

async fn a_burst_then_silence(style: Style) {
    let (near, _silence) = bursting_peer();
    let factory = move || Rc::new(Collector::new(style, BURST));
    let (_transport, collector) = get_running_loop().create_connection(factory, near).await.unwrap();
    collector.complete.wait().await;
    assert!(*collector.bytes.borrow() == pattern(BURST), "{style:?}: the bytes differ");
}

async fn a_burst_then_silence_read_by_1_kib_a_turn() {
    let (near, _silence) = bursting_peer();
    let (mut reader, _writer) = open_connection(near).limit(4096).await.unwrap();
    let mut bytes = Vec::new();
    while bytes.len() < BURST {
        bytes.extend(reader.read(1024).await.unwrap());
        yield_now().await;
    }
    assert!(bytes == pattern(BURST), "the bytes differ");
}

/// The peer's bytes and its end arrive together, so no further event follows.
async fn bytes_and_the_end_at_once(k: usize) {
    for style in [Style::Plain, Style::Pausing, Style::Buffered(18 * 1024), Style::Buffered(1000)] {
        let (near, mut far) = UnixStream::pair().unwrap();
        let factory = move || Rc::new(Collector::new(style, k));
        let (_transport, collector) = get_running_loop().create_connection(factory, near).await.unwrap();
        yield_now().await;
        far.write_all(&pattern(k)).unwrap();
        drop(far);
        collector.lost.wait().await;
        assert!(*collector.bytes.borrow() == pattern(k), "{style:?}, {k} bytes");
    }
    for piece in [usize::MAX, 1024] {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = open_connection(near).await.unwrap();
        yield_now().await;
        far.write_all(&pattern(k)).unwrap();
        drop(far);
        let mut bytes = Vec::new();
        loop {
            let read = reader.read(piece).await.unwrap();
            if read.is_empty() {
                break;
            }
            bytes.extend(read);
        }
        assert!(bytes == pattern(k), "a stream, {k} bytes");
    }
}

async fn what_came_while_paused_is_there_after_the_resume() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let (transport, collector) =
        get_running_loop().create_connection(|| Rc::new(Collector::new(Style::Plain, 5)), near).await.unwrap();
    yield_now().await;
    transport.pause_reading();
    far.write_all(b"hello").unwrap();
    // The event arrives while reading is paused.
    sleep(Duration::from_millis(2)).await;
    assert!(collector.bytes.borrow().is_empty());
    transport.resume_reading();
    collector.complete.wait().await;
}

/// The kernel takes what it can, again and again. The peer reads everything and sends nothing.
async fn a_backlog_goes_out_to_a_slow_reader() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let (tell, read) = channel();
    let thread = thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut piece = [0; 10_000];
        while bytes.len() < BURST {
            let n = far.read(&mut piece).unwrap();
            bytes.extend_from_slice(&piece[..n]);
        }
        tell.send(bytes == pattern(BURST)).unwrap();
    });
    let (_reader, writer) = open_connection(near).await.unwrap();
    let burst = pattern(BURST);
    writer.write(&burst[..BURST / 2]);
    for piece in burst[BURST / 2..].chunks(100_001) {
        writer.write(piece);
    }
    writer.drain().await.unwrap();
    let same = loop {
        match read.try_recv() {
            Ok(same) => break same,
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    };
    thread.join().unwrap();
    assert!(same, "the bytes differ");
}

/// More connections wait than one turn accepts, and no further connection arrives.
async fn all_who_wait_are_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let waiting: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(address).unwrap()).collect();
    let made = Rc::new(Cell::new(0));
    let count = Rc::clone(&made);
    let factory = move || {
        count.set(count.get() + 1);
        Rc::new(Collector::new(Style::Plain, 0))
    };
    let server = get_running_loop().create_server(factory, listener).backlog(3).await.unwrap();
    while made.get() < waiting.len() {
        sleep(Duration::from_millis(1)).await;
    }
    drop(server);
}

#[test]
fn law_09_readiness_is_sticky() {
    guarded(|| {
        run_clean(async {
            spawn(what_came_while_paused_is_there_after_the_resume()).await.unwrap();
            spawn(all_who_wait_are_accepted()).await.unwrap();
            for size in [1, 1000, 4096, 16 * 1024, 18 * 1024, 64 * 1024] {
                for k in [size - 1, size, size + 1] {
                    bytes_and_the_end_at_once(k).await;
                }
            }
        });
    });
    guarded(|| run_clean(a_burst_then_silence(Style::Plain)));
    guarded(|| run_clean(a_burst_then_silence(Style::Pausing)));
    guarded(|| run_clean(a_burst_then_silence(Style::Buffered(1000))));
    guarded(|| run_clean(a_burst_then_silence_read_by_1_kib_a_turn()));
    guarded(|| run_clean(a_backlog_goes_out_to_a_slow_reader()));
}
