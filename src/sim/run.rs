//! The simulation: it lets the hosts take turns, and lets time pass between turns.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use super::cluster::Cluster;
use super::decisions::Happened;
use super::failure::{Failure, FailureKind};
use super::faults::{Fault, Faults};
use super::handle::{Request, SimHandle};
use super::host::{Host, MainEnd, Outcome, Settings, Software};
use super::schedule::Schedule;
use crate::event_loop::Builder;
use crate::introspection::LoopDump;
use crate::net::port::Network;

/// How much simulated time may pass by default.
const TIME_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A world of hosts. Each has its own loop, name and addresses. See the [module](crate::sim).
///
/// ```
/// use waterwheel::sim::{Faults, Sim};
/// use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
///
/// async fn echo(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
///     waterwheel::copy(&mut reader, &writer).await.map(drop)
/// }
///
/// let mut sim = Sim::new(4711);
/// sim.set_faults(Faults::benign());
/// sim.host("server", || async { start_server(echo, "0.0.0.0:7").await?.serve_forever().await });
/// sim.client("client", async {
///     waterwheel::sleep(std::time::Duration::from_secs(1)).await;
///     let (mut reader, writer) = open_connection(("server", 7)).await?;
///     writer.write(b"hello\n");
///     assert_eq!(reader.readline().await?, b"hello\n");
///     std::io::Result::Ok(())
/// });
/// sim.run()?;
/// # Ok::<(), waterwheel::sim::Failure>(())
/// ```
pub struct Sim {
    hosts: Vec<Host>,
    /// When each host takes its next turn, as of when it was last asked.
    schedule: Schedule,
    /// The hosts with a task that awaits the result of a thread, as of when they were last asked.
    await_threads: BTreeSet<usize>,
    /// The hosts that were asked last. The list is kept for its memory.
    asked: Vec<usize>,
    handle: SimHandle,
    settings: Settings,
    time_limit: Duration,
    event_limit: u64,
    /// How many clients are not done.
    clients_left: usize,
}

/// What comes next.
enum Next {
    Action,
    Turn(usize),
}

impl Sim {
    /// Creates a world without hosts, whose network has no [faults](Sim::set_faults). The seed decides everything
    /// that is left to chance.
    pub fn new(seed: u64) -> Sim {
        let handle = SimHandle { cluster: Rc::new(Cluster::new(seed)), requests: Rc::default() };
        Sim {
            hosts: Vec::new(),
            schedule: Schedule::default(),
            await_threads: BTreeSet::new(),
            asked: Vec::new(),
            handle,
            settings: Settings::default(),
            time_limit: TIME_LIMIT,
            event_limit: u64::MAX,
            clients_left: 0,
        }
    }

    /// Creates a world in which only the faults with these numbers happen.
    pub(super) fn with_only(seed: u64, faults: Option<&BTreeSet<u64>>) -> Sim {
        let sim = Sim::new(seed);
        sim.cluster().world.keep_script();
        if let Some(faults) = faults {
            sim.cluster().world.allow_only(faults.clone());
        }
        sim
    }

    fn cluster(&self) -> &Rc<Cluster> {
        &self.handle.cluster
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.cluster().world.seed()
    }

    /// A handle that changes the world, also from within.
    pub fn handle(&self) -> SimHandle {
        self.handle.clone()
    }

