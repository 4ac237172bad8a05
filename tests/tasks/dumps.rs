//! What a dump says about each task, word for word.

use std::future::{pending, poll_fn, ready};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::future::{join, join4};
use waterwheel::testing::{ManualClock, socket_pair};
use waterwheel::{
    DatagramProtocol, EventLoop, LoopDump, NoDump, Promise, StreamReader, StreamWriter, TaskGroup, TaskState, copy,
    current_task, gather, get_running_loop, interval, open_connection, race, sleep, spawn, start_server, timeout,
    to_thread, wait, yield_now,
};

use crate::common::running::{run, turns};

/// Runs on a manual clock, so that every time in the text is known.
fn text_of(main: impl AsyncFnOnce(Rc<ManualClock>)) -> String {
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).debug(false).build().unwrap();
    event_loop.run(async {
        main(clock).await;
        without_lines(&get_running_loop().dump_tasks())
    })
}

/// The text without line and column numbers, which change whenever this file is edited.
fn without_lines(dump: &LoopDump) -> String {
    let text = dump.to_string();
    let mut words = text.split("tests/tasks/dumps.rs:");
    let mut without = words.next().unwrap().to_owned();
    for after in words {
        let is_digit = |c: char| c.is_ascii_digit();
        let column = after.trim_start_matches(is_digit).strip_prefix(':').unwrap();
        without.push_str("here");
        without.push_str(column.trim_start_matches(is_digit));
    }
    without
}

/// What a task waits for, when there is only the main future besides it.
async fn only_wait<F: Future<Output: 'static> + 'static>(future: F) -> String {
    let task = spawn(future);
    turns(3).await;
    let dump = get_running_loop().dump_tasks();
    let found = dump.tasks.iter().find(|other| other.id == task.id()).unwrap();
    assert!(matches!(found.state, TaskState::Waiting(_)), "{found:?}");
    let waits: Vec<_> = found.waits.iter().map(|wait| wait.what.clone()).collect();
    waits.join(" and ")
}

#[test]
fn a_dump_is_a_tree_of_tasks_with_what_each_waits_for() {
    let text = text_of(async |clock| {
        let promise = Promise::<()>::new();
        let waiter = spawn(async move { promise.wait().await });
        waiter.set_name("waiter");
        spawn(async move { drop(waiter.await) });
        spawn(async { drop(gather([sleep(Duration::from_secs(100)), sleep(Duration::from_secs(200))]).await) });
        spawn(pending::<()>());
        get_running_loop().call_later(Duration::from_secs(5), || ());
        turns(2).await;
        clock.advance(Duration::from_millis(1_500));
        yield_now().await;
    });
    let expected = "\
tasks: 7 (their longest polls are known in debug mode only)
Task-1, the main future, run at here, 1.5 s old, polled 4 times
│   is running
├── Task-2 \"waiter\", spawned at here, 1.5 s old, polled 1 time
│       waits for a promise at here, for 1.5 s
├── Task-3, spawned at here, 1.5 s old, polled 1 time
│       waits for a task: Task-2 \"waiter\", spawned at here, for 1.5 s
├── Task-4, spawned at here, 1.5 s old, polled 1 time
│   │   waits for gather at here, for 1.5 s
│   ├── Task-6, spawned at here, 1.5 s old, polled 1 time
│   │       waits for sleep at here: 98.5 s left, for 1.5 s
│   └── Task-7, spawned at here, 1.5 s old, polled 1 time
│           waits for sleep at here: 198.5 s left, for 1.5 s
└── Task-5, spawned at here, 1.5 s old, polled 1 time
        waits for something outside of waterwheel (a channel, a lock), for 1.5 s
timers: 3
    in 3.5 s: a callback, scheduled at here
    in 98.5 s: wakes Task-6
    in 198.5 s: wakes Task-7
";
    assert_eq!(text, expected);
}

