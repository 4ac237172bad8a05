//! The trace that a loop writes: that it is complete, names what ran, is bounded, and exists when it is needed.

use std::cell::{OnceCell, RefCell};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use crate::common::chrome_trace::{ChromeTrace, read};
use crate::common::temp_dir::TempDir;
use crate::common::until::until;
use waterwheel::testing::{ManualClock, socket_pair};
use waterwheel::{
    AfterEof, Builder, ConnectionError, EventLoop, Protocol, Transport, get_running_loop, open_connection, sleep,
    spawn, start_server, to_thread, yield_now,
};

/// Runs `main` on a loop that writes a trace, and reads the trace after the loop is dropped.
fn traced<F: Future<Output = ()>>(set: impl FnOnce(Builder) -> Builder, main: F) -> ChromeTrace {
    let directory = TempDir::new();
    let path = directory.file("out.json");
    let mut event_loop = set(EventLoop::builder().trace(&path)).build().expect("the file can be written");
    event_loop.run(main);
    drop(event_loop);
    read(&path)
}

async fn echo() {
    let answer = |mut reader: waterwheel::StreamReader, writer: waterwheel::StreamWriter| async move {
        let line = reader.readline().await.expect("a line");
        writer.write_all(&line).await.expect("the client reads");
    };
    let server = start_server(answer, "127.0.0.1:0").await.expect("there is a port");
    let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.expect("it listens");
    writer.write_all(b"hello\n").await.expect("the server reads");
    assert_eq!(reader.readline().await.expect("an answer"), b"hello\n");
}

#[test]
fn every_callback_protocol_call_and_step_has_its_name_and_the_trace_is_whole() {
    let line = line!() + 2;
    let trace = traced(|builder| builder, async {
        get_running_loop().call_soon(|| ());
        let task = spawn(async { sleep(Duration::from_millis(1)).await });
        task.set_name("a \"quoted\" name");
        task.await.expect("it ends well");
        to_thread(|| ()).await.expect("there is a thread");
        echo().await;
    });
    let callback = format!("{}:{line}:28", Location::caller().file());
    assert_eq!(trace.count(&callback), 1, "{:?}", trace.slices);
    assert_eq!(trace.count("a \"quoted\" name"), 2, "before and after it slept");
    assert!(trace.count("main") >= 4);
    for name in ["timer", "connection_made", "get_buffer", "buffer_updated", "wait"] {
        assert!(trace.count(name) > 0, "{name}");
    }
    let spawned = trace.slices.iter().find(|slice| slice.name.starts_with("a \"")).expect("it was counted");
    let spawned_at = format!("{}:{}:20", Location::caller().file(), line + 1);
    assert_eq!(spawned.args["spawned at"], spawned_at.as_str());
    let accepts = trace.slices.iter().filter(|slice| slice.name.starts_with("listener 127.0.0.1:"));
    assert_eq!(accepts.map(|slice| &slice.args["direction"]).collect::<Vec<_>>(), ["read"]);
    assert!(trace.counted("ready handles").iter().sum::<u64>() >= 10);
    assert!(trace.counted("timers").contains(&1), "while the task slept");
    assert_eq!(trace.counted("ready handles").len(), trace.count("turn"));
}

#[test]
fn a_flow_leads_from_who_woke_a_task_to_its_step() {
    let trace = traced(|builder| builder, async {
        let (tell, told) = futures::channel::oneshot::channel();
        let waiting = spawn(async { told.await.expect("it is told") });
        waiting.set_name("waiting");
        yield_now().await;
        spawn(async { tell.send(()).expect("it waits") }).set_name("telling");
        waiting.await.expect("it ends well");
    });
    let (mut open, mut from, mut flows) = (Vec::new(), std::collections::BTreeMap::new(), Vec::new());
    for event in &trace.events {
        let name = event["name"].as_str().expect("an event has a name");
        match event["ph"].as_str().expect("an event has a phase") {
            "B" => open.push(name),
            "E" => drop(open.pop()),
            "s" => drop(from.insert(event["id"].as_u64(), *open.last().expect("it is in a slice"))),
            "f" => flows.push((from[&event["id"].as_u64()], *open.last().expect("it is in a slice"))),
            _ => {}
        }
    }
    for flow in [("main", "waiting"), ("main", "telling"), ("telling", "waiting"), ("waiting", "main")] {
        assert!(flows.contains(&flow), "{flow:?} is not in {flows:?}");
    }
}

