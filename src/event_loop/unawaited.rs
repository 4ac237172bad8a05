//! What was made to be awaited and never was, which debug mode reports.

use std::panic::Location;
use std::thread;

use super::{Incident, try_get_running_loop};

/// Stands in a builder that does nothing until it is awaited. If it is dropped before, debug mode of the loop that runs then
/// tells who made the builder.
///
/// A builder counts as awaited as soon as it is a future: what is given to `race` or `timeout`, or is cancelled early, may
/// never be polled, and that is no fault.
#[derive(Debug)]
pub(crate) struct Unawaited(Option<Made>);

#[derive(Debug, Clone, Copy)]
struct Made {
    what: &'static str,
    at: &'static Location<'static>,
}

impl Unawaited {
    #[track_caller]
    pub(crate) fn new(what: &'static str) -> Unawaited {
        Unawaited(Some(Made { what, at: Location::caller() }))
    }

    /// It becomes a future.
    pub(crate) fn awaited(mut self) {
        self.0 = None;
    }
}

impl Drop for Unawaited {
    fn drop(&mut self) {
        // What a panic drops was mostly on its way to be awaited.
        if let (Some(made), false) = (self.0, thread::panicking()) {
            made.report();
        }
    }
}

impl Made {
    #[cold]
    fn report(self) {
        let Some(event_loop) = try_get_running_loop().filter(|event_loop| event_loop.core().executor.is_debugged())
        else {
            return;
        };
        let incident = Incident::new("A builder was made, and never awaited, so it did nothing");
        event_loop.core().report(&incident.with_detail(self.what.to_owned()).with_line("made at", self.at));
    }
}
