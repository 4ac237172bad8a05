//! Blocking work on a thread, while the loop goes on.
//!
//!     cargo run --example workers

use std::sync::mpsc::channel;
use std::time::Duration;

use waterwheel::{JoinError, sleep, to_thread};

/// The smallest factor of a number greater than 1, found the slow way.
fn smallest_factor(number: u64) -> u64 {
    (2..).take_while(|factor| factor * factor <= number).find(|factor| number % factor == 0).unwrap_or(number)
}

async fn order_factors() -> Result<(), JoinError> {
    let (orders, ordered) = channel();
    // The worker blocks while it waits for an order, and while it computes.
    let worker = to_thread(move || ordered.iter().map(|number| (number, smallest_factor(number))).collect::<Vec<_>>());
    for number in [2_147_483_647, 13_000_000_091, 600_851_475_143] {
        sleep(Duration::from_millis(1)).await;
        println!("The loop orders the smallest factor of {number}");
        orders.send(number).expect("the worker waits for orders");
    }
    drop(orders);
    for (number, factor) in worker.await? {
        println!("The worker found {factor} for {number}");
    }
    Ok(())
}

fn main() {
    waterwheel::run(order_factors()).expect("the worker does not panic");
}
