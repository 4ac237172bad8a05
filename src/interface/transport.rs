//! What a protocol calls: the lower side of the waist.

use std::io::IoSlice;
use std::rc::Rc;

use crate::interface::{ExtraInfo, Protocol};

/// Moves a connection's bytes.
///
/// A method that panics because of misuse names the caller's line. `#[track_caller]` is on the trait's methods, since
/// only there does it work through `dyn Transport`; implementations inherit it.
///
/// All methods take `&self`. None blocks, and none fails because of the peer: errors are given to the protocol's
/// [`connection_lost`](Protocol::connection_lost). After the connection is lost, every call is harmless.
///
/// # Examples
///
/// A consumer that takes one piece at a time, and holds the peer back until it is done with that piece:
///
/// ```
/// use std::cell::OnceCell;
/// use std::rc::Rc;
/// use waterwheel::testing::RecordingTransport;
/// use waterwheel::{Protocol, Transport};
///
/// #[derive(Default)]
/// struct Slow {
///     transport: OnceCell<Rc<dyn Transport>>,
/// }
///
/// impl Slow {
///     fn transport(&self) -> &dyn Transport {
///         &**self.transport.get().expect("connection_made comes first")
///     }
///
///     fn done(&self) {
///         self.transport().write(b"next, please\n");
///         self.transport().resume_reading();
///     }
/// }
///
/// impl Protocol for Slow {
///     fn connection_made(&self, transport: Rc<dyn Transport>) {
///         let _ = self.transport.set(transport);
///     }
///     fn data_received(&self, _piece: &[u8]) {
///         self.transport().pause_reading(); // and the work on the piece begins
///     }
/// }
///
/// let slow = Rc::new(Slow::default());
/// let transport = RecordingTransport::connect(slow.clone());
/// slow.data_received(b"a piece");
/// assert!(!transport.is_reading());
/// slow.done();
/// assert!(transport.is_reading());
/// assert_eq!(transport.take_written(), b"next, please\n");
/// # transport.lose(None);
/// ```
#[doc(alias = "WriteTransport")]
#[doc(alias = "ReadTransport")]
pub trait Transport {
    /// Sends bytes. All writes of one step (a callback, or one poll of a task) are gathered and handed to the kernel
    /// in one system call when the step ends, before anything else runs. Bytes that the kernel does not take are kept
    /// and sent later. On a lost connection the bytes are dropped.
    ///
    /// TCP sockets have `TCP_NODELAY` set: since a step's writes go out together, the kernel need not wait for more.
    ///
    /// # Panics
    ///
    /// After [`write_eof`](Transport::write_eof): the bytes could never be sent.
    #[doc(alias = "TCP_NODELAY")]
    #[track_caller]
    fn write(&self, data: &[u8]);

