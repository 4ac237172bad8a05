//! The steps of a task in scenarios of the kinds loop and tasks: what it waits for, alone or together with other
//! tasks.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::{Value, json};
use waterwheel::{
    JoinError, Promise, Task, TaskFailure, TaskGroup, Until, as_completed, gather, sleep, timeout, try_gather, wait,
    yield_now,
};

use crate::loops::{Loop, Named};
use crate::scenario::Step;
use crate::trace::{Trace, protocol_failed};

/// How a task ends if it is not cancelled: with its name, or with the text of the step that failed.
pub(crate) type Ended = Result<String, String>;

type Running = Pin<Box<dyn Future<Output = Ended>>>;

/// A task that may be cancelled by its name at any time: it is always here, except while it is polled.
pub(crate) type Slot = Cell<Option<Task<Ended>>>;

impl Loop {
    /// A task that performs these steps, and records when it begins and how it ends.
    pub(crate) fn task(self: &Rc<Self>, name: &str, steps: Vec<Value>) -> Running {
        let (world, name) = (Rc::clone(self), name.to_owned());
        Box::pin(async move {
            world.trace.add(name.as_str(), vec![json!("begins")]);
            let mut on_cancel = OnCancel { trace: &world.trace, name: &name, armed: true };
            let mut failure = None;
            for step in &steps {
                failure = world.step(&Step::of(step), step).await.err();
                if failure.is_some() {
                    break;
                }
            }
            on_cancel.armed = false;
            world.trace.add(name.as_str(), vec![json!(if failure.is_some() { "fails" } else { "done" })]);
            failure.map_or_else(|| Ok(name.clone()), Err)
        })
    }

    /// Performs a step, which may wait. An error ends the task.
    async fn step(self: &Rc<Self>, parts: &Step<'_>, step: &Value) -> Result<(), String> {
        match parts.name {
            "yield" => yield_now().await,
            "sleep" => sleep(milliseconds(parts, 0)).await,
            "fail" => return Err(parts.text(0).to_owned()),
            "timeout" | "wait_for" => {
                let name = parts.text(1);
                match timeout(milliseconds(parts, 0), self.task(name, parts.steps(2))).await {
                    Ok(outcome) => drop(outcome?),
                    Err(_) => self.trace.add(name, vec![json!("timed out")]),
                }
            }
            // Awaiting a task by reference does what `shield` does in asyncio.
            "join" | "shield" => self.join(parts.text(0)).await,
            "get" => self.event(parts.text(0)).wait().await,
            "group" => self.group(parts.text(0), parts.steps(1)).await,
            "gather" => {
                let gathered = gather(self.children(parts)).await;
                let values = gathered.map(|outcomes| outcomes.into_iter().map(said).collect::<Value>());
                self.trace.add("gathered", vec![values.unwrap_or_else(|error| join_error(&error))]);
            }
            "try_gather" => {
                let gathered = try_gather(self.children(parts)).await;
                self.trace
                    .add("gathered", vec![gathered.map_or_else(|failure| failed(&failure), |names| json!(names))]);
            }
            "as_completed" => self.as_completed(parts).await,
            "wait" => self.wait(parts).await,
            _ => self.act(step),
        }
        Ok(())
    }

    fn children(self: &Rc<Self>, parts: &Step<'_>) -> Vec<Running> {
        parts.steps(0).iter().map(|child| self.task(Step::of(child).name, Step::of(child).steps(0))).collect()
    }

    /// The event with this name, which is created when it is first used.
    pub(crate) fn event(&self, name: &str) -> Promise<()> {
        self.events.borrow_mut().entry(name.to_owned()).or_default().clone()
    }

    async fn group(self: &Rc<Self>, name: &str, steps: Vec<Value>) {
        let outcome = TaskGroup::run(async |group| {
            self.groups.borrow_mut().insert(name.to_owned(), group.clone());
            self.task(name, steps).await
        });
        let failures = match outcome.await {
            Ok(_) => json!([]),
            Err(error) => error.failures().iter().map(failed).collect(),
        };
        self.trace.add(name, vec![json!("ended"), failures]);
    }

