//! Keeping the panics of one thread from being printed, for a time.

use std::cell::Cell;
use std::panic;
use std::sync::Once;
use std::thread;

thread_local! {
    static IS_SILENT: Cell<bool> = const { Cell::new(false) };
}

/// While it exists, what panics on this thread prints nothing. Panics of other threads are printed as ever.
///
/// The first one puts a hook in front of the process's panic hook, which stays there and passes on all that it is not asked
/// to keep: taking it out again could undo what another thread has set meanwhile. A hook that the program sets later
/// replaces it, and then everything is printed.
pub(super) struct Silence(());

impl Silence {
    pub(super) fn begin() -> Silence {
        static HOOK: Once = Once::new();
        // In the middle of a panic the hook cannot be changed.
        if !thread::panicking() {
            HOOK.call_once(|| {
                let print = panic::take_hook();
                panic::set_hook(Box::new(move |panic| {
                    if !IS_SILENT.get() {
                        print(panic);
                    }
                }));
            });
        }
        IS_SILENT.set(true);
        Silence(())
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        IS_SILENT.set(false);
    }
}
