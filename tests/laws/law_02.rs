//! Law 2: no user code between the poll and the ready queue, so no event of a batch can be stale.

use std::cell::OnceCell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{ConnectionError, Protocol, Transport, get_running_loop, yield_now};

use crate::scripted::{all_become_readable, note, noted, scripted_loop, turn};
use crate::tools::{Incidents, guarded, on_another_thread};

/// Notes its data, and aborts another connection if it has one.
struct Noting {
    name: &'static str,
    victim: OnceCell<Rc<dyn Transport>>,
}

impl Noting {
    fn new(name: &'static str) -> Rc<Self> {
        Rc::new(Noting { name, victim: OnceCell::new() })
    }
}

impl Protocol for Noting {
    fn data_received(&self, _data: &[u8]) {
        note(self.name);
        if let Some(victim) = self.victim.get() {
            victim.abort();
        }
    }

    fn connection_lost(&self, _error: Option<ConnectionError>) {
        note("lost");
    }
}

fn readable_pair() -> (UnixStream, UnixStream) {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"x").unwrap();
    (near, far)
}

async fn pass_turns(turns: usize) {
    for _ in 0..turns {
        yield_now().await;
    }
}

#[test]
fn law_02_collect_then_run() {
    guarded(|| {
        let (mut event_loop, clock) = scripted_loop();
        let incidents = Incidents::of(&event_loop.handle());
        let asked_in = event_loop.run(async {
            let handle = get_running_loop();
            let ((near_a, _far_a), (near_b, _far_b)) = (readable_pair(), readable_pair());
            let _a = handle.create_connection(|| Noting::new("a"), near_a).await.unwrap();
            let _b = handle.create_connection(|| Noting::new("b"), near_b).await.unwrap();
            pass_turns(3).await;
            // All three sources of a turn have an event in the same turn. Collected events run in the order of their
            // collection, and only after all of them have been collected.
            let remote = handle.remote();
            on_another_thread(|| remote.call_soon(|| note("letter")));
            handle.call_later(Duration::from_millis(1), || note("timer"));
            clock.advance(Duration::from_millis(1));
            all_become_readable();
            let asked_in = turn();
            pass_turns(3).await;
            asked_in
        });
        let next = asked_in + 1;
        let expected = [("a", next), ("b", next), ("letter", next), ("timer", next)];
        assert_eq!(noted()[..4], expected);
        assert_eq!(incidents.take(), Vec::<String>::new());
    });
}

#[test]
fn an_event_whose_connection_was_aborted_by_an_earlier_one_of_its_batch_is_not_delivered() {
    guarded(|| {
        let (mut event_loop, _clock) = scripted_loop();
        event_loop.run(async {
            let handle = get_running_loop();
            let ((near_a, _far_a), (near_b, _far_b)) = (readable_pair(), readable_pair());
            let (transport_a, a) = handle.create_connection(|| Noting::new("a"), near_a).await.unwrap();
            let (transport_b, b) = handle.create_connection(|| Noting::new("b"), near_b).await.unwrap();
            pass_turns(3).await;
            assert!(a.victim.set(transport_b).is_ok() && b.victim.set(transport_a).is_ok());
            all_become_readable();
            pass_turns(5).await;
        });
        let names: Vec<&str> = noted().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "lost"], "b was aborted before its turn came");
    });
}
