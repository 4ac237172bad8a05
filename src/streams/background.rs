//! The end of a connection that nobody holds any more: what was written still goes out, but not for ever.

use std::rc::{Rc, Weak};

use crate::event_loop::LoopHandle;
use crate::interface::Transport;

/// Closes a connection whose halves are both dropped.
pub(super) fn close_in_background(event_loop: &LoopHandle, transport: &Rc<dyn Transport>) {
    transport.close();
    bound_sending(event_loop, transport);
}

/// Aborts if for the loop's close timeout no byte goes out while there are some: nobody will write more, and nobody waits
/// for what is left.
pub(super) fn bound_sending(event_loop: &LoopHandle, transport: &Rc<dyn Transport>) {
    let unsent = transport.get_write_buffer_size();
    if unsent > 0 {
        look_again(event_loop.clone(), Rc::downgrade(transport), unsent);
    }
}

fn look_again(event_loop: LoopHandle, transport: Weak<dyn Transport>, unsent_before: usize) {
    let timeout = event_loop.core().close_timeout;
    event_loop.clone().call_later(timeout, move || {
        let Some(alive) = transport.upgrade() else { return };
        let unsent = alive.get_write_buffer_size();
        if unsent == unsent_before {
            log::debug!("the peer takes nothing of what a dropped writer left, {unsent} bytes: {alive:?}");
            alive.abort();
        } else if unsent > 0 {
            look_again(event_loop, transport, unsent);
        }
    });
}
