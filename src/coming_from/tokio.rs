//! tokio's names, and their counterparts here.
//!
//! A loop is one thread, like tokio's current-thread runtime with a `LocalSet`. So no future has to be `Send`, handlers
//! share state with `Rc` and `Cell`, and `spawn` does what `spawn_local` does in tokio. Futures that rely only on their
//! waker run here, which includes most of `tokio::sync` and of `futures`; futures that need tokio's own reactor or
//! timers do not.
//!
//! | tokio | here |
//! | --- | --- |
//! | `#[tokio::main]`, `Runtime`, `Builder::new_current_thread` | [`run`](crate::run), [`EventLoop`](crate::EventLoop), [`Builder`](crate::Builder) |
//! | `Runtime::block_on` | [`EventLoop::run`](crate::EventLoop::run) |
//! | `Handle` | [`LoopHandle`](crate::LoopHandle) on the loop's thread, [`RemoteHandle`](crate::RemoteHandle) on others |
//! | `spawn`, `task::spawn_local`, `LocalSet` | [`spawn`](crate::spawn); from another thread [`RemoteHandle::spawn`](crate::RemoteHandle::spawn) |
//! | `JoinHandle`, `JoinError`, `AbortHandle` | [`Task`](crate::Task), [`JoinError`](crate::JoinError), [`cancel_on_drop`](crate::Task::cancel_on_drop) |
//! | `JoinSet` | [`TaskGroup`](crate::TaskGroup), [`as_completed`](crate::as_completed) or [`wait`](crate::wait) |
//! | `join!`, `try_join!` | [`gather`](crate::gather), [`try_gather`](crate::try_gather); for futures that borrow, `futures::join!` |
//! | `select!` | [`race`](crate::race) of futures that may borrow; for branches with patterns and conditions, `futures::select!` |
//! | `task::yield_now`, `task::coop` | [`yield_now`](crate::yield_now); each step has a built-in budget |
//! | `task::spawn_blocking`, `block_in_place` | [`to_thread`](crate::to_thread) |
//! | `time::sleep`, `sleep_until`, `Sleep::reset` | [`sleep`](crate::sleep()), [`sleep_until`](crate::sleep_until), [`Sleep::reset`](crate::Sleep::reset) |
//! | `time::timeout`, `timeout_at`, `error::Elapsed` | [`timeout`](crate::timeout()), [`timeout_at`](crate::timeout_at), [`TimedOut`](crate::TimedOut) |
//! | `time::interval`, `MissedTickBehavior` | [`interval`](crate::interval()), [`MissedTicks`](crate::MissedTicks) |
//! | `time::pause`, `advance` | [`testing::ManualClock`](crate::testing::ManualClock) |
//! | `net::TcpStream::connect`, `UnixStream::connect` | [`open_connection`](crate::open_connection()), [`open_unix_connection`](crate::open_unix_connection), which return a reader and a writer |
//! | `TcpListener`, `UnixListener`, and a loop of `accept` and `spawn` | [`start_server`](crate::start_server()), [`start_unix_server`](crate::start_unix_server) |
//! | `net::UdpSocket`, `UnixDatagram` | [`create_datagram_endpoint`](crate::LoopHandle::create_datagram_endpoint) |
//! | `net::lookup_host` | [`LoopHandle::getaddrinfo`](crate::LoopHandle::getaddrinfo) |
//! | `TcpStream::into_split`, `io::split` | a connection is already a pair; [`Connection`](crate::Connection) joins it into one value |
//! | `io::AsyncRead`, `AsyncBufRead`, `AsyncWrite` | implemented, with the feature `tokio-io` |
//! | `io::copy`, `copy_bidirectional` | [`copy`](crate::copy()), [`copy_bidirectional`](crate::copy_bidirectional()) |
//! | `hyper_util::rt::TokioIo`, `TokioExecutor`, `TokioTimer` | a [`Connection`](crate::Connection), `LoopExecutor`, `LoopTimer`, with the feature `hyper` |
//! | `AsyncReadExt::read`, `read_exact`, `read_to_end` | [`StreamReader`](crate::StreamReader): [`read_into`](crate::StreamReader::read_into), [`readexactly`](crate::StreamReader::readexactly), [`read_to_end`](crate::StreamReader::read_to_end) |
//! | `BufReader`, `read_line`, `lines`, `read_until`, `fill_buf`, `consume` | a reader is buffered: [`readline`](crate::StreamReader::readline), [`next_line`](crate::StreamReader::next_line), [`readuntil`](crate::StreamReader::readuntil), [`fill_buf`](crate::StreamReader::fill_buf), [`consume`](crate::StreamReader::consume) |
//! | `AsyncWriteExt::write_all`, `BufWriter`, `flush` | [`StreamWriter::write`](crate::StreamWriter::write), which gathers the writes of one step, and [`drain`](crate::StreamWriter::drain); [`flush`](crate::StreamWriter::flush) |
//! | `AsyncWriteExt::shutdown` | [`write_eof`](crate::StreamWriter::write_eof), or [`close`](crate::StreamWriter::close) and [`wait_closed`](crate::StreamWriter::wait_closed) |
//! | `io::stdin`, `io::stdout`, `net::unix::pipe` | [`open_read_pipe`](crate::open_read_pipe), [`open_write_pipe`](crate::open_write_pipe) |
//! | `io::unix::AsyncFd` | [`LoopHandle::readable`](crate::LoopHandle::readable), [`add_reader`](crate::LoopHandle::add_reader) |
//! | `fs` | `std::fs` in [`to_thread`](crate::to_thread) |
//! | `process::Command`, `Child` | [`create_subprocess_exec`](crate::create_subprocess_exec) of a `std::process::Command`, [`Process`](crate::Process) |
//! | `signal::ctrl_c`, `signal::unix` | [`ctrl_c`](crate::ctrl_c()), [`signals`](crate::signals()) |
//! | `sync::oneshot`, `OnceCell` | [`Promise`](crate::Promise), or tokio's own, which runs here |
//! | `sync::mpsc`, `watch`, `broadcast`, `Mutex`, `RwLock`, `Semaphore`, `Notify`, `Barrier` | tokio's own, or those of [`synchronization`](crate::synchronization) |
//! | `task_local!`, `thread_local!` | `thread_local!`: a loop stays on its thread |
//! | `tokio_rustls::TlsConnector`, `TlsAcceptor` | `.tls(..)` on any builder that connects or serves: [`TlsClient`](crate::TlsClient), [`TlsServer`](crate::TlsServer) |
//! | `tokio_util::sync::CancellationToken` | a [`Promise<()>`](crate::Promise) in a [`race`](crate::race), or a [`TaskGroup`](crate::TaskGroup) |
