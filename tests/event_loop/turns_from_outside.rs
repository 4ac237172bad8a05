//! Turns that are taken from outside, one at a time: the loop as a guest.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::common::trace::Trace;
use crate::common::watchdog::watchdog;
use waterwheel::testing::ManualClock;
use waterwheel::{
    EventLoop, Promise, Turned, get_running_loop, open_connection, sleep, spawn, try_get_running_loop, yield_now,
};

const LOOK: Option<Duration> = Some(Duration::ZERO);

/// Whether the loop's descriptor becomes readable within `timeout`.
fn rings(event_loop: &EventLoop, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).unwrap();
    let mut watched = [PollFd::new(event_loop, PollFlags::IN)];
    poll(&mut watched, Some(&timeout)).unwrap() == 1
}

/// Takes a turn whenever the loop has something to do, and waits on its descriptor otherwise.
fn drive(event_loop: &mut EventLoop, done: impl Fn() -> bool) {
    let mut turns = 0;
    while !done() {
        assert!(turns < 1_000_000, "it never ends");
        if !event_loop.is_ready() {
            let now = event_loop.handle().time();
            let wait = event_loop.next_deadline().map(|deadline| deadline.saturating_duration_since(now));
            rings(event_loop, wait.unwrap_or(Duration::from_secs(60)));
        }
        let _ = event_loop.turn(LOOK);
        turns += 1;
    }
}

/// Takes turns until neither the loop nor its descriptor reports more work.
fn settle(event_loop: &mut EventLoop) {
    for _ in 0..1000 {
        if !event_loop.is_ready() && !rings(event_loop, Duration::ZERO) {
            return;
        }
        let _ = event_loop.turn(LOOK);
    }
    panic!("it never rests");
}

#[test]
fn a_turn_runs_what_is_ready_and_leaves_what_that_schedules_for_the_next() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (handle, trace) = (event_loop.handle(), Trace::default());
    let (again, later) = (handle.clone(), trace.clone());
    handle.call_soon(trace.saying("first"));
    handle.call_soon(move || drop(again.call_soon(later.saying("third"))));
    handle.call_soon(trace.saying("second"));
    assert!(event_loop.is_ready());
    let turned = event_loop.turn(None);
    assert_eq!(trace.take(), ["first", "second"]);
    assert!(turned.is_ready() && event_loop.is_ready() && !turned.is_stopped());
    let turned = event_loop.turn(None);
    assert_eq!(trace.take(), ["third"]);
    assert!(!turned.is_ready() && !event_loop.is_ready());
    assert_eq!(turned.next_deadline(), None);
}

#[test]
fn a_task_that_is_spawned_on_the_handle_runs_by_turns_with_its_loop_as_the_running_one() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let task = event_loop.handle().create_task(async {
        let mut turns = 0;
        assert!(get_running_loop().is_running());
        for _ in 0..3 {
            turns += spawn(async { 1 }).await.unwrap();
            yield_now().await;
        }
        turns
    });
    assert!(event_loop.is_ready());
    while !task.is_finished() {
        assert!(event_loop.is_ready(), "a task that only yields and awaits tasks is always ready");
        let _ = event_loop.turn(None);
        assert!(try_get_running_loop().is_none() && !event_loop.handle().is_running());
    }
    assert_eq!(event_loop.run(task).unwrap(), 3);
}

#[test]
fn a_turn_waits_for_a_timer_but_no_longer_than_it_is_told_to() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (handle, trace) = (event_loop.handle(), Trace::default());
    let far = handle.call_later(Duration::from_secs(3600), trace.saying("far"));
    assert_eq!(event_loop.next_deadline(), Some(far.when()));
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        let before = handle.time();
        let turned = event_loop.turn(Some(timeout));
        assert!(handle.time() - before >= timeout);
        assert_eq!((turned.is_ready(), turned.next_deadline()), (false, Some(far.when())));
    }
    let near = handle.call_later(Duration::from_millis(5), trace.saying("near"));
    assert_eq!(event_loop.next_deadline(), Some(near.when()));
    while trace.words().is_empty() {
        let _ = event_loop.turn(None);
    }
    assert!(handle.time() >= near.when());
    assert_eq!(trace.words(), ["near"]);
    assert_eq!(event_loop.next_deadline(), Some(far.when()));
    far.cancel();
    assert_eq!(event_loop.next_deadline(), None);
}

