//! Law 3: what is scheduled during a turn runs in the next.

use std::time::Duration;

use waterwheel::{Promise, get_running_loop, spawn, yield_now};

use crate::scripted::{note, noted, scripted_loop, turn};
use crate::tools::{Incidents, guarded, on_another_thread};

#[test]
fn law_03_a_turn_is_a_batch() {
    guarded(|| {
        let (mut event_loop, _clock) = scripted_loop();
        let incidents = Incidents::of(&event_loop.handle());
        let began_in = event_loop.run(async {
            let handle = get_running_loop();
            let promise = Promise::new();
            let waiting = spawn({
                let promise = promise.clone();
                async move {
                    promise.wait().await;
                    note("waiter");
                }
            });
            yield_now().await;
            let cancelled = spawn(async {
                let _guard = NoteOnDrop;
                std::future::pending::<()>().await;
            });
            yield_now().await;
            let began_in = turn();
            handle.call_soon({
                let handle = handle.clone();
                move || {
                    note("soon");
                    handle.call_soon(|| note("soon of soon"));
                }
            });
            let first_step = spawn(async {
                note("first step");
                yield_now().await;
                note("after a yield");
            });
            promise.set(()).unwrap();
            cancelled.cancel();
            let remote = handle.remote();
            on_another_thread(|| remote.call_soon(|| note("letter")));
            handle.call_later(Duration::ZERO, || note("timer"));
            note("main");
            for _ in 0..5 {
                yield_now().await;
            }
            waiting.await.unwrap();
            first_step.await.unwrap();
            began_in
        });
        let (this, next, after) = (began_in, began_in + 1, began_in + 2);
        let expected = [
            ("main", this),
            ("soon", next),
            ("first step", next),
            ("waiter", next),
            ("cancelled", next),
            ("letter", next),
            ("timer", next),
            ("soon of soon", after),
            ("after a yield", after),
        ];
        assert_eq!(noted(), expected);
        assert_eq!(incidents.take(), Vec::<String>::new());
    });
}

struct NoteOnDrop;

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        note("cancelled");
    }
}

#[test]
fn a_callback_that_schedules_itself_for_ever_lets_a_turn_end() {
    guarded(|| {
        let (mut event_loop, _clock) = scripted_loop();
        fn again() {
            note("again");
            get_running_loop().call_soon(again);
        }
        event_loop.run(async {
            again();
            for _ in 0..10 {
                yield_now().await;
            }
        });
        let turns: Vec<usize> = noted().into_iter().map(|(_, turn)| turn).collect();
        assert!(turns.len() >= 10);
        assert!(turns.windows(2).all(|pair| pair[0] + 1 == pair[1]), "once in each turn: {turns:?}");
    });
}
