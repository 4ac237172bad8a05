//! A loop as the guest of a plain `poll(2)` loop, which also watches a descriptor of its own.
//!
//!     cargo run --example guest

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use waterwheel::{EventLoop, open_connection, sleep};

/// The task that runs on the guest loop. It is written as for any other loop.
async fn ask_three_times(socket: UnixStream) -> io::Result<()> {
    let (mut reader, writer) = open_connection(socket).await?;
    for question in 1..=3 {
        sleep(Duration::from_millis(5)).await;
        writer.write_all(&[question]).await?;
        println!("Guest: {question} squared is {}", reader.readexactly(1).await?[0]);
    }
    Ok(())
}

/// How long the host may wait before the guest wants its next turn.
fn longest_wait(guest: &EventLoop) -> Option<Duration> {
    let until_deadline = |deadline| std::time::Instant::saturating_duration_since(&deadline, guest.handle().time());
    if guest.is_ready() { Some(Duration::ZERO) } else { guest.next_deadline().map(until_deadline) }
}

fn main() -> io::Result<()> {
    let (theirs, mut ours) = UnixStream::pair()?;
    let mut guest = EventLoop::new()?;
    let task = guest.handle().create_task(ask_three_times(theirs));

    while !task.is_finished() {
        let timeout = longest_wait(&guest).map(|wait| Timespec::try_from(wait).expect("a wait of some milliseconds"));
        let watched = [guest.as_fd(), ours.as_fd()];
        let mut watched = watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        poll(&mut watched, timeout.as_ref())?;
        if watched[1].revents().contains(PollFlags::IN) {
            let mut question = [0];
            ours.read_exact(&mut question)?;
            println!("Host: asked for {}", question[0]);
            ours.write_all(&[question[0] * question[0]])?;
        }
        let _ = guest.turn(Some(Duration::ZERO));
    }
    guest.run(task).expect("it neither panicked nor was cancelled")
}