    /// Sends several pieces in order, as a single [`write`](Transport::write) of all of them would.
    ///
    /// # Panics
    ///
    /// As for [`write`](Transport::write).
    #[track_caller]
    fn writelines(&self, parts: &[IoSlice<'_>]);

    /// Hands as many bytes as possible to the system now, and keeps none of the rest. Returns how many were taken: at
    /// least one. It is for callers that have a lot to write and can offer the rest again, so that no byte is copied.
    ///
    /// `None` if nothing can be sent now, or if this transport does not support the operation;
    /// [`writelines`](Transport::writelines) then keeps the bytes. If the reason is that the system is full of bytes
    /// that were offered in this way, the protocol has been told to [pause](Protocol::pause_writing), and is told to
    /// resume when the system takes more.
    fn write_some(&self, parts: &[IoSlice<'_>]) -> Option<usize> {
        let _ = parts;
        None
    }

    /// Whether this kind of transport can end our side alone.
    fn can_write_eof(&self) -> bool;

    /// Ends our side after all buffered bytes have gone out. The peer may still send.
    ///
    /// # Panics
    ///
    /// If [`can_write_eof`](Transport::can_write_eof) is false, as it is with TLS: the peer would never see that end.
    #[track_caller]
    fn write_eof(&self);

    /// Closes the connection: reading stops now, buffered bytes still go out, and then the protocol's
    /// `connection_lost(None)` comes, in a later turn at the earliest.
    fn close(&self);

    /// Closes the connection without sending the bytes that the kernel has not taken yet. If there are any, a TCP peer
    /// gets a reset, so that it does not mistake the part that it received for the whole.
    fn abort(&self);

    /// Whether the transport is closing or closed.
    fn is_closing(&self) -> bool;

    /// Stops receiving; no `data_received` follows until [`resume_reading`](Transport::resume_reading). In the
    /// meantime, neither the end of the stream nor a reset is noticed. If a write fails then, the protocol is told by
    /// [`connection_closing`](Protocol::connection_closing), and the connection is lost only when reading has been
    /// resumed and has reached its end, or after a [`close`](Transport::close).
    fn pause_reading(&self);

    /// Starts receiving again.
    fn resume_reading(&self);

    /// Whether received bytes are delivered: reading is not paused, and the transport was not closed by us. A transport
    /// that is closing because a send failed still reads.
    fn is_reading(&self) -> bool;

    /// Sets the marks in bytes: above the high one the protocol is told to pause, and at the low one to resume. A
    /// missing low mark is a quarter of the high one, and a missing high mark is four times the low one. If both are
    /// missing, the defaults are restored: 64 KiB and 16 KiB, or 512 KiB and 128 KiB with TLS.
    ///
    /// # Panics
    ///
    /// If the low mark is above the high one.
    #[track_caller]
    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>);

    /// The marks, as `(low, high)`.
    fn get_write_buffer_limits(&self) -> (usize, usize);

    /// How many bytes the kernel has not taken yet, including those gathered in this step.
    fn get_write_buffer_size(&self) -> usize;

    /// Whether the protocol was told to [pause writing](Protocol::pause_writing), and not yet to resume. A protocol
    /// that takes over a connection in the middle has to ask, since it is not told again what its predecessor was
    /// told.
    ///
    /// Between the two marks, the answer depends on which was passed last. A transport that tells its protocol to
    /// pause knows it, and overrides this method. The default only says whether the buffer is above the high mark.
    ///
    /// # Examples
    ///
    /// A protocol that begins to write when it takes over a connection, if it may:
    ///
    /// ```
    /// use std::rc::Rc;
    /// use waterwheel::{Protocol, Transport};
    ///
    /// fn take_over(transport: &dyn Transport, successor: Rc<dyn Protocol>) {
    ///     transport.set_protocol(successor);
    ///     if transport.is_writing_paused() {
    ///         println!("the successor waits for resume_writing");
    ///     } else {
    ///         transport.write(b"hello\n");
    ///     }
    /// }
    /// ```
    fn is_writing_paused(&self) -> bool {
        let (_, high) = self.get_write_buffer_limits();
        self.get_write_buffer_size() > high
    }

    /// Asks to be told when the kernel has taken all written bytes. If it has refused some of them, this returns true:
    /// the protocol is told to [pause writing](Protocol::pause_writing), unless it is paused already, and to resume
    /// when nothing is left, whatever the marks are.
    ///
    /// It returns false if there is nothing to wait for: all bytes have been taken, are handed to the kernel when this
    /// step ends, or are given up because the connection is lost. The default always returns false.
    fn pause_until_sent(&self) -> bool {
        false
    }

    /// The names of both ends and the socket.
    #[doc(alias = "get_extra_info")]
    fn extra_info(&self) -> ExtraInfo;

    /// Hands the connection to another protocol, to which all later calls go. Its `connection_made` is not called.
    fn set_protocol(&self, protocol: Rc<dyn Protocol>);

    /// The protocol in charge; `None` once the connection is lost.
    fn get_protocol(&self) -> Option<Rc<dyn Protocol>>;
}

impl std::fmt::Debug for dyn Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("peer", &self.extra_info().peername())
            .field("closing", &self.is_closing())
            .field("reading", &self.is_reading())
            .field("write_buffer", &self.get_write_buffer_size())
            .finish()
    }
}
