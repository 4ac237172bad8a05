//! SIGQUIT in debug mode prints a dump of the loop to standard error, and the program goes on.
//!
//! A thread waits for the signal, so that a stuck loop is reported, too: which step it is in, and for how long.

use std::any::Any;
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use signal_hook::consts::SIGQUIT;

use crate::constants::QUIT_PATIENCE;
use crate::event_loop::{LoopHandle, RemoteHandle};
use crate::introspection::NoDump;
use crate::signals::Caught;

/// Makes the signal print a dump of this loop from now on, if it does not yet.
pub(super) fn listen(event_loop: &LoopHandle) {
    let place = &event_loop.core().at_quit;
    let listening = match place.take() {
        Some(listening) => listening,
        None => match Listening::begin(event_loop.remote()) {
            Ok(listening) => Box::new(listening) as Box<dyn Any>,
            // The dump is only an aid, so the loop runs without it.
            Err(error) => return log::warn!("SIGQUIT will print no dump: {error}"),
        },
    };
    place.set(Some(listening));
}

/// Restores the default action of the signal, unless another loop listens.
pub(super) fn ignore(event_loop: &LoopHandle) {
    drop(Cell::take(&event_loop.core().at_quit));
}

/// The thread, and what wakes it. Dropping this ends it.
struct Listening {
    /// Both are `Some` until this is dropped.
    caught: Option<Caught>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    fn begin(remote: RemoteHandle) -> io::Result<Listening> {
        let (signals, to) = UnixStream::pair()?;
        let caught = Caught::new(SIGQUIT, to)?;
        let name = "waterwheel-quit".to_owned();
        let thread = thread::Builder::new().name(name).spawn(move || print_at_each(signals, &remote))?;
        Ok(Listening { caught: Some(caught), thread: Some(thread) })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // This closes the socket, which ends the thread. The thread is joined, so that a dropped loop leaves nothing
        // behind. If the thread is waiting for a dump, it gets its answer as soon as the loop is closed.
        drop(self.caught.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn print_at_each(mut signals: UnixStream, remote: &RemoteHandle) {
    // Several signals that arrive together cause one dump.
    while matches!(signals.read(&mut [0; 64]), Ok(1..)) {
        let text = match remote.dump(QUIT_PATIENCE) {
            Ok(dump) => format!("SIGQUIT: what the event loop is doing\n{dump}"),
            Err(NoDump::Closed) => return,
            Err(stalled) => format!("SIGQUIT: {stalled}\n"),
        };
        // One call writes the whole text, so that output of other threads does not come in between.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
