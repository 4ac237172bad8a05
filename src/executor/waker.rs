//! The waker of a task: the one part of it that may be anywhere, at any time.
//!
//! A [`std::task::Waker`] must be `Send`, and our tasks are not. So it holds what is: the loop's mailbox and the
//! number of the task's seat.
//!
//! Most tasks never need one of their own, since the futures of this crate remember the task itself. So the loop
//! [lends](LentWaker) the same waker to one poll after the other, until a future keeps a clone of it. It is the waker
//! of that task from then on, and of every later task that sits there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::task::{Wake, Waker};

use crate::executor::running;
use crate::executor::{Letter, Mailbox, NO_SEAT, of_this_thread};

pub(crate) struct TaskWaker {
    mailbox: Arc<Mailbox>,
    /// Written only while nobody but the loop has this waker.
    seat: AtomicU32,
    /// A letter of this waker is on its way, so another would say the same: a thread that wakes without pause fills
    /// the mailbox with one letter.
    posted: AtomicBool,
}

impl TaskWaker {
    /// The loop has the letter: wakes from now on need another.
    ///
    /// The flag is read, too, and not only written: so all that was done before a wake that posted no letter is seen by
    /// the step that this one leads to. It could be missed otherwise, and nobody would wake the task for it again.
    pub(crate) fn delivered(&self) -> u32 {
        self.posted.swap(false, Ordering::AcqRel);
        self.seat()
    }

    #[inline]
    fn seat(&self) -> u32 {
        self.seat.load(Ordering::Relaxed)
    }

    /// Wakes from where the loop does not run: between two runs, or from another thread.
    #[cold]
    fn wake_from_outside(self: &Arc<Self>) {
        if let Some(executor) = of_this_thread(&self.mailbox) {
            executor.wake_seat(self.seat());
        } else if !self.posted.swap(true, Ordering::AcqRel) {
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
                executor.wake_seat(self.seat());
            }
            own
        });
        if on_own_loop != Some(true) {
            self.wake_from_outside();
        }
    }
}

/// A waker that no task has yet.
pub(crate) struct LentWaker {
    task_waker: Arc<TaskWaker>,
    /// The same, as futures see it.
    waker: Waker,
}

impl LentWaker {
    pub(crate) fn new(mailbox: &Arc<Mailbox>) -> Self {
        let task_waker = Arc::new(TaskWaker {
            mailbox: Arc::clone(mailbox),
            seat: AtomicU32::new(NO_SEAT),
            posted: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&task_waker));
        LentWaker { task_waker, waker }
    }

    /// The waker, for one poll of the task in this seat.
    #[inline]
    pub(super) fn to(&self, seat: u32) -> &Waker {
        self.task_waker.seat.store(seat, Ordering::Relaxed);
        &self.waker
    }

    /// Whether a clone of it is around, besides our own two.
    #[inline]
    pub(super) fn is_kept(&self) -> bool {
        let kept = Arc::strong_count(&self.task_waker) > 2;
        // Whatever another thread did with a clone that is gone by now comes before the next seat is written.
        fence(Ordering::Acquire);
        kept
    }

    /// The waker, for a task to keep. Another one is lent from then on.
    #[cold]
    pub(super) fn give_away(&mut self) -> Waker {
        let next = LentWaker::new(&self.task_waker.mailbox);
        std::mem::replace(self, next).waker
    }
}
