//! Callbacks that write a word to a trace.

use crate::common::trace::Trace;

impl Trace {
    /// A callback that writes a word to this trace.
    pub(crate) fn saying(&self, word: &'static str) -> impl FnOnce() + 'static {
        let trace = self.clone();
        move || trace.say(word)
    }
}
