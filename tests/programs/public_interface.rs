//! The public interface as programs use it: everything here must keep compiling and working.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use waterwheel::{
    AfterEof, ConnectionError, EventLoop, ExtraInfo, Handle, Incident, JoinError, LoopHandle, Protocol, ReadError,
    RemoteHandle, Server, StreamFeeder, StreamReader, StreamWriter, Task, TimedOut, TimerHandle, Transport,
    get_running_loop, open_connection, open_unix_connection, sleep, sleep_until, spawn, start_server,
    start_unix_server, timeout, timeout_at, try_get_running_loop, yield_now,
};

#[derive(Default)]
struct Recorder {
    words: RefCell<Vec<&'static str>>,
}

impl Protocol for Recorder {
    fn connection_made(&self, _transport: Rc<dyn Transport>) {
        self.words.borrow_mut().push("made");
    }
    fn data_received(&self, _data: &[u8]) {
        self.words.borrow_mut().push("data");
    }
    fn eof_received(&self) -> AfterEof {
        self.words.borrow_mut().push("eof");
        AfterEof::Close
    }
    fn connection_lost(&self, _error: Option<ConnectionError>) {
        self.words.borrow_mut().push("lost");
    }
    fn pause_writing(&self) {}
    fn resume_writing(&self) {}
}

#[test]
fn the_loop_has_what_programs_call() -> io::Result<()> {
    assert!(try_get_running_loop().is_none());
    let mut event_loop: EventLoop = EventLoop::builder().build()?;
    let handle: LoopHandle = event_loop.handle();
    handle.set_debug(false); // The speed of the machine does not matter here.
    handle.set_exception_handler(|incident: &Incident| panic!("nothing goes wrong here: {incident}"));
    let ran = Rc::new(RefCell::new(Vec::new()));
    let note = |word: &'static str| {
        let ran = Rc::clone(&ran);
        move || ran.borrow_mut().push(word)
    };
    let soon: Handle = handle.call_soon(note("soon"));
    let later: TimerHandle = handle.call_later(Duration::from_millis(1), note("later"));
    handle.call_at(handle.time() + Duration::from_millis(2), note("at"));
    handle.call_soon(note("never")).cancel();
    let remote: RemoteHandle = handle.remote();
    std::thread::spawn(move || remote.call_soon(|| ())).join().unwrap();
    let borrowed = String::from("main borrows");
    let length = event_loop.run(async {
        sleep_until(Instant::now() + Duration::from_millis(5)).await;
        let task: Task<usize> = get_running_loop().create_task(async { 3 });
        task.set_name("three");
        assert_eq!(task.await.unwrap() + borrowed.len(), 15);
        let cancelled = spawn(sleep(Duration::MAX));
        cancelled.cancel();
        assert!(matches!(cancelled.await, Err(JoinError::Cancelled)));
        yield_now().await;
        let late: Result<(), TimedOut> = timeout(Duration::from_millis(1), std::future::pending()).await;
        assert!(late.is_err());
        borrowed.len()
    });
    assert_eq!(length, 12);
    assert_eq!(*ran.borrow(), ["soon", "later", "at"]);
    assert!(!soon.is_cancelled() && later.when() <= Instant::now());
    handle.stop();
    event_loop.run_forever();
    Ok(())
}

/// Builders that can be awaited are not futures themselves, but functions that take futures take them too.
#[test]
fn what_is_to_be_awaited_goes_wherever_futures_go() {
    let mut event_loop = EventLoop::new().unwrap();
    // An address of its own, so that no other test takes the port when the server is gone.
    let server = event_loop.run(start_server(fallible, "127.0.0.31:0").limit(1000)).unwrap();
    let address = server.local_addrs()[0];
    event_loop
        .run(async {
            let second = Duration::from_secs(1);
            let (_reader, _writer) = timeout(second * 10, open_connection(address)).await??;
            let deadline = get_running_loop().time() + second * 10;
            let (_reader, _writer) = timeout_at(deadline, open_connection(address).limit(10)).await??;
            let (_reader, _writer) = spawn(open_connection(address)).await??;
            let (_reader, _writer) = get_running_loop().create_task(open_connection(address)).await??;
            Ok::<(), io::Error>(())
        })
        .unwrap();
    drop(event_loop);
    assert!(waterwheel::run(open_connection(address)).is_err(), "the server is gone with its loop");
}

