//! Callbacks on the user's own descriptors: when they are called, and when they no longer are.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{EventLoop, LoopHandle, get_running_loop, open_connection, sleep, yield_now};

mod reused_numbers;

type Story = Rc<RefCell<Vec<&'static str>>>;

/// Both ends of a connection, non-blocking. The first is the one to watch.
fn pair() -> (Rc<UnixStream>, Rc<UnixStream>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (Rc::new(ours), Rc::new(theirs))
}

fn send(mut socket: &UnixStream, data: &[u8]) {
    socket.write_all(data).unwrap();
}

fn receive(mut socket: &UnixStream) -> Vec<u8> {
    let mut data = [0; 100];
    let n = socket.read(&mut data).unwrap();
    data[..n].to_vec()
}

/// Runs `main` on a loop that polls the selector in every turn, with a time limit.
fn run<F: Future>(main: impl FnOnce(LoopHandle) -> F) -> F::Output {
    let mut event_loop = EventLoop::builder().handles_per_poll(1).build().unwrap();
    let handle = event_loop.handle();
    let main = main(handle);
    event_loop.run(async { waterwheel::timeout(Duration::from_secs(10), main).await.expect("the test hangs") })
}

/// Lets turns pass, so that the callbacks of ready descriptors run.
async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

fn count_up(counter: &Rc<Cell<usize>>) -> impl FnMut() + 'static {
    let counter = Rc::clone(counter);
    move || counter.set(counter.get() + 1)
}

