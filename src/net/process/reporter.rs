//! Who tells the protocol of a child process what happens to it.

use std::rc::Rc;

use crate::errors::{ConnectionError, protocol_panicked};
use crate::event_loop::LoopHandle;
use crate::interface::{ChildPipe, Protocol, SubprocessProtocol, SubprocessTransport};
use crate::net::connection::Made;
use crate::net::process::transport::ChildTransport;
use crate::transports::Guard;

/// Calls the protocol. It is held by the pipes, and by whoever waits for the child. So nothing holds the protocol once all
/// has happened, or when the loop is closed.
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

    /// A protocol that panics here has no use for its child, which is killed.
    pub(super) fn made(&self, told: &Made) {
        let on_panic = Guard::new(|| {
            let _ = told.set(Err(protocol_panicked("connection_made")));
            self.transport.close();
        });
        self.protocol.connection_made(self.transport.clone());
        on_panic.disarm();
        // It was never told before: only this and the guard above tell.
        let _ = told.set(Ok(()));
    }

    /// Waits for the end of the child, and has it told.
    pub(super) async fn until_exited(self: Rc<Self>) {
        // What it says is asked for when the protocol is told.
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

    /// Each pipe that is lost, and the exit of the child, comes here once, when the protocol is about to be told. After the
    /// last of them it is told the end.
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
