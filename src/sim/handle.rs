//! How tasks change the world that they run in.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use super::cluster::Cluster;
use super::end::End;
use super::faults::Faults;
use super::line::{Kind, Line};
use super::links::Way;
use super::side::Side;
use crate::net::port::Ways;

/// A request of a task that cannot be carried out while the task runs.
pub(super) enum Request {
    Crash(usize),
    Start(usize),
}

/// Changes the world of a simulation, also from within, by the tasks of its hosts. Cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use waterwheel::sim::Sim;
/// use waterwheel::{open_connection, sleep, start_server};
///
/// let mut sim = Sim::new(1);
/// sim.host("server", || async {
///     let echo = async |mut reader: waterwheel::StreamReader, writer: waterwheel::StreamWriter| {
///         waterwheel::copy(&mut reader, &writer).await.map(drop)
///     };
///     start_server(echo, "0.0.0.0:7").await?.serve_forever().await
/// });
/// let network = sim.handle();
/// sim.client("client", async move {
///     sleep(Duration::from_millis(10)).await;
///     network.partition("client", "server");
///     let connecting = waterwheel::timeout(Duration::from_secs(5), open_connection(("server", 7)));
///     assert!(connecting.await.is_err(), "nothing passes");
///     network.heal("client", "server");
///     open_connection(("server", 7)).await.map(drop)
/// });
/// sim.run()?;
/// # Ok::<(), waterwheel::sim::Failure>(())
/// ```
#[derive(Clone)]
pub struct SimHandle {
    pub(super) cluster: Rc<Cluster>,
    pub(super) requests: Rc<RefCell<VecDeque<Request>>>,
}

impl SimHandle {
    /// Lets nothing pass between two hosts in either direction. Bytes sent meanwhile are held back, and arrive when
    /// the partition [heals](SimHandle::heal); a connection whose bytes wait too long fails. Datagrams are lost.
    ///
    /// # Panics
    ///
    /// This method and the other methods that take the name of a host panic if there is no such host.
    #[track_caller]
    pub fn partition(&self, one: &str, other: &str) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// Lets nothing pass from one host to another. The other direction is not changed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterwheel::sim::Sim;
    ///
    /// let mut sim = Sim::new(1);
    /// sim.host("server", || async {
    ///     let greet = async |_, writer: waterwheel::StreamWriter| writer.write(b"hello");
    ///     waterwheel::start_server(greet, "0.0.0.0:7").await?.serve_forever().await
    /// });
    /// let world = sim.handle();
    /// sim.client("client", async move {
    ///     waterwheel::sleep(Duration::from_millis(10)).await;
    ///     let (mut reader, _writer) = waterwheel::open_connection(("server", 7)).await?;
    ///     // The client receives nothing more, though its own bytes still arrive.
    ///     world.cut("server", "client");
    ///     assert!(waterwheel::timeout(Duration::from_secs(60), reader.read_to_end()).await.is_err());
    ///     world.heal("server", "client");
    ///     assert_eq!(reader.read_to_end().await?, b"hello");
    ///     std::io::Result::Ok(())
    /// });
    /// sim.run()?;
    /// # Ok::<(), waterwheel::sim::Failure>(())
    /// ```
    #[track_caller]
    pub fn cut(&self, from: &str, to: &str) {
        self.cluster.links.cut(self.way(from, to));
    }

    /// Lets everything pass again between two hosts, in both directions.
    #[track_caller]
    pub fn heal(&self, one: &str, other: &str) {
        self.cluster.links.open(self.way(one, other));
        self.cluster.links.open(self.way(other, one));
    }

    #[track_caller]
    fn way(&self, from: &str, to: &str) -> Way {
        Way { from: self.cluster.named(from).number, to: self.cluster.named(to).number }
    }

    /// Cuts the power of a host: its program is gone before anything else runs, and no peer is notified. A peer
    /// notices that a connection is lost only when it sends something: the connection is reset once the host has
    /// [started](SimHandle::start) again, or fails after [`Faults::give_up_after`].
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    /// use waterwheel::{sim::Sim, sleep};
    ///
    /// let starts = Rc::new(Cell::new(0));
    /// let counted = Rc::clone(&starts);
    /// let mut sim = Sim::new(1);
    /// sim.host("server", move || {
    ///     counted.set(counted.get() + 1);
    ///     std::future::pending::<()>()
    /// });
    /// let world = sim.handle();
    /// sim.client("operator", async move {
    ///     sleep(Duration::from_secs(1)).await;
    ///     world.crash("server");
    ///     sleep(Duration::from_secs(1)).await;
    ///     world.start("server");
    ///     sleep(Duration::from_secs(1)).await;
    /// });
    /// sim.run()?;
    /// assert_eq!(starts.get(), 2);
    /// # Ok::<(), waterwheel::sim::Failure>(())
    /// ```
    #[track_caller]
    pub fn crash(&self, host: &str) {
        let number = self.cluster.named(host).number;
        self.requests.borrow_mut().push_back(Request::Crash(number));
    }

