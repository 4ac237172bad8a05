//! A descriptor that is closed while it is watched, and whose number is reused: for another descriptor of the user's,
//! or for one of the loop's own.

use std::os::fd::RawFd;

use waterwheel::{Bell, Events, Promise, Readiness, Selector, Token, spawn, timeout};

use super::*;
use crate::common::polled::NoBell;

/// Both ends of a new connection. The first has the number of a descriptor that `watch` had watched and that was then
/// closed.
fn reused(handle: &LoopHandle, watch: impl Fn(&UnixStream)) -> (Rc<UnixStream>, Rc<UnixStream>) {
    // A free number is reused quickly, but another test in this process may get it first.
    let reused = (0..100).find_map(|_| {
        let (closed, _its_peer) = pair();
        let fd = closed.as_raw_fd();
        watch(&closed);
        drop(closed);
        let mut pairs: Vec<_> = (0..10).map(|_| pair()).collect();
        let at = pairs.iter().position(|(end, _)| end.as_raw_fd() == fd);
        if at.is_none() {
            let known = [handle.remove_reader(&fd), handle.remove_writer(&fd)];
            assert!(known.contains(&true), "the loop was not told that the number was closed");
        }
        at.map(|at| pairs.swap_remove(at))
    });
    reused.expect("the number is given again")
}

/// Fills the connection, so that this end is not writable.
fn fill(mut end: &UnixStream) {
    let block = [0; 65536];
    while end.write(&block).is_ok() {}
}

fn drain(mut end: &UnixStream) {
    let mut block = [0; 65536];
    while end.read(&mut block).is_ok() {}
}

#[test]
fn a_reader_that_is_added_at_a_reused_number_is_called() {
    run(|handle| async move {
        let (forgotten, calls) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (ours, theirs) = reused(&handle, |old| handle.add_reader(old, count_up(&forgotten)).unwrap());
        handle.add_reader(&*ours, count_up(&calls)).unwrap();
        turns(3).await;
        assert_eq!(calls.get(), 0, "nothing was sent");
        send(&theirs, b"x");
        turns(3).await;
        assert!(calls.get() >= 2, "it is called for as long as there is something to read");
        assert_eq!(receive(&ours), b"x");
        turns(2).await;
        let after = calls.get();
        turns(3).await;
        assert_eq!(calls.get(), after, "everything was read");
        assert!(handle.remove_reader(&*ours) && !handle.remove_reader(&*ours));
        assert_eq!(forgotten.get(), 0);
    });
}

#[test]
fn a_writer_that_is_added_at_a_reused_number_is_called() {
    run(|handle| async move {
        let calls = Rc::new(Cell::new(0));
        let (ours, theirs) = reused(&handle, |old| handle.add_reader(old, || ()).unwrap());
        fill(&ours);
        handle.add_writer(&*ours, count_up(&calls)).unwrap();
        turns(3).await;
        assert_eq!(calls.get(), 0, "the connection is full");
        drain(&theirs);
        turns(3).await;
        assert!(calls.get() >= 2);
        assert!(handle.remove_writer(&*ours));
    });
}

#[test]
fn what_was_added_at_a_closed_number_is_dropped_when_the_number_is_watched_for_another() {
    for direction in ["read", "write"] {
        run(|handle| async move {
            let dropped = [Rc::new(Cell::new(false)), Rc::new(Cell::new(false))];
            let calls = Rc::new(Cell::new(0));
            let (ours, theirs) = reused(&handle, |old| {
                let forgotten = |guard: &Rc<Cell<bool>>, mut count: Box<dyn FnMut()>| {
                    guard.set(false);
                    let guard = OnDrop(Rc::clone(guard));
                    move || {
                        let _guard = &guard;
                        count();
                    }
                };
                handle.add_reader(old, forgotten(&dropped[0], Box::new(count_up(&calls)))).unwrap();
                handle.add_writer(old, forgotten(&dropped[1], Box::new(count_up(&calls)))).unwrap();
            });
            assert!(dropped.iter().all(|dropped| !dropped.get()), "the loop cannot know yet");
            send(&theirs, b"x");
            let heard = Promise::new();
            let hears = heard.clone();
            let callback = move || {
                let _ = hears.set(());
            };
            if direction == "read" {
                handle.add_reader(&*ours, callback).unwrap();
            } else {
                handle.add_writer(&*ours, callback).unwrap();
            }
            assert!(dropped.iter().all(|dropped| dropped.get()), "{direction}: both were the closed one's");
            heard.wait().await;
            turns(3).await;
            assert_eq!(calls.get(), 0);
            assert_eq!(handle.remove_reader(&*ours), direction == "read");
            assert_eq!(handle.remove_writer(&*ours), direction == "write");
        });
    }
}

#[test]
fn a_wait_for_a_reused_number_ends() {
    run(|handle| async move {
        let (ours, theirs) = reused(&handle, |old| handle.add_reader(old, || ()).unwrap());
        handle.writable(&*ours).await.unwrap();
        let early = timeout(Duration::from_millis(1), handle.readable(&*ours)).await;
        assert!(early.is_err(), "nothing was sent");
        send(&theirs, b"x");
        handle.readable(&*ours).await.unwrap();
        assert_eq!(receive(&ours), b"x");
        assert!(!handle.remove_reader(&*ours), "the closed one's callback is gone");
    });
}

