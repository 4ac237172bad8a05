//! The order of turns, and how a loop is run, stopped, run again and closed.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use crate::common::running::turns;
use crate::common::trace::Trace;
use crate::common::watchdog::watchdog;
use crate::setting::{one_turn, setting};
use waterwheel::testing::ManualClock;
use waterwheel::{
    EventLoop, LoopHandle, Promise, get_running_loop, open_connection, sleep, spawn, timeout, try_get_running_loop,
    yield_now,
};

fn panic_text(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it should panic");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().unwrap().to_string(),
    }
}

#[test]
fn callbacks_run_in_the_order_in_which_they_were_scheduled() {
    let (mut event_loop, handle, trace) = setting();
    for word in ["a", "b", "c", "d"] {
        handle.call_soon(trace.saying(word));
    }
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["a", "b", "c", "d"]);
}

#[test]
fn what_is_scheduled_during_a_turn_runs_in_the_next() {
    let (mut event_loop, handle, trace) = setting();
    let (inner, said) = (handle.clone(), trace.clone());
    handle.call_soon(move || {
        said.say("first");
        inner.call_soon(said.saying("scheduled by first"));
    });
    handle.call_soon(trace.saying("second"));
    one_turn(&mut event_loop);
    assert_eq!(trace.take(), ["first", "second"]);
    one_turn(&mut event_loop);
    assert_eq!(trace.take(), ["scheduled by first"]);
}

#[test]
fn a_turn_runs_callbacks_then_sockets_then_timers() {
    let _watchdog = watchdog();
    // With a poll in every turn, the socket's event is collected in the turn after the first callback.
    let mut event_loop = EventLoop::builder().handles_per_poll(1).build().unwrap();
    let trace = Trace::default();
    let (ours, peer) = crate::common::sockets::sockets();
    event_loop.run(async {
        let (mut reader, _writer) = open_connection(ours).await.unwrap();
        let said = trace.clone();
        let reading = spawn(async move {
            reader.read(1).await.unwrap();
            said.say("woken by the socket");
        });
        turns(5).await;
        let (said, handle) = (trace.clone(), get_running_loop());
        handle.call_soon(move || {
            std::io::Write::write_all(&mut &peer, b"x").unwrap();
            let handle = get_running_loop();
            handle.call_later(Duration::ZERO, said.saying("timer"));
            let later = said.clone();
            handle.call_soon(move || {
                later.say("soon");
                get_running_loop().call_soon(later.saying("one turn later"));
            });
        });
        reading.await.unwrap();
        turns(2).await;
    });
    // The socket comes before the timer, but its event only wakes the task, which runs in the next turn, after what
    // `soon` has scheduled.
    assert_eq!(trace.words(), ["soon", "timer", "one turn later", "woken by the socket"]);
}

#[test]
fn stop_lets_the_turn_finish_and_keeps_the_rest_for_the_next_run() {
    let (mut event_loop, handle, trace) = setting();
    let (inner, said) = (handle.clone(), trace.clone());
    handle.call_soon(move || {
        inner.stop();
        inner.call_soon(said.saying("next run"));
        said.say("stop");
    });
    handle.call_soon(trace.saying("same turn"));
    event_loop.run_forever();
    assert_eq!(trace.take(), ["stop", "same turn"]);
    one_turn(&mut event_loop);
    assert_eq!(trace.take(), ["next run"]);
}

#[test]
fn stop_before_a_run_lets_one_turn_run_and_is_used_up_by_it() {
    let _watchdog = watchdog();
    let (mut event_loop, handle, trace) = setting();
    handle.stop();
    handle.stop();
    handle.call_soon(trace.saying("a"));
    handle.call_later(Duration::ZERO, trace.saying("due"));
    handle.call_later(Duration::from_secs(3600), trace.saying("far"));
    event_loop.run_forever();
    assert_eq!(trace.take(), ["a", "due"]);
    // The second run is not stopped by the `stop` of the first.
    event_loop.run(turns(3));
}

#[test]
fn one_turn_at_a_time_finds_timers_that_fell_due_between_the_turns() {
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    let (handle, trace) = (event_loop.handle(), Trace::default());
    handle.call_later(Duration::from_secs(5), trace.saying("timer"));
    clock.advance(Duration::from_secs(6));
    handle.call_soon(trace.saying("soon"));
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["soon", "timer"]);
}

#[test]
fn one_turn_at_a_time_finds_sockets_that_became_ready_between_the_turns() {
    let _watchdog = watchdog();
    let (mut event_loop, handle, trace) = setting();
    let (ours, peer) = crate::common::sockets::sockets();
    let said = trace.clone();
    let reading = event_loop.run(async {
        let (mut reader, writer) = open_connection(ours).await.unwrap();
        let reading = spawn(async move {
            said.say(String::from_utf8(reader.read(9).await.unwrap()).unwrap());
            drop(writer);
        });
        turns(5).await;
        reading
    });
    std::io::Write::write_all(&mut &peer, b"hello").unwrap();
    for _ in 0..3 {
        handle.call_soon(|| {});
        one_turn(&mut event_loop);
    }
    assert_eq!(trace.words(), ["hello"]);
    assert!(reading.is_finished());
}

