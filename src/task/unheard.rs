//! Errors of tasks whose results were not taken, for reports.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::io;
use std::mem::discriminant;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The text of the error if a task's output is an `Err`, or the type of the output if the text is not known.
///
/// A task's output may be of any type, without any trait. But the discriminant of any value can be read, and a `Result`
/// is recognised by the name of its type. The text is known for a `Result<(), E>` with one of the most common types of
/// errors.
#[cold]
pub(super) fn error_in<T: 'static>(output: &T) -> Option<String> {
    if !is_err(output) {
        return None;
    }
    let output: &dyn Any = output;
    let texts = [
        text::<io::Error>,
        text::<Box<dyn Error>>,
        text::<Box<dyn Error + Send + Sync>>,
        text::<String>,
        text::<&'static str>,
    ];
    Some(texts.iter().find_map(|text| text(output)).unwrap_or_else(|| type_name::<T>().to_owned()))
}

fn is_err<T>(output: &T) -> bool {
    let known: Result<(), ()> = Err(());
    // All `Result` types have the same name in front of their parameters.
    let name = |of: &'static str| of.split('<').next();
    let is_result = name(type_name::<T>()) == name(type_name::<Result<(), ()>>());
    is_result && format!("{:?}", discriminant(output)) == format!("{:?}", discriminant(&known))
}

fn text<E: fmt::Display + 'static>(output: &dyn Any) -> Option<String> {
    let error = output.downcast_ref::<Result<(), E>>()?.as_ref().err()?;
    // Displaying an error runs user code.
    let shown = catch_unwind(AssertUnwindSafe(|| error.to_string()));
    Some(shown.unwrap_or_else(|_| "an error that panicked when it was displayed".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::num::NonZeroU8;

    use super::*;

    #[test]
    fn an_error_is_seen_whatever_its_type_and_layout() {
        let io: Result<(), io::Error> = Err(io::Error::other("a reason"));
        assert_eq!(error_in(&io).as_deref(), Some("a reason"));
        let boxed: Result<(), Box<dyn Error>> = Err("a boxed reason".into());
        assert_eq!(error_in(&boxed).as_deref(), Some("a boxed reason"));
        let parsed = "x".parse::<NonZeroU8>();
        assert!(error_in(&parsed).unwrap().contains("ParseIntError"), "{:?}", error_in(&parsed));
        assert!(error_in(&Err::<Infallible, _>("no text")).is_some());
        assert!(error_in(&Err::<String, Box<u8>>(Box::new(1))).is_some());
        assert!(error_in(&Err::<Box<u8>, ()>(())).is_some());
    }

    #[test]
    fn nothing_else_is_an_error() {
        assert_eq!(error_in(&Ok::<(), io::Error>(())), None);
        assert_eq!(error_in(&Ok::<Box<u8>, ()>(Box::new(1))), None);
        assert_eq!(error_in(&"7".parse::<NonZeroU8>()), None);
        assert_eq!(error_in(&Some(Err::<(), u8>(1))), None);
        assert_eq!(error_in(&()), None);
        assert_eq!(error_in(&1_u8), None);
        assert_eq!(error_in(&[Err::<(), u8>(1)]), None);
    }

    #[test]
    fn an_error_that_panics_when_it_is_shown_is_an_error_all_the_same() {
        #[derive(Debug)]
        struct Shy;
        impl fmt::Display for Shy {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("not me");
            }
        }
        impl Error for Shy {}
        let shy: Result<(), Box<dyn Error>> = Err(Box::new(Shy));
        assert_eq!(error_in(&shy).as_deref(), Some("an error that panicked when it was displayed"));
    }
}
