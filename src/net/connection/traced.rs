//! A protocol whose calls are written to the loop's trace. Only a loop that writes a trace has such protocols, so no
//! other loop pays for them.

use std::rc::Rc;

use crate::errors::ConnectionError;
use crate::event_loop::LoopHandle;
use crate::interface::{Address, AfterEof, BufferedProtocol, Protocol, ReceiveBuffer, Transport};

/// A protocol in front of another one, to which it passes every call on.
struct TracedProtocol {
    event_loop: LoopHandle,
    traced: Rc<dyn Protocol>,
}

/// The protocol for a transport to call: the one given, or one in front of it that writes each call to the trace.
pub(crate) fn traced(event_loop: &LoopHandle, protocol: Rc<dyn Protocol>) -> Rc<dyn Protocol> {
    if !event_loop.core().is_traced() {
        return protocol;
    }
    Rc::new(TracedProtocol { event_loop: event_loop.clone(), traced: protocol })
}

/// The protocol that [`traced`] was given.
pub(crate) fn behind_trace(protocol: Rc<dyn Protocol>) -> Rc<dyn Protocol> {
    protocol.behind_trace().unwrap_or(protocol)
}

/// The label of a source in a trace: its kind, and its address if it has one.
pub(crate) fn labelled(kind: &str, address: Option<&Address>) -> String {
    address.map_or_else(|| kind.to_owned(), |address| format!("{kind} {address}"))
}

impl TracedProtocol {
    fn call<R>(&self, method: &'static str, call: impl FnOnce(&dyn Protocol) -> R) -> R {
        self.event_loop.core().traced(method, || call(&*self.traced))
    }

    fn call_buffered<R>(&self, method: &'static str, call: impl FnOnce(&dyn BufferedProtocol) -> R) -> R {
        self.call(method, |protocol| call(protocol.buffered().expect("it was buffered when it was asked before")))
    }
}

impl Protocol for TracedProtocol {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.call("connection_made", |protocol| protocol.connection_made(transport));
    }

    fn data_received(&self, data: &[u8]) {
        self.call("data_received", |protocol| protocol.data_received(data));
    }

    fn eof_received(&self) -> AfterEof {
        self.call("eof_received", |protocol| protocol.eof_received())
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.call("connection_lost", |protocol| protocol.connection_lost(error));
    }

    fn pause_writing(&self) {
        self.call("pause_writing", |protocol| protocol.pause_writing());
    }

    fn resume_writing(&self) {
        self.call("resume_writing", |protocol| protocol.resume_writing());
    }

    fn connection_closing(&self, error: Option<ConnectionError>) {
        self.call("connection_closing", |protocol| protocol.connection_closing(error));
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.traced.buffered().map(|_| self as &dyn BufferedProtocol)
    }

    fn transport_above(&self) -> Option<Rc<dyn Transport>> {
        self.traced.transport_above()
    }

    fn behind_trace(&self) -> Option<Rc<dyn Protocol>> {
        Some(Rc::clone(&self.traced))
    }
}

impl BufferedProtocol for TracedProtocol {
    fn get_buffer(&self) -> ReceiveBuffer {
        self.call_buffered("get_buffer", |protocol| protocol.get_buffer())
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        self.call_buffered("buffer_updated", |protocol| protocol.buffer_updated(buffer, received));
    }
}
