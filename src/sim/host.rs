//! A host: a loop and the program that runs on it. It may crash and be started again.

use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use super::clock::SimClock;
use super::cluster::Cluster;
use super::machine::Machine;
use super::network::SimNetwork;
use super::selector::SimSelector;
use super::world::Note;
use crate::event_loop::{Builder, EventLoop, Incident};
use crate::introspection::LoopDump;
use crate::net::port::Network;
use crate::task::Task;

/// The output of a simulated host's main future.
///
/// A failure ends the simulation, so a host whose failures are part of the test must handle them itself.
pub trait Outcome {
    /// The text of the error, if there is one.
    fn failure(self) -> Option<String>;
}

impl Outcome for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn failure(self) -> Option<String> {
        let error = self.err()?;
        let text = error.to_string();
        // Dropped here, not at the end of the function, where a panic of this drop would leak the returned text.
        drop(error);
        Some(text)
    }
}

/// Set when the main future is done: the text of its error, if there is one.
type Ended = Rc<RefCell<Option<Option<String>>>>;

type Main = Pin<Box<dyn Future<Output = Option<String>>>>;

/// Creates the main future each time the host starts.
pub(super) struct Software {
    make: Box<dyn FnMut() -> Main>,
    at: &'static Location<'static>,
}

impl Software {
    #[track_caller]
    pub(super) fn new<F>(mut make: impl FnMut() -> F + 'static) -> Software
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        let at = Location::caller();
        Software { make: Box::new(move || into_main(make())), at }
    }

    #[track_caller]
    pub(super) fn once<F>(main: F) -> Software
    where
        F: Future + 'static,
        F::Output: Outcome,
    {
        let (at, mut main) = (Location::caller(), Some(main));
        let make = move || into_main(main.take().expect("a client that has crashed cannot start again: use a host"));
        Software { make: Box::new(make), at }
    }
}

fn into_main<F>(main: F) -> Main
where
    F: Future + 'static,
    F::Output: Outcome,
{
    Box::pin(async move { main.await.failure() })
}

/// How the hosts' loops are built.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) configure: Rc<dyn Fn(Builder) -> Builder>,
    pub(super) wrap_network: Rc<WrapNetwork>,
}

/// Wraps the network of the host with this name.
pub(super) type WrapNetwork = dyn Fn(&str, Rc<dyn Network>) -> Rc<dyn Network>;

impl Default for Settings {
    fn default() -> Self {
        Settings { configure: Rc::new(|builder| builder), wrap_network: Rc::new(|_, network| network) }
    }
}

pub(super) struct Host {
    pub(super) machine: Rc<Machine>,
    /// Whether the simulation runs until its main future is done.
    pub(super) is_client: bool,
    software: Software,
    cluster: Rc<Cluster>,
    settings: Settings,
    /// `None` while the host is down.
    program: Option<Program>,
    /// When its last turn ends.
    busy_until: Duration,
}

/// The program that runs on a host from its start to its crash.
struct Program {
    event_loop: EventLoop,
    main: Option<Task<()>>,
    ended: Ended,
    /// The panics that reached the exception handler.
    panics: Rc<RefCell<Vec<String>>>,
}

/// How a main future has ended.
pub(super) enum MainEnd {
    Done,
    Failed(String),
    Panicked(String),
}

impl Host {
    pub(super) fn new(
        cluster: &Rc<Cluster>,
        machine: Rc<Machine>,
        software: Software,
        is_client: bool,
        settings: Settings,
    ) -> Host {
        let cluster = Rc::clone(cluster);
        Host { machine, is_client, software, cluster, settings, program: None, busy_until: Duration::ZERO }
    }

