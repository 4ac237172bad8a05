//! The path of a Unix socket: taking it, and giving it back.
//!
//! To bind, the path must be free, so what a dead socket left there is removed before. Looking, removing and binding are
//! one step, which one socket at a time takes ([`DirectoryLock`]). Otherwise two that saw the same dead one would both
//! remove what they find, and the second would remove the first.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{self, Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::directory_lock::DirectoryLock;
use super::socket::prepare;
use crate::interface::Address;
use crate::report;

/// A new socket of this type, bound to a path or to an abstract name, and the file that this made if it is a path. What
/// a socket left there that nobody has open any more is replaced.
///
/// # Errors
///
/// `AddrInUse` if the path is that of a socket that somebody has open, whether or not it listens, or of anything that
/// is no socket: both are left alone. What the system says.
///
/// # Cancel safety
///
/// The path is taken in the last step, when nothing is waited for any more.
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

/// Whether the path is that of a socket that nobody has open.
///
/// An attempt to connect a datagram socket tells it of sockets of every type, and without side effects: one that is open
/// and of another type refuses the wrong type, whether or not it listens, and is brought no client.
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

/// The file that a socket of ours made by being bound. Dropping this removes it, unless another one has taken its place
/// or it is gone. That is to happen before the socket is closed, while nobody can take the path for one that is free.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn at(path: &Path) -> Option<SocketFile> {
        let metadata = fs::symlink_metadata(path).ok()?;
        // The working directory may be another one by then.
        let path = path::absolute(path).ok()?;
        Some(SocketFile { path, device: metadata.dev(), inode: metadata.ino() })
    }

    /// Leaves the file where it is, for good.
    pub(super) fn leave(mut self) {
        // An empty path names no file, so the drop finds nothing to remove.
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
