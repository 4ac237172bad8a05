//! What goes wrong where nobody awaits it, and who hears of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use super::{Core, LoopHandle};
use crate::errors::{ConnectionError, panic_text};
use crate::executor::{Payload, Unheard};
use crate::interface::Address;
use crate::report;

pub(super) type ExceptionHandler = Rc<dyn Fn(&Incident)>;

/// Something that went wrong where nobody awaits it: a callback or protocol that panicked, a task whose panic nobody
/// took, a handler of a connection that failed, a server that ran out of descriptors.
///
/// [`set_exception_handler`](LoopHandle::set_exception_handler) says who hears of it. By default it is logged as an
/// error, by the crate [`log`]. While the program has installed no logger, it is printed on standard error in the same
/// words, as asyncio does; a logger that was told to be silent is obeyed.
#[non_exhaustive]
pub struct Incident {
    message: &'static str,
    panic: Option<String>,
    error: Option<ConnectionError>,
    location: Option<&'static Location<'static>>,
    peer: Option<Address>,
    source: Option<String>,
}

impl Incident {
    pub(crate) fn new(message: &'static str) -> Self {
        Incident { message, panic: None, error: None, location: None, peer: None, source: None }
    }

    /// The protocol of a connection panicked; `source` is that connection.
    #[cold]
    pub(crate) fn of_protocol(payload: &Payload, source: &dyn fmt::Debug) -> Self {
        Incident::new("A protocol panicked").with_panic(payload).with_source(source)
    }

    #[cold]
    pub(crate) fn with_panic(mut self, payload: &Payload) -> Self {
        self.panic = Some(panic_text(&**payload).to_owned());
        self
    }

    #[cold]
    pub(crate) fn with_error(mut self, error: impl Into<ConnectionError>) -> Self {
        self.error = Some(error.into());
        self
    }

    #[cold]
    pub(crate) fn with_peer(mut self, peer: Option<Address>) -> Self {
        self.peer = peer;
        self
    }

    #[cold]
    pub(crate) fn with_location(mut self, location: &'static Location<'static>) -> Self {
        self.location = Some(location);
        self
    }

    #[cold]
    pub(crate) fn with_source(mut self, source: &dyn fmt::Debug) -> Self {
        self.source = Some(format!("{source:?}"));
        self
    }

    /// What happened, in one line.
    pub fn message(&self) -> &str {
        self.message
    }

    /// The text of the panic, if it was one.
    pub fn panic(&self) -> Option<&str> {
        self.panic.as_deref()
    }

    /// The error, if it was one.
    pub fn error(&self) -> Option<&ConnectionError> {
        self.error.as_ref()
    }

    /// Where the callback was scheduled or the task was spawned.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    /// The other end of the connection that it happened on.
    pub fn peer(&self) -> Option<&Address> {
        self.peer.as_ref()
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)?;
        if let Some(text) = &self.panic {
            write!(f, "\npanic: {text}")?;
        }
        if let Some(error) = &self.error {
            write!(f, "\nerror: {error}")?;
        }
        if let Some(location) = self.location {
            write!(f, "\nscheduled at: {location}")?;
        }
        if let Some(peer) = &self.peer {
            write!(f, "\npeer: {peer}")?;
        }
        if let Some(source) = &self.source {
            write!(f, "\nsource: {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incident")
            .field("message", &self.message)
            .field("panic", &self.panic)
            .field("error", &self.error)
            .field("location", &self.location)
            .field("peer", &self.peer)
            .field("source", &self.source)
            .finish()
    }
}

impl LoopHandle {
    /// Says who hears of [`Incident`]s, instead of the log or standard error.
    ///
    /// A handler that panics itself is reported there, with the incident it was given.
    pub fn set_exception_handler(&self, handler: impl Fn(&Incident) + 'static) {
        let earlier = self.core().exception_handler.replace(Some(Rc::new(handler)));
        drop(earlier);
    }

    /// Incidents go to the log or standard error again, as they did at first.
    #[doc(alias = "set_exception_handler")]
    pub fn reset_exception_handler(&self) {
        let earlier = self.core().exception_handler.take();
        drop(earlier);
    }
}

impl Core {
    #[cold]
    pub(crate) fn report(&self, incident: &Incident) {
        let handler = self.exception_handler.borrow().clone();
        let Some(handler) = handler else {
            return report::error(format_args!("{incident}"));
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handler(incident))) {
            let text = panic_text(&*payload);
            report::error(format_args!("The exception handler panicked: {text}\nwhile it was told: {incident}"));
        }
    }

    #[cold]
    pub(crate) fn report_unheard(&self, unheard: &Unheard) {
        let incident = Incident::new("A task panicked, and nobody awaits it");
        self.report(&incident.with_panic(&unheard.payload).with_location(unheard.spawned_at));
    }
}
