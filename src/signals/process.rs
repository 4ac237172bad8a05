//! What the whole process does with a signal: the signal goes to all listeners, and if there are none, its default
//! action happens.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;
use signal_hook::flag::{register_conditional_default, register_conditional_shutdown};
use signal_hook::low_level::{pipe, signal_name, unregister};

/// The signals that ever had a listener. signal-hook keeps its handler for these, so the default action has to be
/// emulated when there are no listeners any more.
static CAUGHT: Mutex<BTreeMap<i32, DefaultAction>> = Mutex::new(BTreeMap::new());

/// The default action of one signal.
struct DefaultAction {
    /// How many listeners there are.
    listeners: usize,
    /// signal-hook's handler reads this flag. Invariant, while the table is not locked: it is true exactly if
    /// `listeners` is zero.
    happens: Arc<AtomicBool>,
}

/// Until this is dropped, each delivery of the signal writes a byte into a socket.
pub(crate) struct Caught {
    signal: i32,
    id: SigId,
}

impl Caught {
    /// Makes each delivery of the signal write a byte into `to`, as long as there is space.
    ///
    /// No signal is lost meanwhile: a signal that arrives before this returns has its default action, is written, or
    /// both.
    pub(crate) fn new(signal: i32, to: UnixStream) -> io::Result<Caught> {
        if FORBIDDEN.contains(&signal) {
            let text = format!("signal {signal} cannot be caught");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let mut table = table();
        // The default action is registered before the socket, and signal-hook runs its actions in this order.
        // Otherwise a signal that was written could still end the process, if its listener reads it and is dropped
        // before signal-hook's handler returns.
        let action = match table.entry(signal) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let happens = emulate_default(signal).map_err(|error| name_fault(signal, error))?;
                entry.insert(DefaultAction { listeners: 0, happens })
            }
        };
        let id = pipe::register(signal, to)?;
        action.listeners += 1;
        action.happens.store(false, Ordering::SeqCst);
        Ok(Caught { signal, id })
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        let mut table = table();
        if let Some(action) = table.get_mut(&self.signal) {
            action.listeners -= 1;
            action.happens.store(action.listeners == 0, Ordering::SeqCst);
        }
        // Unregistered only now that the default action is restored, so that no signal is lost in between. This
        // closes the socket.
        unregister(self.id);
    }
}

/// Makes the default action happen while the flag is set.
fn emulate_default(signal: i32) -> io::Result<Arc<AtomicBool>> {
    let happens = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&happens);
    match signal_name(signal) {
        Some(_) => register_conditional_default(signal, flag)?,
        // This is a signal that signal-hook does not know, such as a real-time signal. Its default action is to end
        // the process.
        None => register_conditional_shutdown(signal, signal.saturating_add(128), flag)?,
    };
    Ok(happens)
}

fn name_fault(signal: i32, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::InvalidInput {
        return error;
    }
    io::Error::new(io::ErrorKind::InvalidInput, format!("there is no signal {signal}"))
}

fn table() -> MutexGuard<'static, BTreeMap<i32, DefaultAction>> {
    CAUGHT.lock().unwrap_or_else(PoisonError::into_inner)
}
