//! Reads standard input line by line until it ends, and prints each line with its number.
//!
//!     (while sleep 1; do date; done) | cargo run -q --example tail

use std::io::{self, stdin, stdout};
use std::os::fd::AsFd;
use std::process::ExitCode;

use waterwheel::{open_read_pipe, open_write_pipe};

async fn tail() -> io::Result<()> {
    // These are duplicates, since a stream closes the descriptor that it owns.
    let mut reader = open_read_pipe(stdin().as_fd().try_clone_to_owned()?).await?;
    let writer = open_write_pipe(stdout().as_fd().try_clone_to_owned()?).await?;
    let mut count = 0_u64;
    while let Some(line) = reader.next_line().await? {
        count += 1;
        let line = String::from_utf8_lossy(&line);
        writer.write(format!("{count}: {}\n", line.trim_end_matches('\n')).as_bytes());
        // While no process reads the output, no input is read either.
        writer.drain().await?;
    }
    writer.close();
    writer.wait_closed().await
}

fn main() -> ExitCode {
    match waterwheel::run(tail()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
