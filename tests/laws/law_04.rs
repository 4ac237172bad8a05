//! Law 4: no borrow across a call. Code that calls or drops a user's value may be re-entered from there in any way.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use waterwheel::{
    EventLoop, LoopHandle, Promise, Protocol, Server, Sleep, StreamReader, StreamWriter, Task, Transport,
    get_running_loop, open_connection, sleep, spawn, start_server, yield_now,
};

use crate::tools::{Incidents, guarded, on_another_thread};

/// One of everything, for code that re-enters the loop.
struct World {
    handle: LoopHandle,
    promise: Promise<u32>,
    task: Task<()>,
    transport: Rc<dyn Transport>,
    writer: StreamWriter,
    server: Server,
    idle: Sleep,
    _peers: Vec<UnixStream>,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
    static ENTERED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Calls everything that can be called. Beyond a depth of two it does nothing, so that the recursion ends.
pub(crate) fn reenter(from: &'static str) {
    ENTERED.with_borrow_mut(|entered| entered.push(from));
    let Some(world) = WORLD.with_borrow(Clone::clone) else { return };
    if DEPTH.get() >= 2 {
        return;
    }
    DEPTH.set(DEPTH.get() + 1);
    use_everything(&world);
    DEPTH.set(DEPTH.get() - 1);
}

fn use_everything(world: &World) {
    let handle = &world.handle;
    handle.call_soon(|| {});
    handle.call_soon(|| {}).cancel();
    handle.call_later(Duration::from_secs(1), || {}).cancel();
    handle.call_at(handle.time(), || {});
    handle.remote().call_soon(|| {});
    let task = handle.create_task(async { yield_now().await });
    task.set_name("re-entered");
    let _ = (task.name(), task.is_finished());
    task.cancel();
    drop(task);
    let _ = format!("{handle:?} {:?} {:?} {:?}", world.server, world.transport, world.idle);
    let _ = format!("{:?} {:?} {:?}", world.task, world.promise, world.writer);
    let mut cx = Context::from_waker(Waker::noop());
    let _ = pin!(world.promise.wait()).poll(&mut cx);
    let _ = pin!(world.server.wait_closed()).poll(&mut cx);
    let _ = pin!(world.writer.drain()).poll(&mut cx);
    let _ = pin!(world.writer.wait_closed()).poll(&mut cx);
    if waterwheel::try_get_running_loop().is_some() {
        let _ = pin!(sleep(Duration::from_secs(1))).poll(&mut cx);
        let _ = pin!(world.server.start_serving()).poll(&mut cx);
    }
    let _ = world.promise.set(1);
    world.task.cancel();
    world.writer.write(b"x");
    world.transport.write(b"y");
    world.transport.pause_reading();
    world.transport.resume_reading();
    let _ = (world.transport.get_write_buffer_size(), world.transport.extra_info(), world.transport.get_protocol());
    let _ = world.server.local_addrs();
    world.server.close_clients();
    handle.is_closed();
}

/// Re-enters when it is dropped.
pub(crate) struct Bomb(pub(crate) &'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        reenter(self.0);
    }
}

struct BombProtocol {
    _bomb: Bomb,
    transport: OnceCell<Rc<dyn Transport>>,
}

impl Protocol for BombProtocol {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = self.transport.set(transport);
        reenter("connection_made");
    }
    fn data_received(&self, _data: &[u8]) {
        reenter("data_received");
    }
    fn connection_lost(&self, _error: Option<waterwheel::ConnectionError>) {
        reenter("connection_lost");
    }
}

fn bomb_protocol(name: &'static str) -> Rc<BombProtocol> {
    Rc::new(BombProtocol { _bomb: Bomb(name), transport: OnceCell::new() })
}

pub(crate) async fn make_world() {
    let handle = get_running_loop();
    let server = start_server(|_: StreamReader, _: StreamWriter| {}, "127.0.0.1:0").await.unwrap();
    let ((near, far), (near_stream, far_stream)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    let (transport, _) = handle.create_connection(|| bomb_protocol("the world's protocol"), near).await.unwrap();
    let (_, writer) = open_connection(near_stream).await.unwrap();
    let world = World {
        promise: Promise::new(),
        task: spawn(std::future::pending()),
        idle: sleep(Duration::from_secs(1)),
        _peers: vec![far, far_stream],
        handle,
        transport,
        writer,
        server,
    };
    WORLD.set(Some(Rc::new(world)));
}

/// Drops the world, so that it does not keep the loop's parts alive.
pub(crate) fn end_world() {
    drop(WORLD.take());
}

pub(crate) fn entered() -> Vec<&'static str> {
    ENTERED.take()
}

