//! A lock on a directory, with one holder at a time among the threads of all processes.
//!
//! The lock is a descriptor, so it leaves no file behind and ends with the process that holds it. On Linux it is a
//! socket whose abstract name is made from the directory's device and inode numbers; on Apple's systems and the BSDs
//! it is the directory itself, opened exclusively.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use crate::constants::DIRECTORY_LOCK_ATTEMPTS;
use crate::time::sleep;

/// Held until dropped.
#[must_use]
pub(super) struct DirectoryLock {
    /// `None` if the system refuses the lock. Then the holder goes on without it.
    _held: Option<OwnedFd>,
}

impl DirectoryLock {
    /// Takes the lock of the directory that contains `path`. Waits while another holder has it.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if another holder has kept the lock for longer than binding takes.
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

/// Binds to an abstract name, which only one socket can have at a time. Each network namespace has its own names, so
/// processes in different namespaces do not exclude each other, though they may share the directory.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn hold(directory: &Path) -> io::Result<OwnedFd> {
    use std::os::unix::fs::MetadataExt;

    let metadata = std::fs::metadata(directory)?;
    let name = format!("\0waterwheel/binding/{:x}/{:x}", metadata.dev(), metadata.ino());
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(name)?)?;
    Ok(socket.into())
}

/// Opens the directory with an exclusive lock, which only one descriptor can have at a time.
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
