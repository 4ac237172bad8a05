//! A child process, with its standard streams as streams.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::process::{Command, ExitStatus, Output};
use std::rc::Rc;

use crate::event_loop::get_running_loop;
use crate::executor::{Awaited, Reason, because};
use crate::net::{Child, Pipes};
use crate::streams::both::both;
use crate::streams::pipes::{read_at_once, write_at_once};
use crate::streams::{StreamReader, StreamWriter};

/// Starts a child process, on the loop that runs on this thread.
///
/// Each of the child's standard streams that the command sets to [`Stdio::piped`](std::process::Stdio::piped) becomes a
/// stream in the [`Process`]. The command determines everything else, too: arguments, environment, directory, groups.
/// Starting a program blocks the loop until the system has started it.
///
/// While a loop has children, it listens for the signal `SIGCHLD`. Other listeners in the program still receive it.
///
/// # Errors
///
/// The system's error if the program cannot be started, such as `NotFound`. It also fails if there are no descriptors
/// left.
///
/// # Panics
///
/// If no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::process::{Command, Stdio};
/// use waterwheel::create_subprocess_exec;
///
/// let output = waterwheel::run(async {
///     let mut command = Command::new("tr");
///     command.args(["a-z", "A-Z"]).stdin(Stdio::piped()).stdout(Stdio::piped());
///     create_subprocess_exec(command)?.communicate(b"hello").await
/// })?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"HELLO");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A shell command, for which asyncio has a separate function, with its output read as it arrives:
///
/// ```
/// use std::process::{Command, Stdio};
/// use waterwheel::{ReadError, create_subprocess_exec};
///
/// let status = waterwheel::run(async {
///     let mut command = Command::new("sh");
///     command.args(["-c", "echo one; echo two; exit 3"]).stdout(Stdio::piped());
///     let mut process = create_subprocess_exec(command)?;
///     let mut stdout = process.stdout.take().expect("it is piped");
///     while let Some(line) = stdout.next_line().await? {
///         println!("{}", String::from_utf8_lossy(&line));
///     }
///     Ok::<_, ReadError>(process.wait().await?)
/// })?;
/// assert_eq!(status.code(), Some(3));
/// # Ok::<(), ReadError>(())
/// ```
#[doc(alias = "create_subprocess_shell")]
#[doc(alias = "subprocess")]
pub fn create_subprocess_exec(mut command: Command) -> io::Result<Process> {
    let event_loop = get_running_loop();
    let (child, pipes) = Child::start(&event_loop, &mut command)?;
    let Pipes { stdin, stdout, stderr } = pipes;
    // If one of the following steps fails, the caller never gets the child, so it is killed.
    let mut child = KillOnDrop { child, asked_for: true };
    let read = |pipe| read_at_once(&event_loop, pipe);
    let stdin = stdin.map(|pipe| write_at_once(&event_loop, OwnedFd::from(pipe))).transpose()?;
    let stdout = stdout.map(OwnedFd::from).map(read).transpose()?;
    let stderr = stderr.map(OwnedFd::from).map(read).transpose()?;
    child.asked_for = false;
    Ok(Process { stdin, stdout, stderr, child })
}

/// A child process, made by [`create_subprocess_exec`].
///
/// Dropping it closes the streams that were not taken out of it. It does not kill the child, unless
/// [`kill_on_drop`](Process::kill_on_drop) was called. The loop waits for the child in any case, so no zombie is left;
/// if the loop is closed before the child has ended, a thread waits instead.
///
/// # Examples
///
/// Asking a server to end, and killing it if it does not end in time:
///
/// ```
/// use std::os::unix::process::ExitStatusExt;
/// use std::process::Command;
/// use std::time::Duration;
/// use waterwheel::{create_subprocess_exec, timeout};
///
/// waterwheel::run(async {
///     let mut command = Command::new("sleep"); // instead of a server
///     command.arg("3600");
///     let mut process = create_subprocess_exec(command)?.kill_on_drop();
///     println!("it has the number {}", process.pid());
///     assert_eq!(process.returncode(), None);
///
///     process.terminate()?;
///     if timeout(Duration::from_secs(10), process.wait()).await.is_err() {
///         process.kill()?;
///     }
///     let status = process.wait().await?;
///     assert_eq!(status.signal(), Some(libc::SIGTERM));
///     assert_eq!(process.returncode(), Some(status));
///     std::io::Result::Ok(())
/// })
/// # .unwrap()
/// ```
#[must_use = "dropping it closes the streams to the child"]
pub struct Process {
    /// Writes to the child's standard input, if that is piped. Take it out to close it, or to use it in another task.
    pub stdin: Option<StreamWriter>,
    /// Reads the child's standard output, if that is piped.
    pub stdout: Option<StreamReader>,
    /// Reads the child's standard error, if that is piped.
    pub stderr: Option<StreamReader>,
    child: KillOnDrop,
}

/// A separate type, because the streams could not be moved out of `Process` if it implemented `Drop` itself.
struct KillOnDrop {
    child: Rc<Child>,
    asked_for: bool,
}

impl Process {
    /// Sets the limit of the readers, in bytes; the default is 64 KiB. Call this before reading anything.
    ///
    /// # Panics
    ///
    /// If the limit is 0.
    #[track_caller]
    pub fn limit(self, bytes: usize) -> Self {
        assert!(bytes > 0, "the limit of a reader must be greater than 0");
        for reader in [&self.stdout, &self.stderr].into_iter().flatten() {
            reader.set_limit(bytes);
        }
        self
    }

