//! One end of a simulated connection, as a transport drives it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::os::fd::{OwnedFd, RawFd};
use std::rc::Rc;

use super::line::{Line, Which};
use crate::interface::Address;
use crate::net::port::{Conduit, Connected, Ways};

/// One end of a line. It owns its side, and closes it when it is dropped.
pub(super) struct End {
    line: Rc<Line>,
    which: Which,
    ways: Ways,
    resets: Cell<bool>,
    /// The address of the peer, and its own.
    names: (Option<Address>, Option<Address>),
    /// The system's descriptor that stands for this end of a pipe. While it is held, its number is not given to
    /// another pipe.
    _stand_in: Option<OwnedFd>,
}

impl End {
    pub(super) fn new(line: &Rc<Line>, which: Which, peer: Option<Address>, local: Option<Address>) -> End {
        let resets = Cell::new(false);
        End { line: Rc::clone(line), which, ways: Ways::Both, resets, names: (peer, local), _stand_in: None }
    }

    pub(super) fn of_pipe(line: &Rc<Line>, which: Which, ways: Ways) -> End {
        let mut end = End::new(line, which, None, None);
        end.ways = ways;
        end
    }

    pub(super) fn with_stand_in(mut self, stand_in: OwnedFd) -> End {
        self._stand_in = Some(stand_in);
        self
    }

    pub(super) fn is_for(&self, ways: Ways) -> bool {
        self.ways == ways
    }

    /// Gives it a descriptor. A connection that waits to be accepted does not have one.
    ///
    /// # Errors
    ///
    /// EMFILE at the host's limit. Nothing is changed then.
    pub(super) fn take_descriptor(&self) -> io::Result<()> {
        let fd = self.line.desk(self.which).open()?;
        self.line.set_fd(self.which, fd);
        Ok(())
    }

    pub(super) fn connected(self) -> Connected {
        let (peer, local) = self.names.clone();
        Connected::new(self).with_names(peer, local.map(Rc::new))
    }
}

impl Conduit for End {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        self.line.receive(self.which, into)
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.line.send(self.which, &[IoSlice::new(data)])
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.line.send(self.which, pieces)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.line.end(self.which)
    }

    fn reset_on_close(&self) {
        self.resets.set(true);
    }

    fn fd(&self) -> RawFd {
        self.line.fd(self.which)
    }

    fn ways(&self) -> Ways {
        self.ways
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.line.close(self.which, self.resets.get());
    }
}
