//! Law 7 under load: four threads wake tasks and send calls without pause, while loops come and go: nothing is lost,
//! nothing happens twice, and nothing is left behind.
//!
//! In a release build these are ten million deeds, which take some seconds.

use std::fs;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};

use crate::common::alone::alone;
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::until::until;
use waterwheel::{EventLoop, JoinError, RemoteHandle, get_running_loop, spawn, yield_now};

const THREADS: u64 = 4;

/// How many deeds there are in all: wakes, calls, and tasks that are started.
const DEEDS: u64 = if cfg!(debug_assertions) { 200_000 } else { 10_000_000 };

const SHARE: u64 = DEEDS / THREADS;

/// How many loops come and go.
const LOOPS: u64 = if cfg!(debug_assertions) { 50 } else { 500 };

const TASKS: usize = 8;

/// One deed in `SPAWNS` starts a task on the loop, one in `CALLS` is a call, and the rest are wakes.
const SPAWNS: u64 = 256;
const CALLS: u64 = 2;

/// A thread looks for a new loop after this many deeds, or when a call is refused.
const STAY: u64 = 64;

/// Threads wait while this many calls have not run, so that the memory at the end shows leaks and not the former size
/// of the mailbox.
const AHEAD: u64 = 2_000;

/// The process must have grown by less than this at the end.
const TOO_MUCH: usize = 16 << 20;

/// What became of the calls and tasks of all threads.
#[derive(Default)]
struct Ledger {
    accepted: AtomicU64,
    refused: AtomicU64,
    ran: AtomicU64,
    /// Dropped without having run.
    dropped: AtomicU64,
    tasks_dropped: AtomicU64,
    /// Wakes, calls and started tasks, of all threads.
    deeds: AtomicU64,
}

/// A loop as the threads see it.
struct House {
    remote: RemoteHandle,
    tasks: [Arc<Sleeper>; TASKS],
    /// Wakes the main future of the current run, which nothing else does.
    main: Arc<Mutex<Option<Waker>>>,
}

impl House {
    /// Runs until a condition is true, which is checked whenever a thread has left. Meanwhile the loop sleeps, so a
    /// lost wake-up shows as a hang.
    fn run_until(&self, event_loop: &mut EventLoop, is_so: impl Fn() -> bool) {
        event_loop.run(poll_fn(|cx| {
            *self.main.lock().unwrap() = Some(cx.waker().clone());
            if is_so() { Poll::Ready(()) } else { Poll::Pending }
        }));
    }

    /// Called by a thread that leaves this loop. The waker is taken last: if it is still that of an earlier run, the
    /// main future of the next run has not been polled yet, and will find that the thread has left.
    fn leave(self: Arc<Self>) {
        let main = Arc::clone(&self.main);
        drop(self);
        let waker = main.lock().unwrap().clone();
        waker.expect("the main future has been polled").wake();
    }
}

/// A task that the threads wake.
#[derive(Default)]
struct Sleeper {
    waker: OnceLock<Waker>,
    /// How many wakes were requested. The write is relaxed, so only the wake makes it visible.
    asked: AtomicU64,
    /// The value of `asked` at the last poll.
    seen: AtomicU64,
}

/// A call, which counts what becomes of it.
struct Call {
    ledger: Arc<Ledger>,
    has_run: bool,
}

