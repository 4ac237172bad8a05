//! The mailbox: other threads send letters to the loop through it.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use crate::constants::SPARE_ENTRIES;
use crate::executor::waker::TaskWaker;
use crate::handle::RemoteCall;
use crate::reactor::Bell;
use crate::report;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// A request from another thread to the loop.
pub(crate) enum Letter {
    /// Wake a task.
    Wake(Arc<TaskWaker>),
    /// Run a closure in a turn.
    Call(RemoteCall),
}

pub(crate) struct Mailbox {
    /// Whether there are letters, so that the loop can see that there are none without locking. It is changed under the
    /// lock only.
    has_letters: AtomicBool,
    content: Mutex<Content>,
}

struct Content {
    letters: VecDeque<Letter>,
    /// Whether the bell is being rung or was rung for the letters in here, so that it rings once for many of them. If
    /// ringing failed, the next letter tries again.
    rung: bool,
    /// `None` once the loop is closed, since the last waker must not keep the bell's descriptor open. A thread that is
    /// about to ring holds a reference for that long.
    bell: Option<Arc<dyn Bell>>,
}

impl Mailbox {
    pub(crate) fn new(bell: Box<dyn Bell>) -> Self {
        let content = Content { letters: VecDeque::new(), rung: false, bell: Some(Arc::from(bell)) };
        Mailbox { has_letters: AtomicBool::new(false), content: Mutex::new(content) }
    }

    /// Adds a letter and rings the bell. If the loop is closed, this drops the letter and returns false.
    pub(crate) fn post(&self, letter: Letter) -> bool {
        let mut content = self.lock();
        // User code must run outside the lock, since it may post again. Here it is the drop of the letter's closure,
        // and in `ring` the logger.
        let Some(bell) = content.bell.clone() else {
            drop(content);
            drop(letter);
            return false;
        };
        content.letters.push_back(letter);
        self.has_letters.store(true, Ordering::Release);
        let was_rung = std::mem::replace(&mut content.rung, true);
        drop(content);
        if !was_rung {
            self.ring(&*bell);
        }
        true
    }

    /// Rings outside the lock: the loop may run before this returns, and would then have to wait for the lock.
    fn ring(&self, bell: &dyn Bell) {
        if let Err(error) = bell.ring() {
            self.lock().rung = false;
            report::error(format_args!("The event loop could not be woken: {error}"));
        }
    }

    #[inline]
    pub(crate) fn has_letters(&self) -> bool {
        self.has_letters.load(Ordering::Acquire)
    }

    /// Takes out the first letters, at most this many. The loop checks for more before it sleeps.
    pub(crate) fn take_letters(&self, most: usize) -> Vec<Letter> {
        let mut content = self.lock();
        let count = content.letters.len().min(most);
        let collected = content.letters.drain(..count).collect();
        if content.letters.is_empty() {
            content.rung = false;
            self.has_letters.store(false, Ordering::Release);
            if content.letters.capacity() > SPARE_ENTRIES {
                content.letters = VecDeque::new();
            }
        }
        collected
    }

    /// Closes the mailbox and returns the letters that were not taken.
    pub(crate) fn close(&self) -> VecDeque<Letter> {
        let mut content = self.lock();
        let bell = content.bell.take();
        let letters = std::mem::take(&mut content.letters);
        drop(content);
        drop(bell);
        letters
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // Nothing panics under the lock, so it is not poisoned.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
