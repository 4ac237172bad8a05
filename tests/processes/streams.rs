//! Children whose standard streams are streams.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use signal_hook::consts::{SIGKILL, SIGTERM, SIGUSR1};
use waterwheel::{ReadError, create_subprocess_exec, signal_hook, timeout, yield_now};

use crate::command::{cat, shell, sleeper};
use crate::common::running::run;

/// More than a pipe holds, and more than a writer's high-water mark.
const MUCH: usize = 1 << 20;

#[test]
fn what_is_written_to_a_child_comes_back() {
    run(async {
        let mut process = create_subprocess_exec(cat()).unwrap();
        let (stdin, mut stdout) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        assert!(process.stderr.is_none(), "it was not piped");
        for line in ["one\n", "two\n"] {
            stdin.write_all(line.as_bytes()).await.unwrap();
            assert_eq!(stdout.readline().await.unwrap(), line.as_bytes());
        }
        assert_eq!(process.returncode(), None);
        drop(stdin);
        assert_eq!(stdout.read_to_end().await.unwrap(), b"");
        let status = process.wait().await.unwrap();
        assert!(status.success());
        assert_eq!(process.returncode(), Some(status));
    });
}

#[test]
fn communicate_gives_all_output_and_the_status() {
    run(async {
        let mut process = create_subprocess_exec(shell("cat; echo trouble >&2; exit 7")).unwrap();
        let output = process.communicate(b"some data").await.unwrap();
        assert_eq!(output.status.code(), Some(7));
        assert_eq!((&*output.stdout, &*output.stderr), (&b"some data"[..], &b"trouble\n"[..]));
        let again = process.communicate(b"").await.unwrap();
        assert_eq!((again.stdout, again.stderr), (Vec::new(), Vec::new()));
    });
}

#[test]
fn communicate_does_not_deadlock_however_much_goes_both_ways() {
    run(async {
        let input: Vec<u8> = (0..8 * MUCH).map(|i| (i % 251) as u8).collect();
        // The child writes more to its standard error than a pipe holds before it reads.
        let text = format!("head -c {MUCH} /dev/zero >&2; cat");
        let output = create_subprocess_exec(shell(&text)).unwrap().communicate(&input).await.unwrap();
        assert_eq!(output.stderr.len(), MUCH);
        assert!(output.stdout == input, "{} of {} bytes", output.stdout.len(), input.len());
    });
}

#[test]
fn a_child_that_does_not_read_its_input_is_no_error() {
    run(async {
        let mut process = create_subprocess_exec(shell("exec 0<&-; echo done")).unwrap();
        let output = process.communicate(&vec![7; MUCH]).await.unwrap();
        assert_eq!(output.stdout, b"done\n");
        assert!(output.status.success());
    });
}

#[test]
fn writing_to_a_child_that_is_gone_fails() {
    run(async {
        let mut process = create_subprocess_exec(shell("exit 0")).unwrap();
        let stdin = process.stdin.take().unwrap();
        process.wait().await.unwrap();
        let error = loop {
            stdin.write(&vec![7; MUCH]);
            if let Err(error) = stdin.drain().await {
                break error;
            }
        };
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error:?}");
    });
}

