//! Copies standard input to standard output, with a pipe transport for each.
//!
//!     echo hello | cargo run -q --example cat | tr a-z A-Z

use std::cell::OnceCell;
use std::io::{self, stdin, stdout};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::rc::Rc;

use waterwheel::{AfterEof, ConnectionError, Promise, Protocol, Transport, get_running_loop};

/// Writes to the output, and pauses the input while the output is behind.
#[derive(Default)]
struct Output {
    input: OnceCell<Rc<dyn Transport>>,
    done: Promise<Result<(), ConnectionError>>,
}

impl Protocol for Output {
    fn pause_writing(&self) {
        self.input.get().expect("only input is written").pause_reading();
    }

    fn resume_writing(&self) {
        self.input.get().expect("only input is written").resume_reading();
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        let _ = self.done.set(error.map_or(Ok(()), Err)); // unless the input failed before
    }
}

struct Input {
    to: Rc<dyn Transport>,
    output: Rc<Output>,
}

impl Protocol for Input {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = self.output.input.set(transport); // it is called once
    }

    fn data_received(&self, data: &[u8]) {
        self.to.write(data);
    }

    fn eof_received(&self) -> AfterEof {
        self.to.close(); // buffered bytes are still sent
        AfterEof::Close
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        if let Some(error) = error {
            let _ = self.output.done.set(Err(error)); // unless the output failed before
        }
    }
}

async fn cat() -> io::Result<()> {
    let event_loop = get_running_loop();
    // These are duplicates, since a transport closes the descriptor that it owns.
    let output = stdout().as_fd().try_clone_to_owned()?;
    let (to, output) =
        event_loop.connect_write_pipe(Rc::<Output>::default, output).await.map_err(|e| named("output", e))?;
    let input = stdin().as_fd().try_clone_to_owned()?;
    let protocol = Rc::new(Input { to, output: Rc::clone(&output) });
    event_loop.connect_read_pipe(|| protocol, input).await.map_err(|e| named("input", e))?;
    Ok(output.done.wait().await?)
}

fn named(name: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot use the {name}: {error}"))
}

fn main() -> ExitCode {
    match waterwheel::run(cat()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
