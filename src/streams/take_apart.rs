//! Taking the connection away from a reader and its writer, to hand it over.

use std::rc::Rc;

use crate::event_loop::LoopHandle;
use crate::interface::{ReceiveBuffer, Transport};
use crate::streams::{StreamReader, StreamWriter};

/// What is left of a reader and its writer. Dropping it closes the connection, as dropping the two would have.
pub(crate) struct Remains {
    pub(crate) event_loop: LoopHandle,
    /// The bytes that were received and not read.
    pub(crate) unread: ReceiveBuffer,
    pub(crate) limit: usize,
    /// Whether the stream has ended or failed, so that no more bytes will come.
    pub(crate) is_ended: bool,
    writer: StreamWriter,
}

/// Panics if the two belong to different connections, or if the reader is fed by a `StreamFeeder`.
#[track_caller]
pub(crate) fn assert_of_one_connection(reader: &StreamReader, writer: &StreamWriter) {
    let of_one = Rc::ptr_eq(reader.protocol(), writer.protocol());
    assert!(of_one, "the reader and the writer are of different connections");
}

/// Takes apart a reader and a writer, which must belong to the same connection.
pub(crate) fn take_apart(mut reader: StreamReader, writer: StreamWriter) -> Remains {
    let protocol = reader.protocol();
    let event_loop = protocol.event_loop().expect("a writer is of a connection of a loop").clone();
    let (limit, is_ended) = (protocol.limit(), protocol.is_ended());
    Remains { event_loop, unread: reader.take_unread(), limit, is_ended, writer }
}

impl Remains {
    pub(crate) fn transport(&self) -> Rc<dyn Transport> {
        self.writer.transport()
    }

    /// Leaves the connection open: it was handed over.
    pub(crate) fn keep_open(self) {
        self.writer.release();
    }
}
