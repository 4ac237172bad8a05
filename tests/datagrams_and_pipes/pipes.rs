//! Pipe transports: one direction only, which ends when the other side does.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use waterwheel::{AfterEof, EventLoop, StreamReader, get_running_loop, sleep, yield_now};

use crate::common::recorder::Recorder;
use crate::common::running::{run, turns};

/// A protocol that returns `after_eof` when its input ends.
fn recorder(after_eof: AfterEof) -> Rc<Recorder> {
    let recorder = Recorder::new();
    recorder.after_eof.set(after_eof);
    recorder
}

/// A FIFO: the write end and the read end.
fn pipe() -> (File, File) {
    let (write_end, read_end) = mio::unix::pipe::new().unwrap();
    (File::from(OwnedFd::from(write_end)), File::from(OwnedFd::from(read_end)))
}

#[test]
fn a_read_pipe_ends_after_eof_whatever_the_protocol_answers() {
    for after_eof in [AfterEof::Close, AfterEof::KeepOpen] {
        run(async {
            let handle = get_running_loop();
            let (mut write_end, read_end) = pipe();
            let factory = || recorder(after_eof);
            let (transport, protocol) = handle.connect_read_pipe(factory, read_end).await.unwrap();
            assert_eq!(protocol.words(), ["made"]);
            write_end.write_all(b"hello").unwrap();
            turns(3).await;
            write_end.write_all(b", world").unwrap();
            drop(write_end);
            assert_eq!(protocol.lost.wait().await, None);
            assert_eq!(protocol.received.take(), b"hello, world");
            assert_eq!(protocol.words(), ["made", "data", "eof", "lost"]);
            assert!(transport.is_closing());
        });
    }
}

#[test]
fn every_byte_of_many_comes_out_of_a_read_pipe() {
    run(async {
        let handle = get_running_loop();
        let (write_end, read_end) = pipe();
        let expected: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let factory = || recorder(AfterEof::Close);
        let (sender, source) = handle.connect_write_pipe(factory, write_end).await.unwrap();
        sender.write(&expected);
        assert_eq!(source.words(), ["made", "pause"], "a pipe holds less than that");
        sender.write_eof();
        assert!(sender.is_closing(), "the end of a write pipe is its close");
        let (_transport, sink) = handle.connect_read_pipe(factory, read_end).await.unwrap();
        assert_eq!(sink.lost.wait().await, None);
        assert!(sink.received.take() == expected);
        assert_eq!(source.lost.wait().await, None);
        assert_eq!(source.words(), ["made", "pause", "resume", "lost"]);
    });
}

#[test]
fn a_write_pipe_notices_without_writing_that_nobody_reads_any_more() {
    run(async {
        let handle = get_running_loop();
        let (write_end, read_end) = pipe();
        let factory = || recorder(AfterEof::KeepOpen);
        let (transport, protocol) = handle.connect_write_pipe(factory, write_end).await.unwrap();
        transport.write(b"read");
        turns(3).await;
        let mut data = [0; 10];
        assert_eq!((&read_end).read(&mut data).unwrap(), 4);
        turns(3).await;
        assert_eq!(protocol.words(), ["made"]);
        drop(read_end);
        assert_eq!(protocol.lost.wait().await, None);
        assert_eq!(protocol.words(), ["made", "lost"]);
    });
}

#[test]
fn a_write_pipe_whose_reader_leaves_bytes_behind_is_broken() {
    run(async {
        let handle = get_running_loop();
        let (write_end, read_end) = pipe();
        let factory = || recorder(AfterEof::Close);
        let (transport, protocol) = handle.connect_write_pipe(factory, write_end).await.unwrap();
        transport.write(&vec![0; 1_000_000]);
        turns(3).await;
        assert!(transport.get_write_buffer_size() > 0);
        drop(read_end);
        assert_eq!(protocol.lost.wait().await, Some(io::ErrorKind::BrokenPipe));
        transport.write(b"harmless");
        assert_eq!(transport.get_write_buffer_size(), 0);
    });
}

#[test]
fn writing_to_a_pipe_that_nobody_reads_is_an_error_and_no_signal() {
    run(async {
        let handle = get_running_loop();
        let (write_end, read_end) = pipe();
        let factory = || recorder(AfterEof::Close);
        let (transport, protocol) = handle.connect_write_pipe(factory, write_end).await.unwrap();
        drop(read_end);
        // In the same step, so the loop cannot have noticed yet.
        transport.write(b"too late");
        assert_eq!(protocol.lost.wait().await, Some(io::ErrorKind::BrokenPipe));
    });
}

#[test]
fn nothing_can_be_written_to_a_read_pipe() {
    run(async {
        let handle = get_running_loop();
        let (_write_end, read_end) = pipe();
        let factory = || recorder(AfterEof::Close);
        let (transport, protocol) = handle.connect_read_pipe(factory, read_end).await.unwrap();
        assert!(!transport.can_write_eof());
        assert!(catch_unwind(AssertUnwindSafe(|| transport.write(b"x"))).is_err());
        transport.write_eof();
        assert!(!transport.is_closing());
        transport.close();
        assert_eq!(protocol.lost.wait().await, None);
    });
}

