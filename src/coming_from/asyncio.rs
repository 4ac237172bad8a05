//! asyncio's names, and their counterparts here. The search box of this documentation finds these names, too.
//!
//! A keyword argument of asyncio is a method here: `open_connection(host, port, limit=n)` becomes
//! `open_connection((host, port)).limit(n).await`. Where asyncio raises an exception, a `Result` is returned here.
//! Cancelling drops a future where it waits, so a destructor does the work of `finally`. `ARCHITECTURE.md` lists the
//! intended differences in behavior.
//!
//! # Running
//!
//! | asyncio | here |
//! | --- | --- |
//! | `run` | [`run`](crate::run) |
//! | `Runner`, `new_event_loop`, `EventLoop`, `SelectorEventLoop`, `BaseEventLoop` | [`EventLoop`](crate::EventLoop), and [`Builder`](crate::Builder) for its options |
//! | `AbstractEventLoop` | [`LoopHandle`](crate::LoopHandle); to run this loop inside another one, [`EventLoop::turn`](crate::EventLoop::turn) |
//! | `get_running_loop`, `get_event_loop`, `get_loop` | [`get_running_loop`](crate::get_running_loop), [`try_get_running_loop`](crate::try_get_running_loop) |
//! | `run_until_complete`, `run_forever`, `stop`, `is_running`, `is_closed`, `time` | [`EventLoop::run`](crate::EventLoop::run), [`run_forever`](crate::EventLoop::run_forever), [`stop`](crate::LoopHandle::stop), [`is_running`](crate::LoopHandle::is_running), [`is_closed`](crate::LoopHandle::is_closed), [`time`](crate::LoopHandle::time) |
//! | `close` of the loop, `shutdown_asyncgens` | dropping the [`EventLoop`](crate::EventLoop) |
//! | `set_event_loop`, `set_event_loop_policy`, `get_event_loop_policy`, `AbstractEventLoopPolicy`, `DefaultEventLoopPolicy` | none: a thread runs any loop that it makes |
//! | `set_debug`, `get_debug` | [`set_debug`](crate::LoopHandle::set_debug), [`get_debug`](crate::LoopHandle::get_debug), [`set_slow_callback_duration`](crate::LoopHandle::set_slow_callback_duration), [`Builder::debug`](crate::Builder::debug), `WATERWHEEL_DEBUG=1` |
//! | `set_exception_handler`, `call_exception_handler`, `default_exception_handler`, `get_exception_handler` | [`set_exception_handler`](crate::LoopHandle::set_exception_handler), [`reset_exception_handler`](crate::LoopHandle::reset_exception_handler), [`Incident`](crate::Incident) |
//!
//! # Callbacks
//!
//! | asyncio | here |
//! | --- | --- |
//! | `call_soon`, `call_later`, `call_at` | [the same](crate::LoopHandle::call_soon), with a closure in place of a function and its arguments |
//! | `get_context` | none: a closure captures what it needs |
//! | `call_soon_threadsafe` | [`RemoteHandle::call_soon`](crate::RemoteHandle::call_soon) |
//! | `Handle`, `TimerHandle`, `cancel`, `cancelled`, `when` | [`Handle`](crate::Handle), [`TimerHandle`](crate::TimerHandle) |
//! | `add_reader`, `remove_reader`, `add_writer`, `remove_writer` | [the same](crate::LoopHandle::add_reader) |
//! | `sock_recv`, `sock_recv_into`, `sock_recvfrom`, `sock_recvfrom_into`, `sock_accept`, `sock_sendall`, `sock_sendto`, `sock_connect` | [`readable`](crate::LoopHandle::readable) or [`writable`](crate::LoopHandle::writable), then your own system call |
//! | `add_signal_handler`, `remove_signal_handler` | [the same](crate::LoopHandle::add_signal_handler), and [`ctrl_c`](crate::ctrl_c()), [`signals`](crate::signals()) |
//!
//! # Tasks
//!
//! | asyncio | here |
//! | --- | --- |
//! | `create_task`, `ensure_future` | [`spawn`](crate::spawn), [`LoopHandle::create_task`](crate::LoopHandle::create_task) |
//! | `Task`, `done`, `get_name`, `set_name` | [`Task`](crate::Task), [`is_finished`](crate::Task::is_finished), [`name`](crate::Task::name), [`set_name`](crate::Task::set_name) |
//! | `result`, `exception`, `CancelledError`, `InvalidStateError` of a task | awaiting it gives its output, or a [`JoinError`](crate::JoinError) |
//! | `cancel` of a task | [`Task::cancel`](crate::Task::cancel); [`cancel_on_drop`](crate::Task::cancel_on_drop) |
//! | `uncancel`, `cancelling` | none: a task that is cancelled does not run again |
//! | `add_done_callback`, `remove_done_callback` | a task that awaits this one |
//! | `Future`, `create_future`, `set_result` | [`Promise`](crate::Promise) |
//! | `set_exception` of a future | a promise of a `Result` |
//! | `sleep`, `sleep(0)` | [`sleep`](crate::sleep()), [`yield_now`](crate::yield_now); for regular ticks, [`interval`](crate::interval()) |
//! | `timeout`, `wait_for`, `timeout_at`, `Timeout`, `TimeoutError`, `expired`, `reschedule` | [`timeout`](crate::timeout()), [`timeout_at`](crate::timeout_at), [`TimedOut`](crate::TimedOut); for a deadline that moves, a [`Sleep`](crate::Sleep::reset) in a [`race`](crate::race) |
//! | `gather` | [`gather`](crate::gather), and [`try_gather`](crate::try_gather), which ends at the first error |
//! | `TaskGroup` | [`TaskGroup`](crate::TaskGroup), [`GroupError`](crate::GroupError) |
//! | `wait`, `FIRST_COMPLETED`, `ALL_COMPLETED`, `FIRST_EXCEPTION` | [`wait`](crate::wait), [`Until`](crate::Until); [`try_gather`](crate::try_gather) for the last |
//! | `as_completed` | [`as_completed`](crate::as_completed) |
//! | `shield` | await `&mut task` |
//! | `to_thread`, `run_in_executor`, `set_default_executor`, `shutdown_default_executor` | [`to_thread`](crate::to_thread), [`run_in_executor`](crate::LoopHandle::run_in_executor), [`Builder::thread_limit`](crate::Builder::thread_limit), [`shutdown_default_executor`](crate::EventLoop::shutdown_default_executor) |
//! | `run_coroutine_threadsafe`, `wrap_future` | [`RemoteHandle::spawn`](crate::RemoteHandle::spawn) |
//! | `current_task`, `all_tasks` | [`current_task`](crate::current_task), [`all_tasks`](crate::LoopHandle::all_tasks) |
//! | `get_stack`, `print_stack`, `get_coro` | [`dump_tasks`](crate::LoopHandle::dump_tasks), which says what each task waits for, and on which line |
//! | `iscoroutine`, `iscoroutinefunction`, `isfuture` | none: the type shows it |
//! | `eager_task_factory`, `create_eager_task_factory`, `set_task_factory`, `get_task_factory` | none: a task's first step is in the next turn |
//!
//! # Streams
//!
//! | asyncio | here |
//! | --- | --- |
//! | `open_connection`, `open_unix_connection` | [`open_connection`](crate::open_connection()), [`open_unix_connection`](crate::open_unix_connection) |
//! | `start_server`, `start_unix_server` | [`start_server`](crate::start_server()), [`start_unix_server`](crate::start_unix_server) |
//! | `StreamReader` | [`StreamReader`](crate::StreamReader) |
//! | `read`, `readline`, `readexactly`, `readuntil`, `at_eof` | [the same](crate::StreamReader::read); [`read_to_end`](crate::StreamReader::read_to_end) is `read(-1)`, and [`next_line`](crate::StreamReader::next_line) is `async for` |
//! | `IncompleteReadError`, `LimitOverrunError` | [`ReadError`](crate::ReadError) |
//! | `feed_data`, `feed_eof`, `set_exception` of a reader | [`StreamFeeder`](crate::StreamFeeder) |
//! | `set_transport`, `StreamReaderProtocol` | none: they are internal |
//! | `StreamWriter`, `write`, `writelines`, `drain`, `can_write_eof`, `write_eof`, `close`, `is_closing`, `wait_closed`, `transport` | [`StreamWriter`](crate::StreamWriter), with the same names |
//! | `get_extra_info` | [`extra_info`](crate::StreamWriter::extra_info), with a method for each name: [`ExtraInfo`](crate::ExtraInfo) |
//! | `start_tls` of a writer | [`start_tls`](crate::start_tls) |
//!
//! # Servers
//!
//! | asyncio | here |
//! | --- | --- |
//! | `Server`, `AbstractServer` | [`Server`](crate::Server) |
//! | `sockets` | [`Server::sockets`](crate::Server::sockets) |
//! | `start_serving`, `serve_forever`, `is_serving`, `wait_closed`, `close_clients`, `abort_clients` | [the same](crate::Server::serve_forever), and [`shutdown`](crate::Server::shutdown), [`serve_until`](crate::Server::serve_until) |
//!
//! # Transports and protocols
//!
//! | asyncio | here |
//! | --- | --- |
//! | `create_connection`, `create_unix_connection`, `connect_accepted_socket` | [`create_connection`](crate::LoopHandle::create_connection), which also takes an existing socket; [`create_unix_connection`](crate::LoopHandle::create_unix_connection) |
//! | `create_server`, `create_unix_server` | [the same](crate::LoopHandle::create_server) |
//! | `create_datagram_endpoint` | [the same](crate::LoopHandle::create_datagram_endpoint) |
//! | `connect_read_pipe`, `connect_write_pipe` | [the same](crate::LoopHandle::connect_read_pipe), and as streams: [`open_read_pipe`](crate::open_read_pipe), [`open_write_pipe`](crate::open_write_pipe) |
//! | `start_tls` of the loop | [`LoopHandle::start_tls`](crate::LoopHandle::start_tls) |
//! | `sendfile`, `sock_sendfile`, `SendfileNotAvailableError` | none: read the file on a thread, write, drain |
//! | `getaddrinfo`, `getnameinfo` | [the same](crate::LoopHandle::getaddrinfo) |
//! | `Transport`, `BaseTransport`, `ReadTransport`, `WriteTransport` | [`Transport`](crate::Transport) |
//! | `pause_reading`, `resume_reading`, `is_reading`, `abort`, `get_protocol`, `set_protocol`, `set_write_buffer_limits`, `get_write_buffer_limits`, `get_write_buffer_size` | [the same](crate::Transport::pause_reading) |
//! | `Protocol`, `BaseProtocol` | [`Protocol`](crate::Protocol) |
//! | `connection_made`, `data_received`, `eof_received`, `connection_lost`, `pause_writing`, `resume_writing` | [the same](crate::Protocol::connection_made) |
//! | `BufferedProtocol`, `get_buffer`, `buffer_updated` | [`BufferedProtocol`](crate::BufferedProtocol), which lends its buffer and gets it back |
//! | `DatagramTransport`, `sendto`, `DatagramProtocol`, `datagram_received`, `error_received` | [`DatagramTransport`](crate::DatagramTransport), [`DatagramProtocol`](crate::DatagramProtocol) |
//!
//! # Child processes
//!
//! | asyncio | here |
//! | --- | --- |
//! | `create_subprocess_exec`, `create_subprocess_shell` | [`create_subprocess_exec`](crate::create_subprocess_exec) of a command, which may be `sh -c` |
//! | `communicate`, `wait`, `returncode`, `send_signal`, `terminate`, `kill` | [`Process`](crate::Process) |
//! | `subprocess_exec`, `subprocess_shell` | [`LoopHandle::subprocess_exec`](crate::LoopHandle::subprocess_exec) |
//! | `SubprocessTransport`, `get_pid`, `get_pipe_transport`, `get_returncode` | [`SubprocessTransport`](crate::SubprocessTransport) |
//! | `SubprocessProtocol`, `pipe_data_received`, `pipe_connection_lost`, `process_exited` | [`SubprocessProtocol`](crate::SubprocessProtocol) |
//! | `AbstractChildWatcher`, `ThreadedChildWatcher`, `PidfdChildWatcher`, `SafeChildWatcher`, `FastChildWatcher`, `MultiLoopChildWatcher`, `get_child_watcher`, `set_child_watcher` | none: a loop waits for its own children |
//!
//! # Synchronization
//!
//! The chapter [`synchronization`](crate::synchronization) shows which crate provides each of these.
//!
//! | asyncio | here |
//! | --- | --- |
//! | `Queue`, `PriorityQueue`, `LifoQueue`, `put`, `put_nowait`, `get`, `get_nowait`, `qsize`, `maxsize`, `empty`, `full`, `task_done`, `join`, `shutdown`, `QueueEmpty`, `QueueFull`, `QueueShutDown` | [`async_channel`](crate::synchronization#queue); for an order of your own, a `BinaryHeap` in a `RefCell`, and a channel of `()` |
//! | `Event`, `is_set`, `set`, `clear` | [`Promise<()>`](crate::synchronization#event), or `event_listener` |
//! | `Lock`, `acquire`, `release`, `locked` | [`async_lock::Mutex`](crate::synchronization#lock) |
//! | `Semaphore`, `BoundedSemaphore` | [`async_lock::Semaphore`](crate::synchronization#semaphore) |
//! | `Condition`, `notify`, `notify_all` | [`event_listener::Event`](crate::synchronization#condition) |
//! | `Barrier`, `parties`, `n_waiting`, `broken`, `reset`, `BrokenBarrierError` | [`async_lock::Barrier`](crate::synchronization#barrier) |
