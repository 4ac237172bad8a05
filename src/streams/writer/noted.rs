//! A transport in front of a writer's own, which notes the line of each write. Only a writer made in debug mode has
//! one, so no other writer pays for it.

use std::io::IoSlice;
use std::panic::Location;
use std::rc::Rc;

use crate::executor::note_write;
use crate::interface::{ExtraInfo, Protocol, Transport};

/// Passes every call on.
struct NotedTransport(Rc<dyn Transport>);

/// The transport that a writer writes to in debug mode.
pub(super) fn noted(transport: Rc<dyn Transport>) -> Rc<dyn Transport> {
    Rc::new(NotedTransport(transport))
}

/// Notes a write. The poll methods wait for room before they write, so their callers need not drain, and no line is
/// noted for them. They are recognized by their file, since their writes arrive here like all others.
fn note(at: &'static Location<'static>) {
    note_write((!at.file().ends_with("writer/polls.rs")).then_some(at));
}

impl Transport for NotedTransport {
    fn write(&self, data: &[u8]) {
        note(Location::caller());
        self.0.write(data);
    }

    fn writelines(&self, parts: &[IoSlice<'_>]) {
        note(Location::caller());
        self.0.writelines(parts);
    }

    fn write_some(&self, parts: &[IoSlice<'_>]) -> Option<usize> {
        self.0.write_some(parts)
    }

    fn can_write_eof(&self) -> bool {
        self.0.can_write_eof()
    }

    fn write_eof(&self) {
        self.0.write_eof();
    }

    fn close(&self) {
        self.0.close();
    }

    fn abort(&self) {
        self.0.abort();
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn pause_reading(&self) {
        self.0.pause_reading();
    }

    fn resume_reading(&self) {
        self.0.resume_reading();
    }

    fn is_reading(&self) -> bool {
        self.0.is_reading()
    }

    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) {
        self.0.set_write_buffer_limits(high, low);
    }

    fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.0.get_write_buffer_limits()
    }

    fn get_write_buffer_size(&self) -> usize {
        self.0.get_write_buffer_size()
    }

    fn is_writing_paused(&self) -> bool {
        self.0.is_writing_paused()
    }

    fn pause_until_sent(&self) -> bool {
        self.0.pause_until_sent()
    }

    fn extra_info(&self) -> ExtraInfo {
        self.0.extra_info()
    }

    fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        self.0.set_protocol(protocol);
    }

    fn get_protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.0.get_protocol()
    }
}

#[cfg(test)]
mod tests {
    /// A method with a default that is not passed on would behave differently in debug mode.
    #[test]
    fn every_method_of_a_transport_is_passed_on() {
        let interface = include_str!("../../interface/transport.rs").split("\nimpl ").next().unwrap();
        let methods: Vec<_> =
            interface.lines().filter_map(|line| line.strip_prefix("    fn ")?.split('(').next()).collect();
        assert!(methods.len() > 15, "{methods:?}");
        for method in methods {
            assert!(include_str!("noted.rs").contains(&format!("self.0.{method}(")), "{method}");
        }
    }
}
