//! Tells the protocol of a child process what happens to the child.

use std::rc::Rc;

use crate::errors::{ConnectionError, protocol_panicked};
use crate::event_loop::LoopHandle;
use crate::interface::{ChildPipe, Protocol, SubprocessProtocol, SubprocessTransport};
use crate::net::connection::Made;
use crate::net::process::transport::ChildTransport;
use crate::transports::Guard;

/// Calls the protocol. It is held by the pipes, and by the task that waits for the child. So nothing holds the
/// protocol once everything has happened, or when the loop is closed.
pub(super) struct Reporter {
    event_loop: LoopHandle,
    protocol: Rc<dyn SubprocessProtocol>,
    transport: Rc<ChildTransport>,
}

impl Reporter {
    pub(super) fn new(
        event_loop: &LoopHandle,
        protocol: Rc<dyn SubprocessProtocol>,
        transport: &Rc<ChildTransport>,
    ) -> Rc<Reporter> {
        Rc::new(Reporter { event_loop: event_loop.clone(), protocol, transport: Rc::clone(transport) })
    }

    /// Tells the protocol `connection_made`. If the protocol panics, it has no use for its child, which is killed.
    pub(super) fn made(&self, told: &Made) {
        let on_panic = Guard::new(|| {
            let _ = told.set(Err(protocol_panicked("connection_made")));
            self.transport.close();
        });
        self.protocol.connection_made(self.transport.clone());
        on_panic.disarm();
        // It was not set before: only this and the guard above set it.
        let _ = told.set(Ok(()));
    }

    /// Waits for the end of the child, and has the protocol told.
    pub(super) async fn until_exited(self: Rc<Self>) {
        // The outcome is read later, when the protocol is told.
        let _ = self.transport.child().ended().wait().await;
        self.transport.child_has_exited();
        let reporter = Rc::clone(&self);
        self.event_loop.call_soon(move || reporter.protocol.process_exited());
        self.finish_if_over();
    }

    fn pipe_lost(self: &Rc<Self>, pipe: ChildPipe, error: Option<ConnectionError>) {
        self.transport.pipe_is_lost(pipe);
        // Scheduled before the protocol is called, so that it comes even if that panics.
        self.finish_if_over();
        self.protocol.pipe_connection_lost(pipe, error);
    }

    /// Called once for each pipe that is lost and once for the exit of the child, when the protocol is about to be
    /// told. After the last of these, `connection_lost` is scheduled.
    fn finish_if_over(self: &Rc<Self>) {
        if self.transport.is_over() {
            let reporter = Rc::clone(self);
            self.event_loop.call_soon(move || {
                let error = reporter.transport.child().ended().get().and_then(|outcome| outcome.clone().err());
                reporter.protocol.connection_lost(error);
            });
        }
    }
}

/// The protocol of one pipe.
pub(super) struct PipeProtocol {
    pub(super) reporter: Rc<Reporter>,
    pub(super) pipe: ChildPipe,
}

impl Protocol for PipeProtocol {
    fn data_received(&self, data: &[u8]) {
        self.reporter.protocol.pipe_data_received(self.pipe, data);
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.reporter.pipe_lost(self.pipe, error);
    }

    fn pause_writing(&self) {
        self.reporter.protocol.pause_writing();
    }

    fn resume_writing(&self) {
        self.reporter.protocol.resume_writing();
    }
}