    /// Kills the child when this `Process` is dropped. The loop still waits for the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::{Command, Stdio};
    /// use waterwheel::create_subprocess_exec;
    ///
    /// waterwheel::run(async {
    ///     let mut command = Command::new("sleep");
    ///     command.arg("3600").stdout(Stdio::piped());
    ///     let mut process = create_subprocess_exec(command)?.kill_on_drop();
    ///     let mut stdout = process.stdout.take().expect("it is piped");
    ///     drop(process);
    ///     // The pipe has ended, so the child no longer holds its other end.
    ///     assert_eq!(stdout.read_to_end().await?, b"");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    pub fn kill_on_drop(mut self) -> Self {
        self.child.asked_for = true;
        self
    }

    /// The child's process ID. After the child has exited, the system may give it to another process.
    #[doc(alias = "id")]
    pub fn pid(&self) -> u32 {
        self.child.child.pid()
    }

    /// The child's exit status, if the loop knows it by now; `None` while the child runs.
    #[doc(alias = "try_wait")]
    pub fn returncode(&self) -> Option<ExitStatus> {
        self.child.child.returncode()
    }

    /// Waits until the child has exited. Its standard input, unless it was taken out, is closed first, since the child
    /// may be waiting for its end. Bytes written before are still sent.
    ///
    /// A child that fills a pipe which is never read does not end. [`communicate`](Process::communicate) reads the
    /// pipes while it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing, and the next call continues to wait. The standard input stays closed.
    ///
    /// # Errors
    ///
    /// If the system cannot report how the child ended because other code in the program has waited for it, or if the
    /// child's loop was closed before the child ended.
    #[track_caller]
    pub fn wait(&mut self) -> impl Future<Output = io::Result<ExitStatus>> {
        because(Awaited::Child, Location::caller(), async move {
            self.close_stdin();
            Ok(self.child.child.ended().wait().await?)
        })
    }

    /// Writes `input` to the child's standard input and closes it, reads the child's standard output and standard error
    /// until both have ended, and waits until the child has exited. Writing and reading happen at the same time, so the
    /// two sides cannot wait for each other for ever. An output that is not piped is empty in the result.
    ///
    /// The outputs are kept in memory, however long they are. It is not an error if the child ends without reading all
    /// its input.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after its first poll, all of `input` is still sent, and the bytes read so far stay in
    /// the readers. To continue, call it again with an empty input.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is input, but the child's standard input is not piped, or was closed or taken out before.
    /// Otherwise as [`wait`](Process::wait), or if a pipe cannot be read.
    #[track_caller]
    pub fn communicate(&mut self, input: &[u8]) -> impl Future<Output = io::Result<Output>> {
        because(Awaited::Communicate, Location::caller(), async move {
            if !input.is_empty() {
                let Some(stdin) = self.stdin.as_ref().filter(|stdin| !stdin.is_closing()) else {
                    let text = "there is input for a child process whose standard input is not piped, or was closed";
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                };
                stdin.write(input);
            }
            self.close_stdin();
            both(until_end(&mut self.stdout), until_end(&mut self.stderr)).await?;
            let status = self.wait().await?;
            // Taken only now, so that nothing is lost if the future is dropped earlier.
            Ok(Output { status, stdout: take_all(&mut self.stdout), stderr: take_all(&mut self.stderr) })
        })
    }

    /// Sends a signal to the child.
    ///
    /// # Errors
    ///
    /// `NotFound` if the child has exited. `InvalidInput` if there is no such signal, or if it has no name, like the
    /// real-time signals. The system's error if we are not permitted to signal the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::{Command, Stdio};
    /// use waterwheel::create_subprocess_exec;
    ///
    /// waterwheel::run(async {
    ///     let mut command = Command::new("sh");
    ///     command.args(["-c", "trap 'echo reloaded; exit' HUP; echo ready; while :; do sleep 0.01; done"]);
    ///     command.stdout(Stdio::piped());
    ///     let mut process = create_subprocess_exec(command)?;
    ///     let mut stdout = process.stdout.take().expect("it is piped");
    ///     assert_eq!(stdout.readline().await?, b"ready\n");
    ///     process.send_signal(libc::SIGHUP)?;
    ///     assert_eq!(stdout.readline().await?, b"reloaded\n");
    ///     assert!(process.wait().await?.success());
    ///     // Now there is no process to send the signal to.
    ///     assert_eq!(process.send_signal(libc::SIGHUP).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    ///     Ok::<(), waterwheel::ReadError>(())
    /// })
    /// # .unwrap()
    /// ```
    #[doc(alias = "ProcessLookupError")]
    pub fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.child.child.send_signal(signal)
    }

    /// Asks the child to end, with the signal `SIGTERM`.
    ///
    /// # Errors
    ///
    /// The same as [`send_signal`](Process::send_signal).
    pub fn terminate(&self) -> io::Result<()> {
        self.send_signal(libc::SIGTERM)
    }

    /// Kills the child, with the signal `SIGKILL`.
    ///
    /// # Errors
    ///
    /// The same as [`send_signal`](Process::send_signal).
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(libc::SIGKILL)
    }

    /// Closes the child's standard input. The writer is kept: if it were dropped, a child that reads nothing for a long
    /// time would lose the bytes still to be sent.
    fn close_stdin(&self) {
        if let Some(stdin) = &self.stdin {
            stdin.close();
        }
    }
}

async fn until_end(reader: &mut Option<StreamReader>) -> io::Result<()> {
    match reader {
        Some(reader) => reader.until_end(Reason::polled(Awaited::ReadToEnd)).await,
        None => Ok(()),
    }
}

fn take_all(reader: &mut Option<StreamReader>) -> Vec<u8> {
    reader.as_mut().map_or_else(Vec::new, StreamReader::take_all)
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if self.asked_for {
            self.child.kill_if_running();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid())
            .field("returncode", &self.returncode())
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .field("kill_on_drop", &self.child.asked_for)
            .finish()
    }
}