    /// Sets how the network behaves from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.handle.set_faults(faults);
    }

    /// Configures the loops of all hosts that are added later. Their clock, selector and network are always those of
    /// the simulation.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut sim = waterwheel::sim::Sim::new(1);
    /// sim.configure(|builder| builder.close_timeout(Duration::from_secs(1)));
    /// sim.host("impatient", async || {});
    /// sim.run()?;
    /// # Ok::<(), waterwheel::sim::Failure>(())
    /// ```
    pub fn configure(&mut self, configure: impl Fn(Builder) -> Builder + 'static) {
        self.settings.configure = Rc::new(configure);
    }

    /// Wraps the network of each host that is added later in a network of the test. `wrap` is called with the name of
    /// the host and the host's network each time the host starts. So a test sees each call of the network and of its
    /// conduits, and can count, record or change the traffic;
    /// [`Connected::into_parts`](crate::network::Connected::into_parts) has an example of a conduit.
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::net::SocketAddr;
    /// use std::rc::Rc;
    ///
    /// use waterwheel::network::{Acceptor, BindOptions, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending};
    /// use waterwheel::sim::Sim;
    /// use waterwheel::{Address, LoopHandle, open_connection};
    ///
    /// /// Notes each address that a host connects to.
    /// struct Noting {
    ///     inner: Rc<dyn Network>,
    ///     noted: Rc<RefCell<Vec<String>>>,
    /// }
    ///
    /// impl Network for Noting {
    ///     fn connect<'a>(&'a self, on: &'a LoopHandle, to: &'a Address, from: &'a [SocketAddr]) -> Pending<'a, Connected> {
    ///         self.noted.borrow_mut().push(to.to_string());
    ///         self.inner.connect(on, to, from)
    ///     }
    ///     fn look_up<'a>(&'a self, on: &'a LoopHandle, host: &'a str, port: u16, hints: Hints) -> Pending<'a, Vec<SocketAddr>> {
    ///         self.inner.look_up(on, host, port, hints)
    ///     }
    ///     fn bind<'a>(&'a self, on: &'a LoopHandle, at: &'a Address, options: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
    ///         self.inner.bind(on, at, options)
    ///     }
    ///     fn open_datagrams<'a>(&'a self, on: &'a LoopHandle, options: DatagramOptions) -> Pending<'a, Rc<dyn DatagramConduit>> {
    ///         self.inner.open_datagrams(on, options)
    ///     }
    /// }
    ///
    /// let noted = Rc::new(RefCell::new(Vec::new()));
    /// let mut sim = Sim::new(1);
    /// let notes = Rc::clone(&noted);
    /// sim.wrap_network(move |_host, inner| Rc::new(Noting { inner, noted: Rc::clone(&notes) }));
    /// sim.client("client", async {
    ///     assert!(open_connection("10.9.9.9:7").await.is_err());
    /// });
    /// sim.run()?;
    /// assert_eq!(*noted.borrow(), ["10.9.9.9:7"]);
    /// # Ok::<(), waterwheel::sim::Failure>(())
    /// ```
    pub fn wrap_network(&mut self, wrap: impl Fn(&str, Rc<dyn Network>) -> Rc<dyn Network> + 'static) {
        self.settings.wrap_network = Rc::new(wrap);
    }

    /// Sets how much simulated time may pass before a run fails. The default is a day.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterwheel::sim::{FailureKind, Sim};
    ///
    /// let mut sim = Sim::new(1);
    /// sim.time_limit(Duration::from_secs(60));
    /// sim.event_limit(1_000_000); // for a program that only spins
    /// sim.client("late", async { waterwheel::sleep(Duration::from_secs(3600)).await });
    /// assert_eq!(sim.run().unwrap_err().kind, FailureKind::TimeLimit);
    /// ```
    pub fn time_limit(&mut self, limit: Duration) {
        self.time_limit = limit;
    }

    /// Sets how many events may happen before a run fails. The default is no limit.
    pub fn event_limit(&mut self, limit: u64) {
        self.event_limit = limit;
    }

    /// Adds a host that runs for as long as the simulation, such as a server. Its main future is created each time
    /// the host starts, at the beginning and after each crash. When the main future is done, the other tasks of its
    /// loop go on.
    ///
    /// # Panics
    ///
    /// Panics if there is a host of this name, or if a loop cannot be created.
    #[track_caller]
    pub fn host<F>(&mut self, name: &str, software: impl FnMut() -> F + 'static)
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        self.add(name, Software::new(software), false);
    }

    /// Adds a host whose main future the simulation waits for. When the main future is done, the other tasks of its
    /// loop go on.
    ///
    /// # Panics
    ///
    /// The same as [`host`](Sim::host).
    #[track_caller]
    pub fn client<F>(&mut self, name: &str, main: F)
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        self.add(name, Software::once(main), true);
        self.clients_left += 1;
    }

    #[track_caller]
    fn add(&mut self, name: &str, software: Software, is_client: bool) {
        let machine = self.cluster().add(name);
        let mut host = Host::new(self.cluster(), machine, software, is_client, self.settings.clone());
        host.start().expect("a simulated loop can be built");
        self.hosts.push(host);
    }

    /// Runs until every client is done; without clients, until nothing is left to happen. It can be called again for
    /// clients that were added since.
    ///
    /// # Errors
    ///
    /// If a main future fails, a task or callback panics, nothing can ever happen again, or a limit has passed.
    pub fn run(&mut self) -> Result<(), Failure> {
        let waits = self.clients_left > 0;
        while !waits || self.clients_left > 0 {
            if !self.step()? {
                return if waits { Err(self.failure(FailureKind::Deadlock)) } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// Runs for this much simulated time, also after the clients are done.
    ///
    /// # Errors
    ///
    /// The same as [`run`](Sim::run), except that clients need not be done.
    pub fn run_for(&mut self, duration: Duration) -> Result<(), Failure> {
        let end = self.cluster().world.now() + duration;
        loop {
            // Requests are carried out even if nothing else is left to happen.
            self.carry_out_requests();
            if self.next().is_none_or(|(_, at)| at > end) {
                break;
            }
            self.step()?;
        }
        self.cluster().world.pass_until(end);
        Ok(())
    }

    /// Runs one event: something arrives at a host, or a host takes a turn. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// The same as [`run`](Sim::run), except that a deadlock is not an error here.
    pub fn step(&mut self) -> Result<bool, Failure> {
        self.carry_out_requests();
        self.ask_awake();
        if let Some(waiting) = self.only_awaits_thread() {
            self.hosts[waiting].turn(None);
            return self.look_at(waiting);
        }
        let Some((next, at)) = self.next() else { return Ok(false) };
        if at > self.time_limit {
            self.cluster().world.pass_until(self.time_limit);
            return Err(self.failure(FailureKind::TimeLimit));
        }
        if self.events() >= self.event_limit {
            return Err(self.failure(FailureKind::EventLimit));
        }
        self.cluster().world.pass_until(at);
        match next {
            Next::Action => {
                self.cluster().world.act();
                Ok(true)
            }
            Next::Turn(host) => {
                self.hosts[host].turn(Some(Duration::ZERO));
                self.look_at(host)
            }
        }
    }

    /// What comes next, and when. Of several turns at the same time, any may come first.
    fn next(&mut self) -> Option<(Next, Duration)> {
        self.ask_awake();
        let action = self.cluster().world.next_action_at();
        match (action, self.first_turn()) {
            (Some(action), Some((host, turn))) if turn < action => Some((Next::Turn(host), turn)),
            (Some(action), _) => Some((Next::Action, action)),
            (None, first) => first.map(|(host, turn)| (Next::Turn(host), turn)),
        }
    }

    /// Which host has the next turn, and when.
    fn first_turn(&mut self) -> Option<(usize, Duration)> {
        loop {
            let (host, at) = self.schedule.first()?;
            // What the host had to do may have been cancelled since.
            self.ask(host);
            if self.schedule.first() == Some((host, at)) {
                return Some((host, at));
            }
        }
    }

    /// A host that can do nothing before a thread has a result.
    fn only_awaits_thread(&self) -> Option<usize> {
        self.await_threads.iter().copied().find(|&host| self.hosts[host].only_awaits_thread())
    }

    /// Asks the hosts that are awake when their next turn is. Asks all hosts if another thread has rung a bell, or if
    /// nothing seems to be left to happen.
    fn ask_awake(&mut self) {
        let awake = Rc::clone(&self.cluster().world.awake);
        let is_over = self.schedule.first().is_none() && self.cluster().world.next_action_at().is_none();
        if awake.any_bell.take() || is_over {
            (0..self.hosts.len()).for_each(|host| awake.add(host));
        }
        let asked = awake.exchange(std::mem::take(&mut self.asked));
        asked.iter().for_each(|&host| self.ask(host));
        self.asked = asked;
    }

    fn ask(&mut self, number: usize) {
        let Some(host) = self.hosts.get(number) else { return };
        let world = &self.handle.cluster.world;
        self.schedule.set(number, host.next_turn(), || world.below(usize::MAX));
        match host.awaits_thread() {
            true => self.await_threads.insert(number),
            false => self.await_threads.remove(&number),
        };
    }

    fn carry_out_requests(&mut self) {
        // The destructors of a program that ends may add requests.
        loop {
            let request = self.handle.requests.borrow_mut().pop_front();
            match request {
                None => return,
                Some(Request::Crash(host)) => self.hosts[host].crash(),
                Some(Request::Start(host)) => self.hosts[host].start().expect("a simulated loop can be built"),
            }
        }
    }

    /// Checks the result of a host's turn.
    fn look_at(&mut self, number: usize) -> Result<bool, Failure> {
        let host = &mut self.hosts[number];
        let end = host.take_main_end();
        let panic = host.take_panic();
        if host.is_client && end.is_some() {
            self.clients_left -= 1;
        }
        let kind = match panic.or(end) {
            Some(MainEnd::Panicked(text)) => FailureKind::Panicked { host: host.machine.name.clone(), text },
            Some(MainEnd::Failed(text)) => FailureKind::Failed { host: host.machine.name.clone(), text },
            Some(MainEnd::Done) | None => return Ok(true),
        };
        Err(self.failure(kind))
    }

    /// What a host is doing. `None` if it is down.
    ///
    /// ```
    /// let mut sim = waterwheel::sim::Sim::new(1);
    /// sim.host("sleeper", || async { waterwheel::sleep(std::time::Duration::from_secs(60)).await });
    /// sim.run_for(std::time::Duration::from_secs(1))?;
    /// let dump = sim.dump_tasks("sleeper").unwrap();
    /// assert_eq!(dump.tasks[0].name, "sleeper");
    /// assert_eq!(dump.timers[0].left.as_secs(), 59);
    /// # Ok::<(), waterwheel::sim::Failure>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if there is no host of this name.
    #[track_caller]
    pub fn dump_tasks(&self, host: &str) -> Option<LoopDump> {
        self.hosts[self.cluster().named(host).number].dump()
    }

    fn failure(&self, kind: FailureKind) -> Failure {
        let hosts = self.hosts.iter().filter_map(|host| Some((host.machine.name.clone(), host.dump()?)));
        Failure {
            kind,
            seed: self.seed(),
            elapsed: self.cluster().world.now(),
            events: self.events(),
            hosts: hosts.collect(),
        }
    }

    /// How many events there have been.
    pub fn events(&self) -> u64 {
        self.cluster().world.events()
    }

    /// A hash of everything that has happened, and when. Two runs with the same digest took the same course, unless
    /// they differ only in the content of the data sent.
    ///
    /// ```
    /// let run = |seed| {
    ///     let mut sim = waterwheel::sim::Sim::new(seed);
    ///     sim.client("client", async { waterwheel::sleep(std::time::Duration::from_secs(1)).await });
    ///     sim.run().map(|()| (sim.seed(), sim.events(), sim.digest()))
    /// };
    /// assert_eq!(run(7)?, run(7)?);
    /// assert_ne!(run(7)?, run(8)?);
    /// # Ok::<(), waterwheel::sim::Failure>(())
    /// ```
    pub fn digest(&self) -> u64 {
        self.cluster().world.digest()
    }

    /// How often a fault has happened.
    pub fn count(&self, fault: Fault) -> u64 {
        self.cluster().world.count_of(fault)
    }

    /// The faults that happened, with the names of their hosts, if they were recorded.
    pub(super) fn script(&self) -> Vec<(Happened, String)> {
        let script = self.cluster().world.script();
        script.into_iter().map(|fault| (fault.clone(), self.cluster().name_of(fault.host))).collect()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // The loops are dropped first, since closing them puts actions on the agenda.
        let hosts = std::mem::take(&mut self.hosts);
        drop(hosts);
        self.cluster().end();
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed())
            .field("elapsed", &self.cluster().world.now())
            .field("events", &self.events())
            .field("clients_left", &self.clients_left)
            .finish_non_exhaustive()
    }
}
