//! What each kind of peer and of flood can cost at most: memory, descriptors, the processor, time. And what nothing here
//! bounds.
//!
//! Sizes are those of the heap, for each connection, and with the default limits. A time is that of the loop's clock.
//! Names in capitals are constants of the crate. Each promise is held by the tests that stand below it.
//!
//! | who | costs at most | bounded by |
//! | --- | --- | --- |
//! | [an idle connection](#an-idle-connection) | a descriptor, and no buffer | nothing ends it |
//! | [a peer that sends slowly](#a-peer-that-sends-slowly) | a buffer of 18 KiB | [`timeout()`](crate::timeout()) around the read |
//! | [one byte at a time](#one-byte-at-a-time) | a buffer of 18 KiB, and a turn for each | the limit of the reader |
//! | [a peer that sends without end](#a-peer-that-sends-without-end) | twice the limit and one receive; one receive a turn | the limit of the reader |
//! | [a line without an end](#a-line-without-an-end) | the same | the limit of the reader |
//! | [a peer that reads slowly](#a-peer-that-reads-slowly) | the high-water mark and the largest write | the marks, if the writer heeds them |
//! | [a peer that is gone without a word](#a-peer-that-is-gone-without-a-word) | as an idle connection | `keep_alive` of a server |
//! | [a peer that does not end](#a-peer-that-does-not-end) | a descriptor, for 30 seconds | `LINGER_TIME`, `LINGER_MOST` and `LINGER_BYTES` |
//! | [a TLS handshake that stalls](#a-tls-handshake-that-stalls) | the state of a handshake, for 60 seconds | `tls_handshake_timeout` |
//! | [a TLS session that does not end](#a-tls-session-that-does-not-end) | what is unsent, for 30 seconds without progress | `tls_shutdown_timeout` |
//! | [a flood of connections](#a-flood-of-connections) | a descriptor each; 101 accepts a turn | [`backlog`](crate::StartServer::backlog), and the process's limit |
//! | [no descriptors left](#no-descriptors-left) | an attempt each second, and one report | `ACCEPT_REST` |
//! | [a flood of datagrams](#a-flood-of-datagrams) | 16 receives a turn | `DATAGRAMS_PER_TURN` |
//! | [an address that does not answer](#an-address-that-does-not-answer) | a descriptor | [`timeout()`](crate::timeout()) around the connecting |
//! | [a look-up that never ends](#a-look-up-that-never-ends) | one of 16 threads | [`thread_limit`](crate::Builder::thread_limit) |
//! | [a handler that never ends](#a-handler-that-never-ends) | a task | [`Server::shutdown`](crate::Server::shutdown) |
//! | [timers](#timers) | their entries, while they run | the program |
//! | [tasks](#tasks) | their memory, while they run | the program |
//! | [threads](#threads) | 16, and none before there is work | [`thread_limit`](crate::Builder::thread_limit) |
//! | [other threads that wake and call](#other-threads-that-wake-and-call) | 128 letters a turn | `LETTERS_PER_TURN` |
//!
//! # What nothing bounds
//!
//! * The number of connections, tasks and timers, and the time of an idle connection: a program says what it can bear.
//!   The [recipes](crate::recipes) have a limit of connections, and a time limit for those that are idle.
//! * What is written by somebody who does not heed `drain`, or `pause_writing`.
//! * What [`read_to_end`](crate::StreamReader::read_to_end) reads, and an
//!   [`readexactly`](crate::StreamReader::readexactly) of a number that the peer has chosen. The memory grows with what has
//!   come, and not with what was announced.
//! * A step that computes or blocks: everything waits until it ends.
//!   [`longest_step`](crate::Metrics::longest_step) tells of it, and [`to_thread`](crate::to_thread()) is for such work.
//! * Calls that other threads send faster than they run.
//!
//! # An idle connection
//!
//! It holds its transport, its protocol or its two halves, and the task of its handler: about 800 bytes together, beside what
//! the handler itself keeps. A buffer is taken when bytes come, and given back when they are read; the loop keeps 256 of 18 KiB
//! and 16 of 64 KiB at the most (`SMALL_BUFFERS_KEPT`, `LARGE_BUFFERS_KEPT`), 5.5 MiB in all, for whoever needs one next.
//! Nothing is armed for it, and no turn is taken. It has one descriptor. Nothing ends it.
//!
//! Tests: `benches/gate/tests/peers.rs`: `a_connection_on_which_nothing_happens_holds_no_buffer`, and
//! `tests/connections/floods.rs`: `a_connection_on_which_nothing_happens_arms_no_timer_and_takes_no_turn`.
//!
//! # A peer that sends slowly
//!
//! While a part of a message is unread, its connection holds a buffer of 18 KiB (`SMALL_BUFFER`). How long a message may take
//! is for the program to say, by a `timeout()` around the read. That loses nothing.
//!
//! Tests: `tests/streams/sockets.rs`: `timeouts_around_every_read_of_a_slow_stream_lose_no_byte`, and
//! `benches/gate/tests/peers.rs`: `bytes_that_come_one_by_one_take_one_buffer_however_many_they_are`.
//!
//! # One byte at a time
//!
//! Each packet is a receive and a step of whoever reads, and no more: bytes that were searched for the end of a line are not
//! searched again. They stand in one buffer, one behind the other.
//!
//! Tests: `benches/gate/tests/peers.rs`: `bytes_that_come_one_by_one_take_one_buffer_however_many_they_are`, and
//! `tests/streams/reader.rs`: `a_reader_fed_one_byte_a_turn_is_polled_once_for_each_byte`.
//!
//! # A peer that sends without end
//!
//! A reader holds at most twice its limit ([`limit`](crate::StartServer::limit), 64 KiB) and one receive of 65 KiB
//! (`RECEIVE_SIZE`); then the peer is held back. A connection is received from once in a turn, so it delays the others by
//! that. A protocol holds what it keeps itself, and [`pause_reading`](crate::Transport::pause_reading) holds the peer back.
//!
//! Tests: `benches/gate/tests/floods.rs`: `a_flooded_reader_holds_at_most_twice_its_limit_and_a_chunk`, and
//! `tests/connections/floods.rs`: `a_peer_that_sends_without_end_is_received_from_once_a_turn`, and
//! `tests/streams/sockets.rs`: `the_peer_is_held_back_over_twice_the_limit_and_no_longer_at_the_limit`.
//!
//! # A line without an end
//!
//! Over the limit, `readline` fails with [`LimitOverrun`](crate::ReadError::LimitOverrun) and throws away what has come;
//! `readuntil` leaves it in the reader, where it is bounded as above.
//!
//! Tests: `benches/gate/tests/peers.rs`: `a_line_without_an_end_is_refused_at_the_limit_and_thrown_away`, and
//! `tests/streams/separators.rs`: `the_limit_counts_the_bytes_before_the_newline`, `a_separator_found_beyond_the_limit_leaves_the_bytes`.
//!
//! # A peer that reads slowly
//!
//! Who awaits `drain` after each write holds at most the high-water mark (64 KiB, with TLS 512 KiB;
//! [`set_write_buffer_limits`](crate::Transport::set_write_buffer_limits)) and its largest write. `drain` waits for as long
//! as the peer likes. What a dropped writer has left is given up after 30 seconds without a byte sent
//! ([`close_timeout`](crate::Builder::close_timeout)); a peer that takes a byte now and then has it kept for longer.
//!
//! Tests: `benches/gate/tests/floods.rs`: `a_writer_whose_peer_never_reads_holds_at_most_its_high_mark_and_its_largest_write`, and
//! `tests/tls/bulk.rs`: `a_writer_that_heeds_pauses_holds_no_more_than_the_marks_say`, and
//! `tests/connections/closing/background.rs`: `a_peer_that_takes_nothing_is_cut_off_after_the_close_timeout`.
//!
//! # A peer that is gone without a word
//!
//! Nothing tells of it, unless something is written, or the system looks for the peer, as it does for the connections of a
//! server with [`keep_alive`](crate::StartServer::keep_alive), in the system's own time. Without that it costs as much as an
//! idle connection, for ever.
//!
//! Tests: `tests/connections/floods.rs`: `a_peer_that_is_gone_without_a_word_is_looked_for_only_if_the_server_was_told_to`.
//!
//! # A peer that does not end
//!
//! A connection that we have closed first keeps its descriptor until the peer has ended its side: for 5 seconds in which
//! nothing comes (`LINGER_TIME`), for 30 in all (`LINGER_MOST`), and for 64 MiB (`LINGER_BYTES`), which are thrown away. The
//! handler, the protocol and the buffers are gone before.
//!
//! Tests: `tests/connections/closing/lingering.rs`: `lingering_ends_at_the_bound`,
//! `a_client_that_sends_a_little_again_and_again_is_left_at_the_longest_bound`, `lingering_ends_when_the_client_floods`,
//! `a_connection_that_lingers_has_one_descriptor_until_its_client_has_ended`.
//!
//! # A TLS handshake that stalls
//!
//! It may take 60 seconds (`HANDSHAKE_TIMEOUT`), or what `tls_handshake_timeout` says. Meanwhile a peer that says nothing costs
//! 3 KB, one that has sent a part of its first message 7 KB, and both a descriptor and a timer. The handler does not begin
//! before its end. How much of a message that comes in full is kept until the next one is for rustls to say.
//!
//! Tests: `benches/handshakes/tests/stalled.rs`: `a_stalled_handshake_costs_little_and_gives_it_back_at_the_timeout`, and
//! `tests/tls/end.rs`: `three_hundred_stalled_handshakes_disturb_nobody_and_go_at_the_timeout`.
//!
//! # A TLS session that does not end
//!
//! Closing waits for the peer's end for 30 seconds without progress (`SHUTDOWN_TIMEOUT`, `tls_shutdown_timeout`). What the
//! peer sends is no progress, only what it takes.
//!
//! Tests: `tests/tls/end.rs`: `a_peer_that_does_not_answer_our_end_is_left_after_the_shutdown_timeout`,
//! `a_peer_that_sends_on_and_on_after_our_end_is_left_after_the_shutdown_timeout`.
//!
//! # A flood of connections
//!
//! A turn accepts as many as the backlog says, and one (`DEFAULT_BACKLOG` is 100); the others wait in the system's queue.
//! Each is set up by a callback of its own. There is no limit but that of the process's descriptors.
//!
//! Tests: `tests/connections/floods.rs`: `a_turn_accepts_as_many_as_the_backlog_and_one_and_the_rest_come_in_later_ones`, and
//! `tests/laws/law_09.rs`: `all_who_wait_are_accepted`.
//!
//! # No descriptors left
//!
//! A server that cannot accept tries again each second (`ACCEPT_REST`), reports it once, and serves those that it has. The
//! clients that wait are accepted when descriptors are free again. Whoever opens something gets the system's error.
//!
//! Tests: `tests/programs/descriptors.rs`: `a_server_without_descriptors_complains_once_and_serves_on`.
//!
//! # A flood of datagrams
//!
//! An endpoint receives 16 in a turn (`DATAGRAMS_PER_TURN`), all into one buffer of the loop; what does not fit in the
//! system's queue is lost there. Datagrams on their way out are queued without a bound if the protocol does not heed
//! `pause_writing`.
//!
//! Tests: `tests/datagrams_and_pipes/datagrams.rs`: `a_flood_does_not_keep_the_loop_from_others`,
//! `a_full_queue_pauses_the_protocol_and_keeps_the_order`.
//!
//! # An address that does not answer
//!
//! An attempt goes on for as long as the system tries, which is minutes, and holds a descriptor. A host's other addresses are
//! tried beside it after 250 milliseconds (`HAPPY_EYEBALLS_DELAY`). Dropping the future, as `timeout()` does, closes all of
//! them.
//!
//! Tests: `tests/connections/connecting/race.rs`: `an_address_that_does_not_answer_holds_nobody_up_and_its_attempt_leaves_nothing`, and
//! `tests/connections/connecting.rs`: `giving_up_while_connecting_leaves_no_descriptor_behind`.
//!
//! # A look-up that never ends
//!
//! The system's resolver cannot be stopped, so the thread that asks it is taken until it answers. When all are taken, later
//! look-ups wait; one that is given up before its thread has begun costs none. Closing the loop does not wait for a resolver.
//!
//! Tests: `tests/connections/connecting/names.rs`: `look_ups_that_were_given_up_hold_up_no_later_one`,
//! `the_threads_end_with_their_loop_also_when_look_ups_are_under_way`.
//!
//! # A handler that never ends
//!
//! One that waits for ever is a task and a connection, until [`Server::shutdown`](crate::Server::shutdown) ends it after its
//! grace. One whose reads, drains or queues are always ready has to let the others run after 512 operations
//! (`OPERATIONS_PER_STEP`). One that computes has the loop to itself.
//!
//! Tests: `tests/laws/law_14.rs`: `law_14_a_step_has_an_end`, and `tests/connections/server/shutdown.rs`: `idle_clients_that_never_close_are_closed`,
//! `clients_that_flood_are_closed_while_they_do`.
//!
//! # Timers
//!
//! One that was cancelled is gone at once, and what a burst of them needed is freed. There is no limit to their number. Those
//! that are due together run in one turn.
//!
//! Tests: `tests/event_loop/timers.rs`: `a_hundred_thousand_cancelled_timers_leave_nothing_behind`, and
//! `benches/gate/tests/bursts.rs`: `a_timer_that_stays_holds_none_of_a_million_others`.
//!
//! # Tasks
//!
//! One that has ended is freed when its handle is gone, and what a burst of them needed is freed. There is no limit to their
//! number. While they are always ready, the loop still looks at sockets and timers after 128 of them or 2 milliseconds
//! (`HANDLES_PER_POLL`, `POLL_INTERVAL`).
//!
//! Tests: `benches/gate/tests/bursts.rs`: `a_task_that_stays_holds_none_of_a_million_others`, and
//! `tests/event_loop/fairness.rs`: `between_slow_handles_the_loop_looks_after_two_milliseconds`.
//!
//! # Threads
//!
//! There is none before there is work for it, and there are at most 16 (`MOST_THREADS`,
//! [`thread_limit`](crate::Builder::thread_limit)). Each ends after 10 seconds without work (`IDLE_THREAD`). What waits for a
//! thread is queued without a bound.
//!
//! Tests: `tests/tasks/threads.rs`: `no_more_threads_work_than_the_builder_says`, and
//! `tests/programs/one_thread.rs`: `a_program_that_asks_for_no_thread_has_one`.
//!
//! # Other threads that wake and call
//!
//! A turn takes in 128 letters (`LETTERS_PER_TURN`). A task that is woken without pause stands in the mailbox once. Calls are
//! all kept, in their order, so a thread that sends more than the loop can run has to be held back by the program.
//!
//! Tests: `tests/event_loop/other_threads.rs`: `a_turn_takes_in_a_bounded_number_of_callbacks_and_keeps_their_order`, and
//! `tests/tasks/wakers.rs`: `a_thread_that_wakes_without_pause_neither_grows_the_mailbox_nor_starves_the_rest`.
