//! How many bytes are written or sent.

use arbitrary::Arbitrary;

/// A number of bytes: mostly few, and at times more than the crate's own sizes, or several records of TLS.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) struct Size(u8);

impl Size {
    pub(crate) fn get(self) -> usize {
        usize::from(self.0).pow(3) / 160
    }
}
