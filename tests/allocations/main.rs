//! The adapters allocate nothing for an operation, whichever waker waits for it: that of a task of the loop, or one of
//! the combinators of other crates.
//!
//! The count is of the whole process, so this program has one test, and its peer is a plain socket.

use std::alloc::System;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use waterwheel::{Connection, EventLoop, spawn, yield_now};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const WARM_UP: usize = 100;
const OPERATIONS: usize = 1_000;
const ROUNDS: usize = 3;

/// More than a small socket takes at once, so that a write has to wait.
const MUCH: usize = 24 * 1024;

struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Which waker the polls use.
#[derive(Debug, Clone, Copy)]
enum By {
    /// The waker that the loop gives the task.
    Task,
    /// Two other wakers in turn, within the task.
    Others,
}

struct Polls {
    by: By,
    bells: [Arc<Bell>; 2],
    wakers: [Waker; 2],
    waits: usize,
}

impl Polls {
    fn new(by: By) -> Polls {
        let bells = [0, 1].map(|_| Arc::new(Bell(AtomicUsize::new(0))));
        let wakers = [0, 1].map(|n: usize| Waker::from(Arc::clone(&bells[n])));
        Polls { by, bells, wakers, waits: 0 }
    }

    /// Polls until the operation is ready, each time after a wake.
    async fn until_ready<T>(&mut self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let waits = &mut self.waits;
        match self.by {
            By::Task => {
                poll_fn(|cx| {
                    let answer = poll(cx);
                    *waits += usize::from(answer.is_pending());
                    answer
                })
                .await
            }
            By::Others => loop {
                let which = *waits % 2;
                let rung = self.bells[which].0.load(Ordering::Relaxed);
                match poll(&mut Context::from_waker(&self.wakers[which])) {
                    Poll::Ready(answer) => return answer,
                    Poll::Pending => *waits += 1,
                }
                while self.bells[which].0.load(Ordering::Relaxed) == rung {
                    yield_now().await;
                }
            },
        }
    }
}

struct Scene {
    ours: Connection,
    peer: UnixStream,
    data: Vec<u8>,
    buf: Vec<u8>,
}

impl Scene {
    fn new() -> io::Result<Scene> {
        let (ours, peer) = UnixStream::pair()?;
        socket2::SockRef::from(&ours).set_send_buffer_size(4096)?;
        peer.set_nonblocking(true)?;
        Ok(Scene { ours: ours.try_into()?, peer, data: vec![7; MUCH], buf: vec![0; 1024] })
    }

    /// Reads a message, which the peer sends only when the reader waits.
    async fn read(&mut self, polls: &mut Polls, how: Reads) {
        let Scene { ours, peer, buf, .. } = self;
        let mut has_spoken = false;
        let n = polls.until_ready(|cx| {
            let answer = how(ours, cx, buf);
            if !std::mem::replace(&mut has_spoken, true) {
                assert!(answer.is_pending(), "nothing has come");
                (&*peer).write_all(b"a message").expect("there is room");
            }
            answer
        });
        assert_eq!(n.await, 9);
    }

    /// Writes and flushes. The peer reads what is there in each turn, so the writer has to wait.
    async fn write(&mut self, polls: &mut Polls, write: Writes, flush: Flushes) {
        let Scene { ours, data, .. } = self;
        assert_eq!(polls.until_ready(|cx| write(ours, cx, data)).await, MUCH);
        yield_now().await;
        polls.until_ready(|cx| flush(ours, cx)).await;
    }
}

/// Reads in each turn what has arrived.
async fn hear(peer: UnixStream) {
    let mut buf = vec![0; MUCH];
    loop {
        // In most turns nothing has arrived.
        let _ = (&peer).read(&mut buf);
        yield_now().await;
    }
}

fn pin(connection: &mut Connection) -> Pin<&mut Connection> {
    Pin::new(connection)
}