/// The longest possible duration is not mistaken for a time in the past, and the selector accepts it.
#[test]
fn a_turn_that_may_wait_for_ever_ends_when_another_thread_calls() {
    let _watchdog = watchdog();
    for timeout in [None, Some(Duration::MAX)] {
        let mut event_loop = EventLoop::new().unwrap();
        let (remote, (tell, told)) = (event_loop.handle().remote(), std::sync::mpsc::channel());
        let calling = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            remote.call_soon(move || tell.send(()).unwrap())
        });
        let turned = event_loop.turn(timeout);
        assert_eq!(told.try_recv(), Ok(()), "{timeout:?}");
        assert!(!turned.is_ready());
        assert!(calling.join().unwrap());
    }
}

#[test]
fn what_the_own_thread_schedules_or_wakes_between_two_turns_is_told_by_is_ready_and_not_by_the_descriptor() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (handle, promise, trace) = (event_loop.handle(), Promise::new(), Trace::default());
    let (awaited, done) = (promise.clone(), trace.clone());
    let _task = handle.create_task(async move {
        awaited.wait().await;
        done.say("woken");
    });
    let _ = event_loop.turn(LOOK);
    assert!(!event_loop.is_ready());
    promise.set(()).unwrap();
    assert!(event_loop.is_ready() && !rings(&event_loop, Duration::ZERO));
    let _ = event_loop.turn(None);
    assert_eq!(trace.take(), ["woken"]);
    assert!(handle.remote().call_soon(|| ()));
    assert!(event_loop.is_ready() && !rings(&event_loop, Duration::ZERO));
    let _ = event_loop.turn(None);
    assert!(!event_loop.is_ready());
    handle.stop();
    assert!(event_loop.is_ready(), "who takes the turns is to be told");
    assert!(event_loop.turn(None).is_stopped());
    assert!(!event_loop.is_ready() && !event_loop.turn(LOOK).is_stopped(), "it is told once");
}

/// A turn takes at most 128 calls of other threads. The calls that are left do not ring again.
#[test]
fn calls_of_other_threads_that_a_turn_leaves_are_told_by_is_ready() {
    const CALLS: usize = 1000;
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let remote = event_loop.handle().remote();
    let (send, received) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for number in 0..CALLS {
            let send = send.clone();
            remote.call_soon(move || send.send(number).unwrap());
        }
    })
    .join()
    .unwrap();
    assert!(rings(&event_loop, Duration::ZERO));
    let mut turns = 0;
    while event_loop.is_ready() {
        let _ = event_loop.turn(None);
        turns += 1;
    }
    assert!(received.try_iter().eq(0..CALLS));
    assert_eq!(turns, CALLS.div_ceil(128));
}

/// The peer's bytes arrive between two turns, while the loop does not poll.
#[test]
fn a_socket_that_becomes_ready_between_two_turns_rings_and_loses_nothing() {
    const ROUNDS: u8 = 200;
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let task = event_loop.handle().create_task(async move {
        let (mut reader, writer) = open_connection(ours).await?;
        while let [byte] = reader.read(1).await?[..] {
            writer.write(&[byte, byte]);
        }
        io::Result::Ok(())
    });
    theirs.set_nonblocking(true).unwrap();
    for round in 0..ROUNDS {
        // It is also an event that the peer has read the last answer.
        settle(&mut event_loop);
        theirs.write_all(&[round, round]).unwrap();
        assert!(rings(&event_loop, Duration::ZERO));
        settle(&mut event_loop);
        let mut answer = [0; 4];
        theirs.read_exact(&mut answer).expect("all is answered when nothing is ready any more");
        assert_eq!(answer, [round; 4]);
    }
    drop(theirs);
    drive(&mut event_loop, || task.is_finished());
    event_loop.run(task).unwrap().unwrap();
}

#[test]
fn two_loops_take_turns_on_one_thread_and_talk_to_each_other() {
    const LEN: usize = 2_000_000;
    let _watchdog = watchdog();
    let (mut sending, mut receiving) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let (ours, theirs) = UnixStream::pair().unwrap();
    let sender = sending.handle().create_task(async move {
        let (_reader, writer) = open_connection(ours).await.unwrap();
        writer.write_all(&vec![7; LEN]).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        writer.close();
        writer.wait_closed().await.unwrap();
    });
    let receiver = receiving.handle().create_task(async move {
        let (mut reader, _writer) = open_connection(theirs).await.unwrap();
        reader.read_to_end().await.unwrap()
    });
    let mut turns = 0;
    while !(sender.is_finished() && receiver.is_finished()) {
        let turned: [Turned; 2] = [sending.turn(LOOK), receiving.turn(LOOK)];
        if turned.iter().all(|turned| !turned.is_ready()) {
            let mut watched = [&sending, &receiving].map(|event_loop| PollFd::new(event_loop, PollFlags::IN));
            poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 })).unwrap();
        }
        turns += 1;
        assert!(turns < 1_000_000, "it never ends");
    }
    assert!(receiving.run(receiver).unwrap() == [7; LEN]);
    sending.run(sender).unwrap();
}

