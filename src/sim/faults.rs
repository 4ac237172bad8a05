//! What the simulated network does to a program, and how often.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// How a simulated network behaves: how long things take, and which faults happen how often. The chances are between 0,
/// which is never, and 1.
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
    /// How long a segment, a datagram or an answer is on its way between two hosts. Between two sockets of one host it is
    /// a hundredth of that.
    pub latency: Range<Duration>,
    /// How many bytes a second one direction of a connection takes between two hosts. `None` is any number.
    pub bandwidth: Option<u64>,
    /// How many bytes of one direction may be on their way or unread (default 64 KiB). When there are more, sending has to
    /// wait.
    pub buffer: usize,
    /// How much time a turn of a host's loop takes.
    pub turn_time: Range<Duration>,
    /// How long the network tries to bring bytes to a host that it cannot reach. Then the sender's connection fails with
    /// `TimedOut` (default 15 minutes, about as on Linux).
    pub give_up_after: Duration,
    /// A receive brings fewer bytes than there are. The others are told of by a further event.
    pub short_receive: f64,
    /// A send takes fewer bytes than there is room for.
    pub short_send: f64,
    /// A receive or send finds that it would block, though it would not, and an event follows.
    pub would_block: f64,
    /// An event reports a descriptor as ready that is not.
    pub false_event: f64,
    /// An event comes only with a later turn.
    pub late_event: f64,
    /// A segment takes ten times as long as others.
    pub slow_segment: f64,
    /// The network resets a connection when something is sent.
    pub reset: f64,
    /// An attempt to connect is lost on its way. It is repeated after 1, 3, 7 … seconds, as on Linux.
    pub lost_connect: f64,
    /// Accepting fails: the connection is gone again, or there are no descriptors.
    pub accept_error: f64,
    /// A datagram is lost.
    pub lost_datagram: f64,
    /// A datagram comes twice.
    pub doubled_datagram: f64,
    /// A look-up of a name fails for now.
    pub failed_look_up: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults::none()
    }
}

impl Faults {
    /// No faults: bytes take 0.1 to 2 milliseconds, and all that a program may take for granted holds.
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

    /// Faults of which a program that is right notices nothing but the time: bytes come and go in pieces of any size,
    /// events mean nothing or come late, segments are slow.
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

    /// All faults. Connections are reset, attempts to connect, datagrams and look-ups are lost, and accepting fails; so a
    /// program has to try again.
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

/// A kind of fault. [`Faults`] says what each is.
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
