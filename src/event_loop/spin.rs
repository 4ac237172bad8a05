//! Spinning: polling again and again for a while before the selector may block.

use std::io;
use std::time::Duration;

use super::Core;

impl Core {
    /// Waits for at most `timeout`. This polls without blocking for as long as `Builder::spin` says; after that the
    /// selector may block. Returns whether there are events.
    #[cold]
    pub(super) fn spin(&self, timeout: Option<Duration>) -> io::Result<bool> {
        // A clock that stands still while the loop waits returns zero here. Spinning by that clock would never end.
        let allowed = self.clock.blocking(Some(self.spin)).unwrap_or(self.spin);
        let most = timeout.map_or(allowed, |timeout| timeout.min(allowed));
        let mut spent = Duration::ZERO;
        let start = self.now();
        while spent < most {
            if self.look(Some(Duration::ZERO))? {
                return Ok(true);
            }
            spent = self.now().saturating_duration_since(start);
        }
        self.look(timeout.map(|timeout| timeout.saturating_sub(spent)))
    }
}