#[test]
fn a_clock_that_jumps_moves_by_no_more_than_a_turn_may_wait() {
    let _watchdog = watchdog();
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    let trace = Trace::default();
    let hour = Duration::from_secs(3600);
    event_loop.handle().call_later(hour, trace.saying("an hour"));
    let _ = event_loop.turn(LOOK);
    assert_eq!(clock.elapsed(), Duration::ZERO);
    let _ = event_loop.turn(Some(hour / 4));
    assert_eq!((clock.elapsed(), trace.words().len()), (hour / 4, 0));
    let turned = event_loop.turn(None);
    assert_eq!((clock.elapsed(), trace.take()), (hour, vec!["an hour".to_owned()]));
    assert_eq!(turned.next_deadline(), None);
    // Even without a timer, a turn lets the given time pass.
    let _ = event_loop.turn(Some(hour));
    assert_eq!(clock.elapsed(), hour * 2);
    // Other code may move the clock: then the timer is due.
    event_loop.handle().call_later(hour, trace.saying("moved"));
    clock.advance(hour);
    assert!(event_loop.next_deadline().unwrap() <= event_loop.handle().time());
    let _ = event_loop.turn(LOOK);
    assert_eq!(trace.take(), ["moved"]);
}

#[test]
fn runs_and_turns_of_one_loop_may_alternate() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let steps = Rc::new(Cell::new(0));
    let counting = Rc::clone(&steps);
    let task = event_loop.handle().create_task(async move {
        for _ in 0..10 {
            counting.set(counting.get() + 1);
            yield_now().await;
        }
    });
    let _ = event_loop.turn(LOOK);
    assert_eq!(steps.get(), 1);
    event_loop.run(yield_now());
    let in_the_run = steps.get();
    assert!(in_the_run > 1 && in_the_run < 10, "{in_the_run}");
    let _ = event_loop.turn(LOOK);
    assert_eq!(steps.get(), in_the_run + 1);
    event_loop.run(task).unwrap();
    assert_eq!(steps.get(), 10);
}

#[test]
fn a_turn_inside_of_a_loop_panics_and_harms_neither() {
    let _watchdog = watchdog();
    let mut guest = EventLoop::new().unwrap();
    let trace = Trace::default();
    guest.handle().call_soon(trace.saying("guest"));
    let guest = waterwheel::run(async {
        let payload = catch_unwind(AssertUnwindSafe(|| guest.turn(LOOK))).expect_err("a loop runs already");
        assert!(payload.downcast_ref::<&str>().unwrap().contains("already running on this thread"));
        yield_now().await;
        guest
    });
    let mut guest = guest;
    assert!(trace.words().is_empty());
    let _ = guest.turn(LOOK);
    assert_eq!(trace.words(), ["guest"]);
}

#[test]
fn a_panic_in_a_turn_is_reported_and_the_rest_of_the_batch_runs() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (handle, trace) = (event_loop.handle(), Trace::default());
    let told = trace.clone();
    handle.set_debug(false); // The speed of the machine does not matter here.
    handle.set_exception_handler(move |incident| told.say(incident.panic().unwrap_or("no panic")));
    handle.call_soon(|| panic!("out of order"));
    handle.call_soon(trace.saying("after it"));
    let _ = event_loop.turn(None);
    assert_eq!(trace.words(), ["out of order", "after it"]);
}

#[test]
fn a_loop_that_never_rests_still_looks_at_its_sockets_in_every_turn() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let task = event_loop.handle().create_task(async move {
        let (mut reader, _writer) = open_connection(ours).await?;
        reader.read(10).await
    });
    fn for_ever() {
        get_running_loop().call_soon(for_ever);
    }
    event_loop.handle().call_soon(for_ever);
    for _ in 0..5 {
        assert!(event_loop.turn(LOOK).is_ready());
    }
    theirs.write_all(b"hello").unwrap();
    // One turn collects the event and receives, the next one runs the task.
    for _ in 0..2 {
        let _ = event_loop.turn(LOOK);
    }
    assert!(task.is_finished());
    assert_eq!(event_loop.run(task).unwrap().unwrap(), b"hello");
}
