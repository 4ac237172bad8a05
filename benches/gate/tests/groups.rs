//! A task of a group costs as much as a plain task, plus a place in the group's list.

use std::convert::Infallible;
use std::future::pending;

use gate::counting::{self, Counting};
use waterwheel::{EventLoop, Task, TaskGroup, spawn, yield_now};

#[global_allocator]
static COUNTING: Counting = Counting;

/// The number of nodes that the loop keeps for reuse, so that the second round allocates none.
const TASKS: usize = 1_024;

/// Allocations and bytes for one waiting task.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    allocations: usize,
    bytes: usize,
}

/// The memory that was allocated since `before` until all tasks wait, divided by the tasks. The tables of the loop
/// exist already, so the only other allocation is the vector or the group itself.
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

/// The cost on a loop that has had as many tasks before.
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
