//! What the tests of the laws share: a guard against hangs, and a record of incidents.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;

use waterwheel::{EventLoop, LoopHandle};

use crate::common::watchdog::watchdog;

/// Runs a test on a thread of its own, with fresh thread-locals.
pub(crate) fn guarded(test: impl FnOnce() + Send + 'static) {
    let _watchdog = watchdog();
    thread::spawn(test).join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
}

/// Runs `work` on a thread of its own, and waits until it is done.
pub(crate) fn on_another_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// The reports to a loop's exception handler.
#[derive(Clone, Default)]
pub(crate) struct Incidents(Rc<RefCell<Vec<String>>>);

impl Incidents {
    pub(crate) fn of(event_loop: &LoopHandle) -> Incidents {
        let incidents = Incidents::default();
        let kept = Rc::clone(&incidents.0);
        // Neither the speed of the machine nor what a test drops on purpose matters here.
        event_loop.set_debug(false);
        event_loop.set_exception_handler(move |incident| {
            let text = format!("{}: {}", incident.message(), incident.panic().unwrap_or("no panic"));
            kept.borrow_mut().push(text);
        });
        incidents
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Runs `main` on a loop whose incidents make the test fail.
pub(crate) fn run_clean<F: Future>(main: F) -> F::Output {
    let mut event_loop = EventLoop::new().expect("a loop can be made");
    let incidents = Incidents::of(&event_loop.handle());
    let output = event_loop.run(main);
    drop(event_loop);
    assert_eq!(incidents.take(), Vec::<String>::new());
    output
}
