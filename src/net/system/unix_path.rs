//! The path of a Unix socket: taking it, and giving it back.
//!
//! To bind, the path must be free, so a dead socket, which no process has open any more, is removed first. The check,
//! the removal and the bind happen under a [`DirectoryLock`]. Otherwise two servers that saw the same dead socket
//! would both remove the file at the path, and the second one would remove the socket of the first.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{self, Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::directory_lock::DirectoryLock;
use super::socket::prepare;
use crate::interface::Address;
use crate::report;

/// Makes a socket of this type, bound to a path or to an abstract name. For a path, also returns the file that binding
/// made. A dead socket at the path is replaced.
///
/// # Errors
///
/// `AddrInUse` if a socket at the path is still open, whether it listens or not, or if the path is a file that is not
/// a socket; neither is touched. Otherwise the system's error.
///
/// # Cancel safety
///
/// The path is taken in the last step, after which nothing is awaited.
pub(super) async fn bind_unix(address: &Address, kind: Type) -> io::Result<(Socket, Option<SocketFile>)> {
    let name = address.to_sock_addr();
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    prepare(&socket)?;
    let Some(path) = address.as_path() else {
        socket.bind(&name)?;
        return Ok((socket, None));
    };
    let _alone = DirectoryLock::of_parent(path).await?;
    match socket.bind(&name) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_dead(path, &name)? => {
            remove_if_there(path)?;
            socket.bind(&name)?;
        }
        bound => bound?,
    }
    Ok((socket, SocketFile::at(path)))
}

/// Whether there is a dead socket at the path, which no process has open.
///
/// Tries to connect a datagram socket to the path. That has no side effects, and works for sockets of every type: an
/// open stream socket refuses the wrong type, whether it listens or not, and sees no client.
fn is_dead(path: &Path, name: &SockAddr) -> io::Result<bool> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let probe = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    Ok(is_socket && probe.connect(name).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The file that binding a socket has made. Dropping this removes the file, unless another one has taken its place. It
/// must be dropped before the socket is closed, since until then no other process takes over the path.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn at(path: &Path) -> Option<SocketFile> {
        let metadata = fs::symlink_metadata(path).ok()?;
        // The working directory may have changed by the time this is dropped.
        let path = path::absolute(path).ok()?;
        Some(SocketFile { path, device: metadata.dev(), inode: metadata.ino() })
    }

    /// Keeps the file: nothing is removed.
    pub(super) fn leave(mut self) {
        // There is no file with an empty path, so dropping finds nothing to remove.
        self.path.clear();
    }

    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.is_there() {
            return;
        }
        if let Err(error) = remove_if_there(&self.path) {
            report::error(format_args!("The Unix socket {} could not be removed: {error}", self.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_removed_and_what_cannot_be_removed_is_an_error() {
        assert!(remove_if_there(Path::new("/no/such/socket")).is_ok());
        assert!(remove_if_there(&std::env::temp_dir()).is_err());
    }
}
