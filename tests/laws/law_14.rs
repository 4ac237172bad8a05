//! Law 14: a step has an end. An operation that never has to wait still lets other work run.
//!
//! Turns are counted by a callback that schedules itself again. Everything here is ready every time it is polled, so
//! if the law is broken not one turn passes.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;

use waterwheel::{
    Promise, Protocol, StreamReader, StreamWriter, get_running_loop, open_connection, open_unix_connection, spawn,
    start_server,
};

use crate::common::give_up::give_up_after;
use crate::tools::{guarded, run_clean};

/// How often each operation is repeated.
const TIMES: usize = 20_000;

/// How many operations one step may do: at least sixteen requests that came together and their answers, and not so
/// many that other work waits for long.
const QUICK: RangeInclusive<usize> = 2 * 16..=2_000;

/// The same for operations that make system calls.
const SLOW: RangeInclusive<usize> = 1..=50;

/// Counts turns for as long as it is alive.
struct Turns {
    count: Cell<usize>,
    is_over: Cell<bool>,
}

impl Turns {
    fn counted() -> Rc<Turns> {
        let turns = Rc::new(Turns { count: Cell::new(0), is_over: Cell::new(false) });
        Turns::again(Rc::clone(&turns));
        turns
    }

    fn again(turns: Rc<Turns>) {
        if !turns.is_over.get() {
            turns.count.set(turns.count.get() + 1);
            get_running_loop().call_soon(move || Turns::again(turns));
        }
    }
}

/// Repeats an operation, and checks how many turns passed meanwhile.
async fn lets_others_run(what: &str, times: usize, in_a_step: RangeInclusive<usize>, mut act: impl AsyncFnMut()) {
    let turns = Turns::counted();
    let before = turns.count.get();
    for _ in 0..times {
        act().await;
    }
    let passed = turns.count.get() - before;
    turns.is_over.set(true);
    let expected = times / in_a_step.end()..=times / in_a_step.start();
    assert!(expected.contains(&passed), "{what}: {passed} turns while it was done {times} times");
}

/// A connection to a plain socket, whose buffer holds everything that is written here.
async fn connection() -> (StreamReader, StreamWriter, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let (reader, writer) = open_connection(near).await.unwrap();
    (reader, writer, far)
}

async fn writing() {
    let (_reader, writer, _peer) = connection().await;
    lets_others_run("write and drain", TIMES, QUICK, async || {
        writer.write(b"x");
        writer.drain().await.unwrap();
    })
    .await;
    lets_others_run("write_all", TIMES, QUICK, async || writer.write_all(b"x").await.unwrap()).await;
    lets_others_run("drain", TIMES, QUICK, async || writer.drain().await.unwrap()).await;
    writer.close();
    writer.wait_closed().await.unwrap();
    lets_others_run("wait_closed", TIMES, QUICK, async || writer.wait_closed().await.unwrap()).await;
}

/// A reader with very many bytes buffered.
fn much() -> StreamReader {
    let (mut reader, feeder) = StreamReader::new(1 << 30);
    feeder.feed_data(&b"l\n".repeat(10 * TIMES));
    // The first read moves the bytes into the reader's own buffer.
    assert_eq!(give_up_after_one(reader.read(2)).unwrap().unwrap(), b"l\n");
    reader
}

fn give_up_after_one<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

async fn reading() {
    let mut reader = much();
    let mut buffer = [0; 2];
    lets_others_run("read", TIMES, QUICK, async || assert_eq!(reader.read(2).await.unwrap(), b"l\n")).await;
    lets_others_run("read_into", TIMES, QUICK, async || {
        assert_eq!(reader.read_into(&mut buffer).await.unwrap(), 2);
    })
    .await;
    lets_others_run("fill_buf", TIMES, QUICK, async || {
        assert!(reader.fill_buf().await.unwrap().starts_with(b"l\n"));
        reader.consume(2);
    })
    .await;
    lets_others_run("readline", TIMES, QUICK, async || assert_eq!(reader.readline().await.unwrap(), b"l\n")).await;
    lets_others_run("next_line", TIMES, QUICK, async || {
        assert_eq!(reader.next_line().await.unwrap().unwrap(), b"l\n");
    })
    .await;
    lets_others_run("readexactly", TIMES, QUICK, async || {
        assert_eq!(reader.readexactly(2).await.unwrap(), b"l\n");
    })
    .await;
    lets_others_run("readuntil", TIMES, QUICK, async || {
        assert_eq!(reader.readuntil(b"\n").await.unwrap(), b"l\n");
    })
    .await;
}

/// Bytes that the reading task feeds itself are always there.
async fn feeding_oneself() {
    let (mut reader, feeder) = StreamReader::new(100);
    lets_others_run("feed and read", TIMES, QUICK, async || {
        feeder.feed_data(b"l\n");
        assert_eq!(reader.read(2).await.unwrap(), b"l\n");
    })
    .await;
}