/// `?` converts each of these into the error type that most programs use.
#[test]
fn errors_may_be_shared_between_threads() {
    fn shared<E: std::error::Error + Send + Sync + 'static>() {}
    shared::<JoinError>();
    shared::<ReadError>();
    shared::<ConnectionError>();
    shared::<TimedOut>();
    async fn program() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        spawn(async { panic!("out of order") }).await?;
        Ok(())
    }
    let error = waterwheel::run(program()).unwrap_err();
    assert_eq!(error.to_string(), "the task panicked: out of order");
    let error = *error.downcast::<JoinError>().expect("it is still what it was");
    assert_eq!(format!("{error:?}"), r#"Panicked("out of order")"#);
    let error = io::Error::from(error);
    assert_eq!(error.to_string(), "the task panicked: out of order");
    let inner = error.into_inner().expect("the task's error is inside").downcast::<JoinError>().unwrap();
    assert_eq!(inner.into_panic().downcast_ref(), Some(&"out of order"));
}

#[test]
fn connections_and_servers_have_what_programs_call() {
    waterwheel::run(async {
        let event_loop = get_running_loop();
        let served = Rc::new(Recorder::default());
        let factory = Rc::clone(&served);
        let server: Server = event_loop.create_server(move || Rc::clone(&factory), ("127.0.0.1", 0)).await?;
        let address: SocketAddr = server.local_addrs()[0];
        // A client's factory may borrow.
        let client = Rc::new(Recorder::default());
        let (transport, protocol) = event_loop.create_connection(|| Rc::clone(&client), address).await?;
        assert!(Rc::ptr_eq(&client, &protocol));
        transport.writelines(&[IoSlice::new(b"a"), IoSlice::new(b"b")]);
        transport.set_write_buffer_limits(Some(100), None);
        assert_eq!(transport.get_write_buffer_limits(), (25, 100));
        assert!(transport.get_protocol().is_some() && transport.can_write_eof() && transport.is_reading());
        let info: ExtraInfo = transport.extra_info();
        assert_eq!(info.peername().and_then(|name| name.as_inet()), Some(address));
        assert!(info.socket().is_some_and(|socket| socket.tcp_nodelay().is_ok_and(|on| on)));
        drop(info);
        transport.write_eof();
        while !client.words.borrow().contains(&"lost") {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(*client.words.borrow(), ["made", "eof", "lost"]);
        assert_eq!(*served.words.borrow(), ["made", "data", "eof", "lost"]);
        let report = server.shutdown(Duration::from_secs(1)).await;
        assert_eq!((report.finished, report.closed, report.aborted), (0, 0, 0));
        Ok::<(), io::Error>(())
    })
    .unwrap();
}

async fn fallible(mut reader: StreamReader, writer: StreamWriter) -> Result<(), ReadError> {
    while let Some(line) = reader.next_line().await? {
        writer.write(&line);
        writer.drain().await?;
    }
    Ok(())
}

#[test]
fn streams_have_what_programs_call() {
    waterwheel::run(async {
        let path = std::env::temp_dir().join(format!("waterwheel-contract-{}", std::process::id()));
        let over_tcp = start_server(fallible, "127.0.0.1:0").limit(1000).backlog(10).await?;
        let over_unix = start_unix_server(async |reader, writer| drop(fallible(reader, writer).await), &path).await?;
        let plain =
            start_server(|_reader: StreamReader, writer: StreamWriter| writer.write(b"bye"), ("localhost", 0)).await?;
        assert!(over_unix.is_serving() && over_unix.local_addrs().is_empty());
        for pair in [open_connection(over_tcp.local_addrs()[0]).await?, open_unix_connection(&path).limit(50).await?] {
            let (mut reader, writer) = pair;
            writer.writelines(["one\n", "two\n"]);
            writer.write_all(b"three\nfour\nfive").await?;
            writer.write_eof();
            assert_eq!(reader.readline().await?, b"one\n");
            assert_eq!(reader.readexactly(4).await?, b"two\n");
            assert_eq!(reader.readuntil([b"ee\n", b"r\nf"]).await?, b"three\n");
            let mut line = Vec::new();
            assert_eq!(reader.readline_into(&mut line).await?, 5);
            assert_eq!(reader.fill_buf().await?[0], b'f');
            reader.consume(1);
            let mut two = [0; 2];
            assert_eq!(reader.read_into(&mut two).await?, 2);
            assert_eq!(reader.read(10).await?, b"e");
            assert!(reader.read_to_end().await?.is_empty() && reader.at_eof());
            writer.close();
            writer.wait_closed().await?;
            assert!(writer.is_closing());
        }
        let (mut reader, _writer) = open_connection(plain.local_addrs()[0]).await?;
        assert_eq!(reader.read_to_end().await?, b"bye");
        let (mut reader, feeder): (StreamReader, StreamFeeder) = StreamReader::new(10);
        feeder.feed_data(b"fed");
        feeder.feed_eof();
        assert!(matches!(reader.readexactly(5).await, Err(ReadError::IncompleteRead { expected: Some(5), .. })));
        Ok::<(), io::Error>(())
    })
    .unwrap();
}
