//! What other threads send to a loop, and what the loop's own thread sends in the same way.

use std::cell::RefCell;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use crate::common::running::{run, turns};
use crate::common::trace::Trace;
use crate::common::watchdog::watchdog;
use waterwheel::{
    Bell, EventLoop, Events, RemoteHandle, Selector, Token, get_running_loop, spawn, try_get_running_loop, yield_now,
};

thread_local! {
    /// What ran on this thread, in order. The closures must be `Send`, so they cannot hold a trace.
    static RAN: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

fn ran(name: &'static str) -> impl FnOnce() + Send {
    move || RAN.with_borrow_mut(|ran| ran.push(name))
}

#[test]
fn on_the_loops_own_thread_a_remote_call_goes_where_a_local_one_goes() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (handle, remote) = (event_loop.handle(), event_loop.handle().remote());
    let all_kinds = || {
        handle.call_soon(ran("local"));
        assert!(remote.call_soon(ran("remote")));
        drop(handle.create_task(async { ran("task")() }));
        assert!(remote.call_soon(ran("remote after it")));
        handle.call_soon(ran("local after it"));
    };
    let expected = ["local", "remote", "task", "remote after it", "local after it"];
    // Before the first run, between two runs, and in a run, where all of it waits for the next turn.
    for _ in 0..2 {
        all_kinds();
        event_loop.run(async {});
        assert_eq!(RAN.take(), expected);
    }
    event_loop.run(async {
        all_kinds();
        assert_eq!(RAN.take(), [""; 0]);
        yield_now().await;
        assert_eq!(RAN.take(), expected);
    });
    // A different loop on the same thread is not mistaken for this one.
    let other = EventLoop::new().unwrap();
    let other_remote = other.handle().remote();
    event_loop.run(async { assert!(other_remote.call_soon(ran("other"))) });
    drop(other);
    assert!(!other_remote.call_soon(ran("refused")));
    event_loop.run(turns(2));
    assert_eq!(RAN.take(), [""; 0]);
}

#[test]
fn a_task_that_its_own_thread_wakes_between_runs_keeps_its_place_in_the_order() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
    let mut woken = false;
    event_loop.run(async {
        let keeping = Rc::clone(&kept);
        drop(spawn(std::future::poll_fn(move |cx| {
            if std::mem::replace(&mut woken, true) {
                ran("task")();
                return Poll::Ready(());
            }
            *keeping.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })));
        yield_now().await;
    });
    let waker = kept.take().expect("the task has been polled");
    handle.call_soon(ran("before"));
    waker.wake();
    handle.call_soon(ran("after"));
    event_loop.run(async {});
    assert_eq!(RAN.take(), ["before", "task", "after"]);
}

/// Sends `count` callbacks from one thread. Each counts itself and checks its position.
fn send_numbered(remote: RemoteHandle, count: usize, arrived: &Arc<AtomicUsize>) {
    let arrived = Arc::clone(arrived);
    let sender = thread::spawn(move || {
        for number in 0..count {
            let arrived = Arc::clone(&arrived);
            assert!(remote.call_soon(move || assert_eq!(arrived.fetch_add(1, Ordering::SeqCst), number)));
        }
    });
    sender.join().unwrap();
}

#[test]
fn a_turn_takes_in_a_bounded_number_of_callbacks_and_keeps_their_order() {
    run(async {
        let incidents = Trace::of_incidents();
        let arrived = Arc::new(AtomicUsize::new(0));
        send_numbered(get_running_loop().remote(), 10_000, &arrived);
        let mut seen = 0;
        let mut most = 0;
        while seen < 10_000 {
            yield_now().await;
            let now = arrived.load(Ordering::SeqCst);
            most = most.max(now - seen);
            seen = now;
        }
        assert!((1..=128).contains(&most), "{most} of 10,000 ran between two steps of a task");
        assert_eq!(incidents.words(), Vec::<String>::new());
    });
}

#[test]
fn a_loop_does_not_sleep_while_callbacks_are_left() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let arrived = Arc::new(AtomicUsize::new(0));
    let remote = event_loop.handle().remote();
    send_numbered(remote.clone(), 1_000, &arrived);
    thread::spawn(move || remote.call_soon(|| get_running_loop().stop())).join().unwrap();
    event_loop.run_forever();
    assert_eq!(arrived.load(Ordering::SeqCst), 1_000);
}

