//! Runs the scenarios of the kinds reader, transport, streams and server.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use waterwheel::{
    Endpoint, EventLoop, LoopHandle, Server, StreamReader, StreamWriter, Task, open_connection, start_server, timeout,
    yield_now,
};

use crate::common::memory::Memory;
use crate::operations::{self, Outcome};
use crate::peer::{End, connected, pause};
use crate::recorder::Recorder;
use crate::scenario::{Scenario, Step};
#[cfg(feature = "tls")]
use crate::session::over_tls;
use crate::trace::{PROTOCOL_FAILED, Trace, io_error, misuse};

/// Longer than any scenario takes.
const LONGEST_RUN: Duration = Duration::from_secs(20);

/// The operations that the scenario waits for before it goes on.
const WAITED_FOR: [&str; 3] = ["peer.send", "peer.read", "peer.read_to_end"];

pub(crate) struct World {
    this: Weak<World>,
    pub(crate) scenario: Scenario,
    pub(crate) trace: Trace,
    pub(crate) event_loop: LoopHandle,
    /// The network, for a scenario in memory.
    pub(crate) memory: Memory,
    ends: RefCell<BTreeMap<usize, Rc<End>>>,
    pending: RefCell<Vec<(String, Task<()>)>>,
    server: RefCell<Option<Rc<Server>>>,
    pub(crate) address: Cell<Option<SocketAddr>>,
    accepted: Cell<usize>,
}

/// Runs a scenario and returns its trace.
pub(crate) fn run(scenario: &Scenario) -> Vec<Value> {
    let memory = Memory::default();
    let mut event_loop = match scenario.text("over", "tcp") {
        "memory" => memory.event_loop(),
        _ => EventLoop::new().expect("a loop can be made"),
    };
    let world = World::new(scenario.clone(), event_loop.handle(), memory);
    let trace = world.trace.clone();
    event_loop.handle().set_debug(false); // The speed of the machine does not matter here.
    event_loop.handle().set_exception_handler(move |_| trace.add("reported", vec![]));
    let answer = event_loop.run(async { timeout(LONGEST_RUN, world.run()).await });
    answer.unwrap_or_else(|_| panic!("{} hangs after {:?}", scenario.id, world.trace.finish()))
}

impl World {
    fn new(scenario: Scenario, event_loop: LoopHandle, memory: Memory) -> Rc<World> {
        Rc::new_cyclic(|this| World {
            this: this.clone(),
            scenario,
            trace: Trace::default(),
            event_loop,
            memory,
            ends: RefCell::default(),
            pending: RefCell::default(),
            server: RefCell::default(),
            address: Cell::new(None),
            accepted: Cell::new(0),
        })
    }

    pub(crate) fn rc(&self) -> Rc<World> {
        self.this.upgrade().expect("it is alive while a method runs")
    }

    pub(crate) fn end(&self, at: usize) -> Rc<End> {
        Rc::clone(self.ends.borrow_mut().entry(at).or_default())
    }

    pub(crate) fn server(&self) -> Rc<Server> {
        self.server.borrow().clone().expect("there is a server")
    }

    pub(crate) fn suffix(&self, at: usize) -> String {
        if self.scenario.kind == "server" { format!("@{at}") } else { String::new() }
    }

