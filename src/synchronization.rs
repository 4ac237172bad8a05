//! Queues, locks and events: asyncio's synchronization primitives by name, and which crate to use for each.
//!
//! This module has no items, since waterwheel has no synchronization primitives of its own. Futures that rely only on
//! their waker run on any executor, so the primitives of other crates work here unchanged, and a program that moves
//! to another runtime keeps them. Every example below is tested.
//!
//! | asyncio | here |
//! | --- | --- |
//! | [`Queue`](#queue) | `async_channel`, or `tokio::sync::mpsc`, or `futures::channel::mpsc` |
//! | [`Event`](#event) | [`Promise<()>`](crate::Promise) if it is set once; `event_listener::Event` and a flag otherwise |
//! | [`Lock`](#lock) | none, if there is no await in between; `async_lock::Mutex`, or `tokio::sync::Mutex` |
//! | [`Semaphore`](#semaphore), `BoundedSemaphore` | `async_lock::Semaphore`, or `tokio::sync::Semaphore` |
//! | [`Condition`](#condition) | `event_listener::Event` beside the state |
//! | [`Barrier`](#barrier) | `async_lock::Barrier`, or `tokio::sync::Barrier` |
//!
//! All tasks of a loop run on one thread, and other tasks run only where the current one awaits. State in an
//! `Rc<Cell<_>>` or `Rc<RefCell<_>>` therefore needs no lock, unless it must not change across an await.
//!
//! # Queue
//!
//! A bounded channel holds the producer back, as `Queue(maxsize=n)` does, and each item goes to one consumer.
//! Dropping the last sender is `shutdown()`: the consumers get the remaining items, and then an error. Instead of
//! `task_done` and `join`, await the consumers.
//!
//! ```
//! # waterwheel::run(async {
//! let (sender, receiver) = async_channel::bounded(2);
//! let consumers = (0..3).map(|_| {
//!     let receiver = receiver.clone();
//!     async move {
//!         let mut sum = 0;
//!         while let Ok(item) = receiver.recv().await {
//!             sum += item;
//!         }
//!         sum
//!     }
//! });
//! let consumed = waterwheel::gather(consumers);
//! for item in 1..=100 {
//!     sender.send(item).await.unwrap();
//! }
//! drop((sender, receiver));
//! assert_eq!(consumed.await.unwrap().into_iter().sum::<i32>(), 5050);
//! # });
//! ```
//!
//! The other two have different names and allow only one consumer:
//!
//! ```
//! # waterwheel::run(async {
//! use futures::StreamExt as _;
//!
//! let (sender, mut receiver) = tokio::sync::mpsc::channel(2);
//! let producer = waterwheel::spawn(async move { sender.send("by tokio::sync").await });
//! assert_eq!(receiver.recv().await, Some("by tokio::sync"));
//! assert_eq!(receiver.recv().await, None, "the sender is gone");
//! producer.await.unwrap().unwrap();
//!
//! let (mut sender, mut receiver) = futures::channel::mpsc::channel(2);
//! sender.try_send("by futures").unwrap();
//! drop(sender);
//! assert_eq!(receiver.next().await, Some("by futures"));
//! assert_eq!(receiver.next().await, None, "the sender is gone");
//! # });
//! ```
//!
//! # Event
//!
//! An event that is set once is a [`Promise<()>`](crate::Promise), which any number of tasks can await:
//!
//! ```
//! # waterwheel::run(async {
//! use waterwheel::{Promise, spawn};
//!
//! let event = Promise::new();
//! let waits = event.clone();
//! let waiter = spawn(async move { waits.wait().await });
//! event.set(()).unwrap();
//! waiter.await.unwrap();
//! # });
//! ```
//!
//! An event that is also cleared is a flag with a notification of its changes. The listener is made before the flag
//! is checked, so that no change can be missed in between. A flag that is set and cleared again in one step lets no
//! task through; asyncio's `Event` lets through the tasks that were already waiting.
//!
//! ```
//! use event_listener::Event;
//! use std::cell::Cell;
//! use std::rc::Rc;
//!
//! #[derive(Default)]
//! struct Flag {
//!     is_set: Cell<bool>,
//!     changed: Event,
//! }
//!
//! impl Flag {
//!     fn set(&self) {
//!         self.is_set.set(true);
//!         self.changed.notify(usize::MAX);
//!     }
//!     fn clear(&self) {
//!         self.is_set.set(false);
//!     }
//!     async fn wait(&self) {
//!         loop {
//!             let changed = self.changed.listen();
//!             if self.is_set.get() {
//!                 return;
//!             }
//!             changed.await;
//!         }
//!     }
//! }
//!
//! # waterwheel::run(async {
//! let flag = Rc::new(Flag::default());
//! flag.set();
//! flag.wait().await;
//! flag.clear();
//! let waits = flag.clone();
//! let waiter = waterwheel::spawn(async move { waits.wait().await });
//! waterwheel::yield_now().await;
//! assert!(!waiter.is_finished());
//! flag.set();
//! waiter.await.unwrap();
//! # });
//! ```
//!
//! # Lock
//!
//! A lock is needed only where a task awaits while it works on the state and no other task may see the state
//! meanwhile:
//!
//! ```
//! # waterwheel::run(async {
//! use async_lock::Mutex;
//! use std::rc::Rc;
//!
//! let total = Rc::new(Mutex::new(0));
//! let adders = (0..10).map(|_| {
//!     let total = total.clone();
//!     async move {
//!         let mut total = total.lock().await;
//!         let before = *total;
//!         waterwheel::yield_now().await;
//!         *total = before + 1;
//!     }
//! });
//! waterwheel::gather(adders).await.unwrap();
//! assert_eq!(*total.lock().await, 10, "without the lock, all would have added to 0");
//! # });
//! ```
//!
//! # Semaphore
//!
//! A permit is given back when its guard is dropped, so it cannot be released once too often, which asyncio's
//! `BoundedSemaphore` checks for.
//!
//! ```
//! # waterwheel::run(async {
//! use async_lock::Semaphore;
//! use std::cell::Cell;
//! use std::rc::Rc;
//!
//! let (at_most_3, inside, most) = (Rc::new(Semaphore::new(3)), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
//! let jobs = (0..10).map(|_| {
//!     let (at_most_3, inside, most) = (at_most_3.clone(), inside.clone(), most.clone());
//!     async move {
//!         let _permit = at_most_3.acquire().await;
//!         inside.set(inside.get() + 1);
//!         most.set(most.get().max(inside.get()));
//!         waterwheel::yield_now().await;
//!         inside.set(inside.get() - 1);
//!     }
//! });
//! waterwheel::gather(jobs).await.unwrap();
//! assert_eq!(most.get(), 3);
//! # });
//! ```
//!
//! # Condition
//!
//! `Condition.wait_for(predicate)` is a loop around a listener, as in the section [Event](#event). The state needs no
//! lock.
//!
//! ```
//! # waterwheel::run(async {
//! use event_listener::Event;
//! use std::cell::RefCell;
//! use std::rc::Rc;
//!
//! let (stock, changed) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Event::new()));
//! let (watched, heard) = (stock.clone(), changed.clone());
//! let buyer = waterwheel::spawn(async move {
//!     loop {
//!         let change = heard.listen();
//!         if watched.borrow().len() >= 3 {
//!             return watched.take();
//!         }
//!         change.await;
//!     }
//! });
//! for item in ["axle", "bucket", "wheel"] {
//!     stock.borrow_mut().push(item);
//!     changed.notify(1);
//!     waterwheel::yield_now().await;
//! }
//! assert_eq!(buyer.await.unwrap(), ["axle", "bucket", "wheel"]);
//! # });
//! ```
//!
//! # Barrier
//!
//! ```
//! # waterwheel::run(async {
//! use async_lock::Barrier;
//! use std::rc::Rc;
//!
//! let barrier = Rc::new(Barrier::new(3));
//! let parties = (0..3).map(|_| {
//!     let barrier = barrier.clone();
//!     async move { barrier.wait().await.is_leader() }
//! });
//! let leads = waterwheel::gather(parties).await.unwrap();
//! assert_eq!(leads.into_iter().filter(|leads| *leads).count(), 1);
//! # });
//! ```

#![doc(alias = "Queue")]
#![doc(alias = "Event")]
#![doc(alias = "Lock")]
#![doc(alias = "Semaphore")]
#![doc(alias = "BoundedSemaphore")]
#![doc(alias = "Condition")]
#![doc(alias = "Barrier")]
