//! A peer that closes with unread bytes.

use std::os::fd::AsFd;

use socket2::SockRef;

use crate::common::arrived::{ports, queues, until};

/// Closes a socket that has unread bytes, which resets a TCP connection, and waits until the other end has seen the
/// reset: a busy kernel takes a while, even within one machine.
pub(crate) fn close_unread(socket: impl AsFd) {
    let ports = ports(&SockRef::from(&socket));
    drop(socket);
    if let Some((own, other)) = ports {
        until("the reset never arrived", || queues(other, own).is_none());
    }
}
