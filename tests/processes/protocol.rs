//! Children whose events go to a protocol. The expected texts are those of CPython.

use std::cell::{OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::task::Poll;

use signal_hook::consts::SIGKILL;
use waterwheel::{
    ChildPipe, ConnectionError, Promise, SubprocessProtocol, SubprocessTransport, get_running_loop, signal_hook,
};

use crate::command::{cat, shell, sleeper, until_gone};
use crate::common::running::{run, turns};
use crate::common::until::until;

/// Records its callbacks.
#[derive(Debug, Default)]
struct Recorder {
    transport: OnceCell<Rc<dyn SubprocessTransport>>,
    events: RefCell<Vec<String>>,
    output: RefCell<Vec<u8>>,
    lost: Promise<()>,
    panics_in: Option<&'static str>,
}

impl Recorder {
    fn that_panics_in(event: &'static str) -> Rc<Recorder> {
        Rc::new(Recorder { panics_in: Some(event), ..Recorder::default() })
    }

    fn told(&self, event: &str) {
        self.events.borrow_mut().push(event.to_owned());
        if self.panics_in == Some(event) {
            panic!("in {event}");
        }
    }
}

impl SubprocessProtocol for Recorder {
    fn connection_made(&self, transport: Rc<dyn SubprocessTransport>) {
        let _ = self.transport.set(transport);
        self.told("made");
    }
    fn pipe_data_received(&self, pipe: ChildPipe, data: &[u8]) {
        self.output.borrow_mut().extend_from_slice(data);
        self.told(&format!("{pipe:?} {}", data.escape_ascii()));
    }
    fn pipe_connection_lost(&self, pipe: ChildPipe, error: Option<ConnectionError>) {
        let error = error.map(|error| format!(": {:?}", error.kind())).unwrap_or_default();
        self.told(&format!("{pipe:?} lost{error}"));
    }
    fn process_exited(&self) {
        assert!(self.transport.get().unwrap().get_returncode().is_some());
        self.told("exited");
    }
    fn connection_lost(&self, error: Option<ConnectionError>) {
        assert!(error.is_none(), "{error:?}");
        let _ = self.lost.set(());
        self.told("lost");
    }
    fn pause_writing(&self) {
        self.told("pause");
    }
    fn resume_writing(&self) {
        self.told("resume");
    }
}

async fn start(command: Command) -> (Rc<dyn SubprocessTransport>, Rc<Recorder>) {
    get_running_loop().subprocess_exec(Rc::<Recorder>::default, command).await.unwrap()
}

/// The events. Checks that their order is allowed: made first, lost last, and the end of each pipe after its data.
fn events_of(recorder: &Recorder) -> Vec<String> {
    let events = recorder.events.borrow().clone();
    assert_eq!(events.first().map(String::as_str), Some("made"), "{events:?}");
    assert_eq!(events.iter().position(|event| event == "lost"), Some(events.len() - 1), "{events:?}");
    for pipe in ["Stdout", "Stderr"] {
        let of_pipe: Vec<_> = events.iter().filter(|event| event.starts_with(pipe)).collect();
        let end = of_pipe.iter().position(|event| event.contains("lost"));
        assert!(end.is_none_or(|end| end == of_pipe.len() - 1), "{events:?}");
    }
    events
}

fn sorted(mut events: Vec<String>) -> Vec<String> {
    events.sort();
    events
}

#[test]
fn the_protocol_is_told_of_data_and_of_each_end() {
    run(async {
        let (transport, protocol) = start(shell("read line; echo out $line; echo err $line >&2; exit 3")).await;
        assert_eq!(*protocol.events.borrow(), ["made"], "the caller goes on when the protocol was told");
        transport.get_pipe_transport(ChildPipe::Stdin).unwrap().write(b"hello\n");
        protocol.lost.wait().await;
        turns(3).await;
        let expected = ["Stderr err hello\\n", "Stderr lost", "Stdin lost", "Stdout lost", "Stdout out hello\\n"];
        let mut expected: Vec<String> = expected.iter().map(|&event| event.to_owned()).collect();
        expected.extend(["exited", "lost", "made"].map(str::to_owned));
        assert_eq!(sorted(events_of(&protocol)), expected);
        assert_eq!(transport.get_returncode().unwrap().code(), Some(3));
        for pipe in [ChildPipe::Stdin, ChildPipe::Stdout, ChildPipe::Stderr] {
            assert!(transport.get_pipe_transport(pipe).is_none(), "{pipe:?} is lost");
        }
        assert_eq!(transport.kill().unwrap_err().kind(), ErrorKind::NotFound);
    });
}

/// Blocks the loop until a child has ended. The child is not reaped.
fn block_until_ended(pid: u32) {
    let has_ended = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ");
    for _ in 0..10_000 {
        if has_ended() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("the child never ended");
}

#[test]
fn what_came_while_the_loop_was_busy_is_told_in_order_and_the_end_once() {
    run(async {
        for line in ["true", "echo x", "echo y >&2", "echo x; echo y >&2", "exec <&-; echo x", "exec 2>&-; echo x"] {
            let (transport, protocol) = start(shell(line)).await;
            // The child's output, the ends of its pipes and its exit are all there at the loop's next poll.
            block_until_ended(transport.get_pid());
            protocol.lost.wait().await;
            turns(3).await;
            let events = events_of(&protocol);
            let ends = events.iter().filter(|event| !event.starts_with("Std")).collect::<Vec<_>>();
            assert_eq!(ends, ["made", "exited", "lost"], "{line}: {events:?}");
            assert_eq!(events.iter().filter(|event| event.ends_with(" lost")).count(), 3, "{line}: {events:?}");
        }
    });
}

#[test]
fn a_child_without_pipes_is_told_of_its_exit_only() {
    run(async {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 0"]);
        let (transport, protocol) = start(command).await;
        assert!(transport.get_pipe_transport(ChildPipe::Stdout).is_none());
        protocol.lost.wait().await;
        assert_eq!(events_of(&protocol), ["made", "exited", "lost"]);
    });
}

#[test]
fn the_end_waits_for_pipes_that_outlive_the_child() {
    run(async {
        // The shell passes its input to a child of its own, and exits.
        let (input, held) = UnixStream::pair().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "exec 3<&0; cat <&3 & exit 0"]).stdin(OwnedFd::from(input)).stdout(Stdio::piped());
        let (_transport, protocol) = start(command).await;
        until("it exited", || protocol.events.borrow().len() == 2).await;
        turns(3).await;
        assert_eq!(*protocol.events.borrow(), ["made", "exited"]);
        (&held).write_all(b"late").unwrap();
        drop(held);
        protocol.lost.wait().await;
        assert_eq!(events_of(&protocol), ["made", "exited", "Stdout late", "Stdout lost", "lost"]);
    });
}

