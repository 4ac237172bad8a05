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
/// Between the first and the last, `pause_writing` and `resume_writing` may come at any time, alternating. All
/// callbacks come from the loop, never from inside a call of yours, except `pause_writing` (from inside `sendto`).
///
/// # Panics
///
/// A panic is reported to the loop's exception handler. Datagrams do not depend on each other, so unlike a connection,
/// the endpoint stays open, unless the panic was in `connection_made`.
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

    /// A whole datagram arrived; it may be empty. `from` is the address to reply to. Only an endpoint that is
    /// connected to it can reply to a Unix socket without a name.
    fn datagram_received(&self, data: &[u8], from: &Address) {
        let _ = (data, from);
    }

    /// An earlier send or a receive failed, for example because no socket is bound to the address or the datagram was
    /// too long. The endpoint stays open.
    fn error_received(&self, error: io::Error) {
        let _ = error;
    }

    /// The endpoint is gone. The socket is closed when this returns.
    fn connection_lost(&self, error: Option<ConnectionError>) {
        let _ = error;
    }

    /// The transport's queue rose above its high-water mark: stop producing datagrams for now.
    fn pause_writing(&self) {}

    /// The transport's queue fell to its low-water mark.
    fn resume_writing(&self) {}
}

/// Moves an endpoint's datagrams. All methods take `&self`, and none blocks.
pub trait DatagramTransport {
    /// Sends a datagram to the endpoint's remote address if it has one, else to `to`. The datagram goes out now if the
    /// kernel takes it; otherwise it is queued behind earlier ones. An empty datagram is sent too. Once the transport
    /// is closing, datagrams are dropped.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is no address, or if `to` is not the remote address, is not of the socket's family, or
    /// is a Unix socket without a name. An error from the system is passed to
    /// [`error_received`](DatagramProtocol::error_received) in a later turn.
    fn sendto(&self, data: &[u8], to: Option<&Address>) -> io::Result<()>;

    /// Closes the endpoint: nothing more is received, queued datagrams still go out, and then `connection_lost(None)`
    /// comes, in a later turn at the earliest.
    fn close(&self);

    /// Closes the endpoint and drops the queued datagrams.
    fn abort(&self);

    /// Whether the transport is closing or closed.
    fn is_closing(&self) -> bool;

    /// Sets the marks of the queue, as
    /// [`Transport::set_write_buffer_limits`](crate::Transport::set_write_buffer_limits) does.
    ///
    /// # Panics
    ///
    /// If the low mark is above the high one.
    #[track_caller]
    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>);

    /// The marks, as `(low, high)`.
    fn get_write_buffer_limits(&self) -> (usize, usize);

    /// The size of the queue in bytes; each datagram counts as eight bytes more than its length.
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
