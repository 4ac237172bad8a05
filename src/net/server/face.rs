//! A server, as its user sees it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::constants::LINGER_TIME;
use crate::event_loop::LoopHandle;
use crate::executor::yield_once;
use crate::interface::ExtraInfo;
use crate::net::port::Acceptor;
use crate::net::server::state::{Assembly, ServerState};
use crate::time::timeout;
use crate::transports::Guard;

/// A server, until it is dropped: that closes the listeners, and leaves the connections open.
#[doc(alias = "AbstractServer")]
#[must_use = "dropping a server closes its listeners: keep it, and await `serve_forever()` or `wait_closed()`"]
pub struct Server {
    state: Rc<ServerState>,
}

/// What [`Server::shutdown`] did to the connections that there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// These ended by themselves within the grace.
    pub finished: usize,
    /// These were closed after it, and all that had been written to them was sent.
    pub closed: usize,
    /// These were aborted after it, since their peers did not take what was left to send. Each peer that still listens
    /// was told so by a reset.
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

    /// The internet addresses it listens at; none once it is closed.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets().iter().filter_map(|info| info.sockname()?.as_inet()).collect()
    }

    /// Name and socket of each listener; none once it is closed. The sockets are duplicates: drop them before you
    /// expect the address to be free.
    pub fn sockets(&self) -> Vec<ExtraInfo> {
        self.state.sockets()
    }

    /// Whether it accepts connections.
    pub fn is_serving(&self) -> bool {
        self.state.is_serving()
    }

    /// Accepts connections from now on. If it does already, nothing changes.
    ///
    /// # Cancel safety
    ///
    /// It listens from the first poll on; what is waited for is one turn.
    ///
    /// # Errors
    ///
    /// If the server is closed, or the system refuses to listen; the server is closed then.
    pub async fn start_serving(&self) -> io::Result<()> {
        self.state.start()?;
        yield_once().await;
        Ok(())
    }

    /// Serves until the server is closed by someone else.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the server and its connections, those with unsent bytes when these have gone out.
    ///
    /// # Errors
    ///
    /// As [`start_serving`](Server::start_serving).
    pub async fn serve_forever(&self) -> io::Result<()> {
        self.state.start()?;
        let on_cancel = Guard::new(|| {
            self.state.close();
            self.state.clients().close_all();
        });
        self.state.closed().await;
        on_cancel.disarm();
        Ok(())
    }

    /// Closes the listeners: no connection is accepted any more, and those that wait in the kernel are reset.
    /// Established connections go on.
    pub fn close(&self) {
        self.state.close();
    }

    /// Closes the connections; each sends what it has still buffered, and ends its session where there is TLS. The
    /// listeners are not touched.
    pub fn close_clients(&self) {
        self.state.clients().close_all();
    }

    /// Closes the connections at once, those with unsent bytes by a reset. The listeners are not touched.
    pub fn abort_clients(&self) {
        self.state.clients().abort_all();
    }

    /// Waits until the server is closed and its last connection is lost. The sockets of some may linger for a while
    /// after that; [`shutdown`](Server::shutdown) waits for them too.
    ///
    /// # Cancel safety
    ///
    /// There is nothing to lose.
    pub async fn wait_closed(&self) {
        self.state.clients().all_lost().await;
    }

    /// Ends the server: closes the listeners, waits up to `grace` for the connections to end by themselves, closes
    /// those that are left, and aborts those whose peers do not take what was written to them. Then it waits for the
    /// peers to end their sides, so that a process that exits afterwards takes no reply from anyone.
    ///
    /// It always ends, whatever the peers do: after the grace and five seconds more at the latest. Peers that close when
    /// they are told the end do not keep it waiting, nor do those that nothing was ever sent to.
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
    /// Dropping the future leaves the listeners closed and the connections as they are; it may be called again.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.close();
        let clients = self.state.clients();
        let before = clients.connected();
        // Either all have ended, or the grace is over: what is left says which.
        let _ = timeout(grace, clients.all_lost()).await;
        let left = clients.connected();
        clients.close_all();
        // The kernel has taken what it can when this is over.
        for _ in 0..2 {
            yield_once().await;
        }
        let mut stuck = clients.transports();
        stuck.retain(|client| client.get_write_buffer_size() > 0);
        stuck.iter().for_each(|client| client.abort());
        // What the others were sent is out of our hands: they only wait for their peers.
        if timeout(LINGER_TIME, clients.all_closed()).await.is_err() {
            clients.abort_all();
            clients.stop_lingering(self.state.event_loop());
        }
        clients.all_lost().await;
        let finished = before.saturating_sub(left);
        ShutdownReport { finished, closed: left.saturating_sub(stuck.len()), aborted: stuck.len() }
    }

    /// How many connections there are that are not yet lost.
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
