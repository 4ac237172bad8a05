//! The transport of a child process.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::rc::Rc;

use crate::interface::{ChildPipe, SubprocessTransport, Transport};
use crate::net::process::Child;

/// A child and its pipes. It does not hold the protocol: the pipes and the task that may still call it do, and the
/// loop holds those.
pub(super) struct ChildTransport {
    child: Rc<Child>,
    /// Indexed by their descriptor numbers in the child. `None` if there is no such pipe, and once it is lost.
    pipes: [Cell<Option<Rc<dyn Transport>>>; 3],
    /// Whether the protocol was told that the child has exited, or is about to be. The child may have ended a turn
    /// earlier.
    has_exited: Cell<bool>,
    closing: Cell<bool>,
}

impl ChildTransport {
    pub(super) fn new(child: Rc<Child>) -> Rc<ChildTransport> {
        let (has_exited, closing) = (Cell::new(false), Cell::new(false));
        Rc::new(ChildTransport { child, pipes: Default::default(), has_exited, closing })
    }

    pub(super) fn child(&self) -> &Rc<Child> {
        &self.child
    }

    pub(super) fn set_pipe(&self, pipe: ChildPipe, transport: Rc<dyn Transport>) {
        self.pipes[pipe as usize].set(Some(transport));
    }

    pub(super) fn pipe_is_lost(&self, pipe: ChildPipe) {
        drop(self.pipes[pipe as usize].take());
    }

    pub(super) fn child_has_exited(&self) {
        self.has_exited.set(true);
    }

    /// Whether only `connection_lost` is left to tell the protocol.
    pub(super) fn is_over(&self) -> bool {
        self.has_exited.get() && self.pipes().next().is_none()
    }

    fn pipe(&self, number: usize) -> Option<Rc<dyn Transport>> {
        let pipe = self.pipes[number].take();
        self.pipes[number].set(pipe.clone());
        pipe
    }

    fn pipes(&self) -> impl Iterator<Item = Rc<dyn Transport>> {
        (0..self.pipes.len()).filter_map(|number| self.pipe(number))
    }
}

impl SubprocessTransport for ChildTransport {
    fn get_pid(&self) -> u32 {
        self.child.pid()
    }

    fn get_returncode(&self) -> Option<ExitStatus> {
        self.child.returncode()
    }

    fn get_pipe_transport(&self, pipe: ChildPipe) -> Option<Rc<dyn Transport>> {
        self.pipe(pipe as usize)
    }

    fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.child.send_signal(signal)
    }

    fn close(&self) {
        if !self.closing.replace(true) {
            self.pipes().for_each(|pipe| pipe.close());
            self.child.kill_if_running();
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.get()
    }
}

impl fmt::Debug for ChildTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self as &dyn SubprocessTransport, f)
    }
}
