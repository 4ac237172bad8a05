//! The writing end of a stream.

mod noted;
mod polls;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::executor::{Awaited, Reason, take_operation};
use crate::interface::{ExtraInfo, Transport};
use crate::streams::protocol::StreamProtocol;

/// The writing end of a connection.
///
/// [`write`](StreamWriter::write) never waits: the bytes that one step of a task writes are sent when the step ends, in
/// one system call. [`drain`](StreamWriter::drain) waits while the peer is behind.
///
/// Dropping the writer ends our side: the bytes written before are sent, then the end of the stream, and the reader
/// continues to read. With TLS one side cannot end alone, so nothing ends before the reader is dropped, too. The
/// connection is closed in the background once both halves are dropped, or once the writer is dropped and the peer has
/// ended its side. The bytes written before are sent first, but if the peer takes none of them for 30 seconds, the
/// connection is aborted, even if [`close`](StreamWriter::close) was called before; see
/// [`Builder::close_timeout`](crate::Builder::close_timeout). A reader that still exists then gets `TimedOut`.
///
/// All methods take `&self`, so several tasks may write and drain. The bytes of one write are never mixed with those of
/// another.
///
/// # Wakers
///
/// Each waiting future has its own waker, independent of other tasks, and dropping the future drops the waker. The
/// methods whose names begin with `poll_` belong to no future that could be dropped. Each of their three waits (for the
/// peer to catch up, for the kernel to take the written bytes, and for the connection to be lost) keeps the waker of
/// the last poll until it is woken, so only one task at a time may poll for each. Dropping a future does not remove
/// these wakers.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let (mut reader, writer) = waterwheel::open_connection("127.0.0.1:8888").await?;
/// writer.write(b"hello\n");
/// writer.drain().await?;
/// println!("{:?}", reader.readline().await?);
/// writer.close();
/// writer.wait_closed().await?;
/// # Ok(())
/// # }
/// ```
pub struct StreamWriter {
    protocol: Rc<StreamProtocol>,
    transport: Rc<dyn Transport>,
}

impl StreamWriter {
    pub(super) fn of(protocol: Rc<StreamProtocol>, transport: Rc<dyn Transport>) -> Self {
        let transport = if protocol.is_debugged() { noted::noted(transport) } else { transport };
        StreamWriter { protocol, transport }
    }

    /// Leaves the connection open: it was handed over.
    #[cfg(feature = "tls")]
    pub(super) fn release(self) {
        self.protocol.release();
    }

    #[cfg(feature = "tls")]
    pub(super) fn protocol(&self) -> &Rc<StreamProtocol> {
        &self.protocol
    }

    /// Writes bytes; see [`Transport::write`]. Errors of the connection are returned by [`drain`](StreamWriter::drain),
    /// by reads and by [`wait_closed`](StreamWriter::wait_closed).
    ///
    /// # Panics
    ///
    /// After [`write_eof`](StreamWriter::write_eof).
    #[inline]
    #[track_caller]
    pub fn write(&self, data: &[u8]) {
        self.transport.write(data);
    }

