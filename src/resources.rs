//! The most that each kind of peer or flood can cost in memory, descriptors, CPU and time, and what this crate does
//! not bound.
//!
//! Sizes are heap memory per connection with the default limits. Times are those of the loop's clock. Names in
//! capitals are constants of the crate. Each promise is checked by the tests listed below it.
//!
//! | who | costs at most | bounded by |
//! | --- | --- | --- |
//! | [an idle connection](#an-idle-connection) | a descriptor, and no buffer | nothing ends it |
//! | [a peer that sends slowly](#a-peer-that-sends-slowly) | a buffer of 18 KiB | [`timeout()`](crate::timeout()) around the read |
//! | [one byte at a time](#one-byte-at-a-time) | a buffer of 18 KiB, and a turn per byte | the limit of the reader |
//! | [a peer that sends without end](#a-peer-that-sends-without-end) | twice the limit and one receive; one receive per turn | the limit of the reader |
//! | [a line without an end](#a-line-without-an-end) | the same | the limit of the reader |
//! | [a peer that reads slowly](#a-peer-that-reads-slowly) | the high-water mark and the largest write | the marks, if the writer respects them |
//! | [a peer that is gone without a word](#a-peer-that-is-gone-without-a-word) | the same as an idle connection | `keep_alive` of a server |
//! | [a peer that does not end its side](#a-peer-that-does-not-end-its-side) | a descriptor, for 30 seconds | `LINGER_TIME`, `LINGER_MOST` and `LINGER_BYTES` |
//! | [a TLS handshake that stalls](#a-tls-handshake-that-stalls) | the state of a handshake, for 60 seconds | `tls_handshake_timeout` |
//! | [a TLS session that does not end](#a-tls-session-that-does-not-end) | the unsent bytes, for 30 seconds without progress | `tls_shutdown_timeout` |
//! | [a flood of connections](#a-flood-of-connections) | a descriptor each; 101 accepts per turn | [`backlog`](crate::StartServer::backlog), and the process's limit |
//! | [no descriptors left](#no-descriptors-left) | one attempt per second, and one report | `ACCEPT_REST` |
//! | [a flood of datagrams](#a-flood-of-datagrams) | 16 receives per turn | `DATAGRAMS_PER_TURN` |
//! | [an address that does not answer](#an-address-that-does-not-answer) | a descriptor | [`timeout()`](crate::timeout()) around the connect |
//! | [a look-up that never ends](#a-look-up-that-never-ends) | one of 16 threads | [`thread_limit`](crate::Builder::thread_limit) |
//! | [a handler that never ends](#a-handler-that-never-ends) | a task | [`Server::shutdown`](crate::Server::shutdown) |
//! | [timers](#timers) | their entries, while they are armed | the program |
//! | [tasks](#tasks) | their memory, while they run | the program |
//! | [threads](#threads) | 16, and none before there is work | [`thread_limit`](crate::Builder::thread_limit) |
//! | [other threads that wake and call](#other-threads-that-wake-and-call) | 128 letters per turn | `LETTERS_PER_TURN` |
//!
//! # What nothing bounds
//!
//! * The number of connections, tasks and timers, and how long a connection may be idle: the program decides. The
//!   [recipes](crate::recipes) show how to limit the number of connections and how to close idle ones.
//! * Bytes written by code that ignores `drain` or `pause_writing`.
//! * The result of [`read_to_end`](crate::StreamReader::read_to_end), or of a
//!   [`readexactly`](crate::StreamReader::readexactly) whose count the peer has chosen. The memory grows with the
//!   bytes received, not with the announced number.
//! * A step that computes or blocks: everything waits until it ends. [`longest_step`](crate::Metrics::longest_step)
//!   shows such steps, and [`to_thread`](crate::to_thread()) moves the work to a thread.
//! * Calls that other threads send faster than the loop runs them.
//!
//! # An idle connection
//!
//! It holds its transport, its protocol or its two halves, and the task of its handler: about 800 bytes together, not
//! counting what the handler itself keeps. A buffer is taken from the loop's pool when bytes arrive and given back
//! when they are read; the pool keeps at most 256 buffers of 18 KiB and 16 of 64 KiB (`SMALL_BUFFERS_KEPT`,
//! `LARGE_BUFFERS_KEPT`), 5.5 MiB in all. An idle connection arms no timer, takes no turn, and has one descriptor.
//! Nothing ends it.
//!
//! Tests: `benches/gate/tests/peers.rs`: `a_connection_on_which_nothing_happens_holds_no_buffer`, and
//! `tests/connections/floods.rs`: `a_connection_on_which_nothing_happens_arms_no_timer_and_takes_no_turn`.
//!
//! # A peer that sends slowly
//!
//! While part of a message is unread, its connection holds a buffer of 18 KiB (`SMALL_BUFFER`). The program decides
//! how long a message may take, with a `timeout()` around the read, which loses no data.
//!
//! Tests: `tests/streams/sockets.rs`: `timeouts_around_every_read_of_a_slow_stream_lose_no_byte`, and
//! `benches/gate/tests/peers.rs`: `bytes_that_come_one_by_one_take_one_buffer_however_many_they_are`.
//!
//! # One byte at a time
//!
//! Each packet costs one receive and one step of the reading task, and no more: bytes that were searched for the end
//! of a line are not searched again. All bytes go into one buffer.
//!
//! Tests: `benches/gate/tests/peers.rs`: `bytes_that_come_one_by_one_take_one_buffer_however_many_they_are`, and
//! `tests/streams/reader.rs`: `a_reader_fed_one_byte_a_turn_is_polled_once_for_each_byte`.
//!
//! # A peer that sends without end
//!
//! A reader holds at most twice its limit ([`limit`](crate::StartServer::limit), 64 KiB) and one receive of 65 KiB
//! (`RECEIVE_SIZE`); then the peer is held back. Each connection is received from once per turn, so it delays the
//! others by no more than that. A protocol bounds what it keeps by itself, with
//! [`pause_reading`](crate::Transport::pause_reading), which holds the peer back.
//!
//! Tests: `benches/gate/tests/floods.rs`: `a_flooded_reader_holds_at_most_twice_its_limit_and_a_chunk`, and
//! `tests/connections/floods.rs`: `a_peer_that_sends_without_end_is_received_from_once_a_turn`, and
//! `tests/streams/sockets.rs`: `the_peer_is_held_back_over_twice_the_limit_and_no_longer_at_the_limit`.
//!
//! # A line without an end
//!
//! Over the limit, `readline` fails with [`LimitOverrun`](crate::ReadError::LimitOverrun) and discards the bytes
//! received; `readuntil` leaves them in the reader, where they are bounded as above.
//!
//! Tests: `benches/gate/tests/peers.rs`: `a_line_without_an_end_is_refused_at_the_limit_and_thrown_away`, and
//! `tests/streams/separators.rs`: `the_limit_counts_the_bytes_before_the_newline`, `a_separator_found_beyond_the_limit_leaves_the_bytes`.
//!
//! # A peer that reads slowly
//!
//! A task that awaits `drain` after each write holds at most the high-water mark (64 KiB, with TLS 512 KiB;
//! [`set_write_buffer_limits`](crate::Transport::set_write_buffer_limits)) and its largest write. `drain` waits for
//! as long as the peer likes. The unsent bytes of a dropped writer are given up after 30 seconds without progress
//! ([`close_timeout`](crate::Builder::close_timeout)); if the peer takes a byte now and then, they are kept for
//! longer.
//!
//! Tests: `benches/gate/tests/floods.rs`: `a_writer_whose_peer_never_reads_holds_at_most_its_high_mark_and_its_largest_write`, and
//! `tests/tls/bulk.rs`: `a_writer_that_heeds_pauses_holds_no_more_than_the_marks_say`, and
//! `tests/connections/closing/background.rs`: `a_peer_that_takes_nothing_is_cut_off_after_the_close_timeout`.
//!
//! # A peer that is gone without a word
//!
//! The loss is not noticed unless something is written, or the system probes the peer, as it does for the connections
//! of a server with [`keep_alive`](crate::StartServer::keep_alive), at the system's own intervals. Otherwise the
//! connection costs as much as an idle one, forever.
//!
//! Tests: `tests/connections/floods.rs`: `a_peer_that_is_gone_without_a_word_is_looked_for_only_if_the_server_was_told_to`.
//!
//! # A peer that does not end its side
//!
//! A connection that we closed first keeps its descriptor until the peer has ended its side, but for at most 5
//! seconds of silence (`LINGER_TIME`), 30 seconds in all (`LINGER_MOST`), and 64 MiB (`LINGER_BYTES`), which are
//! discarded. The handler, the protocol and the buffers are gone by then.
//!
//! Tests: `tests/connections/closing/lingering.rs`: `lingering_ends_at_the_bound`,
//! `a_client_that_sends_a_little_again_and_again_is_left_at_the_longest_bound`, `lingering_ends_when_the_client_floods`,
//! `a_connection_that_lingers_has_one_descriptor_until_its_client_has_ended`.
//!
//! # A TLS handshake that stalls
//!
//! It may take 60 seconds (`HANDSHAKE_TIMEOUT`), or as long as `tls_handshake_timeout` says. Meanwhile a silent peer
//! costs 3 KB, a peer that has sent part of its first message 7 KB, and both a descriptor and a timer. The handler
//! does not begin before the handshake ends. How much of a complete message is kept until the next one is up to
//! rustls.
//!
//! Tests: `benches/handshakes/tests/stalled.rs`: `a_stalled_handshake_costs_little_and_gives_it_back_at_the_timeout`, and
//! `tests/tls/end.rs`: `three_hundred_stalled_handshakes_disturb_nobody_and_go_at_the_timeout`.
//!
//! # A TLS session that does not end
//!
//! Closing waits for the peer to end the session, for up to 30 seconds without progress (`SHUTDOWN_TIMEOUT`,
//! `tls_shutdown_timeout`). Only bytes that the peer takes are progress, not bytes that it sends.
//!
//! Tests: `tests/tls/end.rs`: `a_peer_that_does_not_answer_our_end_is_left_after_the_shutdown_timeout`,
//! `a_peer_that_sends_on_and_on_after_our_end_is_left_after_the_shutdown_timeout`.
//!
//! # A flood of connections
//!
//! A turn accepts at most one more than the backlog (`DEFAULT_BACKLOG` is 100); the others wait in the system's
//! queue. Each connection is set up by its own callback. The only limit is the number of descriptors of the process.
//!
//! Tests: `tests/connections/floods.rs`: `a_turn_accepts_as_many_as_the_backlog_and_one_and_the_rest_come_in_later_ones`, and
//! `tests/laws/law_09.rs`: `all_who_wait_are_accepted`.
//!
//! # No descriptors left
//!
//! A server that cannot accept reports it once, tries again each second (`ACCEPT_REST`), and serves the clients that
//! it has. The waiting clients are accepted when descriptors are free again. Code that opens a connection or a file
//! gets the system's error.
//!
//! Tests: `tests/programs/descriptors.rs`: `a_server_without_descriptors_complains_once_and_serves_on`.
//!
//! # A flood of datagrams
//!
//! An endpoint receives 16 per turn (`DATAGRAMS_PER_TURN`), all into one buffer of the loop; datagrams that do not
//! fit into the system's queue are lost there. Outgoing datagrams are queued without a bound if the protocol ignores
//! `pause_writing`.
//!
//! Tests: `tests/datagrams_and_pipes/datagrams.rs`: `a_flood_does_not_keep_the_loop_from_others`,
//! `a_full_queue_pauses_the_protocol_and_keeps_the_order`.
//!
//! # An address that does not answer
//!
//! An attempt goes on for as long as the system tries, which is minutes, and holds a descriptor. The host's other
//! addresses are tried in parallel after 250 milliseconds each (`HAPPY_EYEBALLS_DELAY`). Dropping the future, as
//! `timeout()` does, closes all attempts.
//!
//! Tests: `tests/connections/connecting/race.rs`: `an_address_that_does_not_answer_holds_nobody_up_and_its_attempt_leaves_nothing`, and
//! `tests/connections/connecting.rs`: `giving_up_while_connecting_leaves_no_descriptor_behind`.
//!
//! # A look-up that never ends
//!
//! The system's resolver cannot be interrupted, so the thread that asks it is occupied until it answers. When all
//! threads are occupied, later look-ups wait; a look-up that is dropped before it has a thread takes none. Closing
//! the loop does not wait for the resolver.
//!
//! Tests: `tests/connections/connecting/names.rs`: `look_ups_that_were_given_up_hold_up_no_later_one`,
//! `the_threads_end_with_their_loop_also_when_look_ups_are_under_way`.
//!
//! # A handler that never ends
//!
//! A handler that waits forever costs a task and a connection, until [`Server::shutdown`](crate::Server::shutdown)
//! ends it after its grace period. A handler whose reads, drains or queues are always ready has to let others run
//! after 512 operations (`OPERATIONS_PER_STEP`). A handler that computes has the loop to itself.
//!
//! Tests: `tests/laws/law_14.rs`: `law_14_a_step_has_an_end`, and `tests/connections/server/shutdown.rs`: `idle_clients_that_never_close_are_closed`,
//! `clients_that_flood_are_closed_while_they_do`.
//!
//! # Timers
//!
//! A cancelled timer is removed at once, and the memory of a burst of timers is freed. Their number is not limited.
//! Timers that are due together run in one turn.
//!
//! Tests: `tests/event_loop/timers.rs`: `a_hundred_thousand_cancelled_timers_leave_nothing_behind`, and
//! `benches/gate/tests/bursts.rs`: `a_timer_that_stays_holds_none_of_a_million_others`.
//!
//! # Tasks
//!
//! A finished task is freed when its handle is gone, and the memory of a burst of tasks is freed. Their number is not
//! limited. Even if tasks are always ready, the loop serves sockets and timers after 128 steps or 2 milliseconds
//! (`HANDLES_PER_POLL`, `POLL_INTERVAL`).
//!
//! Tests: `benches/gate/tests/bursts.rs`: `a_task_that_stays_holds_none_of_a_million_others`, and
//! `tests/event_loop/fairness.rs`: `between_slow_handles_the_loop_looks_after_two_milliseconds`.
//!
//! # Threads
//!
//! There is none before there is work for it, and there are at most 16 (`MOST_THREADS`,
//! [`thread_limit`](crate::Builder::thread_limit)). Each ends after 10 seconds without work (`IDLE_THREAD`). Jobs
//! that wait for a thread are queued without a bound.
//!
//! Tests: `tests/tasks/threads.rs`: `no_more_threads_work_than_the_builder_says`, and
//! `tests/programs/one_thread.rs`: `a_program_that_asks_for_no_thread_has_one`.
//!
//! # Other threads that wake and call
//!
//! A turn takes in 128 letters, which are wakes and calls (`LETTERS_PER_TURN`). A task that is woken again and again
//! is in the mailbox only once. Calls are all kept, in order, so the program has to hold back a thread that sends
//! more calls than the loop can run.
//!
//! Tests: `tests/event_loop/other_threads.rs`: `a_turn_takes_in_a_bounded_number_of_callbacks_and_keeps_their_order`, and
//! `tests/tasks/wakers.rs`: `a_thread_that_wakes_without_pause_neither_grows_the_mailbox_nor_starves_the_rest`.