#[test]
fn sockets_are_pipes_too() {
    run(async {
        let handle = get_running_loop();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let factory = || recorder(AfterEof::KeepOpen);
        let (sender, source) = handle.connect_write_pipe(factory, ours).await.unwrap();
        let (_receiver, sink) = handle.connect_read_pipe(factory, theirs).await.unwrap();
        sender.write(b"one way");
        sender.close();
        assert_eq!(sink.lost.wait().await, None);
        assert_eq!(sink.received.take(), b"one way");
        assert_eq!(source.lost.wait().await, None);

        let (ours, theirs) = UnixStream::pair().unwrap();
        let (_sender, source) = handle.connect_write_pipe(factory, ours).await.unwrap();
        drop(theirs);
        assert_eq!(source.lost.wait().await, None);
        assert_eq!(source.words(), ["made", "lost"]);
    });
}

#[test]
fn a_short_read_does_not_mean_that_nothing_is_left() {
    run(async {
        let handle = get_running_loop();
        // Like a terminal, a packet socket returns less than there is.
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        let packets: [&[u8]; 3] = [b"one ", b"two ", b"three"];
        for packet in packets {
            theirs.send(packet).unwrap();
        }
        let factory = || recorder(AfterEof::Close);
        let (_transport, protocol) = handle.connect_read_pipe(factory, ours).await.unwrap();
        while protocol.received.borrow().len() < 13 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(protocol.received.take(), b"one two three");
        drop(theirs);
        assert_eq!(protocol.lost.wait().await, None);
    });
}

#[test]
fn what_a_closed_read_pipe_left_unread_stays_in_the_pipe() {
    run(async {
        let handle = get_running_loop();
        let (mut write_end, read_end) = pipe();
        let mut other_reader = read_end.try_clone().unwrap();
        let factory = || recorder(AfterEof::Close);
        let (transport, protocol) = handle.connect_read_pipe(factory, read_end).await.unwrap();
        transport.pause_reading();
        write_end.write_all(b"for another").unwrap();
        turns(100).await;
        transport.close();
        assert_eq!(protocol.lost.wait().await, None);
        turns(100).await;
        let mut data = [0; 20];
        assert_eq!(other_reader.read(&mut data).unwrap(), 11);
        assert_eq!(protocol.words(), ["made", "lost"]);
    });
}

#[test]
fn a_device_is_read_until_it_is_paused() {
    run(async {
        let handle = get_running_loop();
        let device = File::open("/dev/random").unwrap();
        let factory = || recorder(AfterEof::Close);
        let (transport, protocol) = handle.connect_read_pipe(factory, device).await.unwrap();
        while protocol.received.borrow().len() < 300_000 {
            yield_now().await;
        }
        protocol.transport().pause_reading();
        let length = protocol.received.borrow().len();
        turns(3).await;
        assert_eq!(protocol.received.borrow().len(), length);
        transport.abort();
        assert_eq!(protocol.lost.wait().await, None);
    });
}

#[test]
fn regular_files_are_refused() {
    run(async {
        let handle = get_running_loop();
        let factory = || recorder(AfterEof::Close);
        let regular = || File::open(std::env::current_exe().unwrap()).unwrap();
        for error in [
            handle.connect_read_pipe(factory, regular()).await.unwrap_err(),
            handle.connect_write_pipe(factory, regular()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("not regular files"), "{error}");
        }
    });
}

fn device(path: &str) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