async fn reading_at_the_end() {
    let (mut reader, feeder) = StreamReader::new(100);
    feeder.feed_eof();
    lets_others_run("read at the end", TIMES, QUICK, async || assert!(reader.read(1).await.unwrap().is_empty())).await;
    lets_others_run("readline at the end", TIMES, QUICK, async || {
        assert!(reader.readline().await.unwrap().is_empty());
    })
    .await;
    lets_others_run("read_to_end", TIMES, QUICK, async || {
        assert!(reader.read_to_end().await.unwrap().is_empty());
    })
    .await;
    feeder.set_exception(io::Error::other("it failed"));
    lets_others_run("read of what failed", TIMES, QUICK, async || {
        assert_eq!(reader.read(1).await.unwrap_err().to_string(), "it failed");
    })
    .await;
}

struct Indifferent;

impl Protocol for Indifferent {}

async fn waiting_for_what_has_come() {
    let promise = Promise::new();
    promise.set(7).unwrap();
    lets_others_run("wait for a promise", TIMES, QUICK, async || assert_eq!(promise.wait().await, 7)).await;
    let server = start_server(|_, _| {}, "127.0.0.1:0").await.unwrap();
    let taken = server.local_addrs()[0];
    // These make system calls, so one step may do only a few.
    lets_others_run("listen where somebody does", 500, SLOW, async || {
        assert_eq!(start_server(|_, _| {}, taken).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    })
    .await;
    lets_others_run("connect to nobody", 500, SLOW, async || {
        open_unix_connection("/nowhere/nobody").await.unwrap_err();
    })
    .await;
    // No selector accepts a regular file.
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    lets_others_run("wait for a file", TIMES, QUICK, async || {
        let refused = get_running_loop().readable(&file).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    })
    .await;
    lets_others_run("a file as a pipe", 500, SLOW, async || {
        let pipe = file.try_clone().unwrap();
        assert!(get_running_loop().connect_read_pipe(|| Rc::new(Indifferent), pipe).await.is_err());
    })
    .await;
    server.close();
    lets_others_run("a server's wait_closed", TIMES, QUICK, async || server.wait_closed().await).await;
}

/// The budget belongs to the step, not to one future: two futures that are polled in turn share it, even behind the
/// waker of a combinator.
async fn several_futures_in_one_step() {
    let ((mut one, feeder), (_reader, writer, _peer)) = (StreamReader::new(100), connection().await);
    feeder.feed_eof();
    lets_others_run("one or the other", TIMES, QUICK, async || {
        let (mut read, mut drain) = (pin!(one.read(1)), pin!(writer.drain()));
        poll_fn(|cx| match read.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => drain.as_mut().poll(cx).map(|_| ()),
        })
        .await;
    })
    .await;
    lets_others_run("through a waker of somebody's own", TIMES, QUICK, async || {
        let mut drain = pin!(writer.drain());
        poll_fn(|cx| drain.as_mut().poll(&mut Context::from_waker(&cx.waker().clone()))).await.unwrap();
    })
    .await;
}

/// One step sends only a few of the blocks that the kernel takes at once, since each of them is a system call.
async fn large_blocks() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || io::copy(&mut listener.accept().unwrap().0, &mut io::sink()).unwrap());
    let (_reader, writer) = open_connection(TcpStream::connect(address).unwrap()).await.unwrap();
    let turns = Turns::counted();
    let (mut most, mut in_this) = (0, (0, 0));
    let block = [0; 64 * 1024];
    for _ in 0..1_000 {
        writer.write_all(&block).await.unwrap();
        let turn = turns.count.get();
        in_this = if in_this.0 == turn { (turn, in_this.1 + 1) } else { (turn, 1) };
        most = most.max(in_this.1);
    }
    turns.is_over.set(true);
    writer.close();
    writer.wait_closed().await.unwrap();
    assert!((2..=16).contains(&most), "{most} blocks in one step");
    assert_eq!(peer.join().unwrap(), 1_000 * block.len() as u64);
}

