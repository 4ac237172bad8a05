//! Runs a program in debug mode, on a clock that a test moves, and collects the reports.

use std::cell::RefCell;
use std::rc::Rc;

use waterwheel::testing::ManualClock;
use waterwheel::{Builder, EventLoop};

use crate::common::watchdog::watchdog;

/// The reports of debug mode from the start of `main` until its loop is closed.
pub(crate) fn told_of(main: impl AsyncFnOnce(Rc<ManualClock>)) -> Vec<String> {
    told_with(|builder| builder, main)
}

/// Like [`told_of`], for a loop with further settings.
pub(crate) fn told_with(set: impl FnOnce(Builder) -> Builder, main: impl AsyncFnOnce(Rc<ManualClock>)) -> Vec<String> {
    let _watchdog = watchdog();
    let (mut event_loop, clock, told) = debugged(set);
    event_loop.run(main(clock));
    drop(event_loop);
    told.take()
}

/// A loop in debug mode, its clock, and its reports.
pub(crate) fn debugged(set: impl FnOnce(Builder) -> Builder) -> (EventLoop, Rc<ManualClock>, Rc<RefCell<Vec<String>>>) {
    let clock = Rc::new(ManualClock::new());
    let event_loop = set(EventLoop::builder().clock(clock.clone()).debug(true)).build().unwrap();
    let told = Rc::new(RefCell::new(Vec::new()));
    let tell = Rc::clone(&told);
    event_loop.handle().set_exception_handler(move |incident| tell.borrow_mut().push(incident.to_string()));
    (event_loop, clock, told)
}

/// The text with `here` in place of each line number of this file, since those change whenever the file is edited.
pub(crate) fn without_lines(text: &str, file: &str) -> String {
    let place = format!("{file}:");
    let mut words = text.split(&*place);
    let mut without = words.next().unwrap().to_owned();
    for after in words {
        let is_digit = |c: char| c.is_ascii_digit();
        without.push_str("here");
        without.push_str(after.trim_start_matches(is_digit).strip_prefix(':').unwrap().trim_start_matches(is_digit));
    }
    without
}