/// A client may reconnect in the callback that saw the end of its connection.
#[test]
fn a_callback_may_close_its_descriptor_and_watch_the_next_one_of_that_number() {
    run(|handle| async move {
        let (reuses, received) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
        // As above, another test may get the number now and then.
        for _ in 0..100 {
            let (ours, theirs) = pair();
            let fd = ours.as_raw_fd();
            let (ours, next_peer) = (Rc::new(RefCell::new(Some(ours))), Promise::new());
            handle
                .add_reader(&fd, {
                    let (handle, ours, next_peer) = (handle.clone(), Rc::clone(&ours), next_peer.clone());
                    let (reuses, received) = (Rc::clone(&reuses), Rc::clone(&received));
                    move || {
                        drop(ours.take());
                        let (next, its_peer) = pair();
                        reuses.set(reuses.get() + usize::from(next.as_raw_fd() == fd));
                        if next.as_raw_fd() != fd {
                            handle.remove_reader(&fd);
                        }
                        let (reads, received) = (Rc::clone(&next), Rc::clone(&received));
                        handle.add_reader(&*next, move || received.borrow_mut().extend(receive(&reads))).unwrap();
                        next_peer.set((next, its_peer)).expect("it is called once");
                    }
                })
                .unwrap();
            drop(theirs);
            let (next, its_peer) = next_peer.wait().await;
            turns(2).await;
            send(&its_peer, b"next");
            turns(3).await;
            assert_eq!(received.take(), b"next");
            assert!(handle.remove_reader(&*next));
            if reuses.get() > 0 {
                return;
            }
        }
        panic!("the number was never given again");
    });
}

#[test]
fn a_callback_forgotten_at_a_closed_number_does_not_disturb_the_connection_that_gets_it() {
    run(|handle| async move {
        let dropped = Rc::new(Cell::new(false));
        let (end, peer) = reused(&handle, |old| {
            dropped.set(false);
            let guard = OnDrop(Rc::clone(&dropped));
            let reader = move || {
                let _guard = &guard;
            };
            handle.add_reader(old, reader).unwrap();
        });
        let (fd, end) = (end.as_raw_fd(), Rc::into_inner(end).expect("nobody else holds it"));
        let (mut reader, _writer) = open_connection(end).await.unwrap();
        assert!(dropped.get());
        assert!(!handle.remove_reader(&fd));
        send(&peer, b"hello\n");
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
    });
}

/// A selector that, once told to forget, knows none of its descriptors, as if each had been closed.
#[derive(Default)]
struct Forgetful {
    forgets: Rc<Cell<bool>>,
    /// The token of the last registered descriptor, until it is deregistered.
    token: Rc<Cell<Option<Token>>>,
}

impl Selector for Forgetful {
    fn register(&mut self, _fd: RawFd, token: Token) -> io::Result<()> {
        self.forgets.set(false);
        self.token.set(Some(token));
        Ok(())
    }

    fn reregister(&mut self, _fd: RawFd, _token: Token, _interest: Readiness) -> io::Result<()> {
        if self.forgets.get() { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    fn deregister(&mut self, _fd: RawFd) -> io::Result<()> {
        self.token.set(None);
        Ok(())
    }

    fn poll(&mut self, timeout: Option<Duration>, _events: &mut Events) -> io::Result<bool> {
        assert!(timeout.is_some(), "the loop would wait for ever");
        Ok(false)
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Ok(Box::new(NoBell))
    }
}

#[test]
fn a_descriptor_is_watched_until_the_last_wait_for_it_is_dropped() {
    let selector = Forgetful::default();
    let token = Rc::clone(&selector.token);
    let clock = Rc::new(waterwheel::testing::ManualClock::new());
    let mut event_loop = EventLoop::builder().selector(Box::new(selector)).clock(clock).build().unwrap();
    event_loop.run(async {
        let (ours, _theirs) = pair();
        let waits = [true, true, false].map(|readable| spawn(wait_for(&ours, readable)));
        yield_now().await;
        for wait in waits {
            assert!(token.get().is_some(), "somebody waits");
            wait.cancel();
            turns(2).await;
        }
        assert_eq!(token.get(), None, "nobody waits");
    });
}

/// A wait borrows its descriptor, so safe code cannot close it meanwhile, but a selector can still report that it was
/// closed.
#[test]
fn waits_for_a_descriptor_that_turns_out_to_be_closed_end_and_others_see_what_is_new() {
    let selector = Forgetful::default();
    let (forgets, token) = (Rc::clone(&selector.forgets), Rc::clone(&selector.token));
    let clock = Rc::new(waterwheel::testing::ManualClock::new());
    let mut event_loop = EventLoop::builder().selector(Box::new(selector)).clock(clock).build().unwrap();
    let handle = event_loop.handle();
    event_loop.run(async {
        let (ours, _theirs) = pair();
        let waiting = [spawn(wait_for(&ours, true)), spawn(wait_for(&ours, false))];
        yield_now().await;
        let first_token = token.get();
        forgets.set(true);
        handle.add_reader(&*ours, || ()).unwrap();
        assert!(!forgets.get() && token.get() != first_token, "it was registered anew");
        turns(2).await;
        for wait in waiting {
            assert!(wait.is_finished(), "nothing can ever come of the one that was closed");
            wait.await.unwrap().unwrap();
        }
        assert!(handle.remove_reader(&*ours));
    });
}

fn wait_for(end: &Rc<UnixStream>, readable: bool) -> impl Future<Output = io::Result<()>> + 'static {
    let end = Rc::clone(end);
    async move {
        let event_loop = get_running_loop();
        if readable { event_loop.readable(&*end).await } else { event_loop.writable(&*end).await }
    }
}