#[test]
fn closing_kills_the_child_and_all_ends_are_told() {
    run(async {
        let (transport, protocol) = start(cat()).await;
        assert!(!transport.is_closing());
        transport.close();
        transport.close();
        assert!(transport.is_closing());
        protocol.lost.wait().await;
        assert_eq!(sorted(events_of(&protocol)), ["Stdin lost", "Stdout lost", "exited", "lost", "made"]);
        // The child may have seen the end of its input before the signal.
        let status = transport.get_returncode().unwrap();
        assert!(status.success() || status.signal() == Some(SIGKILL), "{status}");
        transport.close();
    });
}

#[test]
fn closing_after_the_end_kills_nobody() {
    run(async {
        let (transport, protocol) = start(shell("exit 5")).await;
        protocol.lost.wait().await;
        transport.close();
        turns(3).await;
        assert_eq!(transport.get_returncode().unwrap().code(), Some(5));
    });
}

#[test]
fn writing_more_than_a_child_takes_pauses_and_resumes() {
    run(async {
        let (transport, protocol) = start(shell("read line; cat >/dev/null")).await;
        let stdin = transport.get_pipe_transport(ChildPipe::Stdin).unwrap();
        stdin.write(&vec![b'x'; 1 << 20]);
        assert_eq!(protocol.events.borrow().last().unwrap(), "pause");
        stdin.write(b"\n");
        stdin.close();
        protocol.lost.wait().await;
        assert_eq!(sorted(events_of(&protocol)).iter().filter(|event| *event == "resume").count(), 1);
    });
}