    /// Creates a task in the group with this name.
    pub(crate) fn child(self: &Rc<Self>, group: &str, name: &str, steps: Vec<Value>) {
        let group = self.groups.borrow()[group].clone();
        let task = self.task(name, steps);
        if !group.try_create_task(async { task.await.map(drop) }) {
            self.trace.add(name, vec![json!("refused")]);
        }
    }

    async fn as_completed(self: &Rc<Self>, parts: &Step<'_>) {
        let mut ends = as_completed(self.children(parts));
        let most = parts.arg(1).as_u64().unwrap_or(u64::MAX);
        for _ in 0..most {
            let Some(outcome) = ends.next().await else { break };
            self.trace.add("completed", vec![outcome.map_or_else(|error| join_error(&error), said)]);
        }
    }

    /// Waits for the first of the named tasks, or for all of them, with a time limit if one is given.
    async fn wait(&self, parts: &Step<'_>) {
        let until = if parts.text(0) == "first" { Until::First } else { Until::All };
        let names: Vec<String> = serde_json::from_value(parts.arg(1).clone()).expect("wait has names");
        let named: Vec<_> = names.iter().map(|name| self.named(name)).collect();
        let waiting = poll_fn(|cx| with_tasks(&named, |tasks| Pin::new(&mut wait(tasks, until)).poll(cx)));
        match parts.arg(2) {
            Value::Null => waiting.await,
            _ => drop(timeout(milliseconds(parts, 2), waiting).await),
        }
        let done: Vec<_> = with_tasks(&named, |tasks| tasks.iter().map(Task::is_finished).collect());
        let done = names.iter().zip(done).filter(|(_, done)| *done).map(|(name, _)| name);
        self.trace.add("waited", vec![done.map(String::as_str).collect()]);
    }

    async fn join(&self, name: &str) {
        let named = self.named(name);
        let outcome = Joined(slot(&named)).await;
        let outcome = match outcome {
            Ok(Ok(_)) => "done",
            Err(JoinError::Cancelled) => "cancelled",
            Ok(Err(_)) | Err(_) => "failed",
        };
        self.trace.add("joined", vec![json!(name), json!(outcome)]);
    }
}

pub(crate) fn milliseconds(parts: &Step<'_>, place: usize) -> Duration {
    Duration::from_millis(parts.number(place) as u64)
}

fn slot(named: &Named) -> &Slot {
    let Named::Task(slot) = named else { panic!("only a task can be waited for") };
    slot
}

/// Lends all of the tasks at once. No other code runs meanwhile.
fn with_tasks<R>(named: &[Rc<Named>], visit: impl FnOnce(&mut [Task<Ended>]) -> R) -> R {
    let mut tasks: Vec<_> = named.iter().map(|named| slot(named).take().expect("nobody else has the task")).collect();
    let answer = visit(&mut tasks);
    named.iter().zip(tasks).for_each(|(named, task)| slot(named).set(Some(task)));
    answer
}

fn said(outcome: Ended) -> Value {
    outcome.map_or_else(|text| json!({"error": "Failed", "text": text}), Value::from)
}

fn failed(failure: &TaskFailure<String>) -> Value {
    match failure {
        TaskFailure::Error(text) => said(Err(text.clone())),
        TaskFailure::Join(error) => join_error(error),
        other => json!({"error": other.to_string()}),
    }
}

fn join_error(error: &JoinError) -> Value {
    if error.is_panic() { protocol_failed() } else { json!("cancelled") }
}

/// Awaits a task that may be cancelled by its name meanwhile.
struct Joined<'a>(&'a Slot);

impl Future for Joined<'_> {
    type Output = Result<Ended, JoinError>;

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