#[test]
fn a_long_run_keeps_its_last_turns_and_nothing_dangles() {
    for most in [1, 2, 3, 50, 333] {
        let trace = traced(|builder| builder.trace_records(most), async {
            for _ in 0..100 {
                echo().await;
            }
        });
        let records = trace.events.iter().filter(|event| event["ph"] != "M").count();
        assert!(records <= most + 4, "{records} of {most}; at most what was open is ended");
        let dropped = trace.events.iter().find(|event| event["name"] == "dropped").expect("it says so");
        assert!(dropped["args"]["records"].as_u64() > Some(1000), "{dropped}");
        assert!(most < 50 || trace.count("turn") > 0, "there is room for a turn");
    }
}

#[test]
fn a_loop_that_is_about_to_wait_saves_what_it_has_not_saved_for_a_second() {
    let directory = TempDir::new();
    let path = directory.file("out.json");
    let builder = EventLoop::builder().clock(Rc::new(ManualClock::new())).trace(&path);
    builder.build().expect("the file can be written").run(async {
        let has_none = || std::fs::read(&path).is_ok_and(|text| text.is_empty());
        for (milliseconds, saves) in [(999, 0), (1, 0), (1, 1), (998, 1), (2, 1), (1, 2)] {
            sleep(Duration::from_millis(milliseconds)).await;
            assert_eq!(if has_none() { 0 } else { read(&path).count("save") }, saves, "{milliseconds}");
        }
    });
}

#[test]
fn at_a_panic_the_trace_is_saved_though_the_loop_goes_on() {
    let directory = TempDir::new();
    let path = directory.file("out.json");
    let mut event_loop = EventLoop::builder().trace(&path).build().expect("the file can be written");
    event_loop.handle().set_exception_handler(|_| ());
    let saved = event_loop.run(async {
        get_running_loop().call_soon(|| panic!("a \"planned\"\npanic"));
        yield_now().await;
        read(&path)
    });
    let mark = saved.events.iter().find(|event| event["ph"] == "i").expect("the panic has a mark");
    assert_eq!(mark["name"], "panic: a \"planned\"\npanic");
    drop(event_loop);
    assert!(read(&path).count("turn") > saved.count("turn"), "it is saved again at the end");
}

