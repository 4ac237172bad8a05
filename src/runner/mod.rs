//! Running a program, on a new loop or on one from a builder.

mod main_future;

use std::future::IntoFuture;

use crate::event_loop::EventLoop;

/// Runs `main` on a new loop and returns its output.
///
/// When `main` is done, the other tasks are cancelled: their futures are dropped, and what this schedules runs. Then
/// the loop is closed, and with it all open connections, without waiting for unsent bytes. If these matter, await
/// `drain`, `wait_closed` or `Server::shutdown` in `main`.
///
/// # Panics
///
/// Panics if a loop runs on this thread already, or if the system has no descriptors left for a loop. A panic of `main`
/// is resumed here, after everything else is closed.
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
