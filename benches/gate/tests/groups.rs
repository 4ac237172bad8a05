//! A task of a group costs what a plain task costs, and a place in the group's list.

use std::convert::Infallible;
use std::future::pending;

use gate::counting::{self, Counting};
use waterwheel::{EventLoop, Task, TaskGroup, spawn, yield_now};

#[global_allocator]
static COUNTING: Counting = Counting;

/// As many as the loop keeps nodes for, so that the second round allocates none.
const TASKS: usize = 1_024;

/// Allocations and bytes for one task, which waits.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    allocations: usize,
    bytes: usize,
}

/// What was allocated since `before`, once all tasks wait, by the task. The tables of the loop are there already; what is
/// left of the remainder is the vector or the group itself.
async fn since(before: (usize, usize)) -> Cost {
    for _ in 0..4 {
        yield_now().await;
    }
    let (allocations, bytes) = (counting::allocations() - before.0, counting::live_bytes() - before.1);
    Cost { allocations: allocations / TASKS, bytes: bytes / TASKS }
}

fn now() -> (usize, usize) {
    (counting::allocations(), counting::live_bytes())
}

async fn plain() -> Cost {
    let before = now();
    let tasks: Vec<Task<Result<(), Infallible>>> = (0..TASKS).map(|_| spawn(pending())).collect();
    let cost = since(before).await;
    tasks.iter().for_each(Task::cancel);
    cost
}

async fn grouped() -> Cost {
    let before = now();
    let group = TaskGroup::<Infallible>::run(async |group| {
        (0..TASKS).for_each(|_| group.create_task(pending()));
        let cost = since(before).await;
        group.cancel();
        Ok(cost)
    });
    group.await.expect("nothing failed")
}

/// Of a loop that has had as many tasks before.
fn second<F: Future<Output = Cost>>(of: impl Fn() -> F) -> Cost {
    let mut event_loop = EventLoop::new().expect("a loop");
    event_loop.run(of());
    event_loop.run(of())
}

#[test]
fn a_task_of_a_group_costs_what_a_plain_task_costs_and_a_count() {
    let (plain, grouped) = (second(plain), second(grouped));
    assert_eq!(plain.allocations, 1, "the future, which becomes the result");
    assert_eq!(grouped.allocations, plain.allocations);
    let more = grouped.bytes - plain.bytes;
    assert_eq!(more, 16, "whose it is, and its place: {plain:?}, {grouped:?}");
}