#[test]
fn reading_that_is_paused_holds_the_child_back() {
    run(async {
        let (transport, protocol) = start(shell("head -c 1000000 /dev/zero; exit 0")).await;
        let stdout = transport.get_pipe_transport(ChildPipe::Stdout).unwrap();
        stdout.pause_reading();
        turns(50).await;
        let held = protocol.output.borrow().len();
        assert!(held < 1_000_000 && transport.get_returncode().is_none(), "{held}");
        stdout.resume_reading();
        protocol.lost.wait().await;
        assert_eq!(protocol.output.borrow().len(), 1_000_000);
    });
}

#[test]
fn a_panic_costs_no_more_than_its_pipe() {
    run(async {
        let event_loop = get_running_loop();
        let incidents = Rc::new(RefCell::new(0));
        let counted = Rc::clone(&incidents);
        event_loop.set_debug(false); // The speed of the machine does not matter here.
        event_loop.set_exception_handler(move |_: &waterwheel::Incident| *counted.borrow_mut() += 1);
        let run_with = async |panics_in: &'static str| {
            let factory = || Recorder::that_panics_in(panics_in);
            let (_, protocol) = event_loop.subprocess_exec(factory, shell("echo x; echo y >&2")).await.unwrap();
            protocol.lost.wait().await;
            sorted(events_of(&protocol))
        };
        let unharmed =
            ["Stderr lost", "Stderr y\\n", "Stdin lost", "Stdout lost", "Stdout x\\n", "exited", "lost", "made"];
        for event in ["exited", "Stdout lost", "lost"] {
            assert_eq!(run_with(event).await, unharmed, "{event}");
        }
        let harmed = run_with("Stdout x\\n").await;
        assert_eq!(harmed[3], "Stdout lost: Other", "{harmed:?}");
        turns(1).await;
        assert_eq!(*incidents.borrow(), 4);
    });
}

#[test]
fn a_protocol_that_panics_at_the_start_is_an_error_and_the_child_is_killed() {
    run(async {
        let event_loop = get_running_loop();
        event_loop.set_exception_handler(|_: &waterwheel::Incident| {});
        let protocol = Recorder::that_panics_in("made");
        let error = event_loop.subprocess_exec(|| Rc::clone(&protocol), sleeper()).await.unwrap_err();
        assert!(error.to_string().contains("connection_made"), "{error}");
        protocol.lost.wait().await;
        let status = protocol.transport.get().unwrap().get_returncode();
        assert_eq!(status.unwrap().signal(), Some(SIGKILL));
    });
}

#[test]
fn dropping_the_start_kills_the_child() {
    run(async {
        let protocol = Rc::new(Recorder::default());
        let given = Rc::clone(&protocol);
        let event_loop = get_running_loop();
        let mut starting = Box::pin(event_loop.subprocess_exec(|| given, sleeper()));
        let is_done = poll_fn(|cx| Poll::Ready(starting.as_mut().poll(cx).is_ready())).await;
        assert!(!is_done, "it takes a turn");
        drop(starting);
        protocol.lost.wait().await;
        let transport = protocol.transport.get().unwrap();
        assert_eq!(transport.get_returncode().unwrap().signal(), Some(SIGKILL));
        until_gone(transport.get_pid()).await;
    });
}

#[test]
fn a_program_that_does_not_exist_is_an_error_and_nobody_is_told() {
    run(async {
        let protocol = Rc::new(Recorder::default());
        let command = Command::new("/nonexistent/program");
        let error = get_running_loop().subprocess_exec(|| Rc::clone(&protocol), command).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        turns(3).await;
        assert!(protocol.events.borrow().is_empty());
        assert_eq!(Rc::strong_count(&protocol), 1);
    });
}

#[test]
fn nothing_holds_a_protocol_whose_child_is_over() {
    run(async {
        let (transport, protocol) = start(shell("exit 0")).await;
        protocol.lost.wait().await;
        turns(3).await;
        assert_eq!(Rc::strong_count(&protocol), 1);
        let text = format!("{transport:?}");
        assert!(text.contains("returncode: Some") && text.contains("stdin: None"), "{text}");
    });
}
