//! A group of tasks: the first failure cancels the rest.
//!
//!     cargo run --example group

use std::io;
use std::time::Duration;

use waterwheel::{TaskGroup, sleep};

/// Prints when its task ends, even if the task is dropped while it waits.
struct Stage(&'static str);

impl Drop for Stage {
    fn drop(&mut self) {
        println!("{} leaves", self.0);
    }
}

async fn play(name: &'static str, milliseconds: u64) -> io::Result<()> {
    let _stage = Stage(name);
    sleep(Duration::from_millis(milliseconds)).await;
    println!("{name} has played to the end");
    Ok(())
}

async fn forget(name: &'static str) -> io::Result<()> {
    let _stage = Stage(name);
    sleep(Duration::from_millis(10)).await;
    Err(io::Error::other(format!("{name} has forgotten the text")))
}

fn main() {
    let evening = TaskGroup::run(async |group| {
        group.create_task(play("Rosalind", 1));
        group.create_task(play("Orlando", 3_600_000));
        group.create_task(forget("Touchstone"));
        Ok("All have played")
    });
    match waterwheel::run(evening) {
        Ok(text) => println!("{text}"),
        Err(error) => println!("The evening is over: {error}"),
    }
}
