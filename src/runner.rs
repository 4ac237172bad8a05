//! Running a program: a loop for one main future.

use std::future::IntoFuture;

use crate::event_loop::EventLoop;

/// Runs `main` on a new loop and returns what it gives.
///
/// When `main` is done, the tasks that are left are cancelled (their futures are dropped), what they have scheduled
/// by that runs, and the loop is closed. Connections that are still open are closed with it, without waiting for
/// bytes that the kernel has not taken: await `drain`, `wait_closed` or a server's end in `main` where that matters.
///
/// # Panics
///
/// If a loop runs on this thread already, or if the system has no descriptors left for one. A panic of `main` comes
/// out here, after everything else is closed.
///
/// # Examples
///
/// ```
/// let greeting = String::from("hello");
/// let length = waterwheel::run(async {
///     waterwheel::yield_now().await;
///     greeting.len() // main may borrow from its caller
/// });
/// assert_eq!(length, 5);
/// ```
#[doc(alias = "asyncio.run")]
#[track_caller]
pub fn run<F: IntoFuture>(main: F) -> F::Output {
    let mut event_loop = match EventLoop::new() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("no event loop could be made: {error}"),
    };
    let output = event_loop.run(main);
    event_loop.cancel_tasks();
    output
}