fn note(story: &Story, word: &'static str) -> impl FnMut() + 'static {
    let story = Rc::clone(story);
    move || story.borrow_mut().push(word)
}

/// Sets its flag when it is dropped.
struct OnDrop(Rc<Cell<bool>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn a_reader_receives_what_a_callback_sent_and_removes_itself() {
    run(|handle| async move {
        let (ours, theirs) = pair();
        let received = waterwheel::Promise::new();
        handle
            .add_reader(&*ours, {
                let (handle, ours, received) = (handle.clone(), Rc::clone(&ours), received.clone());
                move || {
                    received.set(receive(&ours)).expect("it is called once");
                    assert!(handle.remove_reader(&*ours));
                    assert!(!handle.remove_reader(&*ours), "it is gone while it still runs");
                }
            })
            .unwrap();
        handle.call_soon(move || send(&theirs, b"abc"));
        assert_eq!(received.wait().await, b"abc");
        turns(3).await;
    });
}

#[test]
fn a_reader_is_called_once_per_turn_until_the_data_is_read() {
    run(|handle| async move {
        let (ours, theirs) = pair();
        let calls = Rc::new(Cell::new(0));
        handle.add_reader(&*ours, count_up(&calls)).unwrap();
        turns(3).await;
        assert_eq!(calls.get(), 0, "nothing was sent");
        send(&theirs, b"x");
        turns(2).await;
        let before = calls.get();
        for turn in 1..=5 {
            yield_now().await;
            assert_eq!(calls.get(), before + turn, "nobody read, so it is called again");
        }
        assert_eq!(receive(&ours), b"x");
        turns(2).await;
        let after = calls.get();
        turns(3).await;
        assert_eq!(calls.get(), after, "everything was read, so it is not called");
        drop(theirs);
        turns(3).await;
        assert!(calls.get() > after, "the end of the stream is readable");
        assert!(handle.remove_reader(&*ours));
    });
}

#[test]
fn a_later_reader_takes_the_place_of_the_earlier_one_which_is_dropped() {
    run(|handle| async move {
        let (ours, theirs) = pair();
        let (first, second) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let dropped = Rc::new(Cell::new(false));
        let (guard, mut count) = (OnDrop(Rc::clone(&dropped)), count_up(&first));
        let reader = move || {
            let _guard = &guard;
            count();
        };
        handle.add_reader(&*ours, reader).unwrap();
        send(&theirs, b"x");
        handle.add_reader(&ours.as_raw_fd(), count_up(&second)).unwrap();
        assert!(dropped.get());
        turns(3).await;
        assert_eq!(first.get(), 0);
        assert!(second.get() > 0);
        assert!(handle.remove_reader(&*ours));
    });
}

#[test]
fn both_directions_of_one_descriptor_are_called_the_reader_first() {
    run(|handle| async move {
        let (ours, theirs) = pair();
        let story = Story::default();
        send(&theirs, b"x");
        handle.add_writer(&*ours, note(&story, "write")).unwrap();
        handle.add_reader(&*ours, note(&story, "read")).unwrap();
        turns(5).await;
        assert!(handle.remove_reader(&*ours) && handle.remove_writer(&*ours));
        let story = story.borrow();
        assert!(story.len() >= 6, "neither starves the other: {story:?}");
        assert!(story.chunks(2).all(|turn| turn == ["read", "write"]), "{story:?}");
    });
}

#[test]
fn a_writer_removed_by_the_reader_of_the_same_turn_is_not_called() {
    run(|handle| async move {
        let (ours, theirs) = pair();
        let story = Story::default();
        send(&theirs, b"x");
        handle.add_writer(&*ours, note(&story, "write")).unwrap();
        handle
            .add_reader(&*ours, {
                let (handle, ours, mut note) = (handle.clone(), Rc::clone(&ours), note(&story, "read"));
                move || {
                    note();
                    handle.remove_writer(&*ours);
                    handle.remove_reader(&*ours);
                }
            })
            .unwrap();
        turns(4).await;
        assert_eq!(*story.borrow(), ["read"]);
    });
}

#[test]
fn a_direction_added_later_is_called_although_its_edge_came_before() {
    run(|handle| async move {
        let (ours, theirs) = pair();
        let (reads, writes) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        handle.add_reader(&*ours, count_up(&reads)).unwrap();
        turns(3).await;
        handle.add_writer(&*ours, count_up(&writes)).unwrap();
        turns(3).await;
        assert!(writes.get() >= 2 && reads.get() == 0);
        // Readiness from before the new watch is not trusted: the data was read elsewhere.
        assert!(handle.remove_writer(&*ours));
        send(&theirs, b"x");
        turns(2).await;
        assert!(handle.remove_reader(&*ours));
        receive(&ours);
        let before = reads.get();
        handle.add_reader(&*ours, count_up(&reads)).unwrap();
        turns(3).await;
        assert_eq!(reads.get(), before);
        assert!(handle.remove_reader(&*ours));
    });
}

#[test]
fn removing_what_was_never_added_says_so() {
    run(|handle| async move {
        let (ours, _theirs) = pair();
        assert!(!handle.remove_reader(&*ours) && !handle.remove_writer(&*ours));
        assert!(!handle.remove_reader(&-1) && !handle.remove_writer(&1_000_000));
        handle.add_reader(&*ours, || ()).unwrap();
        assert!(!handle.remove_writer(&*ours));
        assert!(handle.remove_reader(&*ours));
        assert!(!handle.remove_reader(&*ours));
    });
}

#[test]
fn what_cannot_be_watched_is_an_error() {
    run(|handle| async move {
        let unwatchable = File::open(std::env::current_exe().unwrap()).unwrap();
        let error = handle.add_reader(&unwatchable, || ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        assert!(!handle.remove_reader(&unwatchable), "a refused callback is not kept");
        for bad in [-1, 1_000_000] {
            let error = handle.add_writer(&bad, || ()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(9), "EBADF for {bad}: {error}");
        }
        assert!(handle.readable(&unwatchable).await.is_err());
    });
}

#[test]
fn a_descriptor_of_a_transport_is_refused_until_the_transport_is_closed() {
    run(|handle| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let fd = ours.as_raw_fd();
        let (_reader, writer) = open_connection(ours).await.unwrap();
        let error = handle.add_reader(&fd, || ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("used by this loop"), "{error}");
        assert!(!handle.remove_reader(&fd), "the transport's own watch is not touched");
        writer.write(b"still there");
        writer.close();
        writer.wait_closed().await.unwrap();
        assert_eq!(receive(&theirs), b"still there");
    });
}

#[test]
fn a_callback_that_panics_is_reported_with_its_line_and_removed() {
    run(|handle| async move {
        let incidents = Rc::new(RefCell::new(Vec::new()));
        let heard = Rc::clone(&incidents);
        handle.set_debug(false); // The speed of the machine does not matter here.
        handle.set_exception_handler(move |incident| {
            let line = incident.location().map(|location| location.file().to_owned());
            heard.borrow_mut().push((incident.panic().map(str::to_owned), line));
        });
        let (ours, theirs) = pair();
        let dropped = Rc::new(Cell::new(false));
        let guard = OnDrop(Rc::clone(&dropped));
        let reader = move || {
            let _guard = &guard;
            panic!("no more");
        };
        handle.add_reader(&*ours, reader).unwrap();
        let writes = Rc::new(Cell::new(0));
        send(&theirs, b"x");
        handle.add_writer(&*ours, count_up(&writes)).unwrap();
        turns(4).await;
        assert_eq!(*incidents.borrow(), [(Some("no more".to_owned()), Some(file!().to_owned()))]);
        assert!(dropped.get());
        assert!(writes.get() >= 2, "the other direction is not touched");
        assert!(!handle.remove_reader(&*ours));
        assert!(handle.remove_writer(&*ours));
    });
}

#[test]
fn a_removed_callback_whose_drop_panics_takes_nobody_with_it() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("boom");
        }
    }
    run(|handle| async move {
        let incidents = Rc::new(Cell::new(0));
        let heard = Rc::clone(&incidents);
        handle.set_debug(false); // The speed of the machine does not matter here.
        handle.set_exception_handler(move |_| heard.set(heard.get() + 1));
        let (ours, theirs) = pair();
        let wait = waterwheel::spawn({
            let ours = Rc::clone(&ours);
            async move { get_running_loop().readable(&*ours).await }
        });
        let bomb = Bomb;
        handle
            .add_reader(&*ours, {
                let (handle, ours) = (handle.clone(), Rc::clone(&ours));
                move || {
                    let _bomb = &bomb;
                    assert!(handle.remove_reader(&*ours));
                }
            })
            .unwrap();
        turns(2).await;
        send(&theirs, b"x");
        wait.await.unwrap().unwrap();
        assert_eq!(incidents.get(), 1);
        handle.readable(&*ours).await.unwrap();
    });
}

