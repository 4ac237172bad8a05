//! Errors and panics that nobody awaits, and the handler that is told of them.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use super::{Core, LoopHandle};
use crate::errors::{ConnectionError, panic_text};
use crate::executor::{Payload, Unheard, UnheardEnd};
use crate::interface::Address;
use crate::report;

pub(super) type ExceptionHandler = Rc<dyn Fn(&Incident)>;

/// An error or panic that nobody awaits: a callback or protocol panicked, a task that nobody awaits panicked, a
/// connection's handler failed, a server ran out of descriptors. In [debug mode](LoopHandle::set_debug) it may also be
/// a likely mistake of the program, such as a step that blocks the loop.
///
/// [`set_exception_handler`](LoopHandle::set_exception_handler) sets a handler for incidents. By default they are
/// logged as errors with the crate [`log`]. If the program has installed no logger, they are printed to standard error,
/// as in asyncio. If a logger is installed but switched off, nothing is printed.
#[non_exhaustive]
pub struct Incident {
    message: &'static str,
    panic: Option<String>,
    error: Option<ConnectionError>,
    detail: Option<String>,
    location: Option<&'static Location<'static>>,
    /// What happened at that location.
    location_is: &'static str,
    peer: Option<Address>,
    source: Option<String>,
}

impl Incident {
    pub(crate) fn new(message: &'static str) -> Self {
        Incident {
            message,
            panic: None,
            error: None,
            detail: None,
            location: None,
            location_is: "scheduled at",
            peer: None,
            source: None,
        }
    }

    /// The protocol of a connection panicked. `source` is the connection.
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
    pub(crate) fn with_detail(mut self, detail: String) -> Self {
        self.detail = Some(detail);
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

    /// Names a line, and says what happened there instead of "scheduled at".
    #[cold]
    pub(crate) fn with_line(mut self, location_is: &'static str, location: &'static Location<'static>) -> Self {
        self.location = Some(location);
        self.location_is = location_is;
        self
    }

    #[cold]
    pub(crate) fn with_source(mut self, source: &dyn fmt::Debug) -> Self {
        self.source = Some(format!("{source:?}"));
        self
    }

    /// What happened, in one line of text.
    pub fn message(&self) -> &str {
        self.message
    }

    /// The message of the panic, if the incident is a panic.
    pub fn panic(&self) -> Option<&str> {
        self.panic.as_deref()
    }

    /// The error, if the incident is an error.
    pub fn error(&self) -> Option<&ConnectionError> {
        self.error.as_ref()
    }

    /// Further details that debug mode knows, such as which task took how long, as text for humans.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut event_loop = waterwheel::EventLoop::builder().debug(true).slow_callback_duration(Duration::ZERO).build()?;
    /// event_loop.handle().set_exception_handler(|incident| {
    ///     assert!(incident.detail().unwrap().starts_with("the main future ran for"));
    /// });
    /// event_loop.run(async {});
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Where the callback was scheduled or the task was spawned. In reports of debug mode it may also be the line that
    /// made or wrote something; the printed text says which.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    /// The address of the peer, if the incident happened on a connection.
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
        if let Some(detail) = &self.detail {
            write!(f, "\ndetail: {detail}")?;
        }
        if let Some(location) = self.location {
            write!(f, "\n{}: {location}", self.location_is)?;
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
            .field("detail", &self.detail)
            .field("location", &self.location)
            .field("peer", &self.peer)
            .field("source", &self.source)
            .finish()
    }
}

impl LoopHandle {
    /// Calls `handler` for each [`Incident`] from now on, instead of the log or standard error.
    ///
    /// If the handler panics, the panic goes to the log or standard error, together with the incident. On a closed loop
    /// the handler is dropped at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use waterwheel::{get_running_loop, yield_now};
    ///
    /// let told = Rc::new(RefCell::new(Vec::new()));
    /// waterwheel::run(async {
    ///     let event_loop = get_running_loop();
    ///     event_loop.set_exception_handler({
    ///         let told = Rc::clone(&told);
    ///         move |incident| {
    ///             let line = incident.location().map(|at| at.line());
    ///             let panic = incident.panic().unwrap_or("no panic").to_owned();
    ///             told.borrow_mut().push((incident.message().to_owned(), panic, line));
    ///         }
    ///     });
    ///     let line = line!() + 1;
    ///     event_loop.call_soon(|| panic!("out of tea"));
    ///     yield_now().await;
    ///     assert_eq!(told.take(), [("A callback panicked".to_owned(), "out of tea".to_owned(), Some(line))]);
    ///
    ///     event_loop.reset_exception_handler(); // Incidents go to the log or standard error again.
    ///     event_loop.call_soon(|| panic!("out of milk, too"));
    ///     yield_now().await;
    ///     assert!(told.take().is_empty());
    /// });
    /// ```
    pub fn set_exception_handler(&self, handler: impl Fn(&Incident) + 'static) {
        if self.is_closed() {
            return;
        }
        let earlier = self.core().exception_handler.replace(Some(Rc::new(handler)));
        drop(earlier);
    }

    /// Drops the handler. Incidents go to the log or standard error again, which is the default.
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
    pub(crate) fn report_unheard(&self, unheard: Unheard) {
        let incident = match unheard.end {
            UnheardEnd::Panic(payload) => Incident::new("A task panicked, and nobody awaits it").with_panic(&payload),
            UnheardEnd::Error(text) => Incident::new("A task failed, and its error was never taken").with_detail(text),
        };
        self.report(&incident.with_location(unheard.spawned_at));
    }
}

#[cfg(test)]
mod tests {
    use crate::EventLoop;
    use std::rc::Rc;

    #[test]
    fn a_closed_loop_keeps_no_exception_handler() {
        let event_loop = EventLoop::new().expect("there are descriptors");
        let handle = event_loop.handle();
        let kept = Rc::new(());
        let set = |event_loop: &crate::LoopHandle| {
            let kept = Rc::clone(&kept);
            event_loop.set_exception_handler(move |_| drop(Rc::clone(&kept)));
        };
        set(&handle);
        assert_eq!(Rc::strong_count(&kept), 2);
        drop(event_loop);
        assert_eq!(Rc::strong_count(&kept), 1);
        set(&handle);
        assert_eq!(Rc::strong_count(&kept), 1);
    }
}
