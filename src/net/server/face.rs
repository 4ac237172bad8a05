//! A server, as its user sees it.

use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use crate::constants::LINGER_TIME;
use crate::event_loop::LoopHandle;
use crate::executor::{Awaited, because, yield_once};
use crate::interface::ExtraInfo;
use crate::net::port::Acceptor;
use crate::net::server::state::{Assembly, ServerState};
use crate::task::race;
use crate::time::timeout;
use crate::transports::Guard;

/// A server. Dropping it closes the listeners, and leaves the connections open.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
///
/// async fn patient(mut reader: StreamReader, _writer: StreamWriter) -> std::io::Result<()> {
///     reader.read_to_end().await.map(drop)
/// }
///
/// waterwheel::run(async {
///     let server = start_server(patient, ("127.0.0.1", 0)).start_serving(false).await?;
///     assert_eq!(server.sockets().len(), 1);
///     server.start_serving().await?;
///     assert!(server.is_serving());
///
///     let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
///     while server.connections() == 0 {
///         waterwheel::yield_now().await;
///     }
///     // `close_clients` lets each connection send its written bytes; `abort_clients` does not.
///     server.close_clients();
///     assert_eq!(reader.read_to_end().await?, b"");
///     server.shutdown(Duration::from_secs(1)).await;
///     assert!(!server.is_serving());
///     std::io::Result::Ok(())
/// })
/// # .unwrap()
/// ```
#[doc(alias = "AbstractServer")]
#[must_use = "dropping a server closes its listeners: keep it, and await `serve_forever()` or `wait_closed()`"]
pub struct Server {
    state: Rc<ServerState>,
}

/// What happened to the connections that were open when [`Server::shutdown`] was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How many ended by themselves within the grace period.
    pub finished: usize,
    /// How many were closed after the grace period. All bytes that had been written to them were sent.
    pub closed: usize,
    /// How many were aborted after the grace period, since their peers did not take the remaining bytes. Each of these
    /// peers sees a reset, if it can still be reached.
    pub aborted: usize,
}

impl Server {
    pub(super) fn new(
        event_loop: &LoopHandle,
        assembly: Assembly,
        bound: Vec<Box<dyn Acceptor>>,
        backlog: u32,
    ) -> Server {
        Server { state: ServerState::new(event_loop, assembly, bound, backlog) }
    }