#[test]
fn a_device_that_makes_nobody_wait_takes_all_that_is_written() {
    for path in ["/dev/null", "/dev/zero"] {
        run(async {
            let handle = get_running_loop();
            let factory = || recorder(AfterEof::Close);
            let (transport, protocol) = handle.connect_write_pipe(factory, device(path)).await.unwrap();
            for _ in 0..3 {
                transport.write(b"small");
                transport.write(&vec![0; 1_000_000]);
                assert_eq!(transport.get_write_buffer_size(), 0, "nothing is in the way");
                transport.writelines(&[io::IoSlice::new(b"many "), io::IoSlice::new(b"pieces")]);
                turns(2).await;
            }
            assert_eq!(protocol.words(), ["made"], "it is no pipe that nobody reads");
            transport.write(b"at last");
            transport.write_eof();
            assert_eq!(protocol.lost.wait().await, None);
            assert_eq!(protocol.words(), ["made", "lost"]);
        });
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_without_room_is_told_as_that() {
    run(async {
        let handle = get_running_loop();
        let factory = || recorder(AfterEof::Close);
        for size in [1, 1_000_000] {
            let (transport, protocol) = handle.connect_write_pipe(factory, device("/dev/full")).await.unwrap();
            transport.write(&vec![0; size]);
            assert_eq!(protocol.lost.wait().await, Some(io::ErrorKind::StorageFull));
        }
    });
}

#[test]
fn the_device_that_is_empty_ends_at_once_and_the_one_that_is_endless_leaves_others_their_turns() {
    run(async {
        let handle = get_running_loop();
        let factory = || recorder(AfterEof::KeepOpen);
        let (_transport, protocol) = handle.connect_read_pipe(factory, device("/dev/null")).await.unwrap();
        assert_eq!(protocol.lost.wait().await, None);
        assert_eq!(protocol.words(), ["made", "eof", "lost"]);

        let (transport, protocol) = handle.connect_read_pipe(factory, device("/dev/zero")).await.unwrap();
        for turn in 1..=5 {
            yield_now().await;
            assert!(protocol.received.borrow().len() <= (turn + 1) * 256 * 1024, "one receive in a turn");
        }
        assert!(protocol.received.borrow().len() > 100_000);
        transport.pause_reading();
        let length = protocol.received.borrow().len();
        turns(3).await;
        assert_eq!(protocol.received.borrow().len(), length);
        transport.resume_reading();
        turns(3).await;
        assert!(protocol.received.borrow().len() > length);
        transport.close();
        assert_eq!(protocol.lost.wait().await, None);
    });
}

#[test]
fn dropping_the_loop_frees_the_protocol_of_a_device_that_makes_nobody_wait() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let factory = || recorder(AfterEof::Close);
    let (_transport, protocol) = event_loop.run(handle.connect_write_pipe(factory, device("/dev/null"))).unwrap();
    drop(event_loop);
    assert_eq!(Rc::strong_count(&protocol), 1);
    assert_eq!(protocol.words(), ["made"]);
}

/// A Python program that prints the path of a new terminal, then everything that is written to it, up to a newline.
const TERMINAL: &str = "import os, pty, tty
master, slave = pty.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
os.write(master, b'typed\\n')
said = b''
while not said.endswith(b'\\n'):
    said += os.read(master, 1000)
print(said.decode(), end='', flush=True)";

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_is_waited_for_both_ways() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::OpenOptionsExt;

    const O_NOCTTY: i32 = 0x100;
    let mut python = Command::new("python3");
    let mut python = python.args(["-c", TERMINAL]).stdout(Stdio::piped()).spawn().expect("this test needs Python");
    let mut said = BufReader::new(python.stdout.take().unwrap()).lines();
    let path = said.next().unwrap().unwrap();
    run(async {
        let handle = get_running_loop();
        let terminal = File::options().read(true).write(true).custom_flags(O_NOCTTY).open(path).unwrap();
        let factory = || recorder(AfterEof::Close);
        let (output, sink) = handle.connect_write_pipe(factory, terminal.try_clone().unwrap()).await.unwrap();
        let (input, source) = handle.connect_read_pipe(factory, terminal).await.unwrap();
        while *source.received.borrow() != b"typed\n" {
            sleep(Duration::from_millis(1)).await;
        }
        output.write(b"shown\n");
        turns(3).await;
        for (transport, protocol) in [(output, sink), (input, source)] {
            transport.close();
            assert_eq!(protocol.lost.wait().await, None);
        }
    });
    assert_eq!(said.next().unwrap().unwrap(), "shown");
    assert!(python.wait().unwrap().success());
}

#[test]
fn a_connect_that_is_dropped_closes_the_pipe() {
    run(async {
        let handle = get_running_loop();
        let (mut write_end, read_end) = pipe();
        let task = waterwheel::spawn(async move {
            let factory = || recorder(AfterEof::Close);
            get_running_loop().connect_read_pipe(factory, read_end).await.map(|_| ())
        });
        yield_now().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        turns(3).await;
        // A child process of another test holds a copy of each descriptor until it calls `exec`.
        let mut written = write_end.write(b"x");
        for _ in 0..1000 {
            if written.is_err() {
                break;
            }
            waterwheel::sleep(Duration::from_millis(1)).await;
            written = write_end.write(b"x");
        }
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        drop(handle);
    });
}

#[test]
fn dropping_the_loop_closes_its_pipes_and_frees_the_protocol() {
    let (mut write_end, read_end) = pipe();
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let factory = || recorder(AfterEof::Close);
    let (transport, protocol) = event_loop.run(handle.connect_read_pipe(factory, read_end)).unwrap();
    drop(event_loop);
    assert_eq!(Rc::strong_count(&protocol), 1);
    assert_eq!(write_end.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    transport.close();
    assert_eq!(protocol.words(), ["made"]);
}

#[test]
fn a_child_process_is_written_to_and_read_from_as_a_stream() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    run(async {
        let handle = get_running_loop();
        let (mut reader, feeder) = StreamReader::new(1);
        let feed = move |word: &str, this: &Recorder| match word {
            "data" => feeder.feed_data(&this.received.take()),
            "eof" => feeder.feed_eof(),
            _ => {}
        };
        let factory = || Recorder::reacting(feed);
        let (_source, _feed) = handle.connect_read_pipe(factory, stdout).await.unwrap();
        let factory = || recorder(AfterEof::Close);
        let (sink, _protocol) =
            handle.connect_write_pipe(factory, stdin.as_fd().try_clone_to_owned().unwrap()).await.unwrap();
        drop(stdin);
        sink.write(b"data");
        sink.close();
        assert_eq!(reader.read_to_end().await.unwrap(), b"data");
    });
    assert!(child.wait().unwrap().success());
}
