//! The faults of the simulated network, and how often they happen.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// How a simulated network behaves: how long things take, and how often each fault happens. A chance is a number from
/// 0, which means never, to 1.
///
/// ```
/// use waterwheel::sim::{Faults, Sim};
///
/// let mut faults = Faults::benign();
/// faults.bandwidth = Some(125_000); // a megabit per second
/// let mut sim = Sim::new(1);
/// sim.set_faults(faults);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Faults {
    /// How long a segment, a datagram or an answer takes between two hosts. Between two sockets of one host it takes
    /// a hundredth of that.
    pub latency: Range<Duration>,
    /// How many bytes per second pass in each direction of a connection between two hosts. `None` means no limit.
    pub bandwidth: Option<u64>,
    /// How many bytes of one direction may be on their way or unread (default 64 KiB). At this limit, sending has to
    /// wait.
    pub buffer: usize,
    /// How much simulated time a turn of a host's loop takes.
    pub turn_time: Range<Duration>,
    /// How long the network tries to deliver bytes to a host that it cannot reach, before the sender's connection
    /// fails with `TimedOut` (default 15 minutes, about as on Linux).
    pub give_up_after: Duration,
    /// A receive returns fewer bytes than have arrived. Another event follows for the rest.
    pub short_receive: f64,
    /// A send takes fewer bytes than there is space for.
    pub short_send: f64,
    /// A receive or send returns `WouldBlock` although it would not block, and an event follows.
    pub would_block: f64,
    /// An event reports a descriptor as ready that is not.
    pub false_event: f64,
    /// An event is delivered only in a later turn.
    pub late_event: f64,
    /// A segment takes ten times as long as others.
    pub slow_segment: f64,
    /// The network resets a connection when something is sent.
    pub reset: f64,
    /// An attempt to connect is lost on its way. It is repeated after 1, 3, 7 … seconds, as on Linux.
    pub lost_connect: f64,
    /// Accepting fails: the connection is already gone, or there are no descriptors left.
    pub accept_error: f64,
    /// A datagram is lost.
    pub lost_datagram: f64,
    /// A datagram arrives twice.
    pub doubled_datagram: f64,
    /// A look-up of a name fails temporarily.
    pub failed_look_up: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults::none()
    }
}

impl Faults {
    /// No faults: bytes take 0.1 to 2 milliseconds, and nothing goes wrong.
    pub fn none() -> Self {
        Faults {
            latency: Duration::from_micros(100)..Duration::from_millis(2),
            bandwidth: None,
            buffer: 64 * 1024,
            turn_time: Duration::from_micros(1)..Duration::from_micros(20),
            give_up_after: Duration::from_secs(15 * 60),
            short_receive: 0.0,
            short_send: 0.0,
            would_block: 0.0,
            false_event: 0.0,
            late_event: 0.0,
            slow_segment: 0.0,
            reset: 0.0,
            lost_connect: 0.0,
            accept_error: 0.0,
            lost_datagram: 0.0,
            doubled_datagram: 0.0,
            failed_look_up: 0.0,
        }
    }

    /// Only faults that a correct program does not notice, except for the time they take: bytes are sent and received
    /// in pieces of any size, events are false or late, segments are slow.
    pub fn benign() -> Self {
        Faults {
            short_receive: 0.2,
            short_send: 0.2,
            would_block: 0.1,
            false_event: 0.05,
            late_event: 0.1,
            slow_segment: 0.05,
            ..Faults::none()
        }
    }

    /// All faults. In addition, connections are reset, attempts to connect and datagrams are lost, look-ups and
    /// accepting fail; so a program has to try again.
    ///
    /// ```
    /// use waterwheel::sim::Faults;
    ///
    /// assert_eq!(Faults::none().short_send, 0.0);
    /// assert!(Faults::benign().short_send > 0.0 && Faults::benign().reset == 0.0);
    /// assert!(Faults::harsh().reset > 0.0);
    /// ```
    pub fn harsh() -> Self {
        Faults {
            reset: 0.01,
            lost_connect: 0.05,
            accept_error: 0.05,
            lost_datagram: 0.1,
            doubled_datagram: 0.05,
            failed_look_up: 0.05,
            ..Faults::benign()
        }
    }

    pub(super) fn chance(&self, fault: Fault) -> f64 {
        match fault {
            Fault::ShortReceive => self.short_receive,
            Fault::ShortSend => self.short_send,
            Fault::WouldBlock => self.would_block,
            Fault::FalseEvent => self.false_event,
            Fault::LateEvent => self.late_event,
            Fault::SlowSegment => self.slow_segment,
            Fault::Reset => self.reset,
            Fault::LostConnect => self.lost_connect,
            Fault::AcceptError => self.accept_error,
            Fault::LostDatagram => self.lost_datagram,
            Fault::DoubledDatagram => self.doubled_datagram,
            Fault::FailedLookUp => self.failed_look_up,
        }
    }
}

/// A kind of fault. The fields of [`Faults`] describe them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// [`Faults::short_receive`].
    ShortReceive,
    /// [`Faults::short_send`].
    ShortSend,
    /// [`Faults::would_block`].
    WouldBlock,
    /// [`Faults::false_event`].
    FalseEvent,
    /// [`Faults::late_event`].
    LateEvent,
    /// [`Faults::slow_segment`].
    SlowSegment,
    /// [`Faults::reset`].
    Reset,
    /// [`Faults::lost_connect`].
    LostConnect,
    /// [`Faults::accept_error`].
    AcceptError,
    /// [`Faults::lost_datagram`].
    LostDatagram,
    /// [`Faults::doubled_datagram`].
    DoubledDatagram,
    /// [`Faults::failed_look_up`].
    FailedLookUp,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::ShortReceive => "a receive was short",
            Fault::ShortSend => "a send was short",
            Fault::WouldBlock => "an operation would have blocked",
            Fault::FalseEvent => "an event meant nothing",
            Fault::LateEvent => "an event came late",
            Fault::SlowSegment => "a segment was slow",
            Fault::Reset => "the network reset a connection",
            Fault::LostConnect => "an attempt to connect was lost",
            Fault::AcceptError => "accepting failed",
            Fault::LostDatagram => "a datagram was lost",
            Fault::DoubledDatagram => "a datagram came twice",
            Fault::FailedLookUp => "a look-up failed",
        })
    }
}
