//! The way in from other threads. Only this, and what wraps it, is `Send`.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::constants::SPARE_ENTRIES;
use crate::executor::waker::TaskWaker;
use crate::handle::RemoteCall;
use crate::reactor::Bell;
use crate::report;

/// What another thread wants of the loop.
pub(crate) enum Letter {
    /// Wake a task.
    Wake(Arc<TaskWaker>),
    /// Run a closure in a turn.
    Call(RemoteCall),
}

pub(crate) struct Mailbox {
    /// Whether there are letters, so that the loop need not lock to find the box empty. Changed under the lock only.
    full: AtomicBool,
    content: Mutex<Content>,
}

struct Content {
    letters: VecDeque<Letter>,
    /// The bell has rung for the letters that are in the box, so that it rings once for many. One that could not ring
    /// is tried again with the next letter.
    rung: bool,
    /// `None` once the loop is closed: the bell's descriptor must not live as long as the last waker.
    bell: Option<Box<dyn Bell>>,
}

impl Mailbox {
    pub(crate) fn new(bell: Box<dyn Bell>) -> Self {
        let content = Content { letters: VecDeque::new(), rung: false, bell: Some(bell) };
        Mailbox { full: AtomicBool::new(false), content: Mutex::new(content) }
    }

    /// Leaves a letter and rings. Returns false, and drops the letter here, if the loop is closed.
    pub(crate) fn post(&self, letter: Letter) -> bool {
        let mut content = self.lock();
        // What is the user's runs outside of the lock, for it may post again: here the drop of the letter's closure, and
        // below the logger.
        if content.bell.is_none() {
            drop(content);
            drop(letter);
            return false;
        }
        content.letters.push_back(letter);
        self.full.store(true, Ordering::Release);
        let rang = content.ring();
        drop(content);
        if let Err(error) = rang {
            report::error(format_args!("The event loop could not be woken: {error}"));
        }
        true
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Takes out the first letters, at most so many. If some are left the box stays full, which the loop asks before
    /// it sleeps.
    pub(crate) fn collect(&self, most: usize) -> Vec<Letter> {
        let mut content = self.lock();
        let count = content.letters.len().min(most);
        let collected = content.letters.drain(..count).collect();
        if content.letters.is_empty() {
            content.rung = false;
            self.full.store(false, Ordering::Release);
            if content.letters.capacity() > SPARE_ENTRIES {
                content.letters = VecDeque::new();
            }
        }
        collected
    }

    /// Takes no more letters, and gives back those that nobody collected.
    pub(crate) fn close(&self) -> VecDeque<Letter> {
        let mut content = self.lock();
        let bell = content.bell.take();
        let letters = std::mem::take(&mut content.letters);
        drop(content);
        drop(bell);
        letters
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // Nothing panics under the lock, and a queue of letters has no state to be left half changed.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// Rings, if nobody has yet for what is in the box.
    fn ring(&mut self) -> io::Result<()> {
        if let (false, Some(bell)) = (self.rung, &self.bell) {
            bell.ring()?;
            self.rung = true;
        }
        Ok(())
    }
}