#[test]
fn a_loop_can_be_run_again_and_again_and_tasks_go_on_where_they_were() {
    let _watchdog = watchdog();
    let (mut event_loop, handle, trace) = setting();
    let said = trace.clone();
    let task = handle.create_task(async move {
        for word in ["one", "two", "three", "four"] {
            said.say(word);
            yield_now().await;
        }
    });
    for (turn, word) in ["one", "two", "three"].into_iter().enumerate() {
        one_turn(&mut event_loop);
        assert_eq!(trace.words()[turn], word);
    }
    event_loop.run(task).unwrap();
    assert_eq!(trace.words().len(), 4);
    for n in 0..100 {
        assert_eq!(event_loop.run(async move { n }), n);
    }
}

#[test]
fn what_is_ready_when_main_is_done_still_runs() {
    let (mut event_loop, handle, trace) = setting();
    event_loop.run(async {
        handle.call_soon(trace.saying("ready"));
    });
    assert_eq!(trace.words(), ["ready"]);
}

#[test]
fn a_task_spawned_as_main_ends_waits_for_its_turn_although_main_woke_itself() {
    let (mut event_loop, handle, trace) = setting();
    let (inner, said) = (handle.clone(), trace.clone());
    event_loop.run(std::future::poll_fn(|cx| {
        let (inner, said) = (inner.clone(), said.clone());
        handle.call_soon(move || {
            inner.call_soon(said.saying("scheduled first"));
            drop(inner.create_task(async move { said.say("spawned second") }));
        });
        // A wake that is left over when `main` is done has no effect.
        cx.waker().wake_by_ref();
        std::task::Poll::Ready(())
    }));
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["scheduled first", "spawned second"]);
}

#[test]
fn stopping_before_main_is_done_panics_and_the_loop_can_be_used_again() {
    let _watchdog = watchdog();
    let (mut event_loop, handle, _) = setting();
    let inner = handle.clone();
    let text = panic_text(|| {
        event_loop.run(async move {
            inner.stop();
            std::future::pending::<()>().await;
        });
    });
    assert!(text.contains("stopped before its main future was done"), "{text}");
    assert!(try_get_running_loop().is_none());
    assert_eq!(event_loop.run(async { 7 }), 7);
}

#[test]
fn a_main_that_is_done_in_one_turn_is_not_kept_from_it_by_an_earlier_stop() {
    let (mut event_loop, handle, _) = setting();
    handle.stop();
    assert_eq!(event_loop.run(async { 7 }), 7);
}

#[test]
fn main_is_dropped_while_the_loop_still_runs() {
    struct SpawnsWhenDropped(Trace);
    impl Drop for SpawnsWhenDropped {
        fn drop(&mut self) {
            let trace = self.0.clone();
            drop(spawn(async move { trace.say("spawned by the drop") }));
        }
    }
    let _watchdog = watchdog();
    let (mut event_loop, _, trace) = setting();
    // A timeout drops the future that it waited for together with itself.
    let inside = SpawnsWhenDropped(trace.clone());
    let never = async move {
        let _inside = inside;
        std::future::pending::<()>().await;
    };
    assert!(event_loop.run(timeout(Duration::from_millis(1), never)).is_err());
    assert_eq!(trace.words(), ["spawned by the drop"]);
}

#[test]
fn running_a_loop_inside_a_loop_panics_clearly_and_leaves_the_outer_one_intact() {
    let _watchdog = watchdog();
    let (mut event_loop, handle, trace) = setting();
    event_loop.run(async {
        let mut inner = EventLoop::new().unwrap();
        for text in [
            panic_text(|| waterwheel::run(async {})),
            panic_text(|| inner.run(async {})),
            panic_text(|| inner.run_forever()),
        ] {
            assert!(text.contains("already running on this thread"), "{text}");
        }
        drop(inner);
        assert!(handle.is_running());
        let said = trace.clone();
        spawn(async move { said.say("still spawning") }).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        get_running_loop().call_soon(trace.saying("still calling"));
        yield_now().await;
    });
    assert_eq!(trace.words(), ["still spawning", "still calling"]);
}

