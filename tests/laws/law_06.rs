//! Law 6: when the loop is gone, nothing is held. It is dropped with connections open, tasks pending, timers armed and
//! wakers alive on other threads, and everything is freed, on the loop's own thread, before the drop returns.

use std::future::poll_fn;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use waterwheel::{
    EventLoop, LoopHandle, Promise, Protocol, Server, StreamReader, StreamWriter, Task, Transport, get_running_loop,
    open_connection, sleep, spawn, start_server, timeout, yield_now,
};

use crate::common::alone::alone;
use crate::common::descriptors::open_descriptors;
use crate::tools::on_another_thread;

/// Counts what is created and dropped, and checks that both happen on one thread.
#[derive(Clone)]
struct Ledger {
    made: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    astray: Arc<AtomicUsize>,
    thread: ThreadId,
}

impl Ledger {
    fn new() -> Self {
        let (made, dropped, astray) = Default::default();
        Ledger { made, dropped, astray, thread: thread::current().id() }
    }

    fn tracked(&self) -> Tracked {
        self.made.fetch_add(1, Ordering::Relaxed);
        Tracked(self.clone())
    }

    fn balance(&self) -> (usize, usize, usize) {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        (count(&self.made) - count(&self.dropped), count(&self.astray), count(&self.made))
    }
}

struct Tracked(Ledger);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
        if thread::current().id() != self.0.thread {
            self.0.astray.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A protocol that holds its transport, which holds the protocol: the cycle that the loop must break.
struct Holding {
    _tracked: Tracked,
    transport: std::cell::OnceCell<Rc<dyn Transport>>,
}

impl Protocol for Holding {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.write(&[7; 4096]);
        let _ = self.transport.set(transport);
    }
}

/// A thread that keeps using a waker until it is told to stop.
struct Wakers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

fn keep_waking(waker: Waker) -> Wakers {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let thread = thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            waker.wake_by_ref();
            let another = waker.clone();
            another.wake();
            thread::yield_now();
        }
        // This may well be the last reference.
        drop(waker);
    });
    Wakers { stop, thread }
}

/// What a program may still hold when its loop is dropped.
struct Held {
    _handle: LoopHandle,
    _server: Server,
    _plain_server: Server,
    _transport: Rc<dyn Transport>,
    _task: Task<Tracked>,
    _finished: Task<u8>,
    _peer: TcpStream,
}

async fn streams(ledger: &Ledger) -> Server {
    let tracked = ledger.clone();
    let serve = move |mut reader: StreamReader, writer: StreamWriter| {
        let tracked = tracked.tracked();
        async move {
            let _tracked = tracked;
            let _line = reader.readline().await;
            writer.write(&[7; 1 << 20]);
            let _ = writer.drain().await;
        }
    };
    let server = start_server(serve, "127.0.0.1:0").await.unwrap();
    let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
    let tracked = ledger.tracked();
    drop(spawn(async move {
        let _tracked = tracked;
        writer.write(b"line\n");
        let _ = reader.read_to_end().await;
        std::future::pending::<()>().await;
    }));
    server
}

async fn build(ledger: &Ledger, sender: &std::sync::mpsc::Sender<Waker>) -> Held {
    let handle = get_running_loop();
    let server = streams(ledger).await;
    let owned = ledger.clone();
    let factory = move || Rc::new(Holding { _tracked: owned.tracked(), transport: Default::default() });
    let plain_server = handle.create_server(factory.clone(), "127.0.0.1:0").await.unwrap();
    let mut peer = TcpStream::connect(plain_server.local_addrs()[0]).unwrap();
    peer.write_all(b"unread").unwrap();
    let (transport, _) = handle.create_connection(factory, plain_server.local_addrs()[0]).await.unwrap();
    let tracked = ledger.tracked();
    handle.call_later(Duration::from_secs(60), move || drop(tracked));
    let tracked = ledger.tracked();
    let sender = sender.clone();
    drop(spawn(async move {
        let _tracked = tracked;
        poll_fn(|cx| {
            let _ = sender.send(cx.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    }));
    let promise = Promise::<u8>::new();
    let tracked = ledger.tracked();
    let task = spawn(async move {
        let _ = timeout(Duration::from_secs(60), sleep(Duration::from_secs(60))).await;
        promise.wait().await;
        tracked
    });
    let finished = spawn(async { 7 });
    for _ in 0..4 {
        yield_now().await;
    }
    let tracked = ledger.tracked();
    handle.call_soon(move || {
        get_running_loop().call_soon(move || {
            get_running_loop().call_soon(move || drop(tracked));
        });
    });
    Held {
        _handle: handle,
        _server: server,
        _plain_server: plain_server,
        _transport: transport,
        _task: task,
        _finished: finished,
        _peer: peer,
    }
}

/// Drops one loop while everything is under way. `held` says whether the program still holds its handles then.
fn drop_a_busy_loop(held: bool) -> usize {
    let ledger = Ledger::new();
    let mut event_loop = EventLoop::new().unwrap();
    let (sender, wakers) = std::sync::mpsc::channel();
    let kept = event_loop.run(build(&ledger, &sender));
    let waking = keep_waking(wakers.recv().expect("the task gave its waker away"));
    let letter = ledger.tracked();
    let remote = event_loop.handle().remote();
    assert!(on_another_thread(|| remote.call_soon(move || drop(letter))));
    if held {
        drop(event_loop);
        assert_eq!(ledger.balance(), (0, 0, ledger.balance().2), "(alive, dropped elsewhere, made)");
        drop(kept);
    } else {
        drop(kept);
        drop(event_loop);
    }
    let (alive, astray, made) = ledger.balance();
    assert_eq!((alive, astray), (0, 0), "of {made}");
    waking.stop.store(true, Ordering::Relaxed);
    waking.thread.join().unwrap();
    made
}

#[test]
fn law_06_the_chain_is_cut() {
    alone(|| {
        drop_a_busy_loop(false);
        let before = open_descriptors();
        for round in 0..300 {
            let made = drop_a_busy_loop(round % 2 == 0);
            assert!(made >= 9, "only {made} things were tracked");
            assert_eq!(open_descriptors(), before, "descriptors after round {round}");
        }
    });
}