#[test]
fn input_without_a_pipe_for_it_is_an_error() {
    run(async {
        let mut process = create_subprocess_exec(sleeper()).unwrap().kill_on_drop();
        let error = process.communicate(b"hello").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let mut process = create_subprocess_exec(cat()).unwrap();
        process.stdin.as_ref().unwrap().close();
        assert_eq!(process.communicate(b"hello").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(process.communicate(b"").await.unwrap().status.success());
    });
}

#[test]
fn communicate_that_is_dropped_goes_on_where_it_was() {
    run(async {
        // The child's standard output ends while its standard error is still open.
        let mut process = create_subprocess_exec(shell("cat; exec 1>&-; sleep 0.01; echo error >&2; exit 3")).unwrap();
        let input = vec![b'x'; MUCH];
        assert!(timeout(Duration::from_millis(1), process.communicate(&input)).await.is_err(), "it cannot be over");
        let output = loop {
            if let Ok(output) = timeout(Duration::from_millis(1), process.communicate(b"")).await {
                break output.unwrap();
            }
        };
        assert_eq!((output.stdout.len(), &*output.stderr, output.status.code()), (MUCH, &b"error\n"[..], Some(3)));
    });
}

#[test]
fn wait_closes_the_input_so_that_a_child_which_reads_it_ends() {
    run(async {
        let mut process = create_subprocess_exec(cat()).unwrap();
        process.stdin.as_ref().unwrap().write(b"last words");
        assert!(process.wait().await.unwrap().success());
        assert_eq!(process.stdout.as_mut().unwrap().read_to_end().await.unwrap(), b"last words");
    });
}

#[test]
fn what_a_child_wrote_can_be_read_after_it_has_exited() {
    run(async {
        let mut process = create_subprocess_exec(shell("echo 123; echo 456")).unwrap();
        process.wait().await.unwrap();
        let mut stdout = process.stdout.take().unwrap();
        assert_eq!(stdout.readline().await.unwrap(), b"123\n");
        assert_eq!(stdout.read_to_end().await.unwrap(), b"456\n");
    });
}

#[test]
fn wait_ends_when_the_child_does_though_its_own_child_keeps_the_pipe() {
    run(async {
        let mut process = create_subprocess_exec(shell("sleep 600 & echo $!")).unwrap();
        assert!(process.wait().await.unwrap().success());
        let line = process.stdout.as_mut().unwrap().readline().await.unwrap();
        let grandchild = String::from_utf8(line).unwrap();
        let killed = create_subprocess_exec(shell(&format!("kill {grandchild}"))).unwrap().wait().await.unwrap();
        assert!(killed.success());
        assert_eq!(process.stdout.as_mut().unwrap().read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn signals_end_a_child_and_the_status_says_which() {
    run(async {
        let ended_by = async |send: fn(&waterwheel::Process) -> std::io::Result<()>| {
            let mut process = create_subprocess_exec(sleeper()).unwrap();
            send(&process).unwrap();
            process.wait().await.unwrap().signal()
        };
        assert_eq!(ended_by(|process| process.kill()).await, Some(SIGKILL));
        assert_eq!(ended_by(|process| process.terminate()).await, Some(SIGTERM));
        // Not SIGINT: if a shell started the tests in the background, their children ignore it.
        assert_eq!(ended_by(|process| process.send_signal(SIGUSR1)).await, Some(SIGUSR1));
    });
}

#[test]
fn a_signal_that_cannot_be_sent_is_an_error() {
    run(async {
        let mut process = create_subprocess_exec(sleeper()).unwrap();
        for none in [0, -1, 100_000] {
            assert_eq!(process.send_signal(none).unwrap_err().kind(), ErrorKind::InvalidInput, "{none}");
        }
        process.kill().unwrap();
        process.kill().expect("a child that was not waited for takes any signal");
        process.wait().await.unwrap();
        for send in [waterwheel::Process::kill, waterwheel::Process::terminate] {
            assert_eq!(send(&process).unwrap_err().kind(), ErrorKind::NotFound);
        }
    });
}

#[test]
fn a_program_that_does_not_exist_is_an_error() {
    run(async {
        let error = create_subprocess_exec(Command::new("/nonexistent/program")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let mut piped = Command::new("/nonexistent/program");
        piped.stdin(Stdio::piped()).stdout(Stdio::piped());
        assert_eq!(create_subprocess_exec(piped).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn the_limit_is_that_of_both_readers() {
    run(async {
        let line = "x".repeat(100);
        let text = format!("echo {line}; echo {line} >&2");
        let mut process = create_subprocess_exec(shell(&text)).unwrap().limit(99);
        for reader in [process.stdout.as_mut().unwrap(), process.stderr.as_mut().unwrap()] {
            let error = reader.readline().await.unwrap_err();
            assert!(matches!(error, ReadError::LimitOverrun { .. }), "{error:?}");
        }
        let mut process = create_subprocess_exec(shell(&text)).unwrap().limit(100);
        assert_eq!(process.stdout.as_mut().unwrap().readline().await.unwrap().len(), 101);
    });
}

#[test]
fn several_may_wait_and_one_that_stops_waiting_harms_nobody() {
    run(async {
        let mut process = create_subprocess_exec(sleeper()).unwrap();
        for _ in 0..3 {
            assert!(timeout(Duration::from_millis(1), process.wait()).await.is_err());
        }
        process.kill().unwrap();
        assert_eq!(process.wait().await.unwrap().signal(), Some(SIGKILL));
        assert_eq!(process.wait().await.unwrap().signal(), Some(SIGKILL));
    });
}

#[test]
fn streams_that_are_dropped_before_their_first_turn_are_closed() {
    run(async {
        let mut process = create_subprocess_exec(cat()).unwrap();
        let stdin = process.stdin.take().unwrap();
        stdin.write(b"to be repeated");
        drop(stdin);
        assert_eq!(process.stdout.as_mut().unwrap().read_to_end().await.unwrap(), b"to be repeated");
        assert!(process.wait().await.unwrap().success());
        // A child whose output is dropped gets an error when it writes.
        let mut process = create_subprocess_exec(shell("while echo x; do :; done 2>&-")).unwrap();
        drop(process.stdout.take());
        yield_now().await;
        process.wait().await.unwrap();
    });
}

#[test]
fn a_process_says_what_it_is() {
    run(async {
        let mut process = create_subprocess_exec(sleeper()).unwrap().kill_on_drop();
        let running = format!("{process:?}");
        assert!(running.contains(&format!("pid: {}", process.pid())), "{running}");
        assert!(running.contains("returncode: None") && running.contains("kill_on_drop: true"), "{running}");
        process.kill().unwrap();
        process.wait().await.unwrap();
        let ended = format!("{process:?}");
        assert!(ended.contains("returncode: Some"), "{ended}");
    });
}

#[test]
fn a_child_does_not_inherit_the_pipes_of_another() {
    run(async {
        let mut first = create_subprocess_exec(cat()).unwrap();
        // An inherited pipe would keep the first child's input open.
        let _second = create_subprocess_exec(sleeper()).unwrap().kill_on_drop();
        let output = first.communicate(b"hello").await.unwrap();
        assert_eq!(output.stdout, b"hello");
    });
}

#[test]
fn a_child_that_says_more_than_the_limit_is_held_back_and_heard_in_the_end() {
    run(async {
        let mut process = create_subprocess_exec(shell("printf %21s x")).unwrap().limit(10);
        assert_eq!(process.communicate(b"").await.unwrap().stdout.len(), 21);
    });
}

#[test]
fn the_command_says_where_the_streams_go_and_what_else_the_child_has() {
    run(async {
        let mut command = shell(
            "cat; echo $GREETING; pwd; read -r _ _ _ _ group _ </proc/$$/stat; [ $group = $$ ] && echo leads; echo unheard >&2",
        );
        command.stdin(Stdio::null()).stderr(Stdio::null()).env("GREETING", "good evening").current_dir("/");
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let output = create_subprocess_exec(command).unwrap().communicate(b"").await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "good evening\n/\nleads\n");
        assert_eq!(output.stderr, b"");
    });
}
