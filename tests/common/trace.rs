//! What happened in a test, as a list of words.

use std::cell::RefCell;
use std::rc::Rc;

use waterwheel::{Incident, get_running_loop};

/// Words, in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub(crate) fn say(&self, word: impl Into<String>) {
        self.0.borrow_mut().push(word.into());
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    /// Collects the incidents of the running loop, each by its message and the text of its panic or error.
    pub(crate) fn of_incidents() -> Trace {
        let trace = Trace::default();
        let heard = trace.clone();
        get_running_loop().set_debug(false); // The speed of the machine does not matter here.
        get_running_loop().set_exception_handler(move |incident: &Incident| {
            let text = incident.panic().map(str::to_owned).or(incident.error().map(ToString::to_string));
            heard.say(text.unwrap_or_else(|| incident.message().to_owned()));
        });
        trace
    }
}