    /// The ends of a server are numbered in the order in which their connections are made.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.set(self.accepted.get() + 1);
        self.accepted.get()
    }

    async fn run(self: &Rc<Self>) -> Vec<Value> {
        let limit = self.scenario.number("limit", 65536);
        match self.scenario.kind.as_str() {
            "reader" => match catch_unwind(|| StreamReader::new(limit)) {
                Ok((reader, feeder)) => {
                    self.end(1).set_reader(reader);
                    self.end(1).feeder.replace(Some(feeder));
                }
                Err(_) => {
                    self.trace.add("new", vec![misuse()]);
                    return self.trace.finish();
                }
            },
            "transport" => {
                let ours = self.connect();
                let protocol = Recorder::new(self, self.scenario.text("protocol", "plain"), 1, "");
                let connecting = self.event_loop.create_connection(|| protocol, ours);
                #[cfg(feature = "tls")]
                let connecting = match self.is_over_tls() {
                    true => connecting.tls(over_tls::client()).server_hostname(over_tls::NAME),
                    false => connecting,
                };
                // This also fails with the panic of a protocol's `made` callback.
                connecting.await.map(drop).unwrap_or_default();
            }
            "streams" => {
                let connecting = open_connection(self.connect()).limit(limit);
                #[cfg(feature = "tls")]
                let connecting = match self.is_over_tls() {
                    true => connecting.tls(over_tls::client()).server_hostname(over_tls::NAME),
                    false => connecting,
                };
                match connecting.await {
                    Ok((reader, writer)) => {
                        self.end(1).set_reader(reader);
                        self.end(1).writer.replace(Some(Rc::new(writer)));
                    }
                    Err(error) => {
                        self.trace.add("new", vec![io_error(&error)]);
                        return self.trace.finish();
                    }
                }
            }
            "server" => self.serve(limit).await,
            kind => panic!("{}: nobody runs scenarios of kind {kind}", self.scenario.id),
        }
        self.settle().await;
        for step in self.scenario.steps("steps") {
            if self.is_over_tls() && self.trace.has("write_eof") {
                // The scenario may wait for an end that the refused `write_eof` will not send.
                break;
            }
            self.step(&step).await;
            self.settle().await;
        }
        let pending = self.pending.take();
        let waiting: Vec<_> = pending.iter().filter(|(_, task)| !task.is_finished()).map(|(name, _)| name).collect();
        if !waiting.is_empty() {
            self.trace.add("pending", vec![json!(waiting)]);
        }
        self.trace.finish()
    }

    fn is_over_tls(&self) -> bool {
        self.scenario.text("over", "tcp") == "tls"
    }

    /// Connects the two ends, and returns ours.
    fn connect(&self) -> Endpoint {
        let (ours, peer) = connected(self.scenario.text("over", "tcp"), &self.memory).expect("loopback connects");
        self.end(1).peer.replace(Some(Rc::clone(&peer)));
        drop(self.event_loop.create_task(peer.handshake()));
        ours
    }

    async fn serve(self: &Rc<Self>, limit: usize) {
        let (world, at) = (self.rc(), ("127.0.0.1", 0));
        let at_once = self.scenario.flag("start_serving", true);
        let backlog = self.scenario.number("backlog", 100) as u32;
        let server = if !self.scenario.has("handler") {
            let kind = self.scenario.text("protocol", "plain").to_owned();
            let create = self.event_loop.create_server(move || Recorder::new(&world, &kind, 0, ""), at);
            create.backlog(backlog).start_serving(at_once).await
        } else if self.scenario.flag("plain", false) {
            let handler = move |reader, writer| {
                world.connected(reader, writer);
            };
            start_server(handler, at).limit(limit).backlog(backlog).start_serving(at_once).await
        } else {
            let handler = move |reader, writer| Rc::clone(&world).handle(reader, writer);
            start_server(handler, at).limit(limit).backlog(backlog).start_serving(at_once).await
        };
        let server = server.expect("a server on a free port starts");
        self.address.set(server.local_addrs().first().copied());
        self.server.replace(Some(Rc::new(server)));
    }

    fn connected(&self, reader: StreamReader, writer: StreamWriter) -> usize {
        let at = self.accepted();
        self.end(at).set_reader(reader);
        self.end(at).writer.replace(Some(Rc::new(writer)));
        self.trace.add(format!("connected{}", self.suffix(at)), vec![]);
        at
    }

    async fn handle(self: Rc<Self>, reader: StreamReader, writer: StreamWriter) {
        let at = self.connected(reader, writer);
        for step in self.scenario.steps("handler") {
            let step = Step::of(&step);
            assert!(step.name != "raise", "{PROTOCOL_FAILED}");
            let name = format!("{}{}", step.name, self.suffix(at));
            match operations::perform(&self, &step, at) {
                Outcome::Nothing => {}
                Outcome::Value(value) => self.trace.add(name, vec![value]),
                Outcome::Operation(operation) => watch(self.trace.clone(), name, operation).await,
            }
        }
    }

    /// Waits until nothing more happens: some turns if nothing comes from outside, otherwise some quiet time.
    async fn settle(&self) {
        if self.scenario.kind == "reader" {
            for _ in 0..16 {
                yield_now().await;
            }
            return;
        }
        // Over TLS, large data takes many turns in which nothing is recorded.
        let enough = if self.is_over_tls() { 12 } else { 3 };
        let mut quiet = 0;
        while quiet < enough {
            let before = self.trace.events();
            for _ in 0..8 {
                yield_now().await;
            }
            self.pause().await;
            quiet = if self.trace.events() == before { quiet + 1 } else { 0 };
        }
    }

    async fn pause(&self) {
        pause().await;
        if self.is_over_tls() {
            self.end(1).attend();
        }
    }

    fn step<'a>(&'a self, step: &'a Value) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(async move {
            let parts = Step::of(step);
            match parts.name {
                "together" => {
                    for inner in parts.steps(0) {
                        self.step(&inner).await;
                    }
                }
                "until" => {
                    while !self.trace.has(parts.text(0)) {
                        self.pause().await;
                    }
                }
                _ => {
                    if let Some(task) = self.act(step, None) {
                        task.await.expect("what is waited for is not cancelled");
                    }
                }
            }
        })
    }

    /// Performs a step. Returns a task if the scenario must wait for it before it goes on.
    pub(crate) fn act(&self, step: &Value, at: Option<usize>) -> Option<Task<()>> {
        let step = Step::of(step);
        let at = step.at.or(at).unwrap_or(1);
        let of_server = step.name.starts_with("server.");
        let name = if of_server { step.name.to_owned() } else { format!("{}{}", step.name, self.suffix(at)) };
        assert!(step.name != "raise", "{PROTOCOL_FAILED}");
        if step.name == "cancel" {
            self.cancel(step.text(0));
            return None;
        }
        match catch_unwind(AssertUnwindSafe(|| operations::perform(&self.rc(), &step, at))) {
            Ok(Outcome::Nothing) => None,
            Ok(Outcome::Value(value)) => {
                self.trace.add(name, vec![value]);
                None
            }
            Ok(Outcome::Operation(operation)) => {
                let task = self.event_loop.create_task(watch(self.trace.clone(), name.clone(), operation));
                if WAITED_FOR.contains(&step.name) {
                    return Some(task);
                }
                self.pending.borrow_mut().push((name, task));
                None
            }
            Err(_) => {
                self.trace.add(name, vec![misuse()]);
                None
            }
        }
    }

    fn cancel(&self, name: &str) {
        for (waiting, task) in &*self.pending.borrow() {
            if waiting == name {
                task.cancel();
            }
        }
    }
}

/// Records how an operation ends, even if it is cancelled.
async fn watch(trace: Trace, name: String, operation: operations::Operation) {
    let mut on_cancel = OnCancel { trace: &trace, name: &name, armed: true };
    let values = operation.await;
    on_cancel.armed = false;
    // Operations of the peer alone are not recorded.
    if !values.is_empty() {
        trace.add(name.as_str(), values);
    }
}

struct OnCancel<'a> {
    trace: &'a Trace,
    name: &'a str,
    armed: bool,
}

impl Drop for OnCancel<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.trace.add(self.name, vec![json!("cancelled")]);
        }
    }
}
