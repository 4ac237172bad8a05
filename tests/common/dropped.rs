//! Tells when a value is dropped.

use crate::common::trace::Trace;

/// Writes a word to a trace when it is dropped.
pub(crate) struct Says(pub(crate) Trace, pub(crate) &'static str);

impl Drop for Says {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}
