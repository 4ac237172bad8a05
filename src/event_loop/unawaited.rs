//! Builders that were never awaited, which debug mode reports.

use std::panic::Location;
use std::thread;

use super::{Incident, try_get_running_loop};

/// A field of a builder that does nothing until it is awaited. If it is dropped before that, the running loop's debug
/// mode reports the line that made the builder.
///
/// A builder counts as awaited as soon as it becomes a future. A future that is given to `race` or `timeout`, or is
/// cancelled early, may never be polled, and that is no mistake.
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

    /// The builder becomes a future.
    pub(crate) fn awaited(mut self) {
        self.0 = None;
    }
}

impl Drop for Unawaited {
    fn drop(&mut self) {
        // A builder that a panic drops was probably going to be awaited.
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
