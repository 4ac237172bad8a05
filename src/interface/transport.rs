//! What a protocol calls: the lower side of the waist.

use std::io::IoSlice;
use std::rc::Rc;

use crate::interface::{ExtraInfo, Protocol};

/// The mover of a connection's bytes.
///
/// A method that panics for misuse names the line that called it. `#[track_caller]` stands on the trait's methods,
/// since only there does it work through `dyn Transport`; implementations inherit it.
///
/// All methods take `&self`. None blocks, and none fails because of the peer: errors are given to the protocol's
/// [`connection_lost`](Protocol::connection_lost). After the connection is lost every call is harmless.
///
/// # Examples
///
/// A consumer that takes one piece at a time, and holds the peer back until it has done with it:
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
    /// Sends bytes. What one step (a callback, or one poll of a task) writes is gathered and handed to the kernel
    /// in one system call when the step ends, before anything else runs; what the kernel does not take is kept and
    /// sent as it can be. On a lost connection the bytes are dropped.
    ///
    /// TCP sockets have `TCP_NODELAY` set: since a step's writes go out together, the kernel need not wait for more.
    ///
    /// # Panics
    ///
    /// After [`write_eof`](Transport::write_eof): those bytes could never be sent.
    #[doc(alias = "TCP_NODELAY")]
    #[track_caller]
    fn write(&self, data: &[u8]);

    /// Sends several pieces, in order, as one [`write`](Transport::write) of them all would.
    ///
    /// # Panics
    ///
    /// As [`write`](Transport::write).
    #[track_caller]
    fn writelines(&self, parts: &[IoSlice<'_>]);

    /// Hands bytes to the system now, as far as it takes them, and keeps none of them. Returns how many went: at least one.
    /// It serves who has much to write and can offer the rest again, and so need not have it copied.
    ///
    /// `None` if none can go now, or if this transport cannot do that; then [`writelines`](Transport::writelines) keeps
    /// them. If that is because the system took no more of what was offered in this way before, the protocol has been told
    /// to [pause](Protocol::pause_writing), and will be told to resume when the system takes some.
    fn write_some(&self, parts: &[IoSlice<'_>]) -> Option<usize> {
        let _ = parts;
        None
    }

    /// Whether this kind of transport can end its side alone.
    fn can_write_eof(&self) -> bool;

    /// Ends our side, after what is buffered has gone out. The peer may still send.
    ///
    /// # Panics
    ///
    /// If [`can_write_eof`](Transport::can_write_eof) is false, as it is with TLS: nobody would ever see that end.
    #[track_caller]
    fn write_eof(&self);

    /// Closes: reading stops now, what is buffered still goes out, then the protocol's `connection_lost(None)`
    /// comes, in a later turn at the earliest.
    fn close(&self);

    /// Closes without sending what the kernel has not taken yet. If there are such bytes, a TCP peer gets a reset, so
    /// that it does not take the part that it got for the whole.
    fn abort(&self);

    /// Whether the transport is closing or closed.
    fn is_closing(&self) -> bool;

    /// Stops receiving; no `data_received` follows until [`resume_reading`](Transport::resume_reading). Neither the
    /// end of the stream nor a reset is noticed meanwhile. If something is written then, and cannot be sent, the
    /// protocol is told by [`connection_closing`](Protocol::connection_closing), and the connection is lost only when
    /// reading was resumed and has come to its end, or after a [`close`](Transport::close).
    fn pause_reading(&self);

    /// Receives again.
    fn resume_reading(&self);

    /// Whether received bytes are delivered: reading is not paused, and the transport was not closed by us. A transport
    /// that is closing because a send failed still reads.
    fn is_reading(&self) -> bool;

    /// Sets the marks, in bytes, over and under which the protocol is told to pause and to resume. A missing low
    /// mark is a quarter of the high one, a missing high mark four times the low one, and without both the
    /// defaults (64 KiB and 16 KiB; with TLS 512 KiB and 128 KiB) come back.
    ///
    /// # Panics
    ///
    /// If the low mark is over the high one.
    #[track_caller]
    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>);

    /// The marks, as `(low, high)`.
    fn get_write_buffer_limits(&self) -> (usize, usize);

    /// How many bytes wait here to be taken by the kernel, those gathered in this step included.
    fn get_write_buffer_size(&self) -> usize;

    /// Whether the protocol was told to [pause writing](Protocol::pause_writing), and not yet to resume. Whoever takes
    /// over a connection in the middle asks this, since what the protocol before it was told is not told again.
    ///
    /// Between the two marks that depends on which of them was passed last. A transport that tells its protocol to pause
    /// knows, and says so. For any other this only says whether the buffer is over the high mark.
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

    /// Asks to be told when the kernel has taken all that was written. If it has refused some of that, the protocol is
    /// told to [pause writing](Protocol::pause_writing), unless it was before, and to resume when nothing is left,
    /// whatever the marks are; then this returns true.
    ///
    /// It returns false if there is nothing to wait for: all has been taken, or is handed to the kernel when this step
    /// ends, or is given up, since the connection is lost. A transport of your own that does not implement this says so
    /// always.
    fn pause_until_sent(&self) -> bool {
        false
    }

    /// The names of both ends and the socket.
    #[doc(alias = "get_extra_info")]
    fn extra_info(&self) -> ExtraInfo;

    /// Hands the connection to another protocol. It is not told `connection_made`; all later calls go to it.
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
