//! Reading up to a separator.

use std::future::Future;
use std::io;
use std::panic::Location;

use super::{StreamReader, append};
use crate::errors::ReadError;
use crate::executor::{Reason, operation};
use crate::streams::separators::{Match, NO_SEPARATOR, Search, Separators};

/// Why a search for a separator found none.
enum Miss {
    /// The stream ended. The remaining bytes are in the hand.
    Eof,
    /// There is none within the limit.
    Overrun {
        consumed: usize,
    },
    Failed(ReadError),
}

impl StreamReader {
    /// Reads up to and including a separator, or the first of several.
    ///
    /// # Errors
    ///
    /// [`ReadError::LimitOverrun`] if more bytes than the limit come before the separator, or have come without one:
    /// they stay in the reader. [`ReadError::IncompleteRead`], with the bytes received so far, if the stream ends
    /// first. [`ReadError::Io`] if the connection failed first, or if no separator or an empty one is given.
    #[track_caller]
    pub fn readuntil(&mut self, separator: impl Separators) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let limit = self.protocol.limit();
        self.readuntil_within(separator, limit)
    }

    /// Reads as [`readuntil`](StreamReader::readuntil) does, with a limit for this piece only, which may exceed the
    /// reader's own.
    ///
    /// # Errors
    ///
    /// The same as [`readuntil`](StreamReader::readuntil).
    #[track_caller]
    pub fn readuntil_within(
        &mut self,
        separator: impl Separators,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let at = Location::caller();
        async move {
            let end = self.separator_end(separator, limit, at).await?;
            Ok(self.take(end))
        }
    }

    /// Reads as [`readuntil`](StreamReader::readuntil) does, and appends to `to`: reusing a `Vec` saves the allocation.
    /// Returns how many bytes were appended.
    ///
    /// # Errors
    ///
    /// The same as [`readuntil`](StreamReader::readuntil); nothing is appended then.
    #[track_caller]
    pub fn readuntil_into(
        &mut self,
        separator: impl Separators,
        to: &mut Vec<u8>,
    ) -> impl Future<Output = Result<usize, ReadError>> {
        let at = Location::caller();
        async move {
            let end = self.separator_end(separator, self.protocol.limit(), at).await?;
            Ok(self.take_with(end, |bytes| append(to, bytes)))
        }
    }

    async fn separator_end(
        &mut self,
        separator: impl Separators,
        limit: usize,
        at: &'static Location<'static>,
    ) -> Result<usize, ReadError> {
        operation().await;
        match self.search(separator, limit, at).await {
            Ok(found) => Ok(found.end),
            Err(Miss::Eof) => Err(self.incomplete(None)),
            Err(Miss::Overrun { consumed }) => Err(ReadError::LimitOverrun { consumed }),
            Err(Miss::Failed(error)) => Err(error),
        }
    }

    /// Waits for a separator. Bytes that were already searched are not searched again when more arrive.
    async fn search(
        &mut self,
        separators: impl Separators,
        limit: usize,
        at: &'static Location<'static>,
    ) -> Result<Match, Miss> {
        let Some(mut search) = Search::new(&separators) else {
            return Err(Miss::Failed(io::Error::new(io::ErrorKind::InvalidInput, NO_SEPARATOR).into()));
        };
        loop {
            if let Some(found) = search.find(self.hand.filled()) {
                if found.start > limit {
                    return Err(Miss::Overrun { consumed: found.start });
                }
                return Ok(found);
            }
            // The limit is checked when all received bytes were searched, so that a piece that is too long can be
            // skipped as a whole.
            if self.take_what_came() {
                continue;
            }
            let consumed = search.searched(self.hand.len());
            if consumed > limit {
                return Err(Miss::Overrun { consumed });
            }
            let reason = Reason::read_until(search.shown(), at);
            match self.more(reason).await {
                Ok(true) => {}
                Ok(false) => return Err(Miss::Eof),
                Err(error) => return Err(Miss::Failed(error.into())),
            }
        }
    }
}
