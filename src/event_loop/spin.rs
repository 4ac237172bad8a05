//! Spinning: looking again and again for a while, before the selector may block.

use std::io;
use std::time::Duration;

use super::Core;

impl Core {
    /// Waits for at most `timeout`. For as long as the builder said the selector is only asked what has come, and the
    /// rest of the time it may block. Returns whether anything came.
    #[cold]
    pub(super) fn spin(&self, timeout: Option<Duration>) -> io::Result<bool> {
        // By a clock that stands while the loop waits, spinning would never end: it says that it does not wait at all.
        let allowed = self.clock.blocking(Some(self.spin)).unwrap_or(self.spin);
        let most = timeout.map_or(allowed, |timeout| timeout.min(allowed));
        let mut spent = Duration::ZERO;
        let start = self.now();
        while spent < most {
            if self.reactor.wait(Some(Duration::ZERO))? {
                return Ok(true);
            }
            spent = self.now().saturating_duration_since(start);
        }
        self.reactor.wait(timeout.map(|timeout| timeout.saturating_sub(spent)))
    }
}
