//! Work on threads: `to_thread`, `run_in_executor`, and how it ends.

use std::collections::HashSet;
use std::error::Error;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, JoinError, gather, get_running_loop, run, sleep, spawn, timeout, to_thread, yield_now};

/// Longer than anything here takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn what_a_thread_returns_comes_back_while_the_loop_goes_on() {
    run(async {
        let (release, held) = channel();
        let mut working = to_thread(move || {
            held.recv().unwrap();
            (thread::current().id(), thread::current().name().map(str::to_owned))
        });
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(timeout(Duration::ZERO, &mut working).await.is_err());
        release.send(()).unwrap();
        let (thread, name) = working.await.unwrap();
        assert_ne!(thread, thread::current().id());
        assert_eq!(name.as_deref(), Some("waterwheel-worker-1"));
    });
}

#[test]
fn a_panic_comes_back_with_its_payload() {
    run(async {
        let error = to_thread(|| -> () { panic!("so it goes") }).await.unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: so it goes");
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "so it goes");
    });
}

#[test]
fn a_thread_goes_on_after_a_result_that_nobody_wants_and_that_panics_when_it_is_dropped() {
    struct Bomb(Sender<()>);

    impl Drop for Bomb {
        fn drop(&mut self) {
            let _ = self.0.send(());
            panic!("it was not wanted");
        }
    }

    let mut event_loop = EventLoop::builder().thread_limit(1).build().unwrap();
    let (dropped, is_dropped) = channel();
    let found = event_loop.run(async {
        let (begin, begun) = channel();
        let (release, held) = channel();
        let unwanted = to_thread(move || {
            begin.send(()).unwrap();
            held.recv().unwrap();
            Bomb(dropped)
        });
        begun.recv().unwrap();
        drop(unwanted);
        release.send(()).unwrap();
        timeout(LONG, to_thread(|| 7)).await.expect("the only thread goes on").unwrap()
    });
    assert_eq!((found, is_dropped.try_iter().count()), (7, 1));
    event_loop.shutdown_default_executor(LONG).expect("no job counts as running");
}

#[test]
fn no_more_threads_work_than_the_builder_says() {
    let mut event_loop = EventLoop::builder().thread_limit(3).build().unwrap();
    let together = Arc::new(Barrier::new(3));
    let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let names = event_loop.run(async {
        let work = |_| {
            let (together, busy, most) = (Arc::clone(&together), Arc::clone(&busy), Arc::clone(&most));
            to_thread(move || {
                most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // With fewer than three threads this would wait for ever.
                together.wait();
                busy.fetch_sub(1, Ordering::SeqCst);
                thread::current().name().map(str::to_owned)
            })
        };
        timeout(LONG, gather((0..30).map(work))).await.unwrap().unwrap()
    });
    let names: HashSet<_> = names.into_iter().map(Result::unwrap).collect();
    assert_eq!((names.len(), most.load(Ordering::SeqCst)), (3, 3));
}

#[test]
fn a_dropped_wait_forgets_work_that_has_not_begun() {
    let mut event_loop = EventLoop::builder().thread_limit(1).build().unwrap();
    let began = Arc::new(AtomicBool::new(false));
    event_loop.run(async {
        let (release, held) = channel();
        let first = to_thread(move || held.recv().unwrap());
        let flag = Arc::clone(&began);
        drop(to_thread(move || flag.store(true, Ordering::SeqCst)));
        release.send(()).unwrap();
        first.await.unwrap();
        // The thread takes its work in order, so it is done with everything before this.
        to_thread(|| ()).await.unwrap();
    });
    assert!(!began.load(Ordering::SeqCst));
}

#[test]
fn a_shutdown_waits_for_all_work_and_then_takes_no_more() {
    let mut event_loop = EventLoop::builder().thread_limit(1).build().unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let (release, held) = channel();
    event_loop.run(async {
        let held = Mutex::new(held);
        let flag = Arc::clone(&done);
        drop(spawn(to_thread(move || {
            held.lock().unwrap().recv().unwrap();
            flag.fetch_add(1, Ordering::SeqCst);
        })));
        let flag = Arc::clone(&done);
        drop(spawn(to_thread(move || flag.fetch_add(1, Ordering::SeqCst))));
        yield_now().await;
    });
    let line = line!() - 3;
    let busy = event_loop.shutdown_default_executor(Duration::ZERO).unwrap_err();
    assert_eq!(busy.jobs().len(), 2);
    assert_eq!(busy.jobs()[1].line(), line);
    let text = busy.to_string();
    assert!(text.starts_with("2 jobs on threads are still running after 0ns, started at tests/"), "{text}");
    release.send(()).unwrap();
    event_loop.shutdown_default_executor(LONG).unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 2);
    let refused = event_loop.run(async { to_thread(|| ()).await.unwrap_err() });
    assert!(matches!(refused, JoinError::NoThread(_)));
    assert!(refused.to_string().contains("shut down") && refused.source().is_none(), "{refused:?}");
}

#[test]
fn a_clock_that_jumps_stands_still_while_a_thread_works() {
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    let start = clock.elapsed();
    event_loop.run(async {
        let (release, held) = channel();
        let working = to_thread(move || held.recv().unwrap());
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            release.send(7).unwrap();
        });
        // If the clock had jumped, the timeout would have expired.
        assert_eq!(timeout(Duration::from_secs(3600), working).await.unwrap().unwrap(), 7);
        other.join().unwrap();
    });
    assert_eq!(clock.elapsed(), start);
    // No code waits for this work, so it does not hold up the clock.
    event_loop.run(async {
        let (release, held) = channel::<()>();
        let forgotten = get_running_loop().run_in_executor(move || held.recv().is_ok());
        drop(forgotten);
        sleep(Duration::from_secs(60)).await;
        drop(release);
    });
    assert_eq!(clock.elapsed() - start, Duration::from_secs(60));
}
