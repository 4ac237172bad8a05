//! A lock by which one process, and one thread of it, at a time does something in a directory.
//!
//! It leaves no file behind and dies with its holder, since it is a descriptor: on Linux a socket whose abstract name
//! says the directory, on Apple's systems and the BSDs the directory itself, opened for one alone. Other systems have
//! nothing like it that can be had here.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use crate::constants::DIRECTORY_LOCK_ATTEMPTS;
use crate::time::sleep;

/// Held until dropped.
#[must_use]
pub(crate) struct DirectoryLock {
    /// `None` where the system has no such lock, or refuses to give it: the holder is as good as it was without.
    _held: Option<OwnedFd>,
}

impl DirectoryLock {
    /// The lock of the directory that `path` is in, waited for while somebody else has it.
    ///
    /// # Errors
    ///
    /// If there is no such directory. `AddrInUse` if somebody else has the lock for longer than anybody needs it.
    pub(crate) async fn of_parent(path: &Path) -> io::Result<DirectoryLock> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let metadata = fs::metadata(directory)?;
        for _ in 0..DIRECTORY_LOCK_ATTEMPTS {
            match system::hold(directory, &metadata) {
                Ok(held) => return Ok(DirectoryLock { _held: held }),
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

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::fs::Metadata;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use socket2::{Domain, SockAddr, Socket, Type};

    /// An abstract name can be had once in each network namespace, so processes that share a directory but not that
    /// do not hear of each other.
    pub(super) fn hold(_directory: &Path, metadata: &Metadata) -> io::Result<Option<OwnedFd>> {
        let name = format!("\0waterwheel/binding/{:x}/{:x}", metadata.dev(), metadata.ino());
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(name)?)?;
        Ok(Some(socket.into()))
    }
}

#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
))]
mod system {
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    const O_NONBLOCK: i32 = 0x4;
    const O_EXLOCK: i32 = 0x20;

    pub(super) fn hold(directory: &Path, _metadata: &Metadata) -> io::Result<Option<OwnedFd>> {
        let opened = File::options().read(true).custom_flags(O_NONBLOCK | O_EXLOCK).open(directory)?;
        Ok(Some(opened.into()))
    }
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
)))]
mod system {
    use std::fs::Metadata;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    pub(super) fn hold(_directory: &Path, _metadata: &Metadata) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }
}
