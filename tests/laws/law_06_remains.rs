//! Law 6, corner cases: objects that outlive a loop hold no descriptor, a panic during the close keeps nothing alive,
//! and what a server was given is dropped when the server closes.

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{EventLoop, Protocol, Server, SystemClock, get_running_loop, open_connection, sleep, spawn};

use crate::common::alone::{alone, run_alone};
use crate::common::descriptors::open_descriptors;
use crate::common::story::{Story, Teller};
use crate::tools::{Incidents, guarded, on_another_thread};

struct Plain;

impl Protocol for Plain {}

/// Counts its drop, and may panic in it.
struct Witness(Rc<Cell<usize>>, bool);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        assert!(!self.1, "wanted");
    }
}

#[test]
fn handles_that_outlive_their_loop_hold_no_descriptor() {
    alone(|| {
        let before = open_descriptors();
        let mut event_loop = EventLoop::new().unwrap();
        let kept = event_loop.run(async {
            let handle = get_running_loop();
            let server = handle.create_server(|| Rc::new(Plain), "127.0.0.1:0").await.unwrap();
            let (transport, _) = handle.create_connection(|| Rc::new(Plain), server.local_addrs()[0]).await.unwrap();
            let (reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
            let task = spawn(std::future::pending::<()>());
            let timer = handle.call_later(Duration::from_secs(60), || {});
            sleep(Duration::from_millis(2)).await;
            (handle.remote(), timer, task, handle, server, transport, reader, writer)
        });
        assert!(open_descriptors() > before + 5, "the fault to be found must be there first");
        drop(event_loop);
        assert_eq!(open_descriptors(), before);
        drop(kept);
    });
}

/// Whether the loop is alive shows in its clock, which the loop holds for as long as anything holds the loop.
#[test]
fn halves_of_a_stream_that_outlive_their_loop_hold_nothing_once_they_are_dropped() {
    guarded(|| {
        for reader_first in [false, true] {
            let clock = Rc::new(SystemClock);
            let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
            let (near, far) = UnixStream::pair().unwrap();
            let (reader, writer) = event_loop.run(async { open_connection(near).await.unwrap() });
            drop(event_loop);
            assert!(Rc::strong_count(&clock) > 1, "what is kept holds the loop");
            writer.write(b"too late");
            if reader_first {
                drop(reader);
                drop(writer);
            } else {
                drop(writer);
                drop(reader);
            }
            assert_eq!(Rc::strong_count(&clock), 1, "the loop is held by itself");
            assert_eq!((&far).read(&mut [0]).unwrap(), 0);
        }
    });
}

#[test]
fn a_lost_connection_holds_neither_its_protocol_nor_its_descriptor() {
    run_alone(|| async {
        let before = open_descriptors();
        let (near, mut far) = UnixStream::pair().unwrap();
        let story = Story::default();
        let told = story.clone();
        let (transport, protocol) =
            get_running_loop().create_connection(move || Teller::new(&told), near).await.unwrap();
        let weak = Rc::downgrade(&protocol);
        drop(protocol);
        assert!(weak.upgrade().is_some());
        transport.abort();
        while !story.is_lost() {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(story.text(), "made lost");
        assert!(weak.upgrade().is_none(), "the transport, which is still held, holds its protocol");
        assert_eq!(far.read(&mut [0]).unwrap(), 0, "the socket is closed");
        drop(far);
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_panic_while_the_loop_closes_keeps_nothing_alive() {
    guarded(|| {
        let dropped = Rc::new(Cell::new(0));
        let mut event_loop = EventLoop::new().unwrap();
        let incidents = Incidents::of(&event_loop.handle());
        let witness = |panics: bool| Witness(Rc::clone(&dropped), panics);
        event_loop.run(async {
            let handle = get_running_loop();
            for panics in [true, false, true, false] {
                let (task, timer, soon) = (witness(panics), witness(panics), witness(panics));
                drop(spawn(async move {
                    let _task = task;
                    std::future::pending::<()>().await;
                }));
                handle.call_later(Duration::from_secs(60), move || drop(timer));
                handle.call_soon(move || {
                    get_running_loop().call_soon(move || {
                        get_running_loop().call_soon(move || drop(soon));
                    });
                });
            }
        });
        drop(event_loop);
        assert_eq!(dropped.get(), 12);
        assert_eq!(incidents.take().len(), 6);
    });
}

thread_local! {
    static LETTERS_DROPPED: Cell<usize> = const { Cell::new(0) };
}

struct PanickingLetter;

impl Drop for PanickingLetter {
    fn drop(&mut self) {
        LETTERS_DROPPED.set(LETTERS_DROPPED.get() + 1);
        panic!("wanted");
    }
}

#[test]
fn a_letter_that_panics_when_the_loop_closes_keeps_nothing_alive() {
    guarded(|| {
        let dropped = Rc::new(Cell::new(0));
        let mut event_loop = EventLoop::new().unwrap();
        let incidents = Incidents::of(&event_loop.handle());
        let task = Witness(Rc::clone(&dropped), false);
        event_loop.run(async {
            drop(spawn(async move {
                let _task = task;
                std::future::pending::<()>().await;
            }));
        });
        for _ in 0..2 {
            let (remote, letter) = (event_loop.handle().remote(), PanickingLetter);
            assert!(on_another_thread(|| remote.call_soon(move || drop(letter))));
        }
        drop(event_loop);
        assert_eq!((dropped.get(), LETTERS_DROPPED.get()), (1, 2));
        assert_eq!(incidents.take().len(), 2);
    });
}

#[test]
fn a_closed_server_drops_its_factory_even_if_that_holds_the_server() {
    guarded(|| {
        for start in [true, false] {
            let dropped = Rc::new(Cell::new(0));
            let witness = Witness(Rc::clone(&dropped), false);
            let mut event_loop = EventLoop::new().unwrap();
            event_loop.run(async {
                let slot: Rc<RefCell<Option<Server>>> = Rc::default();
                let own = Rc::clone(&slot);
                let factory = move || {
                    let _ = (&own, &witness);
                    Rc::new(Plain)
                };
                let serving = get_running_loop().create_server(factory, "127.0.0.1:0").start_serving(start);
                *slot.borrow_mut() = Some(serving.await.unwrap());
                slot.borrow().as_ref().expect("it was put there").close();
            });
            assert_eq!(dropped.get(), 1, "started: {start}");
        }
    });
}
