//! Children whose loop was closed before they had ended.
//!
//! How they end no longer matters, but they have to be waited for, or they stay zombies for as long as this process
//! lives. A thread with a loop of its own does that. It runs while there are orphans.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::SIGCHLD;

use crate::event_loop::{EventLoop, get_running_loop};
use crate::net::process::running::Running;
use crate::signals::Signals;

static ORPHANS: Mutex<Orphans> = Mutex::new(Orphans { children: Vec::new(), are_watched: false });

struct Orphans {
    children: Vec<Arc<Running>>,
    /// Whether the thread runs. The thread clears this under the lock, so no child is left to a thread that is about
    /// to end.
    are_watched: bool,
}

/// Waits for the child in the background.
pub(super) fn adopt(child: Arc<Running>) {
    let mut orphans = lock();
    // Checked under the lock, so that the thread sees each end that comes later.
    if child.ended().is_some() {
        return;
    }
    orphans.children.push(child);
    if !orphans.are_watched {
        let started = thread::Builder::new().name("waterwheel-orphans".to_owned()).spawn(watch);
        orphans.are_watched = started.is_ok();
    }
}

fn watch() {
    let outcome = EventLoop::new().and_then(|mut event_loop| event_loop.run(until_none_is_left()));
    if let Err(error) = outcome {
        log::warn!("nobody waits for the children of loops that were closed: {error}");
        // The next orphan brings another attempt.
        lock().are_watched = false;
    }
}

async fn until_none_is_left() -> io::Result<()> {
    let mut ends = Signals::of(&get_running_loop(), &[SIGCHLD])?;
    while !look() {
        ends.next().await;
    }
    Ok(())
}

/// Waits for the children that have ended. Returns whether none is left; then the thread ends.
fn look() -> bool {
    let mut orphans = lock();
    orphans.children.retain(|child| child.ended().is_none());
    orphans.are_watched = !orphans.children.is_empty();
    !orphans.are_watched
}

/// Nothing panics under this lock.
fn lock() -> MutexGuard<'static, Orphans> {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}
