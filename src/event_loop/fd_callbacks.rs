//! Watching descriptors that users own, with callbacks and from coroutines.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::Location;
use std::rc::Rc;

use super::LoopHandle;
use super::descriptor::{Descriptor, UserCallback};
use crate::errors::loop_is_closed;
use crate::executor::{Awaited, because, operation};
use crate::reactor::Direction;

impl LoopHandle {
    /// Calls `callback` whenever the descriptor is readable, has ended or has failed: once per poll of the selector for
    /// as long as the condition holds, whether or not the callback reads anything. An earlier reader of the descriptor
    /// is replaced and dropped.
    ///
    /// The descriptor stays yours. It should be non-blocking. It must be [removed](LoopHandle::remove_reader) before it
    /// is closed, since the loop knows only its number, which the next descriptor may get. If you close it without
    /// removing it, the loop notices when the number is added again or given to a connection of this loop, and drops
    /// the callbacks of the closed descriptor.
    ///
    /// A descriptor may have a reader and a writer. If both are ready, the reader is called first. Both may add and
    /// remove readers and writers, including themselves. Once removed, a callback is not called any more, even if its
    /// descriptor was ready in the same turn.
    ///
    /// Dropping the loop drops the callback.
    ///
    /// # Errors
    ///
    /// Fails with the system's error if no open descriptor has this number, or if the descriptor is always ready and
    /// cannot be watched, such as one of a regular file (`PermissionDenied` on Linux). Fails with `AlreadyExists` if
    /// the descriptor belongs to an open connection or listener of this loop. Also fails if the loop is closed.
    ///
    /// # Panics
    ///
    /// If the callback panics, the panic is reported to the loop's exception handler, and the callback is removed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use std::rc::Rc;
    ///
    /// let mut event_loop = waterwheel::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// ours.set_nonblocking(true)?;
    /// let ours = Rc::new(ours);
    /// handle.add_reader(&ours.clone(), {
    ///     let handle = handle.clone();
    ///     move || {
    ///         let mut data = [0; 100];
    ///         let n = (&*ours).read(&mut data).unwrap();
    ///         assert_eq!(&data[..n], b"abc");
    ///         handle.remove_reader(&*ours);
    ///         handle.stop();
    ///     }
    /// })?;
    /// handle.call_soon(move || theirs.write_all(b"abc").unwrap());
    /// event_loop.run_forever();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn add_reader(&self, fd: &impl AsRawFd, callback: impl FnMut() + 'static) -> io::Result<()> {
        self.add_fd_callback(fd, Direction::Read, Box::new(callback), Location::caller())
    }

    /// Calls `callback` whenever the descriptor is writable or has failed. Otherwise this is like
    /// [`add_reader`](LoopHandle::add_reader).
    ///
    /// # Errors
    ///
    /// Fails as [`add_reader`](LoopHandle::add_reader) does.
    ///
    /// # Panics
    ///
    /// A panic in the callback is handled as for [`add_reader`](LoopHandle::add_reader).
    ///
    /// # Examples
    ///
    /// A long answer, sent as fast as the socket takes it:
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use std::rc::Rc;
    ///
    /// let mut event_loop = waterwheel::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// ours.set_nonblocking(true)?;
    /// let ours = Rc::new(ours);
    /// let mut unsent = vec![7; 1_000_000];
    /// handle.add_writer(&ours.clone(), {
    ///     let handle = handle.clone();
    ///     move || {
    ///         let n = (&*ours).write(&unsent).unwrap();
    ///         unsent.drain(..n);
    ///         // A socket is nearly always writable, so keep a writer only while there is something to send.
    ///         if unsent.is_empty() {
    ///             assert!(handle.remove_writer(&*ours));
    ///             handle.stop();
    ///         }
    ///     }
    /// })?;
    /// let reads = std::thread::spawn(move || theirs.read_exact(&mut [0; 1_000_000]));
    /// event_loop.run_forever();
    /// reads.join().unwrap()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn add_writer(&self, fd: &impl AsRawFd, callback: impl FnMut() + 'static) -> io::Result<()> {
        self.add_fd_callback(fd, Direction::Write, Box::new(callback), Location::caller())
    }

    /// Removes the reader of a descriptor and drops it. Returns whether there was one.
    pub fn remove_reader(&self, fd: &impl AsRawFd) -> bool {
        self.remove_fd_callback(fd, Direction::Read)
    }

    /// Removes the writer of a descriptor and drops it. Returns whether there was one.
    pub fn remove_writer(&self, fd: &impl AsRawFd) -> bool {
        self.remove_fd_callback(fd, Direction::Write)
    }

    /// Waits until a descriptor is readable, has ended or has failed. With a non-blocking socket of another library,
    /// try to read, and wait here if the read returns [`WouldBlock`](io::ErrorKind::WouldBlock):
    ///
    /// ```
    /// use std::io::{self, Read};
    /// use std::os::unix::net::UnixStream;
    ///
    /// async fn recv(mut socket: &UnixStream, into: &mut [u8]) -> io::Result<usize> {
    ///     loop {
    ///         match socket.read(into) {
    ///             Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
    ///                 waterwheel::get_running_loop().readable(socket).await?;
    ///             }
    ///             done => return done,
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// Any number of tasks may wait for one descriptor, and it may have callbacks as well. All of them get the same
    /// event. The event is a hint, since the data may already have been read elsewhere.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the watch. Nothing is lost: a descriptor that is readable stays readable.
    ///
    /// # Errors
    ///
    /// Fails as [`add_reader`](LoopHandle::add_reader) does.
    #[doc(alias = "sock_recv")]
    #[doc(alias = "sock_recv_into")]
    #[doc(alias = "sock_recvfrom")]
    #[doc(alias = "sock_recvfrom_into")]
    #[doc(alias = "sock_accept")]
    #[track_caller]
    pub fn readable(&self, fd: &impl AsFd) -> impl Future<Output = io::Result<()>> {
        because(Awaited::Readable, Location::caller(), async move { self.fd_event(fd, Direction::Read).await })
    }

    /// Waits until a descriptor is writable or has failed. See [`readable`](LoopHandle::readable).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the watch.
    ///
    /// # Errors
    ///
    /// Fails as [`add_reader`](LoopHandle::add_reader) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{self, Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// async fn send(mut socket: &UnixStream, mut data: &[u8]) -> io::Result<()> {
    ///     while !data.is_empty() {
    ///         match socket.write(data) {
    ///             Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
    ///                 waterwheel::get_running_loop().writable(socket).await?;
    ///             }
    ///             sent => data = &data[sent?..],
    ///         }
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// ours.set_nonblocking(true)?;
    /// let reads = std::thread::spawn(move || theirs.read_exact(&mut [0; 1_000_000]));
    /// waterwheel::run(send(&ours, &[7; 1_000_000]))?;
    /// reads.join().unwrap()?;
    /// # Ok::<(), io::Error>(())
    /// ```
    #[doc(alias = "sock_sendall")]
    #[doc(alias = "sock_sendto")]
    #[doc(alias = "sock_connect")]
    #[track_caller]
    pub fn writable(&self, fd: &impl AsFd) -> impl Future<Output = io::Result<()>> {
        because(Awaited::Writable, Location::caller(), async move { self.fd_event(fd, Direction::Write).await })
    }

    fn add_fd_callback(
        &self,
        fd: &impl AsRawFd,
        direction: Direction,
        closure: Box<dyn FnMut()>,
        added_at: &'static Location<'static>,
    ) -> io::Result<()> {
        let descriptor = Descriptor::watched_for(self, fd.as_raw_fd(), direction)?;
        descriptor.add(direction, UserCallback { closure, added_at });
        Ok(())
    }

    fn remove_fd_callback(&self, fd: &impl AsRawFd, direction: Direction) -> bool {
        let descriptor = self.core().descriptors.get(fd.as_raw_fd());
        descriptor.is_some_and(|descriptor| descriptor.remove(direction))
    }

    async fn fd_event(&self, fd: &impl AsFd, direction: Direction) -> io::Result<()> {
        // Watching may fail at once, and a task that retries in a loop must not monopolise the thread.
        operation().await;
        let descriptor = Descriptor::watched_for(self, fd.as_fd().as_raw_fd(), direction)?;
        let number = descriptor.begin_wait(direction);
        let wait = FdWait { descriptor, direction, number };
        wait.descriptor.event_after(direction, number).await;
        if self.is_closed() { Err(loop_is_closed()) } else { Ok(()) }
    }
}

/// A wait for an event. Its descriptor counts it until this is dropped.
struct FdWait {
    descriptor: Rc<Descriptor>,
    direction: Direction,
    number: u64,
}

impl Drop for FdWait {
    fn drop(&mut self) {
        self.descriptor.end_wait(self.direction, self.number);
    }
}
