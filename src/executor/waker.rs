//! The waker of a task, which any thread may hold for as long as it likes.
//!
//! A [`std::task::Waker`] must be `Send`, and our tasks are not. So it has the loop's mailbox and the number of the
//! task's seat.
//!
//! Most tasks never need a waker of their own, since the futures of this crate remember the task itself. So the loop
//! [lends](LentWaker) the same waker to one poll after the other, until a future keeps a clone of it. From then on it
//! is the waker of that task, and of every later task with the same seat.

use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::executor::current;
use crate::executor::{Letter, Mailbox, NO_SEAT, of_this_thread};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

pub(crate) struct TaskWaker {
    mailbox: Arc<Mailbox>,
    /// It is written only while no one but the loop has a reference to this waker.
    seat: AtomicU32,
    /// Whether a letter of this waker is in the mailbox. Then no other is posted, so a thread that wakes again and
    /// again adds one letter only.
    posted: AtomicBool,
}

impl TaskWaker {
    /// The loop has taken the letter, so the next wake posts another.
    ///
    /// The flag is swapped and not just stored: a wake that finds the flag set posts no letter, and reading the flag
    /// here lets the task's next step see everything that was done before that wake. Otherwise the step could miss it,
    /// and nothing would wake the task again.
    pub(crate) fn delivered(&self) -> u32 {
        self.posted.swap(false, Ordering::AcqRel);
        self.seat()
    }

    #[inline]
    fn seat(&self) -> u32 {
        self.seat.load(Ordering::Relaxed)
    }

    /// Wakes a task whose loop is not running on this thread: it is between two runs, or belongs to another thread.
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
        let on_own_loop = current::with(|executor| {
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

/// A waker that no task has kept yet.
pub(crate) struct LentWaker {
    task_waker: Arc<TaskWaker>,
    /// The same waker, in the form that futures get.
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

    /// Whether a future has kept a clone, in addition to the two references here.
    #[inline]
    pub(super) fn is_kept(&self) -> bool {
        let kept = Arc::strong_count(&self.task_waker) > 2;
        // If another thread had a clone and dropped it, its uses of the clone happen before the next seat is written.
        fence(Ordering::Acquire);
        kept
    }

    /// Returns the waker for a task to keep. From now on another one is lent.
    #[cold]
    pub(super) fn give_away(&mut self) -> Waker {
        let next = LentWaker::new(&self.task_waker.mailbox);
        std::mem::replace(self, next).waker
    }
}
