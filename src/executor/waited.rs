//! What tasks wait for and can say how it stands: the streams of a loop, for reports.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::executor::reason::Reason;
use crate::slots::Slots;

/// Something that tasks wait for.
pub(crate) trait Waited {
    /// Why the task of this seat reads, if its last step, which is given, began to wait here.
    fn reading(&self, seat: u32, step: u64) -> Option<Reason>;

    /// Whether the task of this seat waits for something else here.
    fn is_awaited_by(&self, seat: u32) -> bool;

    /// Whether its writer is paused, with more bytes than the high mark allows, and somebody is there who should drain it.
    fn is_over_high_mark(&self) -> bool;

    /// Whether somebody waits until the writer may go on, or until the connection is lost.
    fn is_drained(&self) -> bool;

    /// Whether somebody has done so since the writer was told to pause, and may have given up.
    fn was_drained(&self) -> bool;

    /// How the reader stands, and how the writer does.
    fn describe(&self) -> (String, String);
}

/// All of one loop.
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