#[test]
fn dropping_the_loop_drops_the_callbacks_and_leaves_the_descriptor_open() {
    let (ours, theirs) = pair();
    let dropped = Rc::new(Cell::new(false));
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let guard = OnDrop(Rc::clone(&dropped));
    handle
        .add_reader(&*ours, {
            let (handle, ours) = (handle.clone(), Rc::clone(&ours));
            move || {
                let _held = (&guard, &handle, &ours);
            }
        })
        .unwrap();
    drop(event_loop);
    assert!(dropped.get());
    assert_eq!(Rc::strong_count(&ours), 1);
    assert!(!handle.remove_reader(&*ours));
    let error = handle.add_reader(&*ours, || ()).unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    send(&theirs, b"x");
    assert_eq!(receive(&ours), b"x");
}

#[test]
fn readable_and_writable_wait_side_by_side_and_again() {
    run(|handle| async move {
        let (ours, theirs) = pair();
        for round in 0..3_u8 {
            let reading = waterwheel::spawn({
                let ours = Rc::clone(&ours);
                async move { get_running_loop().readable(&*ours).await.map(|()| receive(&ours)) }
            });
            handle.writable(&*ours).await.unwrap();
            turns(2).await;
            assert!(!reading.is_finished(), "nothing was sent in round {round}");
            send(&theirs, &[round]);
            assert_eq!(reading.await.unwrap().unwrap(), [round]);
        }
        assert!(!handle.remove_reader(&*ours) && !handle.remove_writer(&*ours));
    });
}

#[test]
fn a_wait_that_is_dropped_ends_the_watch_and_loses_nothing() {
    run(|handle| async move {
        let (ours, theirs) = pair();
        let wait = waterwheel::timeout(Duration::from_millis(5), handle.readable(&*ours)).await;
        assert!(wait.is_err(), "nothing was sent");
        send(&theirs, b"x");
        // If the watch had stayed, the stream could not register the descriptor.
        drop(handle.readable(&*ours));
        handle.readable(&*ours).await.unwrap();
        let ours = Rc::into_inner(ours).expect("nobody else holds it");
        let (mut reader, _writer) = open_connection(ours).await.unwrap();
        assert_eq!(reader.read(10).await.unwrap(), b"x");
    });
}

#[test]
fn a_reader_and_any_number_of_waits_share_one_descriptor() {
    run(|handle| async move {
        let (ours, theirs) = pair();
        let calls = Rc::new(Cell::new(0));
        let waits: Vec<_> = (0..3)
            .map(|_| {
                let ours = Rc::clone(&ours);
                waterwheel::spawn(async move { get_running_loop().readable(&*ours).await })
            })
            .collect();
        turns(2).await;
        handle.add_reader(&*ours, count_up(&calls)).unwrap();
        waits[1].cancel();
        sleep(Duration::from_millis(1)).await;
        assert!(!waits[0].is_finished());
        send(&theirs, b"x");
        for (index, wait) in waits.into_iter().enumerate() {
            assert_eq!(wait.await.is_ok(), index != 1);
        }
        assert!(calls.get() > 0);
        assert!(handle.remove_reader(&*ours), "the waits did not end the callback's watch");
    });
}