/// Dropping a future that waits because the step is at its end loses nothing.
async fn giving_up_at_the_end_of_a_step() {
    let (mut reader, feeder) = StreamReader::new(1 << 30);
    let lines: Vec<String> = (0..TIMES).map(|n| format!("{n}\n")).collect();
    feeder.feed_data(lines.concat().as_bytes());
    feeder.feed_eof();
    let (mut read, mut given_up) = (Vec::new(), 0);
    while read.len() < TIMES {
        let line = match read.len() % 3 {
            0 => give_up_after(1, reader.readline()).await.map(Result::unwrap),
            1 => give_up_after(1, reader.readuntil(b"\n")).await.map(Result::unwrap),
            _ => match give_up_after(1, reader.fill_buf()).await {
                Some(lent) => {
                    let lent = lent.unwrap();
                    let end = lent.iter().position(|&byte| byte == b'\n').unwrap() + 1;
                    let line = lent[..end].to_vec();
                    reader.consume(end);
                    Some(line)
                }
                None => None,
            },
        };
        match line {
            Some(line) => read.push(String::from_utf8(line).unwrap()),
            None => {
                given_up += 1;
                waterwheel::yield_now().await;
            }
        }
    }
    assert!(given_up >= TIMES / QUICK.end(), "{given_up} times the step was at its end");
    assert!(read == lines);
    assert!(reader.read(1).await.unwrap().is_empty() && reader.at_eof());
}

/// Polls all futures until one is ready, and returns its number. However many wait, one poll of all of them must be
/// enough.
async fn first_of<T>(waits: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> (usize, T) {
    let (mut waits, mut polls) = (waits, 0);
    poll_fn(|cx| {
        polls += 1;
        assert!(polls <= 2, "one of {} waits is ready, and is never found", waits.len());
        let ready = waits.iter_mut().enumerate().find_map(|(number, wait)| match wait.as_mut().poll(cx) {
            Poll::Ready(given) => Some((number, given)),
            Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Only ready futures take from the budget. Otherwise a task that waits for very many would use it up by polling the
/// first ones again and again, and would never reach the last.
async fn waiting_for_many_at_once() {
    const MANY: usize = 1_000;
    let promises: Vec<Promise<&str>> = (0..MANY).map(|_| Promise::new()).collect();
    promises[MANY - 1].set("kept").unwrap();
    let waits = promises.iter().map(|promise| -> Pin<Box<dyn Future<Output = _>>> { Box::pin(promise.wait()) });
    assert_eq!(first_of(waits.collect()).await, (MANY - 1, "kept"));

    for already_there in ["", "a part of "] {
        let (mut readers, feeders): (Vec<_>, Vec<_>) = (0..MANY).map(|_| StreamReader::new(100)).unzip();
        feeders.iter().for_each(|feeder| feeder.feed_data(already_there.as_bytes()));
        let mut waits: Vec<_> = readers.iter_mut().map(|reader| Box::pin(reader.readline())).collect();
        for some in waits.chunks_mut(MANY / 10) {
            assert!(some.iter_mut().all(|wait| give_up_after_one(wait.as_mut()).is_none()));
            waterwheel::yield_now().await;
        }
        feeders[MANY - 1].feed_data(b"a line\n");
        let waits = waits.into_iter().map(|wait| -> Pin<Box<dyn Future<Output = _>>> { wait });
        let (number, line) = first_of(waits.collect()).await;
        assert_eq!((number, line.unwrap()), (MANY - 1, format!("{already_there}a line\n").into_bytes()));
    }
}

#[test]
fn law_14_a_step_has_an_end() {
    guarded(|| {
        run_clean(async {
            writing().await;
            reading().await;
            feeding_oneself().await;
            reading_at_the_end().await;
            waiting_for_what_has_come().await;
            several_futures_in_one_step().await;
            large_blocks().await;
            giving_up_at_the_end_of_a_step().await;
            waiting_for_many_at_once().await;
        });
    });
    // A task behaves like the main future.
    guarded(|| run_clean(async { spawn(writing()).await.unwrap() }));
}

#[test]
fn where_no_step_is_there_is_no_budget() {
    guarded(|| {
        run_clean(async {});
        let (mut reader, feeder) = StreamReader::new(100);
        feeder.feed_eof();
        for _ in 0..TIMES {
            assert!(give_up_after_one(reader.read(1)).expect("it is ready").unwrap().is_empty());
        }
        let (reader, in_callbacks) = (Rc::new(RefCell::new(reader)), Rc::new(Cell::new(0)));
        let counted = Rc::clone(&in_callbacks);
        run_clean(async move {
            get_running_loop().call_soon(move || {
                for _ in 0..TIMES {
                    counted.set(counted.get() + usize::from(give_up_after_one(reader.borrow_mut().read(1)).is_some()));
                }
            });
            waterwheel::yield_now().await;
        });
        assert_eq!(in_callbacks.get(), TIMES);
    });
}

#[test]
fn an_executor_that_runs_inside_a_step_comes_to_its_end() {
    guarded(|| {
        let refused = run_clean(async {
            let (mut reader, feeder) = StreamReader::new(100);
            feeder.feed_eof();
            let mut refused = 0;
            for _ in 0..TIMES {
                let mut read: Pin<Box<dyn Future<Output = _>>> = Box::pin(reader.read(1));
                while give_up_after_one(read.as_mut()).is_none() {
                    refused += 1;
                }
            }
            refused
        });
        assert!(refused > 0, "the step was at its end, and went on");
    });
}