    /// Writes several pieces, as one [`write`](StreamWriter::write) of them all would.
    ///
    /// # Panics
    ///
    /// The same as [`write`](StreamWriter::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::testing::recorded_writer;
    ///
    /// waterwheel::run(async {
    ///     let (writer, transport) = recorded_writer();
    ///     let fields = ["HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n", "\r\n"];
    ///     writer.writelines(fields);
    ///     assert_eq!(transport.take_written(), fields.concat().as_bytes());
    /// });
    /// ```
    #[track_caller]
    pub fn writelines<I>(&self, parts: I)
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let parts: Vec<I::Item> = parts.into_iter().collect();
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part.as_ref())).collect();
        self.transport.writelines(&slices);
    }

    /// Waits until the peer has caught up. This returns at once while the buffer is within the high-water mark;
    /// otherwise it waits until the buffer is down to the low-water mark. Any number of tasks may wait.
    ///
    /// # Cancel safety
    ///
    /// The bytes written before are sent even if the future is dropped.
    ///
    /// # Errors
    ///
    /// The error of the connection, as soon as a send has failed, or `ConnectionReset` if the connection was closed and
    /// lost before. Bytes that the peer had sent by then can still be read.
    #[inline]
    #[track_caller]
    pub fn drain(&self) -> impl Future<Output = io::Result<()>> {
        self.drained(Location::caller())
    }

    #[inline]
    fn drained(&self, at: &'static Location<'static>) -> impl Future<Output = io::Result<()>> {
        // Boxed, since most drains do not wait, and without a box every task would need memory for the wait.
        let mut slow = None;
        poll_fn(move |cx| match &mut slow {
            None if take_operation() && self.protocol.may_write() => Poll::Ready(Ok(())),
            slow => poll_boxed(slow, || self.protocol.drain(Reason::new(Awaited::Drain, at)), cx),
        })
    }

    /// [`write`](StreamWriter::write), then [`drain`](StreamWriter::drain).
    ///
    /// # Cancel safety
    ///
    /// The first poll writes all of `data`. Dropping the future after that only ends the wait for the peer.
    ///
    /// # Errors
    ///
    /// The same as [`drain`](StreamWriter::drain).
    ///
    /// # Panics
    ///
    /// The same as [`write`](StreamWriter::write).
    #[inline]
    #[track_caller]
    pub fn write_all(&self, data: &[u8]) -> impl Future<Output = io::Result<()>> {
        let at = Location::caller();
        async move {
            self.write(data);
            self.drained(at).await
        }
    }

    /// Waits until the kernel has taken the bytes that earlier steps wrote. The bytes of the current step are handed to
    /// the kernel when the step ends, without waiting. While this waits, a [`drain`](StreamWriter::drain) waits as
    /// long.
    ///
    /// Written bytes are sent without a flush. Use it where nothing may be left unsent here, such as before the loop
    /// ends.
    ///
    /// # Cancel safety
    ///
    /// The bytes written before are sent even if the future is dropped.
    ///
    /// # Errors
    ///
    /// The error of the connection, as soon as a send has failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::testing::socket_pair;
    ///
    /// waterwheel::run(async {
    ///     let (ours, mut theirs) = socket_pair()?;
    ///     let reads = waterwheel::spawn(async move { theirs.reader.readexactly(1_000_000).await });
    ///     ours.writer.write(&vec![0; 1_000_000]);
    ///     ours.writer.flush().await?;
    ///     assert_eq!(ours.writer.transport().get_write_buffer_size(), 0);
    ///     assert!(reads.await.unwrap().is_ok());
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    #[track_caller]
    pub fn flush(&self) -> impl Future<Output = io::Result<()>> {
        let reason = Reason::new(Awaited::Flush, Location::caller());
        async move { self.protocol.flush(&*self.transport, reason).await }
    }

    /// Whether our side can end alone.
    ///
    /// # Examples
    ///
    /// A request without a length ends where our side ends. Where our side cannot end alone, such a request cannot be
    /// sent:
    ///
    /// ```
    /// use std::io;
    /// use waterwheel::{StreamWriter, testing::connected_pair};
    ///
    /// fn send(writer: &StreamWriter, request: &[u8]) -> io::Result<()> {
    ///     if !writer.can_write_eof() {
    ///         return Err(io::Error::new(io::ErrorKind::Unsupported, "over TLS the request needs a length"));
    ///     }
    ///     writer.write(request);
    ///     writer.write_eof();
    ///     Ok(())
    /// }
    ///
    /// # fn main() -> io::Result<()> {
    /// waterwheel::run(async {
    ///     let (ours, mut theirs) = connected_pair();
    ///     send(&ours.writer, b"how is the tide?")?;
    ///     assert_eq!(theirs.reader.read_to_end().await?, b"how is the tide?");
    ///     theirs.writer.write(b"high");
    ///     drop(theirs);
    ///     let (mut reader, _writer) = ours.split();
    ///     assert_eq!(reader.read_to_end().await?, b"high");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn can_write_eof(&self) -> bool {
        self.transport.can_write_eof()
    }

    /// Ends our side once the bytes written before are sent. Reading goes on.
    ///
    /// # Panics
    ///
    /// If [`can_write_eof`](StreamWriter::can_write_eof) is false, as it is with TLS.
    #[track_caller]
    pub fn write_eof(&self) {
        self.transport.write_eof();
        self.protocol.writing_ended();
    }

    /// Closes the connection once the bytes written before are sent.
    pub fn close(&self) {
        self.transport.close();
    }

    /// Ends the connection now. Bytes that the kernel has not taken are given up, and if there are any, a TCP peer gets
    /// a reset. See [`Transport::abort`].
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::testing::socket_pair;
    ///
    /// waterwheel::run(async {
    ///     let (ours, _theirs) = socket_pair()?;
    ///     ours.writer.write(&vec![0; 1_000_000]); // the peer does not read
    ///     ours.writer.abort();
    ///     ours.writer.wait_closed().await
    /// })
    /// # .unwrap()
    /// ```
    pub fn abort(&self) {
        self.transport.abort();
    }

    /// Whether the connection is closing or closed.
    pub fn is_closing(&self) -> bool {
        self.transport.is_closing()
    }

    /// Waits until the connection is lost, by [`close`](StreamWriter::close) or otherwise.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing. The method may be called again, and by several tasks.
    ///
    /// # Errors
    ///
    /// The error of the connection, each time.
    #[track_caller]
    pub fn wait_closed(&self) -> impl Future<Output = io::Result<()>> {
        let reason = Reason::new(Awaited::WaitClosed, Location::caller());
        async move { self.protocol.wait_closed(reason).await }
    }

    /// How many bytes the kernel has not taken yet, including those written in this step.
    ///
    /// ```
    /// use waterwheel::testing::socket_pair;
    ///
    /// waterwheel::run(async {
    ///     let (ours, _theirs) = socket_pair()?;
    ///     ours.writer.write(b"five\n");
    ///     assert_eq!(ours.writer.get_write_buffer_size(), 5);
    ///     ours.writer.flush().await?;
    ///     waterwheel::yield_now().await; // The bytes of a step are sent when it ends.
    ///     assert_eq!(ours.writer.get_write_buffer_size(), 0);
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    pub fn get_write_buffer_size(&self) -> usize {
        self.transport.get_write_buffer_size()
    }

    /// The transport that this writes to. Keeping it does not keep our side open: after the writer is dropped, the
    /// transport panics on a write as it does after [`write_eof`](StreamWriter::write_eof), where it [can end one
    /// side](StreamWriter::can_write_eof).
    pub fn transport(&self) -> Rc<dyn Transport> {
        Rc::clone(&self.transport)
    }

    /// The names of both ends, and the socket or pipe.
    #[doc(alias = "get_extra_info")]
    pub fn extra_info(&self) -> ExtraInfo {
        self.transport.extra_info()
    }

    /// The peer's address, if it is an internet address.
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
    ///
    /// async fn tell(_reader: StreamReader, writer: StreamWriter) {
    ///     let text = match writer.peer_addr() {
    ///         Some(peer) => format!("you come from port {}", peer.port()),
    ///         None => "you come from nowhere".to_owned(),
    ///     };
    ///     writer.write(text.as_bytes());
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// waterwheel::run(async {
    ///     let server = start_server(tell, "127.0.0.1:0").await?;
    ///     let (mut reader, writer) = open_connection(server.local_addrs()[0]).await?;
    ///     let port = writer.local_addr().expect("it is a TCP connection").port();
    ///     assert_eq!(reader.read_to_end().await?, format!("you come from port {port}").as_bytes());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias = "peername")]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.extra_info().peername().and_then(|name| name.as_inet())
    }

    /// Our own address, if it is an internet address.
    #[doc(alias = "sockname")]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.extra_info().sockname().and_then(|name| name.as_inet())
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.protocol.writer_gone();
    }
}

/// Polls the future that `make` returns, in a box. Outside of its caller, since most calls do not come here.
#[cold]
#[inline(never)]
fn poll_boxed<F: Future>(
    boxed: &mut Option<Pin<Box<F>>>,
    make: impl FnOnce() -> F,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    boxed.get_or_insert_with(|| Box::pin(make())).as_mut().poll(cx)
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter").field("transport", &self.transport).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::socket_pair;
    use crate::yield_now;

    #[test]
    #[should_panic(expected = "nothing can be written after write_eof()")]
    fn a_transport_that_is_kept_writes_until_the_step_that_drops_the_writer_ends() {
        let _ = crate::run(async {
            let (ours, _theirs) = socket_pair()?;
            let (_reader, writer) = ours.split();
            let transport = writer.transport();
            drop(writer);
            transport.write(b"in the same step");
            yield_now().await;
            transport.write(b"later");
            io::Result::Ok(())
        });
    }
}
