//! Short answers to the first questions of most programs. Each comes with complete code that compiles.
//!
//! * [Install a logger](#install-a-logger)
//! * [Connect with a time limit](#connect-with-a-time-limit)
//! * [Share state between the handlers of a server](#share-state-between-the-handlers-of-a-server)
//! * [Find out why a program hangs](#find-out-why-a-program-hangs)
//! * [Limit the number of connections](#limit-the-number-of-connections)
//! * [Close connections that are idle](#close-connections-that-are-idle)
//! * [Shut down gracefully on Ctrl-C](#shut-down-gracefully-on-ctrl-c)
//! * [Run work that would block the loop](#run-work-that-would-block-the-loop)
//! * [Do something regularly](#do-something-regularly)
//! * [Do several things at once, and stop at the first failure](#do-several-things-at-once-and-stop-at-the-first-failure)
//! * [Call the loop from another thread](#call-the-loop-from-another-thread)
//! * [Use TLS](#use-tls)
//! * [Run another program](#run-another-program)
//! * [Test with a clock that does not wait](#test-with-a-clock-that-does-not-wait)
//! * [Test a line protocol without a socket](#test-a-line-protocol-without-a-socket)
//!
//! # Install a logger
//!
//! An error that nobody awaits, such as the panic of a handler, goes to the `log` logger that the program has
//! installed, or to standard error if it has none. `env_logger` shows these errors if `RUST_LOG=waterwheel=debug` is
//! set:
//!
//! ```
//! env_logger::init();
//! waterwheel::run(async { log::info!("the wheel turns") });
//! ```
//!
//! # Connect with a time limit
//!
//! A [`timeout`](crate::timeout()) wraps any future, and drops it when the time is over. Its error converts into an
//! `io::Error` of the kind `TimedOut`.
//!
//! ```no_run
//! use std::time::Duration;
//! use waterwheel::{open_connection, timeout};
//!
//! # async fn example() -> std::io::Result<()> {
//! let (reader, writer) = timeout(Duration::from_secs(5), open_connection("example.org:80")).await??;
//! # Ok(())
//! # }
//! ```
//!
//! # Share state between the handlers of a server
//!
//! All handlers run on the loop's thread, one at a time, and another handler runs only where the current one awaits.
//! So an `Rc` with a `Cell` or a `RefCell` is enough. Do not hold a borrow of a `RefCell` across an await.
//!
//! ```
//! use std::cell::Cell;
//! use std::rc::Rc;
//! use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
//!
//! # waterwheel::run(async {
//! let visitors = Rc::new(Cell::new(0));
//! let greet = move |_reader: StreamReader, writer: StreamWriter| {
//!     let visitors = Rc::clone(&visitors);
//!     async move {
//!         visitors.set(visitors.get() + 1);
//!         writer.write_all(format!("You are visitor {}\n", visitors.get()).as_bytes()).await
//!     }
//! };
//! let server = start_server(greet, "127.0.0.1:0").await?;
//! # let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
//! # assert_eq!(reader.readline().await?, b"You are visitor 1\n");
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Find out why a program hangs
//!
//! Start it with `WATERWHEEL_DEBUG=1`. Likely faults are then reported with their line of code;
//! [`set_debug`](crate::LoopHandle::set_debug) lists them. With the feature `signals`, `kill -QUIT` prints what each
//! task waits for. A test can run with a time limit, and its error says what hung:
//!
//! ```
//! use std::time::Duration;
//! use waterwheel::{EventLoop, Promise};
//!
//! let mut event_loop = EventLoop::builder().debug(true).build()?;
//! let never = Promise::<()>::new();
//! let hung = event_loop.run_within(Duration::from_millis(1), never.wait()).unwrap_err();
//! assert!(hung.to_string().contains("waits for a promise at "));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Limit the number of connections
//!
//! Keep a count in a `Cell`, with a guard that decrements it when the handler ends, however it ends:
//!
//! ```
//! use std::cell::Cell;
//! use std::rc::Rc;
//! use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
//!
//! struct Seat(Rc<Cell<usize>>);
//!
//! impl Seat {
//!     fn take(taken: &Rc<Cell<usize>>, most: usize) -> Option<Seat> {
//!         (taken.get() < most).then(|| taken.set(taken.get() + 1))?;
//!         Some(Seat(Rc::clone(taken)))
//!     }
//! }
//!
//! impl Drop for Seat {
//!     fn drop(&mut self) {
//!         self.0.set(self.0.get() - 1);
//!     }
//! }
//!
//! # waterwheel::run(async {
//! let taken = Rc::new(Cell::new(0));
//! let serve = move |mut reader: StreamReader, writer: StreamWriter| {
//!     let seat = Seat::take(&taken, 1);
//!     async move {
//!         let Some(_seat) = seat else { return writer.write_all(b"full\n").await };
//!         writer.write_all(b"welcome\n").await?;
//!         while !reader.read(1024).await?.is_empty() {}
//!         Ok(())
//!     }
//! };
//! let server = start_server(serve, "127.0.0.1:0").await?;
//! # let address = server.local_addrs()[0];
//! # let (mut first, _stays) = open_connection(address).await?;
//! # assert_eq!(first.readline().await?, b"welcome\n");
//! # let (mut second, _goes) = open_connection(address).await?;
//! # assert_eq!(second.readline().await?, b"full\n");
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Close connections that are idle
//!
//! A read that a timeout drops loses no data. When the handler ends, the connection is closed.
//!
//! ```
//! use std::time::Duration;
//! use waterwheel::{StreamReader, StreamWriter, timeout};
//!
//! async fn echo(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
//!     while let Ok(line) = timeout(Duration::from_secs(60), reader.readline()).await {
//!         match line? {
//!             line if line.is_empty() => break,
//!             line => writer.write_all(&line).await?,
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Shut down gracefully on Ctrl-C
//!
//! This needs the feature `signals`. The listener closes at once; clients have ten seconds to finish.
//!
//! ```no_run
//! # #[cfg(feature = "signals")]
//! # async fn example() -> std::io::Result<()> {
//! use std::time::Duration;
//! use waterwheel::{ctrl_c, start_server};
//! # async fn echo(_: waterwheel::StreamReader, _: waterwheel::StreamWriter) {}
//!
//! let server = start_server(echo, "127.0.0.1:8888").await?;
//! let report = server.serve_until(ctrl_c(), Duration::from_secs(10)).await?;
//! println!("{report:?}");
//! # Ok(())
//! # }
//! ```
//!
//! # Run work that would block the loop
//!
//! Run file access, long calculations and blocking libraries on a thread:
//!
//! ```
//! # waterwheel::run(async {
//! let text = waterwheel::to_thread(|| std::fs::read_to_string("Cargo.toml")).await??;
//! assert!(text.starts_with("[package]"));
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Do something regularly
//!
//! ```
//! use std::time::Duration;
//!
//! # waterwheel::run(async {
//! let mut beat = waterwheel::interval(Duration::from_millis(1));
//! for _ in 0..3 {
//!     beat.tick().await; // The first comes at once.
//! }
//! # });
//! ```
//!
//! # Do several things at once, and stop at the first failure
//!
//! [`gather`](crate::gather) waits for all futures; [`try_gather`](crate::try_gather) cancels the rest at the first
//! error; a [`TaskGroup`](crate::TaskGroup) accepts more tasks while it runs; [`race`](crate::race) returns the first
//! result.
//!
//! ```
//! use std::io;
//! use waterwheel::{try_gather, yield_now};
//!
//! async fn fetch(number: u32) -> io::Result<u32> {
//!     yield_now().await;
//!     if number < 3 { Ok(number) } else { Err(io::Error::other("there are only three")) }
//! }
//!
//! # waterwheel::run(async {
//! assert_eq!(try_gather((0..3).map(fetch)).await.unwrap(), [0, 1, 2]);
//! assert!(try_gather((0..9).map(fetch)).await.is_err());
//! # });
//! ```
//!
//! # Call the loop from another thread
//!
//! A [`RemoteHandle`](crate::RemoteHandle) may be sent to any thread. The tasks that it spawns run on the loop, where
//! they may use values that are not `Send`.
//!
//! ```
//! # waterwheel::run(async {
//! let remote = waterwheel::get_running_loop().remote();
//! let thread = std::thread::spawn(move || remote.spawn(|| async { 6 * 7 }).wait());
//! # while !thread.is_finished() {
//! #     waterwheel::sleep(std::time::Duration::from_millis(1)).await;
//! # }
//! assert_eq!(thread.join().unwrap().unwrap(), 42);
//! # });
//! ```
//!
//! # Use TLS
//!
//! With the feature `tls`, this takes two lines:
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # async fn example() -> std::io::Result<()> {
//! use waterwheel::{TlsClient, open_connection};
//!
//! let tls = TlsClient::new()?;
//! let (reader, writer) = open_connection("example.org:443").tls(&tls).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Run another program
//!
//! With the feature `process`:
//!
//! ```no_run
//! # #[cfg(feature = "process")]
//! # async fn example() -> std::io::Result<()> {
//! use std::process::{Command, Stdio};
//! use waterwheel::create_subprocess_exec;
//!
//! let mut sort = Command::new("sort");
//! sort.stdin(Stdio::piped()).stdout(Stdio::piped());
//! let output = create_subprocess_exec(sort)?.communicate(b"b\na\n").await?;
//! assert_eq!(output.stdout, b"a\nb\n");
//! # Ok(())
//! # }
//! ```
//!
//! # Test with a clock that does not wait
//!
//! Code that waits for an hour can be tested in an instant: [`ManualClock`](crate::testing::ManualClock) jumps to the
//! next deadline when there is nothing else to do.
//!
//! ```
//! use std::rc::Rc;
//! use std::time::Duration;
//! use waterwheel::testing::ManualClock;
//! use waterwheel::{EventLoop, sleep, timeout};
//!
//! let mut event_loop = EventLoop::builder().clock(Rc::new(ManualClock::new())).build()?;
//! event_loop.run(async {
//!     assert!(timeout(Duration::from_secs(3600), sleep(Duration::from_secs(7200))).await.is_err());
//! });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Test a line protocol without a socket
//!
//! A test can feed a reader directly:
//!
//! ```
//! use waterwheel::StreamReader;
//!
//! async fn second_word(reader: &mut StreamReader) -> Result<Vec<u8>, waterwheel::ReadError> {
//!     reader.readuntil(b" ").await?;
//!     reader.readuntil(b" ").await
//! }
//!
//! # waterwheel::run(async {
//! let (mut reader, feeder) = StreamReader::new(1024);
//! feeder.feed_data(b"the wheel turns");
//! assert_eq!(second_word(&mut reader).await.unwrap(), b"wheel ");
//! # });
//! ```
