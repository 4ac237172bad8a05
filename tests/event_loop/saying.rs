//! Callbacks that say a word.

use crate::common::trace::Trace;

impl Trace {
    /// A callback that says a word.
    pub(crate) fn saying(&self, word: &'static str) -> impl FnOnce() + 'static {
        let trace = self.clone();
        move || trace.say(word)
    }
}