type Reads = fn(&mut Connection, &mut Context<'_>, &mut [u8]) -> Poll<usize>;
type Writes = fn(&mut Connection, &mut Context<'_>, &[u8]) -> Poll<usize>;
type Flushes = fn(&mut Connection, &mut Context<'_>) -> Poll<()>;

const PEER: &str = "the peer is there";

const READS: [(&str, Reads); 5] = [
    ("futures-io", |on, cx, buf| futures::io::AsyncRead::poll_read(pin(on), cx, buf).map(|read| read.expect(PEER))),
    ("futures-io in place", |on, cx, _| {
        let n = ready!(futures::io::AsyncBufRead::poll_fill_buf(pin(on), cx)).expect(PEER).len();
        futures::io::AsyncBufRead::consume(pin(on), n);
        Poll::Ready(n)
    }),
    ("tokio-io", |on, cx, buf| {
        let mut buf = tokio::io::ReadBuf::new(buf);
        ready!(tokio::io::AsyncRead::poll_read(pin(on), cx, &mut buf)).expect(PEER);
        Poll::Ready(buf.filled().len())
    }),
    ("tokio-io in place", |on, cx, _| {
        let n = ready!(tokio::io::AsyncBufRead::poll_fill_buf(pin(on), cx)).expect(PEER).len();
        tokio::io::AsyncBufRead::consume(pin(on), n);
        Poll::Ready(n)
    }),
    ("hyper", |on, cx, buf| {
        let mut buf = hyper::rt::ReadBuf::new(buf);
        ready!(hyper::rt::Read::poll_read(pin(on), cx, buf.unfilled())).expect(PEER);
        Poll::Ready(buf.filled().len())
    }),
];

const WRITES: [(&str, Writes, Flushes); 3] = [
    (
        "futures-io",
        |on, cx, data| futures::io::AsyncWrite::poll_write(pin(on), cx, data).map(|n| n.expect(PEER)),
        |on, cx| futures::io::AsyncWrite::poll_flush(pin(on), cx).map(|flushed| flushed.expect(PEER)),
    ),
    (
        "tokio-io",
        |on, cx, data| tokio::io::AsyncWrite::poll_write(pin(on), cx, data).map(|n| n.expect(PEER)),
        |on, cx| tokio::io::AsyncWrite::poll_flush(pin(on), cx).map(|flushed| flushed.expect(PEER)),
    ),
    (
        "hyper",
        |on, cx, data| hyper::rt::Write::poll_write(pin(on), cx, data).map(|n| n.expect(PEER)),
        |on, cx| hyper::rt::Write::poll_flush(pin(on), cx).map(|flushed| flushed.expect(PEER)),
    ),
];

/// Allocations per operation after a warm-up: the least of several rounds, because a thread of the harness may
/// allocate meanwhile and is counted too.
async fn allocations_of(by: By, mut operate: impl AsyncFnMut(&mut Polls)) -> f64 {
    let mut polls = Polls::new(by);
    for _ in 0..WARM_UP {
        operate(&mut polls).await;
    }
    let mut least = usize::MAX;
    for _ in 0..ROUNDS {
        let (before, waited) = (ALLOCATOR.stats(), polls.waits);
        for _ in 0..OPERATIONS {
            operate(&mut polls).await;
        }
        let after = ALLOCATOR.stats();
        assert!(polls.waits - waited >= OPERATIONS, "each operation waits");
        least = least.min(after.allocations + after.reallocations - before.allocations - before.reallocations);
    }
    least as f64 / OPERATIONS as f64
}

#[test]
fn no_adapter_allocates_for_an_operation_whoever_waits() {
    // Debug mode remembers which handle wrote, which allocates.
    let mut event_loop = EventLoop::builder().debug(false).build().expect("a loop");
    let figures = event_loop.run(async {
        let mut scene = Scene::new()?;
        let hears = spawn(hear(scene.peer.try_clone()?)).cancel_on_drop();
        let mut figures = Vec::new();
        for by in [By::Task, By::Others] {
            for (name, read) in READS {
                figures.push((
                    by,
                    name,
                    "a read",
                    allocations_of(by, async |polls| scene.read(polls, read).await).await,
                ));
            }
            for (name, write, flush) in WRITES {
                let operate = async |polls: &mut Polls| scene.write(polls, write, flush).await;
                figures.push((by, name, "a write and a flush", allocations_of(by, operate).await));
            }
        }
        drop(hears);
        io::Result::Ok(figures)
    });
    let figures = figures.expect("a pair of sockets");
    println!("{figures:#?}");
    assert!(figures.iter().all(|(.., allocations)| *allocations == 0.0), "{figures:#?}");
}
