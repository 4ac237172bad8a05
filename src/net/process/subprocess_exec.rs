//! Starting a child process whose events go to a protocol.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::process::Command;
use std::rc::Rc;

use crate::event_loop::LoopHandle;
use crate::executor::{Awaited, because, costly_operation};
use crate::interface::{ChildPipe, SubprocessProtocol, SubprocessTransport};
use crate::net::connection::{Made, until_made};
use crate::net::port::Ways;
use crate::net::process::reporter::{PipeProtocol, Reporter};
use crate::net::process::transport::ChildTransport;
use crate::net::process::{Child, Pipes};

impl LoopHandle {
    /// Starts a child process, whose events go to a protocol. [`create_subprocess_exec`](crate::create_subprocess_exec)
    /// gives streams instead.
    ///
    /// The standard streams that the command sets to [`Stdio::piped`](std::process::Stdio::piped) become pipes to the
    /// protocol. The command also determines everything else: arguments, environment, directory, groups. Starting a
    /// program blocks the loop until the system has started it.
    ///
    /// While a loop has children, it listens to the signal `SIGCHLD`; other listeners of the process still get it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it completes kills the child.
    ///
    /// # Errors
    ///
    /// The system's error if the program cannot be started, such as `NotFound`. It also fails if there are no
    /// descriptors left, or if the loop is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::{OnceCell, RefCell};
    /// use std::process::{Command, Stdio};
    /// use std::rc::Rc;
    /// use waterwheel::{ChildPipe, ConnectionError, Promise, SubprocessProtocol, SubprocessTransport};
    ///
    /// #[derive(Default)]
    /// struct Date {
    ///     output: RefCell<Vec<u8>>,
    ///     done: Promise<()>,
    /// }
    ///
    /// impl SubprocessProtocol for Date {
    ///     fn pipe_data_received(&self, _pipe: ChildPipe, data: &[u8]) {
    ///         self.output.borrow_mut().extend_from_slice(data);
    ///     }
    ///     fn connection_lost(&self, _error: Option<ConnectionError>) {
    ///         self.done.set(()).expect("it comes once");
    ///     }
    /// }
    ///
    /// let date = waterwheel::run(async {
    ///     let mut command = Command::new("date");
    ///     command.arg("+%Y").stdout(Stdio::piped());
    ///     let (transport, protocol) =
    ///         waterwheel::get_running_loop().subprocess_exec(Rc::<Date>::default, command).await?;
    ///     protocol.done.wait().await;
    ///     assert!(transport.get_returncode().is_some_and(|status| status.success()));
    ///     std::io::Result::Ok(protocol.output.take())
    /// })?;
    /// assert_eq!(date.len(), "2026\n".len());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "subprocess_shell")]
    #[track_caller]
    pub fn subprocess_exec<P: SubprocessProtocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P>,
        mut command: Command,
    ) -> impl Future<Output = io::Result<(Rc<dyn SubprocessTransport>, Rc<P>)>> {
        because(Awaited::SubprocessExec, Location::caller(), async move {
            // Starting may fail at once, and a task that tries again in a loop must not hog the thread.
            costly_operation().await;
            let protocol = factory();
            let (child, pipes) = Child::start(self, &mut command)?;
            let transport = ChildTransport::new(child);
            let reporter = Reporter::new(self, protocol.clone(), &transport);
            let opened = open_pipes(self, &transport, &reporter, pipes);
            if opened.is_err() {
                transport.close();
            }
            opened?;
            // Queued after the pipes' own callbacks, and before the first event of the child.
            let made = Made::new();
            self.call_soon({
                let (reporter, made) = (Rc::clone(&reporter), made.clone());
                move || reporter.made(&made)
            });
            drop(self.create_task(reporter.until_exited()));
            until_made(&made, || transport.close()).await?;
            let transport: Rc<dyn SubprocessTransport> = transport;
            Ok((transport, protocol))
        })
    }
}

fn open_pipes(
    event_loop: &LoopHandle,
    transport: &ChildTransport,
    reporter: &Rc<Reporter>,
    pipes: Pipes,
) -> io::Result<()> {
    let pipes: [(ChildPipe, Ways, Option<OwnedFd>); 3] = [
        (ChildPipe::Stdin, Ways::Out, pipes.stdin.map(OwnedFd::from)),
        (ChildPipe::Stdout, Ways::In, pipes.stdout.map(OwnedFd::from)),
        (ChildPipe::Stderr, Ways::In, pipes.stderr.map(OwnedFd::from)),
    ];
    for (pipe, ways, fd) in pipes {
        if let Some(fd) = fd {
            let protocol = Rc::new(PipeProtocol { reporter: Rc::clone(reporter), pipe });
            transport.set_pipe(pipe, event_loop.open_pipe(protocol, fd, ways)?);
        }
    }
    Ok(())
}