#[test]
fn streams_say_how_they_stand() {
    run(async {
        let (mut ours, mut theirs) = socket_pair().unwrap();
        theirs.writer.write(b"half a line");
        let reads = spawn(async move { drop(ours.reader.readuntil(b"\r\n").await) });
        let writes = spawn(async move {
            ours.writer.write(&vec![0; 10_000_000]);
            drop(ours.writer.drain().await);
        });
        turns(5).await;
        let dump = get_running_loop().dump_tasks();
        let wait = |id| {
            let task = dump.tasks.iter().find(|task| task.id == id).unwrap();
            assert_eq!(task.waits.len(), 1, "{task:?}");
            &task.waits[0]
        };
        let reading = wait(reads.id());
        assert_eq!(reading.what, r#"readuntil "\r\n""#);
        assert!(reading.detail.as_ref().unwrap().starts_with("11 bytes unread, peer "), "{reading:?}");
        let writing = wait(writes.id());
        assert_eq!(writing.what, "drain");
        let detail = writing.detail.as_ref().unwrap();
        assert!(detail.contains(" bytes buffered, high mark 65536, peer "), "{detail}");
        assert_eq!(writing.at.unwrap().file(), file!());
        assert!(dump.sources.iter().any(|source| source.contains("reading: Flowing")), "{:?}", dump.sources);
        drop(theirs.reader.read(1).await);
    });
}

#[test]
fn of_several_waits_each_has_the_detail_that_is_its_own() {
    run(async {
        let (ours, _theirs) = socket_pair().unwrap();
        let other = spawn(pending::<()>());
        let task = spawn(async move {
            ours.writer.write(&vec![0; 10_000_000]);
            let (promise, sleeps) = (Promise::<()>::new(), sleep(Duration::from_secs(9)));
            drop(join4(promise.wait(), other, ours.writer.drain(), sleeps).await);
        });
        turns(5).await;
        let dump = get_running_loop().dump_tasks();
        let waits = &dump.tasks.iter().find(|other| other.id == task.id()).unwrap().waits;
        let details: Vec<_> = waits.iter().map(|wait| (wait.what.as_str(), wait.detail.as_deref())).collect();
        let [("a promise", None), ("a task", Some(task)), ("drain", Some(drain)), ("sleep", Some(sleep))] = details[..]
        else {
            panic!("{details:?}");
        };
        assert!(task.contains(", spawned at ") && drain.contains(" bytes buffered") && sleep.ends_with(" left"));
    });
}

#[test]
fn each_function_that_waits_says_which_it_is() {
    run(async {
        assert_eq!(only_wait(async { sleep(Duration::from_secs(9)).await }).await, "sleep");
        let ticks = async {
            let mut interval = interval(Duration::from_secs(9));
            loop {
                interval.tick().await;
            }
        };
        assert_eq!(only_wait::<std::pin::Pin<Box<dyn Future<Output = ()>>>>(Box::pin(ticks)).await, "tick");
        assert_eq!(
            only_wait(async {
                drop(
                    TaskGroup::<()>::run(async |group| {
                        group.create_task(pending());
                        Ok(())
                    })
                    .await,
                )
            })
            .await,
            "the tasks of a task group"
        );
        assert_eq!(
            only_wait(async { wait(&mut [spawn(pending::<()>())], waterwheel::Until::All).await }).await,
            "a task"
        );
        assert_eq!(
            only_wait(async { drop(to_thread(|| std::thread::park_timeout(Duration::from_millis(200))).await) }).await,
            "to_thread"
        );
        let server = start_server(async |_, _| {}, "127.0.0.1:0").await.unwrap();
        assert_eq!(only_wait(async move { drop(server.serve_forever().await) }).await, "serve_forever");
    });
}

/// What a task waits for in this read, from a peer that sends nothing.
async fn wait_of_read(read: impl AsyncFnOnce(&mut StreamReader) + 'static) -> String {
    let (ours, theirs) = socket_pair().unwrap();
    let mut reader = ours.reader;
    let wait = only_wait(async move { read(&mut reader).await }).await;
    drop(theirs);
    wait
}

#[test]
fn each_read_says_which_it_is() {
    run(async {
        assert_eq!(wait_of_read(async |reader| drop(reader.read(7).await)).await, "read");
        assert_eq!(wait_of_read(async |reader| drop(reader.read_into(&mut [0; 7]).await)).await, "read_into");
        assert_eq!(wait_of_read(async |reader| drop(reader.read_to_end().await)).await, "read_to_end");
        assert_eq!(wait_of_read(async |reader| drop(reader.readexactly(7).await)).await, "readexactly 7");
        assert_eq!(wait_of_read(async |reader| drop(reader.fill_buf().await)).await, "fill_buf");
        assert_eq!(wait_of_read(async |reader| drop(reader.readline().await)).await, "readline");
        assert_eq!(
            wait_of_read(async |reader| drop(reader.readline_into(&mut Vec::new()).await)).await,
            "readline_into"
        );
        assert_eq!(wait_of_read(async |reader| drop(reader.next_line().await)).await, "next_line");
        let long = wait_of_read(async |reader| drop(reader.readuntil("a longer separator").await)).await;
        assert_eq!(long, "readuntil \"a long…\"");
    });
}

#[test]
fn a_task_that_waits_for_several_things_says_all_and_none_that_it_has_given_up() {
    run(async {
        let (ours, _theirs) = socket_pair().unwrap();
        let (stop, set) = (Promise::<()>::new(), Promise::<()>::new());
        let setter = set.clone();
        let mut reader = ours.reader;
        let task = spawn(async move {
            race((
                async { stop.wait().await },
                async { drop(timeout(Duration::from_secs(9), reader.read(1)).await) },
                async { set.wait().await },
            ))
            .await;
            sleep(Duration::from_secs(9)).await;
        });
        turns(3).await;
        let waits = |id| {
            let dump = get_running_loop().dump_tasks();
            let task = dump.tasks.into_iter().find(|task| task.id == id).unwrap();
            task.waits.into_iter().map(|wait| wait.what).collect::<Vec<_>>()
        };
        assert_eq!(waits(task.id()), ["a promise", "timeout", "a promise", "read"]);
        setter.set(()).unwrap();
        turns(3).await;
        assert_eq!(waits(task.id()), ["sleep"]);
    });
}

#[test]
fn what_is_done_in_a_step_forgets_its_own_waits_and_none_that_began_before_it() {
    run(async {
        let done_at_once = async || {
            let promise = Promise::<()>::new();
            race((async { promise.wait().await }, sleep(Duration::from_secs(8)), ready(()))).await;
            pending::<()>().await;
        };
        assert_eq!(only_wait(join(sleep(Duration::from_secs(9)), done_at_once())).await, "sleep");
        let long = timeout(Duration::from_secs(9), pending::<()>());
        let (promise, sleeps) = (Promise::<()>::new(), sleep(Duration::from_secs(9)));
        let waits = async move { join4(sleeps, async { promise.wait().await }, long, done_at_once()).await };
        assert_eq!(only_wait(waits).await, "sleep and a promise and timeout");
    });
}

#[test]
fn what_is_made_of_others_says_itself_and_not_its_parts() {
    run(async {
        let ((mut from, _a), (to, _b)) = (socket_pair().unwrap(), socket_pair().unwrap());
        assert_eq!(only_wait(async move { drop(copy(&mut from.reader, &to.writer).await) }).await, "copy");
    });
}

#[test]
fn a_thousand_waits_of_one_step_cost_a_few_reasons() {
    run(async {
        let promise = Promise::<()>::new();
        let task = spawn(async move {
            let mut waits: Vec<_> = (0..1_000).map(|_| Box::pin(promise.wait())).collect();
            poll_fn(|cx| {
                waits.iter_mut().for_each(|wait| assert!(wait.as_mut().poll(cx).is_pending()));
                Poll::<()>::Pending
            })
            .await;
        });
        turns(2).await;
        let dump = get_running_loop().dump_tasks();
        let found = dump.tasks.iter().find(|other| other.id == task.id()).unwrap();
        // All of them are at one line, so they are listed once.
        assert_eq!(found.waits.len(), 1);
        assert_eq!(found.polls, 1);
    });
}

#[test]
fn a_ready_task_is_ready_and_the_running_one_runs() {
    run(async {
        let ready = spawn(async {});
        let dump = get_running_loop().dump_tasks();
        let state = |id| dump.tasks.iter().find(|task| task.id == id).unwrap().state;
        assert_eq!(state(ready.id()), TaskState::Ready);
        assert_eq!(state(current_task().unwrap()), TaskState::Running);
        assert_eq!(get_running_loop().all_tasks(), [current_task().unwrap(), ready.id()]);
        ready.await.unwrap();
    });
}

#[test]
fn a_dump_names_all_that_is_watched() {
    struct Silent;
    impl DatagramProtocol for Silent {}
    run(async {
        let event_loop = get_running_loop();
        let server = start_server(async |_, writer: StreamWriter| writer.write(b"bye"), "127.0.0.1:0").await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        // Our end is still to come, so what is left of the server's connection lingers.
        assert_eq!(reader.read_to_end().await.unwrap(), b"bye");
        let endpoint = event_loop.create_datagram_endpoint(|| Rc::new(Silent)).local_addr("127.0.0.1:0");
        let _endpoint = endpoint.await.unwrap();
        let (own, _peer) = UnixStream::pair().unwrap();
        event_loop.add_reader(&own, || ()).unwrap();
        let sources = event_loop.dump_tasks().sources;
        let mut kinds: Vec<_> = sources.iter().map(|source| source.split(' ').next().unwrap()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["ConduitTransport", "DatagramTransport", "Descriptor", "Lingering", "Listener"]);
        event_loop.remove_reader(&own);
    });
}

#[test]
fn the_handler_of_a_server_was_spawned_by_the_line_that_started_it() {
    run(async {
        let line = line!() + 1;
        let server = start_server(async |mut reader: StreamReader, _writer| drop(reader.read(1).await), "127.0.0.1:0");
        let server = server.await.unwrap();
        let client = waterwheel::open_connection(server.local_addrs()[0]).await.unwrap();
        while server.connections() == 0 {
            yield_now().await;
        }
        turns(3).await;
        let dump = get_running_loop().dump_tasks();
        let handler = dump.tasks.iter().find(|task| task.waits.iter().any(|wait| wait.what == "read")).unwrap();
        assert_eq!((handler.spawned_at.file(), handler.spawned_at.line()), (file!(), line));
        drop(client);
    });
}

#[test]
fn work_on_threads_is_told_with_the_line_that_started_it() {
    run(async {
        let job = to_thread(|| std::thread::park_timeout(Duration::from_millis(200)));
        let dump = get_running_loop().dump_tasks();
        assert_eq!(dump.jobs.len(), 1);
        assert_eq!(dump.jobs[0].started_at.file(), file!());
        drop(job);
    });
}

#[test]
fn a_run_with_a_limit_says_what_hung_and_the_loop_goes_on() {
    let mut event_loop = EventLoop::builder().debug(false).build().unwrap();
    let promise = Promise::<u8>::new();
    let hung = event_loop.run_within(Duration::from_millis(5), promise.wait()).unwrap_err();
    assert!(hung.to_string().starts_with("the main future is not done after 5ms\ntasks: 1 (their longest polls are known in debug mode only)\nTask-1, the main future"));
    assert_eq!(hung.to_string().matches("waits for a promise at tests/tasks/dumps.rs").count(), 1, "{hung}");
    assert_eq!(hung.dump().tasks[0].waits.len(), 1);
    assert_eq!(std::io::Error::from(hung).kind(), std::io::ErrorKind::TimedOut);
    promise.set(7).unwrap();
    assert_eq!(event_loop.run_within(Duration::from_secs(60), promise.wait()).unwrap(), 7);
    // The time limit of a run that ended in time is gone.
    assert_eq!(event_loop.handle().dump_tasks().timers.len(), 0);
}

#[test]
fn another_thread_gets_a_dump_or_the_reason_why_not() {
    let mut event_loop = EventLoop::builder().debug(false).build().unwrap();
    let remote = event_loop.handle().remote();
    event_loop.run(async {
        let from_thread = remote.clone();
        let dump = to_thread(move || from_thread.dump(Duration::from_secs(60))).await.unwrap().unwrap();
        assert_eq!(dump.tasks[0].waits[0].what, "to_thread");
        assert_eq!(remote.dump(Duration::ZERO).unwrap().tasks[0].state, TaskState::Running);
    });
    drop(event_loop);
    let closed = std::thread::spawn(move || remote.dump(Duration::from_secs(60)).unwrap_err());
    assert_eq!(closed.join().unwrap(), NoDump::Closed);
}
