//! A host name whose addresses could not be found out, and whether it is worth trying again.

use std::error::Error;
use std::fmt;
use std::io;

use dns_lookup::{LookupError, LookupErrorKind};

use crate::errors::find_in;

/// The system's look-up (`getaddrinfo`) gave no address of a host. It is inside the `io::Error` that reports it; take
/// it out with [`LookUpError::of`].
///
/// The `io::Error` has a kind that goes by the [`kind`](LookUpError::kind) here.
///
/// ```
/// use std::io::ErrorKind;
/// use waterwheel::{LookUpError, LookUpErrorKind, open_connection};
///
/// # waterwheel::run(async {
/// # const AI_NUMERICHOST: i32 = 4;
/// let connecting = open_connection(("nowhere.invalid", 80));
/// # let connecting = connecting.flags(AI_NUMERICHOST); // No test asks a name server.
/// let error = connecting.await.unwrap_err();
/// match LookUpError::of(&error).map(LookUpError::kind) {
///     Some(LookUpErrorKind::NoSuchName) => assert_eq!(error.kind(), ErrorKind::NotFound),
///     Some(LookUpErrorKind::TryAgain) => println!("in a moment, perhaps: {error}"),
///     _ => println!("something else: {error}"),
/// }
/// # });
/// ```
#[doc(alias = "gaierror")]
pub struct LookUpError {
    host: String,
    kind: LookUpErrorKind,
    /// The system's own words.
    cause: io::Error,
}

/// What a [`LookUpError`] means for whoever wants to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookUpErrorKind {
    /// There is no such name, or it has no address. The `io::Error` is `NotFound`.
    #[doc(alias = "EAI_NONAME")]
    #[doc(alias = "EAI_NODATA")]
    NoSuchName,
    /// It could not be found out now: no name server was reached, or it had no answer in time. Later it may be. The
    /// `io::Error` is `TimedOut`, the kind of those that programs try again.
    #[doc(alias = "EAI_AGAIN")]
    TryAgain,
    /// The look-up failed otherwise: the name servers refuse it for good, the flags or the protocol number are wrong,
    /// or the system is out of something. The `io::Error` has the kind of the system's error, if it gave one.
    Other,
}

impl LookUpError {
    pub(crate) fn new(host: &str, error: LookupError) -> Self {
        let kind = match error.kind() {
            LookupErrorKind::NoName | LookupErrorKind::NoData => LookUpErrorKind::NoSuchName,
            LookupErrorKind::Again => LookUpErrorKind::TryAgain,
            _ => LookUpErrorKind::Other,
        };
        LookUpError { host: host.to_owned(), kind, cause: error.into() }
    }

    /// The name that was looked up.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it means.
    pub fn kind(&self) -> LookUpErrorKind {
        self.kind
    }

    /// The failed look-up in `error`, if there is one in it, however deep.
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a LookUpError> {
        find_in(error)
    }
}

impl fmt::Debug for LookUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LookUpError({:?}: {self})", self.kind)
    }
}

impl fmt::Display for LookUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LookUpError { host, kind, cause } = self;
        match kind {
            LookUpErrorKind::NoSuchName => write!(f, "the name {host:?} was not found: {cause}"),
            LookUpErrorKind::TryAgain => write!(f, "the name {host:?} could not be looked up for now: {cause}"),
            LookUpErrorKind::Other => write!(f, "the name {host:?} could not be looked up: {cause}"),
        }
    }
}

impl Error for LookUpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl From<LookUpError> for io::Error {
    fn from(error: LookUpError) -> Self {
        let kind = match error.kind {
            LookUpErrorKind::NoSuchName => io::ErrorKind::NotFound,
            LookUpErrorKind::TryAgain => io::ErrorKind::TimedOut,
            LookUpErrorKind::Other => error.cause.kind(),
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `getaddrinfo` answers where nothing answers a name server's port; it cannot be had without one.
    const EAI_AGAIN: i32 = if cfg!(target_os = "linux") { -3 } else { 2 };

    #[test]
    fn a_name_that_may_be_found_later_is_told_from_one_that_is_none() {
        let error = io::Error::from(LookUpError::new("some.host", LookupError::new(EAI_AGAIN)));
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().starts_with("the name \"some.host\" could not be looked up for now: "), "{error}");
        let inner = LookUpError::of(&error).unwrap();
        assert_eq!((inner.host(), inner.kind()), ("some.host", LookUpErrorKind::TryAgain));
        assert!(format!("{error:?}").contains(&error.to_string()), "{error:?}");
    }

    #[test]
    fn a_failure_of_the_system_keeps_its_kind() {
        let system = LookupError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        let error = io::Error::from(LookUpError::new("some.host", system));
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(LookUpError::of(&error).map(LookUpError::kind), Some(LookUpErrorKind::Other));
    }
}
