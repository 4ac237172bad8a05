//! What a transport calls: the upper side of the waist.

use std::rc::Rc;

use crate::errors::ConnectionError;
use crate::interface::{ReceiveBuffer, Transport};

/// What the transport should do when the peer has ended its side.
///
/// # Examples
///
/// A protocol that answers once it has the whole question, which ends where the peer ends its side:
///
/// ```
/// use std::cell::{OnceCell, RefCell};
/// use std::rc::Rc;
/// use waterwheel::{AfterEof, Protocol, Transport, get_running_loop, open_connection};
///
/// #[derive(Default)]
/// struct Count {
///     transport: OnceCell<Rc<dyn Transport>>,
///     question: RefCell<Vec<u8>>,
/// }
///
/// impl Protocol for Count {
///     fn connection_made(&self, transport: Rc<dyn Transport>) {
///         let _ = self.transport.set(transport);
///     }
///     fn data_received(&self, data: &[u8]) {
///         self.question.borrow_mut().extend_from_slice(data);
///     }
///     fn eof_received(&self) -> AfterEof {
///         let transport = self.transport.get().expect("connection_made comes first");
///         transport.write(format!("{} bytes", self.question.borrow().len()).as_bytes());
///         AfterEof::Close // once that is sent; an answer that comes later would need `KeepOpen`
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// waterwheel::run(async {
///     let server = get_running_loop().create_server(Rc::<Count>::default, "127.0.0.1:0").await?;
///     let (mut reader, writer) = open_connection(server.local_addrs()[0]).await?;
///     writer.write(b"how long is this?");
///     writer.write_eof();
///     assert_eq!(reader.read_to_end().await?, b"17 bytes");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterEof {
    /// Send what is still buffered, then close. asyncio's `eof_received` returns a false value for this.
    Close,
    /// Stay open for writing, until someone closes the transport. asyncio's returns a true value.
    KeepOpen,
}

/// The receiver of a connection's events.
///
/// The calls of one connection come in this order, and never after `connection_lost`:
///
/// ```text
/// connection_made  data_received*  eof_received?  connection_lost
/// ```
///
/// `connection_made` and `connection_lost` come exactly once each. Between them `pause_writing` and
/// `resume_writing` may come at any time, alternating, `pause_writing` first, and `connection_closing` at most once.
///
/// All methods take `&self`, so a protocol keeps its state in cells and may call every method of its transport from
/// inside every callback. All callbacks come from the loop, never from inside a call of yours, except `pause_writing`
/// (from inside `write`), `resume_writing` (only ever together with a send) and `connection_closing` (from inside the
/// call that closes).
///
/// # Panics
///
/// A protocol that panics loses its connection: the panic is reported to the loop's exception handler, and
/// `connection_lost` comes with an error that says so. The loop goes on.
///
/// # Examples
///
/// ```
/// use std::cell::OnceCell;
/// use std::rc::Rc;
/// use waterwheel::{Protocol, Transport};
///
/// #[derive(Default)]
/// struct Echo {
///     transport: OnceCell<Rc<dyn Transport>>,
/// }
///
/// impl Protocol for Echo {
///     fn connection_made(&self, transport: Rc<dyn Transport>) {
///         let _ = self.transport.set(transport);
///     }
///     fn data_received(&self, data: &[u8]) {
///         self.transport.get().expect("data comes after connection_made").write(data);
///     }
/// }
/// ```
#[doc(alias = "BaseProtocol")]
pub trait Protocol {
    /// The connection is open. You may keep the transport; the transport keeps this protocol until `connection_lost`.
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = transport;
    }

    /// Bytes arrived, at least one. They may be any part of the peer's writes.
    fn data_received(&self, data: &[u8]) {
        let _ = data;
    }

    /// The peer will send no more. The result says what happens to our side. By default the transport is closed.
    fn eof_received(&self) -> AfterEof {
        AfterEof::Close
    }

    /// The connection is gone. `error` is `None` after a close by us or by the peer; otherwise it says what went
    /// wrong. When this returns, the socket is closed or left to the loop: if we closed first, the loop receives and
    /// discards the peer's bytes for a while. A closed socket would answer them with a reset, which could cost the
    /// peer our last bytes.
    fn connection_lost(&self, error: Option<ConnectionError>) {
        let _ = error;
    }

    /// The transport's buffer rose above its high-water mark: stop producing bytes for now.
    fn pause_writing(&self) {}

    /// The transport's buffer fell to its low-water mark.
    fn resume_writing(&self) {}

    /// The transport is closing from now on and takes nothing more to send. `error` is `None` after a close or an
    /// abort; otherwise it says what went wrong. This call comes when [`Transport::is_closing`] begins to return true;
    /// `connection_lost` follows in a later turn. A layer passes the call on to the protocol above it.
    ///
    /// After a failed send, the remaining input is delivered first, up to its end. Then `connection_lost` comes with
    /// the error of that send.
    fn connection_closing(&self, error: Option<ConnectionError>) {
        let _ = error;
    }

    /// A protocol that is also a [`BufferedProtocol`] returns `Some(self)`. It then receives its bytes through that
    /// trait instead of `data_received`.
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        None
    }

    /// A protocol that is a layer, with another protocol above it, returns the transport that it gives to that
    /// protocol. To end a connection from outside, as a server does with its clients, the crate calls this transport,
    /// so that the layer can say its own good-bye.
    fn transport_above(&self) -> Option<Rc<dyn Transport>> {
        None
    }

    /// The protocol behind this one, if this one only writes the calls to a trace.
    #[doc(hidden)]
    fn behind_trace(&self) -> Option<Rc<dyn Protocol>> {
        None
    }
}

/// A protocol that lends its own buffer to the transport, so that bytes are received where they are needed.
///
/// Before every receive the transport asks for a buffer; the protocol gives one away by value and gets it back in
/// [`buffer_updated`](BufferedProtocol::buffer_updated). Nothing is copied, and neither side can touch the buffer
/// while the other has it.
///
/// ```
/// use std::cell::{Cell, RefCell};
/// use waterwheel::{BufferedProtocol, Protocol, ReceiveBuffer};
///
/// #[derive(Default)]
/// struct Counter {
///     spare: Cell<Option<ReceiveBuffer>>,
///     seen: Cell<usize>,
/// }
///
/// impl Protocol for Counter {
///     fn buffered(&self) -> Option<&dyn BufferedProtocol> {
///         Some(self)
///     }
/// }
///
/// impl BufferedProtocol for Counter {
///     fn get_buffer(&self) -> ReceiveBuffer {
///         self.spare.take().unwrap_or_else(|| ReceiveBuffer::new(4096))
///     }
///     fn buffer_updated(&self, mut buffer: ReceiveBuffer, received: usize) {
///         self.seen.set(self.seen.get() + received);
///         buffer.consume(received);
///         self.spare.set(Some(buffer));
///     }
/// }
/// ```
pub trait BufferedProtocol: Protocol {
    /// A buffer with room for at least one byte. One without room is an error that loses the connection.
    fn get_buffer(&self) -> ReceiveBuffer;

    /// The buffer comes back, with `received` more bytes in it. Zero means that the read found nothing, or the end
    /// of the stream, which `eof_received` then reports.
    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize);
}