impl Call {
    fn run(mut self) {
        self.has_run = true;
        self.ledger.ran.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.has_run {
            self.ledger.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct CountedTask(Arc<Ledger>);

impl Drop for CountedTask {
    fn drop(&mut self) {
        self.0.tasks_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Ledger {
    /// Whether so many calls wait to run that the threads should wait too.
    fn is_ahead(&self) -> bool {
        count(&self.accepted) + count(&self.refused) > count(&self.ran) + count(&self.dropped) + AHEAD
    }
}

fn count(of: &AtomicU64) -> u64 {
    of.load(Ordering::Relaxed)
}

/// Where the threads find the current loop, if there is one.
type Door = Arc<Mutex<Option<Arc<House>>>>;

/// One of the four threads. Returns how many of the tasks that it started returned their output, and how many were
/// cancelled.
fn sender(door: &Door, ledger: &Arc<Ledger>, seed: u64) -> (u64, u64) {
    let mut tasks = Vec::new();
    let mut deed = 0;
    while deed < SHARE {
        let house = if ledger.is_ahead() { None } else { door.lock().unwrap().clone() };
        let Some(house) = house else {
            thread::yield_now();
            continue;
        };
        let mut until = SHARE.min(deed + STAY);
        while deed < until {
            deed += 1;
            if deed % SPAWNS == 0 {
                tasks.push(house.remote.spawn(move || async move { seed }));
            } else if deed % CALLS == 0 {
                let call = Call { ledger: Arc::clone(ledger), has_run: false };
                if house.remote.call_soon(move || call.run()) {
                    ledger.accepted.fetch_add(1, Ordering::Relaxed);
                } else {
                    ledger.refused.fetch_add(1, Ordering::Relaxed);
                    door.lock().unwrap().take_if(|found| Arc::ptr_eq(found, &house));
                    until = deed;
                }
            } else {
                let task = &house.tasks[(deed / CALLS + seed) as usize % TASKS];
                task.asked.fetch_add(1, Ordering::Relaxed);
                task.waker.get().expect("the door was opened after the first poll").wake_by_ref();
            }
            ledger.deeds.fetch_add(1, Ordering::Relaxed);
        }
        house.leave();
    }
    let (mut outputs, mut cancelled) = (0, 0);
    for task in tasks {
        match task.wait() {
            Ok(output) if output == seed => outputs += 1,
            Err(JoinError::Cancelled) => cancelled += 1,
            other => panic!("{other:?}"),
        }
    }
    (outputs, cancelled)
}

/// Creates a loop with its tasks, each polled once.
fn open(ledger: &Arc<Ledger>) -> (EventLoop, Arc<House>) {
    let mut event_loop = EventLoop::new().unwrap();
    let house = House { remote: event_loop.handle().remote(), tasks: Default::default(), main: Arc::default() };
    event_loop.run(async {
        for task in &house.tasks {
            let (task, counted) = (Arc::clone(task), CountedTask(Arc::clone(ledger)));
            drop(spawn(poll_fn(move |cx| {
                let _ = &counted;
                task.waker.get_or_init(|| cx.waker().clone());
                task.seen.store(task.asked.load(Ordering::Relaxed), Ordering::Relaxed);
                Poll::<()>::Pending
            })));
        }
        yield_now().await;
    });
    house.run_until(&mut event_loop, || true);
    (event_loop, Arc::new(house))
}

/// Waits until no thread knows the loop any more, and lets the loop do everything that was sent to it.
fn settle(event_loop: &mut EventLoop, house: &Arc<House>) {
    house.run_until(event_loop, || Arc::strong_count(house) == 1);
    // The mailbox keeps its order, so this call is the last.
    let remote = house.remote.clone();
    thread::spawn(move || remote.call_soon(|| get_running_loop().stop())).join().unwrap();
    event_loop.run_forever();
    event_loop.run(yield_now());
}

/// The resident memory of the process.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux says how large a process is");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number");
    pages * 4096
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("Linux lists the threads of a process").count()
}

#[test]
fn law_07_four_threads_lose_nothing_while_loops_come_and_go_under_them() {
    // The test counts the descriptors, threads and memory of the process.
    alone(|| {
        // Both counts include the descriptors of one loop.
        let (descriptors_before, threads_before) = (waterwheel::run(async { open_descriptors() }), threads());
        let (ledger, door) = (Arc::new(Ledger::default()), Door::default());
        let senders: Vec<JoinHandle<_>> = (0..THREADS)
            .map(|seed| {
                let (door, ledger) = (Arc::clone(&door), Arc::clone(&ledger));
                thread::spawn(move || sender(&door, &ledger, seed))
            })
            .collect();
        let (mut settled, mut at_first) = (0, 0);
        for number in 1..=LOOPS {
            let (mut event_loop, house) = open(&ledger);
            *door.lock().unwrap() = Some(Arc::clone(&house));
            house.run_until(&mut event_loop, || count(&ledger.deeds) >= DEEDS / LOOPS * number);
            if number % 2 == 0 {
                // All threads leave this loop before it closes.
                *door.lock().unwrap() = None;
                settle(&mut event_loop, &house);
                for task in &house.tasks {
                    assert_eq!(count(&task.asked), count(&task.seen), "a task was not run after its last wake");
                    settled += count(&task.asked);
                }
            }
            // The other loops close while calls are being sent to them. A thread whose call is refused removes the
            // loop for all.
            drop(event_loop);
            while door.lock().unwrap().is_some() && count(&ledger.deeds) < DEEDS {
                thread::yield_now();
            }
            if number == LOOPS / 10 {
                at_first = resident();
            }
        }
        *door.lock().unwrap() = None;
        let tasks: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
        let (outputs, cancelled) = tasks.iter().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));

        let (accepted, refused) = (count(&ledger.accepted), count(&ledger.refused));
        let (ran, dropped) = (count(&ledger.ran), count(&ledger.dropped));
        let grown = resident().saturating_sub(at_first);
        println!(
            "{DEEDS} deeds on {LOOPS} loops: of {accepted} accepted calls {ran} ran, {refused} were refused; {outputs} tasks \
             gave their output, {cancelled} were cancelled; {settled} wakes were followed to the end; {grown} bytes grown"
        );
        assert_eq!(count(&ledger.deeds), DEEDS);
        assert_eq!(accepted + refused, ran + dropped, "each call ran or was dropped once");
        assert!(ran <= accepted && dropped >= refused);
        assert_eq!(outputs + cancelled, SHARE / SPAWNS * THREADS, "each task that a thread started has ended");
        assert_eq!(accepted + refused, (SHARE / CALLS - SHARE / SPAWNS) * THREADS);
        assert_eq!(count(&ledger.tasks_dropped), LOOPS * TASKS as u64);
        assert!(refused > 0 && dropped > refused && settled > 0 && outputs > 0, "the storm was none");
        assert!(grown < TOO_MUCH, "{grown} bytes more than when a tenth was done");
        waterwheel::run(async {
            until_descriptors(descriptors_before).await;
            until("the threads are gone", || threads() == threads_before).await;
        });
    });
}