#[test]
fn a_protocol_hears_the_same_with_a_trace_and_every_call_is_in_it() {
    #[derive(Default)]
    struct Hears(RefCell<Vec<&'static str>>);
    impl Hears {
        fn hear(&self, call: &'static str) {
            self.0.borrow_mut().push(call);
        }
    }
    impl Protocol for Hears {
        fn connection_made(&self, _transport: Rc<dyn Transport>) {
            self.hear("connection_made");
        }
        fn pause_writing(&self) {
            self.hear("pause_writing");
        }
        fn resume_writing(&self) {
            self.hear("resume_writing");
        }
        fn data_received(&self, _data: &[u8]) {
            self.hear("data_received");
        }
        fn eof_received(&self) -> AfterEof {
            self.hear("eof_received");
            AfterEof::KeepOpen
        }
        fn connection_closing(&self, _error: Option<ConnectionError>) {
            self.hear("connection_closing");
        }
        fn connection_lost(&self, _error: Option<ConnectionError>) {
            self.hear("connection_lost");
        }
    }
    let all = [
        "connection_made",
        "pause_writing",
        "resume_writing",
        "data_received",
        "eof_received",
        "connection_closing",
        "connection_lost",
    ];
    let trace = traced(|builder| builder, async {
        let (ours, mut theirs) = UnixStream::pair().expect("there are descriptors");
        let connecting = get_running_loop().create_connection(Rc::<Hears>::default, ours);
        let (transport, protocol) = connecting.await.expect("it is connected already");
        transport.write(&vec![0; 3_000_000]);
        let peer = to_thread(move || {
            theirs.read_exact(&mut vec![0; 3_000_000])?;
            theirs.write_all(b"x")?;
            theirs.shutdown(Shutdown::Write)?;
            theirs.read_to_end(&mut Vec::new())
        });
        until("the peer's end is heard", || protocol.0.borrow().contains(&"eof_received")).await;
        transport.close();
        peer.await.expect("there is a thread").expect("nothing fails");
        until("the connection is lost", || protocol.0.borrow().contains(&"connection_lost")).await;
        assert_eq!(*protocol.0.borrow(), all);
    });
    assert_eq!(all.map(|call| trace.count(call)), [1; 7]);
}

#[test]
fn a_protocol_that_panics_ends_its_slices() {
    #[derive(Default)]
    struct Panics(OnceCell<Rc<dyn Transport>>);
    impl Protocol for Panics {
        fn connection_made(&self, transport: Rc<dyn Transport>) {
            let protocol = transport.get_protocol().expect("it is served");
            assert!(std::ptr::addr_eq(Rc::as_ptr(&protocol), self), "a trace is invisible to the protocol");
            let _ = self.0.set(transport);
        }
        fn data_received(&self, _data: &[u8]) {
            panic!("planned");
        }
        fn eof_received(&self) -> AfterEof {
            unreachable!("it is lost before")
        }
        fn connection_lost(&self, error: Option<ConnectionError>) {
            assert!(error.is_some());
        }
    }
    let trace = traced(|builder| builder, async {
        let event_loop = get_running_loop();
        event_loop.set_exception_handler(|incident| assert_eq!(incident.panic(), Some("planned")));
        let server = event_loop.create_server(|| Rc::new(Panics::default()), "127.0.0.1:0").await.expect("a port");
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.expect("it listens");
        writer.write(b"x");
        let _ = reader.read(1).await;
    });
    assert_eq!(trace.count("data_received"), 1);
    assert!(trace.count("connection_lost") >= 1, "{:?}", trace.slices);
}

#[test]
fn bytes_that_the_kernel_does_not_take_are_counted_until_they_are_gone() {
    let trace = traced(|builder| builder, async {
        let (ours, mut theirs) = socket_pair().expect("there are descriptors");
        ours.writer.write(&vec![b'x'; 3_000_000]);
        yield_now().await;
        let (_ended, received) = futures::future::join(async { drop(ours) }, theirs.reader.read_to_end()).await;
        assert_eq!(received.expect("it ends well").len(), 3_000_000);
    });
    let unsent = trace.counted("unsent bytes");
    assert!(unsent[0] > 1_000_000, "{unsent:?}");
    assert!(unsent.windows(2).all(|pair| pair[1] < pair[0]) && unsent.last() == Some(&0), "{unsent:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_at_once_and_no_trace_is_one_when_it_is_to_be_saved() {
    let error = EventLoop::builder().trace("/no/such/directory/out.json").build().expect_err("it cannot be written");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("the trace cannot be written to /no/such/directory/out.json: "), "{error}");
    let event_loop = EventLoop::new().expect("there are descriptors");
    let error = event_loop.handle().save_trace().expect_err("there is none");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}

#[test]
fn a_trace_can_be_saved_at_any_time_from_inside_a_step() {
    let directory = TempDir::new();
    let path = directory.file("out.json");
    let mut event_loop = EventLoop::builder().trace(&path).build().expect("the file can be written");
    event_loop.run(async {
        for turns in 1..4 {
            get_running_loop().save_trace().expect("the file can be written");
            assert_eq!(read(&path).count("turn"), turns);
            yield_now().await;
        }
    });
}
