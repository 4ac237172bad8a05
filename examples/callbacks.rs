//! The loop without tasks: callbacks, timers and their order.
//!
//!     cargo run --example callbacks

use std::time::Duration;

use waterwheel::EventLoop;

fn main() -> std::io::Result<()> {
    let mut event_loop = EventLoop::new()?;
    let handle = event_loop.handle();

    let last = handle.clone();
    handle.call_later(Duration::from_millis(20), move || {
        println!("4. twenty milliseconds later, and stop");
        last.stop();
    });
    handle.call_later(Duration::from_millis(10), || println!("3. ten milliseconds later"));

    let next = handle.clone();
    handle.call_soon(move || {
        println!("1. soon");
        next.call_soon(|| println!("2. scheduled in a turn, run in the next"));
    });

    let never = handle.call_soon(|| unreachable!("it is cancelled before its turn"));
    never.cancel();

    event_loop.run_forever();
    Ok(())
}
