//! How many bytes are written or sent.

use arbitrary::Arbitrary;

/// A number of bytes: usually small, and sometimes more than the crate's own buffers or several TLS records.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) struct Size(u8);

impl Size {
    pub(crate) fn get(self) -> usize {
        usize::from(self.0).pow(3) / 160
    }
}