    /// Starts the program, if the host is down.
    ///
    /// # Errors
    ///
    /// If its loop cannot be built.
    pub(super) fn start(&mut self) -> io::Result<()> {
        if self.program.is_some() {
            return Ok(());
        }
        let (world, host) = (&self.cluster.world, self.machine.number);
        let selector = SimSelector { world: Rc::clone(world), desk: self.machine.desk(), host };
        let network = SimNetwork { cluster: Rc::clone(&self.cluster), machine: Rc::clone(&self.machine) };
        let network = (self.settings.wrap_network)(&self.machine.name, Rc::new(network));
        // There is only one thread, so that the results of several jobs arrive in the order in which the jobs were
        // submitted.
        let builder = EventLoop::builder().thread_limit(1);
        let builder = (self.settings.configure)(builder).selector(Box::new(selector)).network(network);
        let event_loop = builder.clock(Rc::new(SimClock(Rc::clone(world)))).build()?;
        self.cluster.links.bring_up(host);
        let awake = Rc::clone(&world.awake);
        event_loop.handle().core().executor.ready.alarm.set(move || awake.add(host));
        world.awake.add(host);

        let panics: Rc<RefCell<Vec<String>>> = Rc::default();
        let heard = Rc::clone(&panics);
        event_loop.handle().set_exception_handler(move |incident: &Incident| match incident.panic() {
            Some(_) => heard.borrow_mut().push(incident.to_string()),
            None => log::debug!("a simulated host: {incident}"),
        });
        let (main, ended) = ((self.software.make)(), Ended::default());
        let ending = Rc::clone(&ended);
        let task = event_loop.handle().create_task_at(
            async move {
                let failure = main.await;
                *ending.borrow_mut() = Some(failure);
            },
            self.software.at,
        );
        task.set_name(self.machine.name.clone());
        self.program = Some(Program { event_loop, main: Some(task), ended, panics });
        Ok(())
    }

    /// Ends the program at once, without notice to its peers.
    pub(super) fn crash(&mut self) {
        let Some(program) = self.program.take() else { return };
        self.cluster.world.note(Note::Crash, self.machine.number, 0);
        self.cluster.links.take_down(self.machine.number);
        self.machine.crash();
        drop(program);
        self.cluster.world.awake.add(self.machine.number);
    }

    /// When the loop next has something to do. `None` if it waits for other hosts.
    pub(super) fn next_turn(&self) -> Option<Duration> {
        let event_loop = &self.program.as_ref()?.event_loop;
        let world = &self.cluster.world;
        let due = if event_loop.is_ready() || self.machine.desk().has_pending() {
            world.now()
        } else {
            world.time_of(event_loop.next_deadline()?)
        };
        Some(due.max(self.busy_until).max(world.now()))
    }

    /// Whether a task awaits the result of a thread.
    pub(super) fn awaits_thread(&self) -> bool {
        let awaits = |program: &Program| program.event_loop.handle().core().threads.is_awaited();
        self.program.as_ref().is_some_and(awaits)
    }

    /// Whether it has nothing to do before a thread has a result. Meanwhile, time stands still.
    pub(super) fn only_awaits_thread(&self) -> bool {
        let is_ready = |program: &Program| program.event_loop.is_ready();
        self.awaits_thread() && !self.program.as_ref().is_some_and(is_ready) && !self.machine.desk().has_pending()
    }

    /// Takes a turn. `longest` is zero unless the loop is to wait for a thread.
    pub(super) fn turn(&mut self, longest: Option<Duration>) {
        let Some(program) = &mut self.program else { return };
        let world = &self.cluster.world;
        world.note(Note::Turn, self.machine.number, 0);
        world.count_event();
        let _turned = program.event_loop.turn(longest);
        self.busy_until = world.now() + world.within(&world.setting(|faults| faults.turn_time.clone()));
        world.awake.add(self.machine.number);
    }

    /// How the main future has ended. Returned only once.
    pub(super) fn take_main_end(&mut self) -> Option<MainEnd> {
        let program = self.program.as_mut()?;
        if program.main.as_ref()?.is_finished() {
            // Dropping the task of a future that panicked reports the panic.
            drop(program.main.take());
            if let Some(ended) = program.ended.take() {
                return Some(ended.map_or(MainEnd::Done, MainEnd::Failed));
            }
        }
        None
    }

    /// A panic that reached the exception handler.
    pub(super) fn take_panic(&self) -> Option<MainEnd> {
        let panics = &self.program.as_ref()?.panics;
        panics.borrow_mut().pop().map(MainEnd::Panicked)
    }

    pub(super) fn dump(&self) -> Option<LoopDump> {
        self.program.as_ref().map(|program| program.event_loop.handle().dump_tasks())
    }
}
