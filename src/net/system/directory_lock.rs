//! A lock by which one at a time, of all processes and of their threads, does something in a directory.
//!
//! It leaves no file behind and dies with its holder, since it is a descriptor: on Linux a socket whose abstract name
//! says the directory, on Apple's systems and the BSDs the directory itself, opened exclusively.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use crate::constants::DIRECTORY_LOCK_ATTEMPTS;
use crate::time::sleep;

/// Held until dropped.
#[must_use]
pub(super) struct DirectoryLock {
    /// `None` if the system refuses to give it: then the holder is no worse off than without one.
    _held: Option<OwnedFd>,
}

impl DirectoryLock {
    /// The lock of the directory that `path` is in, waited for while somebody else has it.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if somebody else has the lock for longer than anybody needs it.
    pub(super) async fn of_parent(path: &Path) -> io::Result<DirectoryLock> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        for _ in 0..DIRECTORY_LOCK_ATTEMPTS {
            match hold(directory) {
                Ok(held) => return Ok(DirectoryLock { _held: Some(held) }),
                Err(error) if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::WouldBlock) => {}
                Err(error) => {
                    log::debug!("the directory {} could not be locked: {error}", directory.display());
                    return Ok(DirectoryLock { _held: None });
                }
            }
            sleep(Duration::from_millis(1)).await;
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "another process has been binding in that directory for too long"))
    }
}

/// A descriptor that only one can have at a time: an abstract name. It can be had once in each network namespace, so
/// processes that share a directory but not that do not hear of each other.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn hold(directory: &Path) -> io::Result<OwnedFd> {
    use std::os::unix::fs::MetadataExt;

    let metadata = std::fs::metadata(directory)?;
    let name = format!("\0waterwheel/binding/{:x}/{:x}", metadata.dev(), metadata.ino());
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(name)?)?;
    Ok(socket.into())
}

/// A descriptor that only one can have at a time: the directory itself, opened exclusively.
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
))]
fn hold(directory: &Path) -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;

    let exclusively = libc::O_EXLOCK | libc::O_NONBLOCK;
    Ok(std::fs::File::options().read(true).custom_flags(exclusively).open(directory)?.into())
}
