//! Registers an open socket to wait for data, with a callback. `wait_for_data` does the same with streams.
//!
//!     cargo run --example watch_fd

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use waterwheel::EventLoop;

fn main() -> io::Result<()> {
    let mut event_loop = EventLoop::new()?;
    let handle = event_loop.handle();

    let (ours, mut theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let ours = Rc::new(ours);

    let (watcher, socket) = (handle.clone(), Rc::clone(&ours));
    handle.add_reader(&*ours, move || {
        let mut data = [0; 100];
        match (&*socket).read(&mut data) {
            Ok(n) => println!("Received: {}", String::from_utf8_lossy(&data[..n])),
            Err(error) => println!("Failed: {error}"),
        }
        // Done: remove the descriptor before it is closed, and stop the loop.
        watcher.remove_reader(&*socket);
        watcher.stop();
    })?;

    // Simulates the arrival of data from the network.
    handle.call_soon(move || theirs.write_all(b"abc").expect("there is room for three bytes"));

    event_loop.run_forever();
    Ok(())
}