async fn drops_in_a_running_loop() {
    let handle = get_running_loop();
    // The protocol that is dropped by this call calls back into the transport that dropped it.
    let world = WORLD.with_borrow(Clone::clone).expect("it was made");
    world.transport.set_protocol(bomb_protocol("the world's second protocol"));
    drop(world);
    let bomb = Bomb("a cancelled callback");
    handle.call_soon(move || drop(bomb)).cancel();
    let bomb = Bomb("a cancelled timer");
    handle.call_later(Duration::from_secs(1), move || drop(bomb)).cancel();
    let bomb = Bomb("a callback that runs");
    handle.call_soon(move || drop(bomb));
    let bomb = Bomb("a cancelled task");
    let task = spawn(async move {
        let _bomb = bomb;
        std::future::pending::<()>().await;
    });
    yield_now().await;
    task.cancel();
    let _ = task.await;
    drop(spawn(async { Bomb("a detached task's result") }));
    let finished = spawn(async { Bomb("a result that nobody took") });
    yield_now().await;
    yield_now().await;
    drop(finished);
    let bomb = Bomb("an earlier exception handler");
    handle.set_exception_handler(move |_| {
        let _ = &bomb;
    });
    handle.reset_exception_handler();
    handle.set_exception_handler(|_| {
        reenter("the exception handler");
        get_running_loop().reset_exception_handler();
        reenter("the exception handler, to its end");
    });
    handle.call_soon(|| panic!("wanted"));
    yield_now().await;
    yield_now().await;
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"x").unwrap();
    let (transport, _) = handle.create_connection(|| bomb_protocol("a lost protocol"), near).await.unwrap();
    yield_now().await;
    transport.set_protocol(bomb_protocol("a replaced protocol"));
    transport.set_protocol(bomb_protocol("another replaced protocol"));
    drop(far);
    while !transport.is_closing() {
        sleep(Duration::from_millis(1)).await;
    }
    let bomb = Bomb("the factory of a server");
    let server = handle.create_server(
        move || {
            let _ = &bomb;
            bomb_protocol("never")
        },
        "127.0.0.1:0",
    );
    drop(server.await.unwrap());
}

#[test]
fn law_04_no_borrow_across_a_call() {
    guarded(|| {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(make_world());
        event_loop.run(drops_in_a_running_loop());
        let incidents = Incidents::of(&event_loop.handle());
        event_loop.run(async {
            let handle = get_running_loop();
            // The loop drops these when it closes.
            let bomb = Bomb("a callback of a closing loop");
            handle.call_soon(move || {
                let bomb = bomb;
                get_running_loop().call_soon(move || {
                    let bomb = bomb;
                    get_running_loop().call_soon(move || drop(bomb));
                });
            });
            let bomb = Bomb("a timer of a closing loop");
            handle.call_later(Duration::from_secs(60), move || drop(bomb));
            let bomb = Bomb("a task of a closing loop");
            drop(spawn(async move {
                let _bomb = bomb;
                std::future::pending::<()>().await;
            }));
            let _ = Poll::Ready(handle.remote());
        });
        let remote = event_loop.handle().remote();
        let bomb = Bomb("a letter of a closing loop");
        on_another_thread(|| remote.call_soon(move || drop(bomb)));
        drop(event_loop);
        let bomb = Bomb("a letter to a closed loop");
        assert!(!remote.call_soon(move || drop(bomb)));
        end_world();
        assert_eq!(incidents.take(), Vec::<String>::new());
        let entered = entered();
        for place in [
            "a cancelled callback",
            "a cancelled timer",
            "a callback that runs",
            "a cancelled task",
            "a detached task's result",
            "a result that nobody took",
            "an earlier exception handler",
            "the exception handler",
            "the exception handler, to its end",
            "connection_made",
            "data_received",
            "connection_lost",
            "a lost protocol",
            "a replaced protocol",
            "the world's protocol",
            "the factory of a server",
            "a callback of a closing loop",
            "a timer of a closing loop",
            "a task of a closing loop",
            "a letter of a closing loop",
            "a letter to a closed loop",
        ] {
            assert!(entered.contains(&place), "nothing re-entered from {place}");
        }
    });
}
