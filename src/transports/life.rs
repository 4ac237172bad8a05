//! The life of a transport: its phase, the protocol that it serves, and what went wrong. Every change of phase is here.
//!
//! ```text
//!           1              3              4
//!    Open ──────► Closing ──────► Losing ──────► Lost
//!     │ │                          ▲  ▲
//!     │ └──────────────────────────┘  │
//!     │             3                 │ 3
//!     └─────────► Receiving ──────────┘
//!           2
//! ```
//!
//! 1 [`Life::begin_closing`]; 2 [`Life::stop_sending`]; 3 [`Life::begin_losing`]; 4 [`Life::end`], which leads from any
//! phase to Lost when the loop closes.
//!
//! Pure: it only keeps track, and the transport acts.

use std::cell::Cell;
use std::rc::Rc;

use crate::errors::ConnectionError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Data goes both ways, as far as each direction is open.
    Open,
    /// `close` was called while bytes were buffered: nothing more is delivered, and those bytes still go out.
    Closing,
    /// A send failed, so our direction has ended: nothing is buffered, and further writes are dropped. The peer's
    /// bytes still go to the protocol, however long it pauses reading. When the peer's direction has ended too, the
    /// connection is lost with the error of the send. A datagram endpoint is never in this phase.
    Receiving,
    /// `connection_lost` is scheduled. Nothing is buffered, and nothing is waited for.
    Losing,
    /// `connection_lost` was called, or the loop closed. The protocol is gone.
    Lost,
}

/// How a connection ends.
pub(crate) enum Ending {
    /// By `close`, or because the peer closed and our side followed: all written bytes have gone out.
    Closed,
    /// By `abort`.
    Aborted,
    /// By an error. If a send had failed before, the protocol is told the error of the send, which came first.
    Failed(ConnectionError),
    /// By a panic of the protocol, which is told of the panic whatever went wrong before.
    Panicked(ConnectionError),
}

pub(crate) struct Life<P: ?Sized> {
    phase: Cell<Phase>,
    /// `None` in Lost, and only there. That cuts the cycle, since a protocol usually holds its transport.
    protocol: Cell<Option<Rc<P>>>,
    /// The error that `connection_lost` will get. `None` in Open and Closing, and again in Lost.
    failure: Cell<Option<ConnectionError>>,
}

impl<P: ?Sized> Life<P> {
    pub(crate) fn new(protocol: Rc<P>) -> Self {
        Life { phase: Cell::new(Phase::Open), protocol: Cell::new(Some(protocol)), failure: Cell::new(None) }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.phase.get() == Phase::Open
    }

    /// Whether `connection_lost` is scheduled, or was called.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase.get(), Phase::Losing | Phase::Lost)
    }

    #[inline]
    pub(crate) fn protocol(&self) -> Option<Rc<P>> {
        let protocol = self.protocol.take();
        self.protocol.set(protocol.clone());
        protocol
    }

    /// Replaces the protocol. A transport that is lost no longer has one.
    pub(crate) fn set_protocol(&self, protocol: Rc<P>) {
        if self.phase.get() != Phase::Lost {
            self.protocol.set(Some(protocol));
        }
    }

    pub(crate) fn failure(&self) -> Option<ConnectionError> {
        let failure = self.failure.take();
        self.failure.set(failure.clone());
        failure
    }

    /// `close` was called. Returns whether the transport was open until now.
    pub(crate) fn begin_closing(&self) -> bool {
        let was_open = self.is_open();
        if was_open {
            self.phase.set(Phase::Closing);
        }
        was_open
    }

    /// A send failed while the transport was open, and the peer may still send.
    pub(crate) fn stop_sending(&self, error: ConnectionError) {
        debug_assert!(self.is_open(), "a send failed in {:?}", self.phase.get());
        self.phase.set(Phase::Receiving);
        self.failure.set(Some(error));
    }

    /// The end has come. Returns the phase before that, or `None` if the end had come already.
    pub(crate) fn begin_losing(&self, ending: Ending) -> Option<Phase> {
        if self.is_over() {
            return None;
        }
        match ending {
            Ending::Closed | Ending::Aborted => {}
            Ending::Failed(error) => self.failure.set(self.failure.take().or(Some(error))),
            Ending::Panicked(error) => self.failure.set(Some(error)),
        }
        Some(self.phase.replace(Phase::Losing))
    }

    /// The transport is lost. Returns the protocol, which is no longer kept, and the error to tell it.
    pub(crate) fn end(&self) -> (Option<Rc<P>>, Option<ConnectionError>) {
        self.phase.set(Phase::Lost);
        (self.protocol.take(), self.failure.take())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn error(text: &str) -> ConnectionError {
        io::Error::other(text.to_owned()).into()
    }

    fn told(life: &Life<str>) -> Option<String> {
        life.end().1.map(|error| error.to_string())
    }

    /// One life in each phase.
    fn lives() -> Vec<Life<str>> {
        let reach = |steps: &[fn(&Life<str>)]| {
            let life = Life::<str>::new("protocol".into());
            steps.iter().for_each(|step| step(&life));
            life
        };
        vec![
            reach(&[]),
            reach(&[|life| assert!(life.begin_closing())]),
            reach(&[|life| life.stop_sending(error("send"))]),
            reach(&[|life| assert_eq!(life.begin_losing(Ending::Closed), Some(Phase::Open))]),
            reach(&[|life| drop(life.end())]),
        ]
    }

    fn phases_after(step: fn(&Life<str>)) -> Vec<Phase> {
        let lives = lives();
        lives.iter().for_each(step);
        lives.iter().map(Life::phase).collect()
    }

    #[test]
    fn each_step_leads_from_each_phase_where_the_diagram_says() {
        use Phase::{Closing, Losing, Lost, Open, Receiving};
        assert_eq!(phases_after(|_| {}), [Open, Closing, Receiving, Losing, Lost]);
        assert_eq!(phases_after(|life| _ = life.begin_closing()), [Closing, Closing, Receiving, Losing, Lost]);
        assert_eq!(phases_after(|life| _ = life.begin_losing(Ending::Aborted)), [Losing, Losing, Losing, Losing, Lost]);
        assert_eq!(phases_after(|life| drop(life.end())), [Lost; 5]);
    }

    #[test]
    fn the_protocol_is_there_in_every_phase_but_the_last_and_none_takes_its_place_then() {
        for life in lives() {
            life.set_protocol("successor".into());
            let expected = if life.phase() == Phase::Lost { None } else { Some("successor") };
            assert_eq!(life.protocol().as_deref(), expected);
        }
    }

    #[test]
    fn the_first_error_is_told_and_a_panic_before_all() {
        let end_of = |first: Option<&str>, ending| {
            let life = Life::<str>::new("protocol".into());
            first.into_iter().for_each(|text| life.stop_sending(error(text)));
            life.begin_losing(ending);
            // An error that comes after the end is not told.
            assert_eq!(life.begin_losing(Ending::Panicked(error("late"))), None);
            told(&life)
        };
        let send = Some("send");
        assert_eq!(end_of(None, Ending::Closed), None);
        assert_eq!(end_of(None, Ending::Failed(error("receive"))).as_deref(), Some("receive"));
        assert_eq!(end_of(send, Ending::Closed).as_deref(), Some("send"));
        assert_eq!(end_of(send, Ending::Failed(error("receive"))).as_deref(), Some("send"));
        assert_eq!(end_of(send, Ending::Panicked(error("panic"))).as_deref(), Some("panic"));
    }
}
