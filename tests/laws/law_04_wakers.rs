//! Law 4 for foreign wakers: cloning, waking and dropping one runs user code, which may call back into the waker's
//! holder.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use waterwheel::{EventLoop, Promise, StreamReader, get_running_loop, sleep, spawn, yield_now};

use crate::law_04::{end_world, entered, make_world, reenter};
use crate::tools::{Incidents, guarded};

thread_local! {
    /// What a foreign waker does when it is used, set by the test.
    static ON_USE: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
    static USES: Cell<usize> = const { Cell::new(0) };
}

/// A waker that does not belong to the loop and runs arbitrary code.
struct Foreign;

fn used(name: &'static str) {
    USES.set(USES.get() + 1);
    reenter(name);
    let action = ON_USE.with_borrow(Clone::clone);
    if let Some(action) = action {
        action();
    }
}

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {
        used("a foreign waker's wake");
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        used("a foreign waker's drop");
    }
}

/// Polls with a new waker.
fn poll_foreign<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Foreign));
    future.poll(&mut Context::from_waker(&waker))
}

type Waiting = (&'static str, fn() -> (Pin<Box<dyn Future<Output = ()>>>, Rc<dyn Fn()>));

/// Things that can be waited for: a future, and an action on what it waits for.
const WAITS: [Waiting; 4] = [
    ("a promise", || {
        let promise = Promise::new();
        let (waited, other) = (promise.clone(), promise);
        let future = Box::pin(async move { waited.wait().await });
        let touch = move || {
            let mut cx = Context::from_waker(Waker::noop());
            let mut again = Box::pin(other.wait());
            let _ = again.as_mut().poll(&mut cx);
            drop(again);
            let _ = other.set(());
        };
        (future, Rc::new(touch))
    }),
    ("a task", || {
        let task = spawn(std::future::pending::<()>());
        let future = Box::pin(async move { drop(task.await) });
        (future, Rc::new(|| ()))
    }),
    ("a sleep", || {
        let handle = get_running_loop();
        let touch = move || {
            handle.call_later(Duration::from_secs(1), || {}).cancel();
        };
        (Box::pin(sleep(Duration::from_secs(60))), Rc::new(touch))
    }),
    ("a stream", || {
        let (mut reader, feeder) = StreamReader::new(64);
        let future = Box::pin(async move { drop(reader.read(1).await) });
        (future, Rc::new(move || feeder.feed_data(b"x")))
    }),
];

#[test]
fn a_foreign_waker_may_come_back_into_what_holds_it() {
    guarded(|| {
        for (name, make) in WAITS {
            let mut event_loop = EventLoop::new().unwrap();
            let incidents = Incidents::of(&event_loop.handle());
            USES.set(0);
            event_loop.run(async {
                make_world().await;
                // Polled with a second waker, the future drops the first one while it stores the other.
                let (mut future, touch) = make();
                ON_USE.set(Some(touch));
                let _ = poll_foreign(future.as_mut());
                let _ = poll_foreign(future.as_mut());
                let _ = poll_foreign(future.as_mut());
                drop(future);
                ON_USE.set(None);
                // Woken while it waits.
                let (mut future, touch) = make();
                let _ = poll_foreign(future.as_mut());
                ON_USE.set(Some(Rc::clone(&touch)));
                touch();
                yield_now().await;
                drop(future);
                drop((ON_USE.take(), touch));
                yield_now().await;
                end_world();
            });
            // Left waiting when the loop closes.
            let kept = event_loop.run(async {
                let (mut future, _) = make();
                let _ = poll_foreign(future.as_mut());
                Some(future)
            });
            drop(event_loop);
            drop(kept);
            assert_eq!(incidents.take(), Vec::<String>::new(), "{name}");
            assert!(USES.get() >= 4, "{name}: the wakers were used {} times", USES.get());
        }
        assert!(entered().contains(&"a foreign waker's drop"));
    });
}