#[test]
fn a_closed_loop_takes_nothing_and_every_method_is_harmless() {
    let (event_loop, handle, trace) = setting();
    let remote = handle.remote();
    let waiting = handle.call_soon(trace.saying("never"));
    let timer = handle.call_later(Duration::ZERO, trace.saying("never"));
    let task = handle.create_task(async {});
    drop(event_loop);
    assert!(handle.is_closed() && !handle.is_running());
    let dropped = Rc::new(());
    let held = Rc::clone(&dropped);
    let soon = handle.call_soon(move || drop(held));
    let held = Rc::clone(&dropped);
    let later = handle.call_later(Duration::ZERO, move || drop(held));
    assert_eq!(Rc::strong_count(&dropped), 1);
    assert!(soon.is_cancelled() && later.is_cancelled());
    assert!(!remote.call_soon(|| unreachable!()));
    handle.stop();
    handle.set_exception_handler(|_| {});
    waiting.cancel();
    timer.cancel();
    let refused = handle.create_task(async {});
    assert!(task.is_finished() && refused.is_finished());
    let connection = handle.create_connection(crate::common::recorder::Recorder::new, "127.0.0.1:9");
    let server = handle.create_server(crate::common::recorder::Recorder::new, "127.0.0.1:0");
    waterwheel::run(async {
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(refused.await.unwrap_err().is_cancelled());
        assert!(connection.await.is_err());
        assert!(server.await.is_err());
    });
    assert!(trace.words().is_empty());
}

#[test]
fn closing_drops_callbacks_whose_handles_are_still_held() {
    /// Like a protocol with a heartbeat: the callback holds the object, and the object holds the handle.
    #[derive(Default)]
    struct Heart {
        soon: RefCell<Option<waterwheel::Handle>>,
        later: RefCell<Option<waterwheel::TimerHandle>>,
    }
    let (event_loop, handle, _) = setting();
    let heart = Rc::new(Heart::default());
    let (one, other) = (Rc::clone(&heart), Rc::clone(&heart));
    heart.soon.replace(Some(handle.call_soon(move || drop(one))));
    heart.later.replace(Some(handle.call_later(Duration::from_secs(60), move || drop(other))));
    drop(event_loop);
    assert_eq!(Rc::strong_count(&heart), 1);
    assert!(heart.soon.borrow().as_ref().unwrap().is_cancelled());
    assert!(heart.later.borrow().as_ref().unwrap().is_cancelled());
}

#[test]
fn a_destructor_that_panics_does_not_keep_the_rest_of_a_closing_loop_alive() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("boom");
        }
    }
    let (event_loop, handle, trace) = setting();
    let said = trace.clone();
    handle.set_debug(false); // The speed of the machine does not matter here.
    handle.set_exception_handler(move |incident| said.say(incident.panic().unwrap()));
    let alive = Rc::new(());
    let (remote, bomb) = (handle.remote(), Bomb);
    assert!(std::thread::spawn(move || remote.call_soon(move || drop(bomb))).join().unwrap());
    let bomb = Bomb;
    handle.call_soon(move || drop(bomb));
    let (held, bomb) = (Rc::clone(&alive), Bomb);
    drop(handle.create_task(async move {
        let _both = (held, bomb);
        std::future::pending::<()>().await;
    }));
    let held = Rc::clone(&alive);
    handle.call_later(Duration::from_secs(60), move || drop(held));
    drop(event_loop);
    assert_eq!(Rc::strong_count(&alive), 1);
    assert_eq!(trace.words(), ["boom", "boom", "boom"]);
}

#[test]
fn destructors_of_a_closing_loop_may_schedule_and_spawn() {
    struct Late(LoopHandle, Promise<bool>);
    impl Drop for Late {
        fn drop(&mut self) {
            let soon = self.0.call_soon(|| unreachable!("the loop is closed"));
            let task = self.0.create_task(async {});
            let _ = self.1.set(soon.is_cancelled() && task.is_finished() && try_get_running_loop().is_some());
        }
    }
    let (event_loop, handle, _) = setting();
    let refused = Promise::new();
    let late = Late(handle.clone(), refused.clone());
    drop(handle.create_task(async move {
        let _late = late;
        std::future::pending::<()>().await;
    }));
    drop(event_loop);
    assert_eq!(refused.get(), Some(&true));
}

#[test]
fn a_chain_of_callbacks_starves_neither_sockets_nor_timers() {
    fn chain(handle: &LoopHandle, going: Rc<Cell<bool>>, count: Rc<Cell<u64>>) {
        let inner = handle.clone();
        handle.call_soon(move || {
            count.set(count.get() + 1);
            if going.get() {
                chain(&inner, going, count);
            }
        });
    }
    crate::common::running::run(async {
        let (mut reader, _writer, peer) = crate::common::sockets::streams(1024).await;
        let (going, count) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(0)));
        chain(&get_running_loop(), Rc::clone(&going), Rc::clone(&count));
        sleep(Duration::from_millis(2)).await;
        for round in 0..20 {
            std::io::Write::write_all(&mut &peer, b"ping").unwrap();
            let before = count.get();
            assert_eq!(reader.readexactly(4).await.unwrap(), b"ping");
            let links = count.get() - before;
            assert!(links <= 200, "in round {round} {links} callbacks ran before the socket was looked at");
        }
        let before = count.get();
        sleep(Duration::from_nanos(1)).await;
        assert!(count.get() - before <= 200);
        going.set(false);
    });
}
