//! Closing a connection that nobody holds any more. What was written is still sent, as long as the peer takes some of
//! it.

use std::rc::{Rc, Weak};

use crate::event_loop::LoopHandle;
use crate::interface::Transport;

/// Closes a connection whose halves are both dropped.
pub(super) fn close_in_background(event_loop: &LoopHandle, transport: &Rc<dyn Transport>) {
    transport.close();
    bound_sending(event_loop, transport);
}

/// Aborts the connection if bytes are left and none of them is sent within the loop's close timeout. Nobody waits for
/// them, and without this a peer that never reads would keep the connection for ever.
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
