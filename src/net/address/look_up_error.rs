//! A name that could not be looked up, and whether it is worth trying again.

use std::error::Error;
use std::fmt;
use std::io;

use crate::errors::find_in;

/// The look-up of a host's name (`getaddrinfo`) found no address. It is inside the `io::Error` that reports it; take
/// it out with [`LookUpError::of`].
///
/// The kind of the `io::Error` follows from the [`kind`](LookUpError::kind) here.
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
/// let look_up = LookUpError::of(&error).expect("the name was not found");
/// match look_up.kind() {
///     LookUpErrorKind::NoSuchName => assert_eq!(error.kind(), ErrorKind::NotFound),
///     LookUpErrorKind::TryAgain => println!("{} is looked up again in a moment", look_up.host()),
///     _ => println!("something else: {error}"),
/// }
/// assert_eq!(look_up.host(), "nowhere.invalid");
/// # });
/// ```
#[doc(alias = "gaierror")]
pub struct LookUpError {
    host: String,
    kind: LookUpErrorKind,
    /// The system's error.
    cause: io::Error,
}

/// What a [`LookUpError`] means for an attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookUpErrorKind {
    /// There is no such name, or it has no address. The `io::Error` is `NotFound`.
    #[doc(alias = "EAI_NONAME")]
    #[doc(alias = "EAI_NODATA")]
    NoSuchName,
    /// No name server could be reached, or none answered in time, so trying again later may help. The `io::Error` is
    /// `TimedOut`, like other errors after which programs try again.
    #[doc(alias = "EAI_AGAIN")]
    TryAgain,
    /// The look-up failed in another way: the name servers refuse it, the flags or the protocol number are wrong, or
    /// the system has run out of something. The `io::Error` has the kind of the system's error, if there is one.
    Other,
}

impl LookUpError {
    /// The error of a [`Network`](crate::network::Network) that did not find a host.
    pub fn new(host: &str, kind: LookUpErrorKind, cause: io::Error) -> Self {
        LookUpError { host: host.to_owned(), kind, cause }
    }

    /// The name that was looked up.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What the failure means.
    pub fn kind(&self) -> LookUpErrorKind {
        self.kind
    }

    /// Finds the failed look-up in `error` or in one of its sources.
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
