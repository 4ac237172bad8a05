//! One end of a pipe as one half of a stream.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use waterwheel::{Promise, Protocol, get_running_loop, open_read_pipe, open_write_pipe, spawn};

use crate::common::bytes::pattern;
use crate::common::running::{run, turns};
use crate::common::until::until;

/// A FIFO: the write end and the read end.
fn pipe() -> (File, File) {
    let (write_end, read_end) = mio::unix::pipe::new().unwrap();
    for end in [write_end.set_nonblocking(false), read_end.set_nonblocking(false)] {
        end.unwrap();
    }
    (File::from(OwnedFd::from(write_end)), File::from(OwnedFd::from(read_end)))
}

#[test]
fn the_output_of_a_child_is_read_line_by_line_to_its_end() {
    let mut child = Command::new("sh").args(["-c", "yes | head -n 30000"]).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    run(async {
        let mut reader = open_read_pipe(stdout).await.unwrap();
        for _ in 0..30_000 {
            assert_eq!(reader.next_line().await.unwrap().as_deref(), Some("y\n".as_bytes()));
        }
        assert_eq!(reader.next_line().await.unwrap(), None);
        assert!(reader.at_eof());
    });
    assert!(child.wait().unwrap().success());
}

/// The thread counts a piece once the pipe has taken it. So the difference to what was read is at least what the
/// reader holds.
#[test]
fn a_slow_reader_of_200_megabytes_holds_the_writer_back_and_less_than_one_of_them() {
    const TOTAL: usize = 200_000_000;
    const PIECE: usize = 50_000;
    let (mut write_end, read_end) = pipe();
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let writing = thread::spawn(move || {
        let piece = vec![0; PIECE];
        for _ in 0..TOTAL / PIECE {
            write_end.write_all(&piece).unwrap();
            count.fetch_add(PIECE, Ordering::SeqCst);
        }
    });
    run(async move {
        let mut reader = open_read_pipe(read_end).limit(16 * 1024).await.unwrap();
        let (mut read, mut most, mut steps) = (0, 0, 0);
        loop {
            // During these turns the loop could receive much more than is read here.
            turns(2).await;
            if steps % 1000 == 0 {
                turns(100).await;
            }
            steps += 1;
            most = most.max(written.load(Ordering::SeqCst).saturating_sub(read));
            let data = reader.read(20_000).await.unwrap();
            if data.is_empty() {
                break;
            }
            read += data.len();
        }
        assert_eq!(read, TOTAL);
        assert!(most < 1024 * 1024, "{most} bytes were on their way at once");
        assert!(most > 64 * 1024, "the pipe was never full, so nobody was held back: {most}");
    });
    writing.join().unwrap();
}

#[test]
fn a_reader_that_is_dropped_closes_the_pipe_also_while_it_holds_the_writer_back() {
    for flood in [false, true] {
        let (mut write_end, read_end) = pipe();
        run(async move {
            let reader = open_read_pipe(read_end).limit(1).await.unwrap();
            if flood {
                write_end.write_all(&[0; 1000]).unwrap();
                turns(5).await;
            }
            drop(reader);
            turns(5).await;
            assert_eq!(write_end.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
    }
}

#[test]
fn a_writer_that_is_dropped_sends_what_was_written_and_then_closes_the_pipe() {
    let (write_end, mut read_end) = pipe();
    let expected = pattern(3_000_000);
    let reading = thread::spawn(move || {
        let mut data = Vec::new();
        read_end.read_to_end(&mut data).unwrap();
        data
    });
    let data = expected.clone();
    run(async move {
        let writer = open_write_pipe(write_end).await.unwrap();
        writer.write(&data);
        drop(writer);
        until("the pipe is closed", || reading.is_finished()).await;
        assert!(reading.join().unwrap() == expected);
    });
}

#[test]
fn drain_waits_for_the_reader_of_the_pipe_and_fails_once_it_is_gone() {
    let (write_end, read_end) = pipe();
    run(async move {
        let writer = open_write_pipe(write_end).await.unwrap();
        let drained = spawn(async move {
            let outcome = writer.write_all(&[0; 1_000_000]).await;
            (writer, outcome)
        });
        turns(20).await;
        assert!(!drained.is_finished());
        drop(read_end);
        let (writer, outcome) = drained.await.unwrap();
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

/// There is no reader to take the peer's bytes. They are thrown away, and do not hold the peer back.
#[test]
fn what_the_peer_of_a_socket_sends_to_a_writer_is_thrown_away() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let peer = thread::spawn(move || {
        theirs.write_all(&vec![0; 2_000_000]).unwrap();
        let mut data = [0; 5];
        theirs.read_exact(&mut data).unwrap();
        data
    });
    run(async move {
        let writer = open_write_pipe(ours).await.unwrap();
        writer.write_all(b"hello").await.unwrap();
        until("the peer has sent everything", || peer.is_finished()).await;
        assert_eq!(&peer.join().unwrap(), b"hello");
    });
}

#[test]
fn a_pipe_shows_its_descriptor_while_it_is_open_and_a_connection_has_none() {
    struct Quiet(Promise<()>);
    impl Protocol for Quiet {
        fn connection_lost(&self, _error: Option<waterwheel::ConnectionError>) {
            self.0.set(()).unwrap();
        }
    }
    let (write_end, read_end) = pipe();
    run(async move {
        let writer = open_write_pipe(write_end).await.unwrap();
        let duplicate = writer.extra_info().pipe().expect("it is open").try_clone_to_owned().unwrap();
        assert!(writer.extra_info().socket().is_none());
        let factory = || std::rc::Rc::new(Quiet(Promise::new()));
        let (source, protocol) = get_running_loop().connect_read_pipe(factory, read_end).await.unwrap();
        assert!(source.extra_info().pipe().is_some());
        File::from(duplicate).write_all(b"it is the same pipe").unwrap();
        writer.close();
        writer.wait_closed().await.unwrap();
        assert!(writer.extra_info().pipe().is_none());
        protocol.0.wait().await;
        assert!(source.extra_info().pipe().is_none());

        let (ours, _theirs) = waterwheel::testing::socket_pair().unwrap();
        let info = ours.writer.extra_info();
        assert!(info.pipe().is_none() && info.socket().is_some());
    });
}

#[test]
fn what_cannot_be_waited_for_and_a_limit_of_nothing_are_errors() {
    run(async {
        let regular = || File::open(file!()).or_else(|_| File::open("Cargo.toml")).unwrap();
        let refused = open_read_pipe(regular()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        let refused = open_write_pipe(regular()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        let (_write_end, read_end) = pipe();
        assert_eq!(open_read_pipe(read_end).limit(0).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn a_device_that_is_always_ready_is_read_and_written() {
    run(async {
        let zeros = File::open("/dev/zero").unwrap();
        let mut reader = open_read_pipe(zeros).limit(1024).await.unwrap();
        assert_eq!(reader.readexactly(100_000).await.unwrap(), vec![0; 100_000]);
        let null = File::options().write(true).open("/dev/null").unwrap();
        let writer = open_write_pipe(null).await.unwrap();
        writer.write_all(&[0; 100_000]).await.unwrap();
        let mut nothing = open_read_pipe(File::open("/dev/null").unwrap()).await.unwrap();
        assert_eq!(nothing.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn the_future_that_opens_a_pipe_closes_it_when_it_is_dropped() {
    let (mut write_end, read_end) = pipe();
    run(async move {
        let opening = spawn(open_read_pipe(read_end));
        turns(1).await;
        drop(opening.cancel_on_drop());
        turns(5).await;
        assert_eq!(write_end.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}
