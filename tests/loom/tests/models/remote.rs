//! Tasks that another thread starts: that thread learns how each has ended, whatever happens at the same time.

use std::future::pending;

use loom::thread;
use waterwheel::{JoinError, get_running_loop, yield_now};

use crate::explore;
use crate::house::event_loop;

#[test]
fn the_output_comes_back_to_a_thread_that_waits_and_to_one_that_looks() {
    explore(|| {
        let mut event_loop = event_loop();
        let remote = event_loop.handle().remote();
        let other = thread::spawn(move || {
            let task = remote.spawn(|| async {
                get_running_loop().stop();
                7
            });
            let finished = task.is_finished();
            (finished, task.wait().unwrap())
        });
        event_loop.run_forever();
        assert_eq!(other.join().unwrap().1, 7);
    });
}

#[test]
fn a_thread_that_waits_hears_that_the_loop_was_closed() {
    explore(|| {
        let mut event_loop = event_loop();
        let remote = event_loop.handle().remote();
        let other = thread::spawn(move || remote.spawn(pending::<()>).wait());
        // By then the task may or may not have been started.
        event_loop.run(yield_now());
        drop(event_loop);
        assert!(matches!(other.join().unwrap(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn a_cancelled_task_ends_although_it_waits_for_ever() {
    explore(|| {
        let mut event_loop = event_loop();
        let remote = event_loop.handle().remote();
        let other = thread::spawn(move || {
            let task = remote.spawn(pending::<()>);
            task.cancel();
            assert!(matches!(task.wait(), Err(JoinError::Cancelled)));
            remote.call_soon(|| get_running_loop().stop());
        });
        event_loop.run_forever();
        other.join().unwrap();
    });
}
