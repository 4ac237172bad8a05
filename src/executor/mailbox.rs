//! The way in from other threads. Only this, and what wraps it, is `Send`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::executor::waker::TaskWaker;
use crate::reactor::Bell;

/// What another thread wants of the loop.
pub(crate) enum Letter {
    /// Wake a task.
    Wake(Arc<TaskWaker>),
    /// Run a closure in a turn.
    Call(Box<dyn FnOnce() + Send>),
}

pub(crate) struct Mailbox {
    /// True from the first letter after a collection on, so that the loop need not lock to find the box empty and
    /// the bell rings once for many letters. Changed under the lock only.
    full: AtomicBool,
    content: Mutex<Content>,
}

struct Content {
    letters: Vec<Letter>,
    /// `None` once the loop is closed: the bell's descriptor must not live as long as the last waker.
    bell: Option<Box<dyn Bell>>,
}

impl Mailbox {
    pub(crate) fn new(bell: Box<dyn Bell>) -> Self {
        let content = Content { letters: Vec::new(), bell: Some(bell) };
        Mailbox { full: AtomicBool::new(false), content: Mutex::new(content) }
    }

    /// Leaves a letter and rings. Returns false, and drops the letter here, if the loop is closed.
    pub(crate) fn post(&self, letter: Letter) -> bool {
        let mut content = self.lock();
        let Content { letters, bell: Some(bell) } = &mut *content else {
            // The letter's closure is dropped outside the lock: dropping it may post again.
            drop(content);
            drop(letter);
            return false;
        };
        letters.push(letter);
        if !self.full.swap(true, Ordering::Release) {
            bell.ring();
        }
        true
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    pub(crate) fn collect(&self) -> Vec<Letter> {
        let mut content = self.lock();
        self.full.store(false, Ordering::Release);
        std::mem::take(&mut content.letters)
    }

    /// Takes no more letters, and gives back those that nobody collected.
    pub(crate) fn close(&self) -> Vec<Letter> {
        let mut content = self.lock();
        let bell = content.bell.take();
        let letters = std::mem::take(&mut content.letters);
        drop(content);
        drop(bell);
        letters
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // Nothing panics under the lock, and a vector of letters has no state to be left half changed.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
