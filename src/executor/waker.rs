//! The waker of a task: the one part of it that may be anywhere, at any time.
//!
//! A [`std::task::Waker`] must be `Send`, and our tasks are not. So it holds what is: the loop's mailbox and the
//! number of the task's seat. It is made once for a seat and serves every task that sits there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use crate::executor::running;
use crate::executor::{Letter, Mailbox};

pub(crate) struct TaskWaker {
    mailbox: Arc<Mailbox>,
    seat: u32,
    /// A letter of this waker is on its way, so another would say the same: a thread that wakes without pause fills
    /// the mailbox with one letter.
    posted: AtomicBool,
}

impl TaskWaker {
    pub(super) fn new(mailbox: &Arc<Mailbox>, seat: usize) -> Arc<Self> {
        let seat = u32::try_from(seat).expect("fewer than 2^32 tasks");
        Arc::new(TaskWaker { mailbox: Arc::clone(mailbox), seat, posted: AtomicBool::new(false) })
    }

    /// The loop has the letter: wakes from now on need another.
    pub(crate) fn delivered(&self) -> usize {
        self.posted.store(false, Ordering::Release);
        self.seat as usize
    }
}

impl TaskWaker {
    /// Wakes from where the loop does not run: from another thread, or between two runs.
    #[cold]
    fn post(self: &Arc<Self>) {
        if !self.posted.swap(true, Ordering::AcqRel) {
            self.mailbox.post(Letter::Wake(Arc::clone(self)));
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        let on_own_loop = running::with(|executor| {
            let own = Arc::ptr_eq(&executor.mailbox, &self.mailbox);
            if own {
                executor.wake_seat(self.seat as usize);
            }
            own
        });
        if on_own_loop != Some(true) {
            self.post();
        }
    }
}