    /// The internet addresses that the server listens on. The list is empty once the server is closed.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets().iter().filter_map(|info| info.sockname()?.as_inet()).collect()
    }

    /// The name and the socket of each listener. The list is empty once the server is closed. The sockets are
    /// duplicates: the address is not free until they are dropped.
    pub fn sockets(&self) -> Vec<ExtraInfo> {
        self.state.sockets()
    }

    /// Whether the server accepts connections.
    pub fn is_serving(&self) -> bool {
        self.state.is_serving()
    }

    /// Starts accepting connections. If the server does so already, nothing changes.
    ///
    /// # Cancel safety
    ///
    /// The server listens from the first poll on; the future then waits for one turn. Dropping the future does not
    /// undo the listening.
    ///
    /// # Errors
    ///
    /// If the server is closed, or if the system refuses to listen. In the second case the server is closed.
    pub async fn start_serving(&self) -> io::Result<()> {
        self.state.start()?;
        yield_once().await;
        Ok(())
    }

    /// Serves until the server is closed from somewhere else.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the server and its connections. A connection with unsent bytes closes when they have
    /// been sent.
    ///
    /// # Errors
    ///
    /// As for [`start_serving`](Server::start_serving).
    #[track_caller]
    pub fn serve_forever(&self) -> impl Future<Output = io::Result<()>> {
        because(Awaited::ServeForever, Location::caller(), async move {
            self.state.start()?;
            let on_cancel = self.close_on_cancel();
            self.state.closed().await;
            on_cancel.disarm();
            Ok(())
        })
    }

    /// Serves until `stop` completes, then drops `stop` and [shuts down](Server::shutdown) with this grace period. If
    /// the server is closed from somewhere else, it shuts down too.
    ///
    /// With `ctrl_c()` (feature `signals`) as `stop`, a program shuts down in order when its user asks for it, and
    /// ends at once when its user asks a second time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterwheel::{StreamReader, StreamWriter, sleep, start_server};
    ///
    /// # waterwheel::run(async {
    /// # let handler = async |_reader: StreamReader, _writer: StreamWriter| {};
    /// let server = start_server(handler, "127.0.0.1:0").await?;
    /// let report = server.serve_until(sleep(Duration::from_millis(1)), Duration::from_secs(10)).await?;
    /// assert_eq!(report.aborted, 0);
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the server and its connections, as with [`serve_forever`](Server::serve_forever).
    ///
    /// # Errors
    ///
    /// As for [`start_serving`](Server::start_serving).
    #[doc(alias = "graceful_shutdown")]
    #[track_caller]
    pub fn serve_until(
        &self,
        stop: impl IntoFuture,
        grace: Duration,
    ) -> impl Future<Output = io::Result<ShutdownReport>> {
        because(Awaited::ServeUntil, Location::caller(), async move {
            self.state.start()?;
            let on_cancel = self.close_on_cancel();
            let stopped = async {
                stop.await;
            };
            race((stopped, self.state.closed())).await;
            let report = self.shutdown(grace).await;
            on_cancel.disarm();
            Ok(report)
        })
    }

    /// Closes the server and its connections if the future that serves is dropped.
    fn close_on_cancel(&self) -> Guard<impl Fn() + Copy> {
        Guard::new(|| {
            self.state.close();
            self.state.clients().close_all();
        })
    }

    /// Closes the listeners: no more connections are accepted, and those that wait in the kernel are reset.
    /// Established connections go on.
    pub fn close(&self) {
        self.state.close();
    }

    /// Closes the connections. Each sends its buffered bytes, and ends its TLS session if it has one. The listeners
    /// stay open.
    pub fn close_clients(&self) {
        self.state.clients().close_all();
    }

    /// Closes the connections at once. The peer of a connection with unsent bytes sees a reset. The listeners stay
    /// open.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{self, ErrorKind};
    /// use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
    ///
    /// /// Answers with more than the connection holds.
    /// async fn pour(_reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    ///     writer.write_all(&vec![0; 100_000_000]).await
    /// }
    ///
    /// waterwheel::run(async {
    ///     let server = start_server(pour, "127.0.0.1:0").await?;
    ///     let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
    ///     reader.readexactly(1).await?;
    ///     server.abort_clients();
    ///     // The peer learns that this was not all.
    ///     assert_eq!(reader.read_to_end().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    ///     server.close();
    ///     server.wait_closed().await;
    ///     io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    pub fn abort_clients(&self) {
        self.state.clients().abort_all();
    }

    /// Waits until the server is closed and its last connection is lost. Sockets may linger for a while after that;
    /// [`shutdown`](Server::shutdown) waits for them too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    #[track_caller]
    pub fn wait_closed(&self) -> impl Future<Output = ()> {
        because(Awaited::WaitClosed, Location::caller(), async move {
            self.state.clients().all_lost().await;
        })
    }

    /// Ends the server: closes the listeners, waits up to `grace` for the connections to end by themselves, closes
    /// those that are left, and aborts those whose peers do not take the written bytes. Then it waits for the peers to
    /// end their sides, so that a process that exits afterwards does not cut off a reply.
    ///
    /// Whatever the peers do, it ends at most five seconds after the grace period. Peers that close when they see our
    /// end cause no wait, nor do peers to which nothing was ever sent.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
    /// # waterwheel::run(async {
    /// # let handler = async |mut reader: StreamReader, _writer: StreamWriter| { let _ = reader.read(1).await; };
    /// let server = start_server(handler, "127.0.0.1:0").await?;
    /// let idle = open_connection(server.local_addrs()[0]).await?;
    /// # while server.connections() == 0 { waterwheel::yield_now().await; }
    /// let report = server.shutdown(Duration::from_millis(10)).await;
    /// assert_eq!((report.finished, report.closed, report.aborted), (0, 1, 0));
    /// # drop(idle);
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the listeners closed and the connections as they are. `shutdown` may be called
    /// again.
    #[track_caller]
    pub fn shutdown(&self, grace: Duration) -> impl Future<Output = ShutdownReport> {
        because(Awaited::Shutdown, Location::caller(), async move {
            self.close();
            let clients = self.state.clients();
            let before = clients.connected();
            // The outcome does not matter: the number of connections that are left says whether the grace period was
            // enough.
            let _ = timeout(grace, clients.all_lost()).await;
            let left = clients.connected();
            clients.close_all();
            // In these turns the kernel takes what it can.
            for _ in 0..2 {
                yield_once().await;
            }
            let mut stuck = clients.transports();
            stuck.retain(|client| client.get_write_buffer_size() > 0);
            stuck.iter().for_each(|client| client.abort());
            // The kernel has all bytes of the other connections. They only wait for their peers to end.
            if timeout(LINGER_TIME, clients.all_closed()).await.is_err() {
                clients.abort_all();
                clients.stop_lingering(self.state.event_loop());
            }
            clients.all_lost().await;
            let finished = before.saturating_sub(left);
            ShutdownReport { finished, closed: left.saturating_sub(stuck.len()), aborted: stuck.len() }
        })
    }

    /// How many connections are not yet lost.
    pub fn connections(&self) -> usize {
        self.state.clients().connected()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("state", &self.state)
            .field("local_addrs", &self.local_addrs())
            .field("connections", &self.connections())
            .finish()
    }
}
