//! A value that comes later: a callback sets it, and a coroutine awaits it.

use std::cell::OnceCell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::executor::{Awaited, Reason, Waiters};

/// A value that comes later. A clone is the same promise. It can be set once, through any clone, and any number of
/// tasks may await it; each gets a clone of the value.
///
/// A promise connects callbacks to coroutines: a callback sets it, and a coroutine awaits it.
///
/// ```
/// use waterwheel::{Promise, get_running_loop};
///
/// let answer = waterwheel::run(async {
///     let promise = Promise::new();
///     let setter = promise.clone();
///     get_running_loop().call_soon(move || {
///         setter.set(42).unwrap();
///     });
///     promise.wait().await
/// });
/// assert_eq!(answer, 42);
/// ```
#[doc(alias = "Future")]
#[doc(alias = "create_future")]
pub struct Promise<T> {
    state: Rc<State<T>>,
}

struct State<T> {
    value: OnceCell<T>,
    waiters: Waiters,
}

impl<T> Promise<T> {
    /// A promise without a value.
    pub fn new() -> Self {
        Promise { state: Rc::new(State { value: OnceCell::new(), waiters: Waiters::default() }) }
    }

    /// Sets the value. Waiting tasks run in the next turn, never inside this call.
    ///
    /// # Errors
    ///
    /// Returns `value` as the error if the promise was already set.
    #[doc(alias = "set_result")]
    pub fn set(&self, value: T) -> Result<(), T> {
        self.state.value.set(value)?;
        self.state.waiters.wake_all();
        Ok(())
    }

    /// Whether the promise was set.
    #[doc(alias = "done")]
    pub fn is_set(&self) -> bool {
        self.state.value.get().is_some()
    }

    /// The value, if the promise was set.
    #[doc(alias = "result")]
    pub fn get(&self) -> Option<&T> {
        self.state.value.get()
    }
}

impl<T: Clone> Promise<T> {
    /// Waits for the value.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing and does not affect other waiting tasks.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = T> {
        let reason = Reason::new(Awaited::Promise, Location::caller());
        self.state.waiters.wait(reason, || self.get().cloned())
    }
}

impl<T> Clone for Promise<T> {
    fn clone(&self) -> Self {
        Promise { state: Rc::clone(&self.state) }
    }
}

impl<T> Default for Promise<T> {
    fn default() -> Self {
        Promise::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Promise").field(&self.get()).finish()
    }
}
