//! Work on the loop's worker threads: its result comes back, or is dropped together with the future that waited for
//! it.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use waterwheel::{to_thread, yield_now};

use crate::explore;
use crate::house::{builder, event_loop};

#[test]
fn a_result_wakes_whoever_waits_for_it() {
    explore(|| {
        let mut event_loop = event_loop();
        assert_eq!(event_loop.run(async { to_thread(|| 7).await.unwrap() }), 7);
    });
}

#[test]
fn a_thread_that_has_no_more_work_is_told_of_the_next() {
    explore(|| {
        let mut event_loop = builder().thread_limit(1).build().unwrap();
        assert_eq!(event_loop.run(async { (to_thread(|| 7).await.unwrap(), to_thread(|| 8).await.unwrap()) }), (7, 8));
    });
}

#[test]
fn one_thread_does_both_jobs_and_a_shutdown_waits_for_them() {
    explore(|| {
        let mut event_loop = builder().thread_limit(1).build().unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let jobs = [1, 2].map(|_| {
            let done = Arc::clone(&done);
            event_loop.handle().run_in_executor(move || done.fetch_add(1, Ordering::Relaxed))
        });
        event_loop.shutdown_default_executor(Duration::from_secs(1)).unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 2);
        event_loop.run(async {
            for job in jobs {
                job.await.unwrap();
            }
        });
    });
}

#[test]
fn a_wait_that_is_dropped_while_the_thread_works_drops_the_result_once() {
    struct Output(Arc<AtomicUsize>);
    impl Drop for Output {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    explore(|| {
        let made = Arc::new(AtomicUsize::new(0));
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut event_loop = event_loop();
        event_loop.run(async {
            let output = (Arc::clone(&made), Arc::clone(&dropped));
            let work = to_thread(move || {
                output.0.fetch_add(1, Ordering::Relaxed);
                Output(output.1)
            });
            yield_now().await;
            drop(work);
        });
        let shut = event_loop.shutdown_default_executor(Duration::from_secs(1));
        shut.unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), made.load(Ordering::Relaxed));
    });
}
