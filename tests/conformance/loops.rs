//! Runs the scenarios of the kinds loop and tasks: handles, timers and tasks, on a clock that jumps when nothing is
//! ready.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterwheel::testing::ManualClock;
use waterwheel::{Clock, EventLoop, Handle, LoopHandle, Promise, TaskGroup, TimerHandle};

use crate::scenario::{Scenario, Step};
use crate::tasks::{Slot, milliseconds};
use crate::trace::{PROTOCOL_FAILED, Trace};

/// A clock that jumps to the next deadline. Without a deadline it stops the loop, which then has nothing left to do.
struct JumpingClock {
    clock: ManualClock,
    event_loop: RefCell<Option<LoopHandle>>,
}

impl Clock for JumpingClock {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn blocking(&self, wait: Option<Duration>) -> Option<Duration> {
        if wait.is_none() {
            if let Some(event_loop) = &*self.event_loop.borrow() {
                event_loop.stop();
            }
        }
        Some(Duration::ZERO)
    }

    fn slept(&self, wait: Duration) {
        self.clock.slept(wait);
    }
}

pub(crate) enum Named {
    Handle(Handle),
    Timer(TimerHandle),
    Task(Slot),
}

pub(crate) struct Loop {
    pub(crate) trace: Trace,
    event_loop: LoopHandle,
    named: RefCell<HashMap<String, Rc<Named>>>,
    pub(crate) events: RefCell<HashMap<String, Promise<()>>>,
    pub(crate) groups: RefCell<HashMap<String, TaskGroup<String>>>,
    start: Instant,
}

pub(crate) fn run(scenario: &Scenario) -> Vec<Value> {
    let clock = Rc::new(JumpingClock { clock: ManualClock::new(), event_loop: RefCell::default() });
    // asyncio polls its selector in every turn.
    let built = EventLoop::builder().clock(clock.clone()).handles_per_poll(1).build();
    let mut event_loop = built.expect("a loop can be made");
    let handle = event_loop.handle();
    clock.event_loop.replace(Some(handle.clone()));
    let trace = Trace::default();
    let reports = trace.clone();
    handle.set_debug(false); // The speed of the machine does not matter here.
    handle.set_exception_handler(move |_| reports.add("reported", vec![]));
    let start = handle.time();
    let world = Rc::new(Loop {
        trace,
        event_loop: handle,
        named: RefCell::default(),
        events: RefCell::default(),
        groups: RefCell::default(),
        start,
    });
    for step in scenario.steps("steps") {
        let parts = Step::of(&step);
        match parts.name {
            "run" => {
                event_loop.run_forever();
                world.trace.add("ran", vec![]);
            }
            "run_task" => drop(event_loop.run(world.task(parts.text(0), parts.steps(1)))),
            _ => world.act(&step),
        }
    }
    let mut answer = world.trace.finish();
    if scenario.kind == "tasks" {
        sort_cancelled(&mut answer);
    }
    clock.event_loop.take();
    world.named.take();
    world.groups.take();
    answer
}

/// Tasks that are cancelled together end in any order: asyncio keeps the tasks of a group in a set.
fn sort_cancelled(trace: &mut [Value]) {
    let is_cancelled = |entry: &Value| entry[1] == "cancelled";
    for run in trace.chunk_by_mut(|one, next| is_cancelled(one) && is_cancelled(next)) {
        run.sort_by_key(|entry| entry[0].as_str().map(str::to_owned));
    }
}

impl Loop {
    fn name(&self, name: &str, named: Named) {
        self.named.borrow_mut().insert(name.to_owned(), Rc::new(named));
    }

    pub(crate) fn named(&self, name: &str) -> Rc<Named> {
        Rc::clone(&self.named.borrow()[name])
    }

    fn callback(self: &Rc<Self>, name: &str, steps: Vec<Value>) -> impl FnOnce() + 'static {
        let (world, name) = (Rc::clone(self), name.to_owned());
        move || {
            world.trace.add(name, vec![]);
            steps.iter().for_each(|step| world.act(step));
        }
    }

    pub(crate) fn act(self: &Rc<Self>, step: &Value) {
        let step = Step::of(step);
        match step.name {
            "soon" => {
                let callback = self.callback(step.text(0), step.steps(1));
                self.name(step.text(0), Named::Handle(self.event_loop.call_soon(callback)));
            }
            "later" => {
                let callback = self.callback(step.text(1), step.steps(2));
                self.name(step.text(1), Named::Timer(self.event_loop.call_later(milliseconds(&step, 0), callback)));
            }
            "at" => {
                let callback = self.callback(step.text(1), step.steps(2));
                self.name(
                    step.text(1),
                    Named::Timer(self.event_loop.call_at(self.start + milliseconds(&step, 0), callback)),
                );
            }
            "remote" => self.remote(step.text(0), step.steps(1)),
            "task" => {
                let task = self.event_loop.create_task(self.task(step.text(0), step.steps(1)));
                self.name(step.text(0), Named::Task(Cell::new(Some(task))));
            }
            "child" => self.child(step.text(0), step.text(1), step.steps(2)),
            // Setting it twice is no error.
            "set" => drop(self.event(step.text(0)).set(())),
            "cancel" => match &*self.named(step.text(0)) {
                Named::Handle(handle) => handle.cancel(),
                Named::Timer(timer) => timer.cancel(),
                Named::Task(slot) => {
                    let task = slot.take().expect("nobody else has the task");
                    task.cancel();
                    slot.set(Some(task));
                }
            },
            "is_cancelled" => {
                let cancelled = match &*self.named(step.text(0)) {
                    Named::Handle(handle) => handle.is_cancelled(),
                    Named::Timer(timer) => timer.is_cancelled(),
                    Named::Task(_) => panic!("a task does not say whether it was cancelled"),
                };
                self.trace.add("is_cancelled", vec![json!(step.text(0)), json!(cancelled)]);
            }
            "stop" => self.event_loop.stop(),
            "time" => {
                let elapsed = self.event_loop.time().duration_since(self.start);
                self.trace.add("time", vec![json!(elapsed.as_millis() as u64)]);
            }
            "say" => self.trace.add(step.text(0), vec![]),
            "raise" => panic!("{PROTOCOL_FAILED}"),
            name => panic!("there is no step {name}"),
        }
    }

    /// A callback from another thread must be `Send`: the steps are, and the callback finds the loop in a
    /// thread-local.
    fn remote(self: &Rc<Self>, name: &str, steps: Vec<Value>) {
        thread_local! {
            static WORLD: RefCell<Option<Rc<Loop>>> = const { RefCell::new(None) };
        }
        WORLD.set(Some(Rc::clone(self)));
        let name = name.to_owned();
        let sent = self.event_loop.remote().call_soon(move || {
            let world = WORLD.with_borrow(|world| world.clone()).expect("it was set when this was sent");
            world.callback(&name, steps)();
        });
        assert!(sent, "the loop is open");
    }
}
