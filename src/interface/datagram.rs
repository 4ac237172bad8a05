//! The waist for datagrams: messages that come whole, in any order, or not at all.

use std::io;
use std::rc::Rc;

use crate::errors::ConnectionError;
use crate::interface::{Address, ExtraInfo};

/// The receiver of a datagram endpoint's events.
///
/// The calls come in this order, and never after `connection_lost`:
///
/// ```text
/// connection_made  (datagram_received | error_received)*  connection_lost
/// ```
///
/// Between the first and the last, `pause_writing` and `resume_writing` may come at any time, alternating. All callbacks
/// come from the loop, never from inside a call of yours, but for `pause_writing` (from `sendto`).
///
/// # Panics
///
/// A panic is reported to the loop's exception handler. Datagrams do not depend on each other, so the endpoint stays
/// open, unlike a connection; only one whose `connection_made` panics is closed.
///
/// # Examples
///
/// ```
/// use std::cell::OnceCell;
/// use std::rc::Rc;
/// use waterwheel::{Address, DatagramProtocol, DatagramTransport};
///
/// #[derive(Default)]
/// struct Echo {
///     transport: OnceCell<Rc<dyn DatagramTransport>>,
/// }
///
/// impl DatagramProtocol for Echo {
///     fn connection_made(&self, transport: Rc<dyn DatagramTransport>) {
///         let _ = self.transport.set(transport);
///     }
///     fn datagram_received(&self, data: &[u8], from: &Address) {
///         let transport = self.transport.get().expect("datagrams come after connection_made");
///         transport.sendto(data, Some(from)).expect("an endpoint without a peer sends anywhere");
///     }
/// }
/// ```
pub trait DatagramProtocol {
    /// The endpoint is open. You may keep the transport; the transport keeps this protocol until `connection_lost`.
    fn connection_made(&self, transport: Rc<dyn DatagramTransport>) {
        let _ = transport;
    }

    /// A whole datagram arrived, which may be empty. `from` is the address to answer to. A Unix socket without a name
    /// can only be answered by an endpoint that is connected to it.
    fn datagram_received(&self, data: &[u8], from: &Address) {
        let _ = (data, from);
    }

    /// An earlier send or a receive failed, for example since nobody listens at the address or the datagram was too
    /// long. The endpoint stays open.
    fn error_received(&self, error: io::Error) {
        let _ = error;
    }

    /// The endpoint is gone. The socket is closed when this returns.
    fn connection_lost(&self, error: Option<ConnectionError>) {
        let _ = error;
    }

    /// The transport's queue went over its high-water mark: whoever produces datagrams should stop for now.
    fn pause_writing(&self) {}

    /// The transport's queue went down to its low-water mark.
    fn resume_writing(&self) {}
}

/// The mover of an endpoint's datagrams. All methods take `&self`, and none blocks.
pub trait DatagramTransport {
    /// Sends a datagram, to the endpoint's remote address if that was given, else to `to`. It goes out now if the
    /// kernel takes it, else it is queued behind earlier ones. An empty one is sent too. Once the transport is closing
    /// it is dropped.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is no address, one that is not the remote address, one of another family than the
    /// socket's, or a Unix socket without a name. What the system says of the datagram comes to
    /// [`error_received`](DatagramProtocol::error_received) in a later turn.
    fn sendto(&self, data: &[u8], to: Option<&Address>) -> io::Result<()>;

    /// Closes: nothing is received any more, what is queued still goes out, then `connection_lost(None)` comes, in a
    /// later turn at the earliest.
    fn close(&self);

    /// Closes, and drops what is queued.
    fn abort(&self);

    /// Whether the transport is closing or closed.
    fn is_closing(&self) -> bool;

    /// Sets the marks of the queue, as [`Transport::set_write_buffer_limits`](crate::Transport::set_write_buffer_limits).
    ///
    /// # Panics
    ///
    /// If the low mark is over the high one.
    #[track_caller]
    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>);

    /// The marks, as `(low, high)`.
    fn get_write_buffer_limits(&self) -> (usize, usize);

    /// The size of the queue in bytes; each datagram counts eight more than it has.
    fn get_write_buffer_size(&self) -> usize;

    /// The names of both ends and the socket.
    #[doc(alias = "get_extra_info")]
    fn extra_info(&self) -> ExtraInfo;
}

impl std::fmt::Debug for dyn DatagramTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatagramTransport")
            .field("local", &self.extra_info().sockname())
            .field("peer", &self.extra_info().peername())
            .field("closing", &self.is_closing())
            .field("write_buffer", &self.get_write_buffer_size())
            .finish()
    }
}
