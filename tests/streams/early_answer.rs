//! A peer that answers before it has heard all.

use std::io::{Read, Write};

use socket2::Socket;

use crate::common::arrived::until_arrived;

/// A peer that reads the beginning of what is said to it, answers, and closes with the rest unread when the answer has
/// arrived. The kernel resets the connection then, and keeps what has arrived for whoever reads it.
pub(crate) fn answer_early(mut peer: Socket, answer: &[u8]) {
    peer.read_exact(&mut [0; 1000]).unwrap();
    peer.write_all(answer).unwrap();
    until_arrived(&peer);
    drop(peer);
}
