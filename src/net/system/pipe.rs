//! Pipes as conduits: one end of a FIFO, a terminal or another device, or a socket that is used one way.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::rc::Rc;

use mio::unix::pipe::Sender;

use crate::event_loop::LoopHandle;
use crate::net::connection::Watch;
use crate::net::port::{Conduit, Connected, Ways};

/// What the descriptor refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fifo,
    Socket,
    /// A device that can be waited for, such as a terminal.
    Device,
    /// A device that is always ready, such as `/dev/null`.
    ReadyDevice,
}

struct Pipe {
    file: File,
    kind: Kind,
    ways: Ways,
}

/// Takes one end of a pipe, and makes it non-blocking.
///
/// # Errors
///
/// `InvalidInput` if the descriptor cannot be waited for.
pub(super) fn adopt(event_loop: &LoopHandle, pipe: OwnedFd, ways: Ways) -> io::Result<Connected> {
    let file = File::from(pipe);
    let file_type = file.metadata()?.file_type();
    let mut watch = None;
    let kind = match () {
        () if file_type.is_fifo() => Kind::Fifo,
        () if file_type.is_socket() => Kind::Socket,
        () if file_type.is_char_device() => match Watch::new(event_loop, file.as_raw_fd()) {
            Ok(watched) => {
                watch = Some(watched);
                Kind::Device
            }
            // This is epoll's error for files that are always ready.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Kind::ReadyDevice,
            Err(error) => return Err(error),
        },
        () => {
            let text = "only pipes, sockets and character devices can be waited for, not regular files";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    };
    // std cannot make a file non-blocking. mio's pipe can, by a system call that works for every kind of descriptor.
    // Here it only wraps the descriptor for that call.
    let pipe = Sender::from(OwnedFd::from(file));
    pipe.set_nonblocking(true)?;
    let connected = Connected::new(Pipe { file: File::from(OwnedFd::from(pipe)), kind, ways });
    Ok(match watch {
        Some(watch) => connected.with_watch(watch),
        None => connected,
    })
}

impl Pipe {
    /// Something happened on a pipe that we write to. Finds out whether its reader is gone: a send would fail with
    /// EPIPE, but there may be nothing to send.
    fn look_for_the_reader(&self, into: &mut [u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Socket => (&self.file).read(into),
            // The only read event of a write end is that the reader is gone. Only a FIFO that was opened for both ways
            // has others, and there an empty read succeeds without taking anything out of it.
            Kind::Fifo => match (&self.file).read(&mut []) {
                Ok(_) => Err(io::ErrorKind::WouldBlock.into()),
                Err(_) => Ok(0),
            },
            // A terminal is also readable when its user types.
            Kind::Device | Kind::ReadyDevice => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Conduit for Pipe {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        match self.ways {
            Ways::Both | Ways::In => (&self.file).read(into),
            Ways::Out => self.look_for_the_reader(into),
        }
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        match self.kind {
            // No event says when the rest may be sent, so all of it is sent now.
            Kind::ReadyDevice => (&self.file).write_all(data).map(|()| data.len()),
            Kind::Fifo | Kind::Socket | Kind::Device => (&self.file).write(data),
        }
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.kind {
            Kind::ReadyDevice => pieces.iter().map(|piece| self.send(piece)).sum(),
            Kind::Fifo | Kind::Socket | Kind::Device => (&self.file).write_vectored(pieces),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        // A pipe's side ends when the pipe is closed.
        Ok(())
    }

    fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    fn pipe(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        Some(self)
    }

    fn ways(&self) -> Ways {
        self.ways
    }

    fn is_unwatched(&self) -> bool {
        self.kind == Kind::ReadyDevice
    }
}
