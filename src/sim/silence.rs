//! Suppressing the panic messages of one thread for a time.

use std::cell::Cell;
use std::panic;
use std::sync::Once;
use std::thread;

thread_local! {
    static IS_SILENT: Cell<bool> = const { Cell::new(false) };
}

/// While this exists, panics on this thread print nothing. Panics of other threads are printed as usual.
///
/// The first one installs a panic hook that wraps the hook of the process and stays there, since removing it could
/// undo a change by another thread. It passes on every panic that is not to be suppressed. A hook that the program
/// sets later replaces it, and then everything is printed.
pub(super) struct Silence(());

impl Silence {
    pub(super) fn begin() -> Silence {
        static HOOK: Once = Once::new();
        // The hook cannot be changed while a panic unwinds.
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