    /// Starts a host that has crashed: its program runs from the beginning, at the same addresses.
    #[track_caller]
    pub fn start(&self, host: &str) {
        let number = self.cluster.named(host).number;
        self.requests.borrow_mut().push_back(Request::Start(number));
    }

    /// Sets how the network behaves from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.cluster.world.set_faults(faults);
    }

    /// The simulated time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.cluster.world.now()
    }

    /// A random number that the seed decides, for programs that need one. Each call returns the next one.
    ///
    /// ```
    /// let [first, second] = [1, 1].map(|seed| waterwheel::sim::Sim::new(seed).handle().random());
    /// assert_eq!(first, second);
    /// ```
    pub fn random(&self) -> u64 {
        self.cluster.world.random()
    }

    /// Sets how many descriptors a host may have open: sockets, listeners and pipes. At the limit, connecting,
    /// binding and accepting fail as they do at the limit of a process.
    ///
    /// ```
    /// use waterwheel::sim::Sim;
    ///
    /// let mut sim = Sim::new(1);
    /// let world = sim.handle();
    /// sim.client("poor", async move {
    ///     world.limit_descriptors("poor", 1);
    ///     let server = waterwheel::start_server(async |_, _| (), "0.0.0.0:80").await?;
    ///     assert_eq!(world.open_descriptors("poor"), 1);
    ///     let error = waterwheel::start_server(async |_, _| (), "0.0.0.0:81").await.unwrap_err();
    ///     assert!(error.to_string().contains("Too many open files"), "{error}");
    ///     std::io::Result::Ok(())
    /// });
    /// sim.run()?;
    /// # Ok::<(), waterwheel::sim::Failure>(())
    /// ```
    #[track_caller]
    pub fn limit_descriptors(&self, host: &str, limit: usize) {
        self.cluster.named(host).limit_descriptors(limit);
    }

    /// How many descriptors a host has open.
    #[track_caller]
    pub fn open_descriptors(&self, host: &str) -> usize {
        self.cluster.named(host).desk().open_count()
    }

    /// The addresses of a host: one IPv4 and one IPv6 address. A look-up of its name returns them.
    ///
    /// ```
    /// let mut sim = waterwheel::sim::Sim::new(1);
    /// sim.host("first", async || {});
    /// let [v4, v6] = sim.handle().addresses("first");
    /// assert_eq!((v4.to_string(), v6.to_string()), ("10.0.0.1".to_owned(), "fd00::1".to_owned()));
    /// // Another name for the host.
    /// sim.handle().set_name("www.example", [v4]);
    /// ```
    #[track_caller]
    pub fn addresses(&self, host: &str) -> [IpAddr; 2] {
        self.cluster.named(host).ips()
    }

    /// Sets the addresses that a look-up of a name returns, in this order. The names of hosts need not be set.
    pub fn set_name(&self, name: &str, addresses: impl Into<Vec<IpAddr>>) {
        self.cluster.set_name(name, addresses.into());
    }

    /// Creates a pipe within a host, and returns its read end and its write end. Only
    /// [`connect_read_pipe`](crate::LoopHandle::connect_read_pipe), [`open_read_pipe`](crate::open_read_pipe) and the
    /// like can use them, on the loop of that host; the descriptors only stand for the simulated ends.
    ///
    /// ```
    /// use waterwheel::sim::Sim;
    ///
    /// let mut sim = Sim::new(1);
    /// let world = sim.handle();
    /// sim.client("host", async move {
    ///     let (read, write) = world.pipe("host")?;
    ///     let (mut reader, writer) = (waterwheel::open_read_pipe(read).await?, waterwheel::open_write_pipe(write).await?);
    ///     writer.write(b"through the wall");
    ///     drop(writer);
    ///     assert_eq!(reader.read_to_end().await?, b"through the wall");
    ///     std::io::Result::Ok(())
    /// });
    /// sim.run()?;
    /// # Ok::<(), waterwheel::sim::Failure>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the process has no descriptors left to stand for the ends.
    #[track_caller]
    pub fn pipe(&self, host: &str) -> std::io::Result<(OwnedFd, OwnedFd)> {
        let machine = self.cluster.named(host);
        let desk = machine.desk();
        // The numbers of open descriptors are unique in the process. A socket pair provides two without a file.
        let (read, write) = std::os::unix::net::UnixStream::pair()?;
        let side = || Side::new(machine.number, &desk, None);
        let line = Line::new(&self.cluster.world, &self.cluster.links, Kind::Pipe, [side(), side()]);
        self.cluster.keep_pipe(read.as_raw_fd(), End::of_pipe(&line, 0, Ways::In));
        self.cluster.keep_pipe(write.as_raw_fd(), End::of_pipe(&line, 1, Ways::Out));
        Ok((read.into(), write.into()))
    }
}

impl fmt::Debug for SimHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimHandle").field("elapsed", &self.cluster.world.now()).finish_non_exhaustive()
    }
}
