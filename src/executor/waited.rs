//! Things that tasks wait for and that can describe their state for reports: the streams of a loop.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::executor::reason::Reason;
use crate::slots::Slots;

/// Something that tasks wait for.
pub(crate) trait Waited {
    /// Why the task of this seat reads here, if its last step, `step`, began to.
    fn reading(&self, seat: u32, step: u64) -> Option<Reason>;

    /// Whether the task of this seat waits for something else here.
    fn is_awaited_by(&self, seat: u32) -> bool;

    /// Whether the writer is paused, with more bytes than the high mark allows, and still has an owner who should drain
    /// it.
    fn is_over_high_mark(&self) -> bool;

    /// Whether a task waits until the writer may go on, or until the connection is lost.
    fn is_drained(&self) -> bool;

    /// Whether a task has waited like this since the writer was told to pause, even if it has given up.
    fn was_drained(&self) -> bool;

    /// The state of the reader, and that of the writer, as text.
    fn describe(&self) -> (String, String);
}

/// All the streams of one loop.
#[derive(Default)]
pub(crate) struct AllWaited(RefCell<Slots<Weak<dyn Waited>>>);

impl AllWaited {
    pub(crate) fn add(&self, waited: Weak<dyn Waited>) -> u32 {
        self.0.borrow_mut().insert(waited)
    }

    pub(crate) fn remove(&self, key: u32) {
        let waited = self.0.borrow_mut().remove(key);
        drop(waited);
    }

    pub(crate) fn all(&self) -> Vec<Rc<dyn Waited>> {
        self.0.borrow().values().filter_map(Weak::upgrade).collect()
    }
}
