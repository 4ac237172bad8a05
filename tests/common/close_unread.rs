//! A peer that is gone with bytes unread.

use std::os::fd::AsFd;

use socket2::SockRef;

use crate::common::arrived::{ports, queues, until};

/// Closes a socket that has unread bytes, which resets a TCP connection, and waits until the other end has heard of it: a
/// busy kernel takes its time, also within one machine.
pub(crate) fn close_unread(socket: impl AsFd) {
    let ports = ports(&SockRef::from(&socket));
    drop(socket);
    if let Some((own, other)) = ports {
        until("the reset never arrived", || queues(other, own).is_none());
    }
}
