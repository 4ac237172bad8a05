//! Runs the scenarios of kind loop: handles, timers and tasks, on a clock that jumps when nothing is ready.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterwheel::testing::ManualClock;
use waterwheel::{Clock, EventLoop, Handle, JoinError, LoopHandle, Task, TimerHandle, sleep, timeout, yield_now};

use crate::scenario::{Scenario, Step};
use crate::trace::{PROTOCOL_FAILED, Trace};

/// A clock that jumps to the next deadline, and where there is none stops the loop, which has nothing to do then.
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

enum Named {
    Handle(Handle),
    Timer(TimerHandle),
    /// Empty while it is polled or cancelled.
    Task(Cell<Option<Task<()>>>),
}

struct Loop {
    trace: Trace,
    event_loop: LoopHandle,
    named: RefCell<HashMap<String, Rc<Named>>>,
    start: Instant,
}

pub(crate) fn run(scenario: &Scenario) -> Vec<Value> {
    let clock = Rc::new(JumpingClock { clock: ManualClock::new(), event_loop: RefCell::default() });
    // asyncio asks its selector in every turn.
    let built = EventLoop::builder().clock(clock.clone()).handles_per_poll(1).build();
    let mut event_loop = built.expect("a loop can be made");
    let handle = event_loop.handle();
    clock.event_loop.replace(Some(handle.clone()));
    let trace = Trace::default();
    let reports = trace.clone();
    handle.set_exception_handler(move |_| reports.add("reported", vec![]));
    let start = handle.time();
    let world = Rc::new(Loop { trace, event_loop: handle, named: RefCell::default(), start });
    for step in scenario.steps("steps") {
        let parts = Step::of(&step);
        match parts.name {
            "run" => {
                event_loop.run_forever();
                world.trace.add("ran", vec![]);
            }
            "run_task" => event_loop.run(world.clone().task(parts.text(0).to_owned(), parts.steps(1))),
            _ => world.act(&step),
        }
    }
    let answer = world.trace.finish();
    clock.event_loop.take();
    world.named.take();
    answer
}

impl Loop {
    fn name(&self, name: &str, named: Named) {
        self.named.borrow_mut().insert(name.to_owned(), Rc::new(named));
    }

    fn named(&self, name: &str) -> Rc<Named> {
        Rc::clone(&self.named.borrow()[name])
    }

    fn callback(self: &Rc<Self>, name: &str, steps: Vec<Value>) -> impl FnOnce() + 'static {
        let (world, name) = (Rc::clone(self), name.to_owned());
        move || {
            world.trace.add(name, vec![]);
            steps.iter().for_each(|step| world.act(step));
        }
    }

    fn act(self: &Rc<Self>, step: &Value) {
        let step = Step::of(step);
        let ms = |place| Duration::from_millis(step.number(place) as u64);
        match step.name {
            "soon" => {
                let callback = self.callback(step.text(0), step.steps(1));
                self.name(step.text(0), Named::Handle(self.event_loop.call_soon(callback)));
            }
            "later" => {
                let callback = self.callback(step.text(1), step.steps(2));
                self.name(step.text(1), Named::Timer(self.event_loop.call_later(ms(0), callback)));
            }
            "at" => {
                let callback = self.callback(step.text(1), step.steps(2));
                self.name(step.text(1), Named::Timer(self.event_loop.call_at(self.start + ms(0), callback)));
            }
            "remote" => self.remote(step.text(0), step.steps(1)),
            "task" => {
                let task = self.event_loop.create_task(Rc::clone(self).task(step.text(0).to_owned(), step.steps(1)));
                self.name(step.text(0), Named::Task(Cell::new(Some(task))));
            }
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

    /// What is sent through the door for threads must be `Send`: the steps are, and the loop is found on its thread.
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

    fn task(self: Rc<Self>, name: String, steps: Vec<Value>) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            self.trace.add(name.as_str(), vec![json!("begins")]);
            let mut on_cancel = OnCancel { trace: &self.trace, name: &name, armed: true };
            for step in &steps {
                let parts = Step::of(step);
                match parts.name {
                    "yield" => yield_now().await,
                    "sleep" => sleep(Duration::from_millis(parts.number(0) as u64)).await,
                    "timeout" => {
                        let inner = Rc::clone(&self).task(parts.text(1).to_owned(), parts.steps(2));
                        if timeout(Duration::from_millis(parts.number(0) as u64), inner).await.is_err() {
                            self.trace.add(parts.text(1), vec![json!("timed out")]);
                        }
                    }
                    "join" => self.join(parts.text(0)).await,
                    _ => self.act(step),
                }
            }
            on_cancel.armed = false;
            self.trace.add(name.as_str(), vec![json!("done")]);
        })
    }

    async fn join(&self, name: &str) {
        let outcome = {
            let named = self.named(name);
            let Named::Task(slot) = &*named else { panic!("only a task can be joined") };
            Joined(slot).await
        };
        let outcome = match outcome {
            Ok(()) => "done",
            Err(JoinError::Cancelled) => "cancelled",
            Err(_) => "failed",
        };
        self.trace.add("joined", vec![json!(name), json!(outcome)]);
    }
}

/// Awaits a task that may be cancelled by its name meanwhile.
struct Joined<'a>(&'a Cell<Option<Task<()>>>);

impl Future for Joined<'_> {
    type Output = Result<(), JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut task = self.0.take().expect("nobody else has the task");
        let polled = Pin::new(&mut task).poll(cx);
        self.0.set(Some(task));
        polled
    }
}

struct OnCancel<'a> {
    trace: &'a Trace,
    name: &'a str,
    armed: bool,
}

impl Drop for OnCancel<'_> {
    fn drop(&mut self) {
        if self.armed && !std::thread::panicking() {
            self.trace.add(self.name, vec![json!("cancelled")]);
        }
    }
}