#[test]
fn a_loop_does_not_sleep_behind_wakes_that_leave_nothing_ready() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (sender, wakers) = mpsc::channel();
    // Each of these tasks hands out its waker and has ended by the time the waker is used.
    let tasks = event_loop.run(async {
        let over = (0..1_000).map(|_| {
            let sender = sender.clone();
            spawn(std::future::poll_fn(move |cx| {
                sender.send(cx.waker().clone()).unwrap();
                Poll::Ready(())
            }))
        });
        let over: Vec<_> = over.collect();
        turns(2).await;
        over
    });
    drop(sender);
    assert!(tasks.iter().all(waterwheel::Task::is_finished));
    let remote = event_loop.handle().remote();
    thread::spawn(move || {
        let wakers: Vec<Waker> = wakers.iter().collect();
        assert_eq!(wakers.len(), 1_000);
        wakers.into_iter().for_each(Waker::wake);
        remote.call_soon(|| get_running_loop().stop());
    })
    .join()
    .unwrap();
    event_loop.run_forever();
}

/// A selector that only a bell can wake, and a bell that fails to ring the first time.
#[derive(Default)]
struct Tower {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The loop sleeps, and only the bell can wake it.
    asleep: bool,
    rings: usize,
}

impl Tower {
    /// Waits until a condition is true, for a few seconds at most.
    fn wait_until(&self, is_so: impl Fn(&State) -> bool) {
        let patience = Duration::from_secs(20);
        let waited = self.changed.wait_timeout_while(self.state.lock().unwrap(), patience, |state| !is_so(state));
        assert!(!waited.unwrap().1.timed_out(), "it does not come to that");
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }
}

struct Deaf(Arc<Tower>);

impl Selector for Deaf {
    fn register(&mut self, _fd: RawFd, _token: Token) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _fd: RawFd) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, timeout: Option<Duration>, _events: &mut Events) -> io::Result<bool> {
        if timeout.is_none() {
            let rings = self.0.state.lock().unwrap().rings;
            self.0.change(|state| state.asleep = true);
            self.0.wait_until(|state| state.rings > rings.max(1));
        }
        Ok(true)
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Ok(Box::new(Rusty(Arc::clone(&self.0))))
    }
}

struct Rusty(Arc<Tower>);

impl Bell for Rusty {
    fn ring(&self) -> io::Result<()> {
        self.0.change(|state| state.rings += 1);
        if self.0.state.lock().unwrap().rings == 1 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }
}

#[test]
fn a_bell_that_could_not_ring_is_rung_again_for_the_next_letter() {
    let _watchdog = watchdog();
    let tower = Arc::new(Tower::default());
    let mut event_loop = EventLoop::builder().selector(Box::new(Deaf(Arc::clone(&tower)))).build().unwrap();
    let remote = event_loop.handle().remote();
    let letters = thread::spawn({
        let tower = Arc::clone(&tower);
        move || {
            tower.wait_until(|state| state.asleep);
            assert!(remote.call_soon(ran("first")));
            assert_eq!(tower.state.lock().unwrap().rings, 1);
            assert!(remote.call_soon(|| {
                ran("second")();
                get_running_loop().stop();
            }));
        }
    });
    event_loop.run_forever();
    letters.join().unwrap();
    assert_eq!(RAN.take(), ["first", "second"]);
    assert_eq!(tower.state.lock().unwrap().rings, 2);
}

#[test]
fn a_panic_in_a_remote_call_is_reported_with_the_line_that_sent_it() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let places = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&places);
    handle.set_debug(false); // The speed of the machine does not matter here.
    handle.set_exception_handler(move |incident| {
        let place = incident.location().map(|location| (location.file(), location.line()));
        noted.borrow_mut().push(place);
    });
    let remote = handle.remote();
    let own_line = line!() + 1;
    remote.call_soon(|| panic!("from here"));
    let line = thread::spawn(move || {
        remote.call_soon(|| panic!("from afar"));
        line!() - 1
    });
    let line = line.join().unwrap();
    event_loop.run(turns(2));
    assert_eq!(*places.borrow(), [Some((file!(), own_line)), Some((file!(), line))]);
    assert!(try_get_running_loop().is_none());
}
