//! The poll methods of the two halves: what they wait for, and which waker is kept.

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, IoSlice, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::common::bytes::pattern;
use crate::common::plain_peer::{read_exactly, read_to_end, reset};
use crate::common::running::run;
use crate::common::settle::settle;
use crate::common::sockets::streams;
use crate::common::until::until;
use waterwheel::{StreamReader, StreamWriter, spawn};

/// Counts its wakes.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that the test simulates: it polls, and sees whether it was woken.
struct Poller {
    count: Arc<Count>,
    waker: Waker,
}

impl Poller {
    fn new() -> Poller {
        let count = Arc::new(Count::default());
        Poller { waker: Waker::from(Arc::clone(&count)), count }
    }

    fn poll<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        poll(&mut Context::from_waker(&self.waker))
    }

    fn woken(&self) -> usize {
        self.count.0.load(Ordering::Relaxed)
    }
}

/// Writes more than the kernel takes while the peer reads nothing. Returns the number of bytes.
fn fill(writer: &StreamWriter) -> usize {
    writer.write(&vec![7; 16 << 20]);
    assert!(Poller::new().poll(|cx| writer.poll_write(cx, b"more")).is_pending());
    16 << 20
}

#[test]
fn polled_reads_find_what_came_and_wake_whoever_polled_last() {
    run(async {
        let (mut reader, feeder) = StreamReader::new(1024);
        let (earlier, later) = (Poller::new(), Poller::new());
        let mut buf = [0; 4];
        assert!(earlier.poll(|cx| reader.poll_read(cx, &mut [])).is_ready(), "an empty buffer has nothing to wait for");
        assert!(earlier.poll(|cx| reader.poll_read(cx, &mut buf)).is_pending());
        assert!(later.poll(|cx| reader.poll_fill_buf(cx).map_ok(<[u8]>::len)).is_pending());
        feeder.feed_data(b"abcdef");
        assert_eq!((earlier.woken(), later.woken()), (0, 1));
        let read = later.poll(|cx| reader.poll_fill_buf(cx).map_ok(<[u8]>::to_vec));
        assert!(matches!(read, Poll::Ready(Ok(bytes)) if bytes == b"abcdef"));
        assert!(matches!(later.poll(|cx| reader.poll_read(cx, &mut buf)), Poll::Ready(Ok(4))));
        assert_eq!(&buf, b"abcd");
        feeder.feed_eof();
        assert!(matches!(later.poll(|cx| reader.poll_read(cx, &mut buf)), Poll::Ready(Ok(2))));
        assert!(matches!(later.poll(|cx| reader.poll_read(cx, &mut buf)), Poll::Ready(Ok(0))));
    });
}

#[test]
fn a_dropped_read_leaves_its_waker_until_the_next_poll_which_alone_is_woken_then() {
    run(async {
        let (mut reader, feeder) = StreamReader::new(1024);
        let (dropped, polls) = (Poller::new(), Poller::new());
        assert!(dropped.poll(|cx| pin!(reader.readexactly(10)).poll(cx)).is_pending());
        feeder.feed_data(b"one");
        assert_eq!(dropped.woken(), 1, "for nothing");
        assert!(dropped.poll(|cx| pin!(reader.readexactly(10)).poll(cx)).is_pending());
        reader.consume(0);
        assert!(matches!(polls.poll(|cx| reader.poll_read(cx, &mut [0; 10])), Poll::Ready(Ok(3))));
        assert!(polls.poll(|cx| reader.poll_read(cx, &mut [0; 10])).is_pending());
        feeder.feed_data(b"two");
        assert_eq!((dropped.woken(), polls.woken()), (1, 1));
    });
}

#[test]
fn a_dropped_drain_takes_its_own_waker_along_and_none_that_a_poll_has_left() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        let written = fill(&writer);
        let [drains, flushes, closes, dropped, waits] = [(); 5].map(|()| Poller::new());
        assert!(drains.poll(|cx| writer.poll_drain(cx)).is_pending());
        assert!(flushes.poll(|cx| writer.poll_flush(cx)).is_pending());
        assert!(closes.poll(|cx| writer.poll_closed(cx)).is_pending());
        let mut waiting = pin!(writer.drain());
        assert!(waits.poll(|cx| waiting.as_mut().poll(cx)).is_pending());
        assert!(dropped.poll(|cx| pin!(writer.drain()).poll(cx)).is_pending());
        assert!(dropped.poll(|cx| pin!(writer.flush()).poll(cx)).is_pending());
        assert!(dropped.poll(|cx| pin!(writer.wait_closed()).poll(cx)).is_pending());
        read_exactly(&peer, written).await;
        until("the drain is woken", || drains.woken() > 0).await;
        assert_eq!([&drains, &flushes, &waits, &dropped].map(Poller::woken), [1, 1, 1, 0]);
        assert!(matches!(drains.poll(|cx| writer.poll_drain(cx)), Poll::Ready(Ok(()))));
        assert!(matches!(flushes.poll(|cx| writer.poll_flush(cx)), Poll::Ready(Ok(()))));

        // The waker was woken for the other waits; it is polled again, and woken at the end.
        let earlier = closes.woken();
        assert!(closes.poll(|cx| writer.poll_closed(cx)).is_pending());
        writer.abort();
        until("the end is told", || closes.woken() > earlier).await;
        assert!(matches!(closes.poll(|cx| writer.poll_closed(cx)), Poll::Ready(Ok(()))));
    });
}

/// Writes 20 MiB in pieces of this size to a peer that starts to read when the writer has to wait. Returns the most
/// that was buffered.
fn most_kept_of_polled_writes(size: usize, pieces: usize) -> usize {
    run(async move {
        let (_reader, writer, peer) = streams(1024).await;
        let data = pattern(20 << 20);
        let (total, transport) = (data.len(), writer.transport());
        let task = spawn(async move {
            let (mut rest, mut most) = (&data[..], 0);
            while !rest.is_empty() {
                let parts = rest.chunks(size).take(pieces).map(IoSlice::new).collect::<Vec<_>>();
                rest = &rest[poll_fn(|cx| writer.poll_write_vectored(cx, &parts)).await.unwrap()..];
                most = most.max(writer.transport().get_write_buffer_size());
            }
            poll_fn(|cx| writer.poll_shutdown(cx)).await.unwrap();
            (writer, data, most)
        });
        until("the writer has to wait", || transport.is_writing_paused()).await;
        let came = read_exactly(&peer, total).await;
        let (_writer, data, most) = task.await.unwrap();
        assert!(came == data);
        most
    })
}

#[test]
fn of_little_that_is_written_no_more_is_kept_than_the_mark_and_one_piece() {
    let most = most_kept_of_polled_writes(20_000, 1);
    assert!(most > 64 * 1024 && most <= 64 * 1024 + 20_000, "{most} bytes were kept");
}

#[test]
fn of_much_that_is_written_only_a_small_rest_is_kept_and_the_writer_waits_for_the_kernel() {
    for (size, pieces) in [(100_000, 5), (20 << 20, 1)] {
        // The rest that the kernel leaves of the last pieces is a small write if it is under 32 KiB.
        let most = most_kept_of_polled_writes(size, pieces);
        assert!(most < 32 * 1024, "{most} bytes were kept of {pieces} times {size}");
    }
}

#[test]
fn who_offers_much_to_a_full_kernel_is_woken_when_it_takes_more() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        let (poller, much) = (Poller::new(), vec![7; 16 << 20]);
        let Poll::Ready(Ok(sent)) = poller.poll(|cx| writer.poll_write(cx, &much)) else { panic!("it takes some") };
        assert!(sent < much.len());
        for _ in 0..2 {
            assert!(poller.poll(|cx| writer.poll_write(cx, &much)).is_pending());
            assert!(poller.poll(|cx| writer.poll_write(cx, b"a little")).is_pending());
            assert!(poller.poll(|cx| writer.poll_drain(cx)).is_pending());
            settle().await;
        }
        assert_eq!((writer.transport().get_write_buffer_size(), poller.woken()), (0, 0));
        assert!(matches!(poller.poll(|cx| writer.poll_flush(cx)), Poll::Ready(Ok(()))), "nothing is kept here");

        // Bytes that are written without polling come after what the kernel has taken.
        writer.write(b"the tail");
        assert!(read_exactly(&peer, sent).await.iter().all(|&byte| byte == 7));
        until("it is woken", || poller.woken() > 0).await;
        assert_eq!(read_exactly(&peer, 8).await, b"the tail");
        assert!(matches!(poller.poll(|cx| writer.poll_write(cx, &much)), Poll::Ready(Ok(_))));
    });
}

#[test]
fn a_flush_waits_for_the_last_byte_where_a_drain_does_not_and_this_steps_bytes_need_no_waiting() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        writer.write(b"little");
        let poller = Poller::new();
        assert!(poller.poll(|cx| writer.poll_flush(cx)).is_ready());
        assert_eq!(writer.transport().get_write_buffer_size(), 6, "it goes out when the step ends");
        read_exactly(&peer, 6).await;

        writer.transport().set_write_buffer_limits(Some(64 << 20), None);
        writer.write(&vec![7; 16 << 20]);
        assert!(poller.poll(|cx| writer.poll_drain(cx)).is_ready());
        assert!(writer.transport().get_write_buffer_size() > 0, "the kernel has not taken it all");
        let flush = spawn(async move {
            writer.flush().await.unwrap();
            (writer.transport().get_write_buffer_size(), writer)
        });
        settle().await;
        assert!(!flush.is_finished());
        read_exactly(&peer, 16 << 20).await;
        let (left, writer) = flush.await.unwrap();
        assert_eq!(left, 0);
        assert!(poller.poll(|cx| writer.poll_drain(cx)).is_ready(), "the marks are as before");
        assert_eq!(writer.transport().get_write_buffer_limits(), (16 << 20, 64 << 20));
    });
}

#[test]
fn a_polled_shutdown_is_ready_when_all_has_gone_out_and_reading_goes_on() {
    run(async {
        let (mut reader, writer, peer) = streams(1024).await;
        let written = fill(&writer);
        let shutdown = spawn(async move {
            poll_fn(|cx| writer.poll_shutdown(cx)).await.unwrap();
            writer
        });
        settle().await;
        assert!(!shutdown.is_finished());
        assert_eq!(read_to_end(&peer).await.unwrap().len(), written);
        let writer = shutdown.await.unwrap();
        poll_fn(|cx| writer.poll_shutdown(cx)).await.unwrap();
        let refused = poll_fn(|cx| writer.poll_write(cx, b"too late")).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::BrokenPipe);
        (&peer).write_all(b"an answer").unwrap();
        assert_eq!(reader.readexactly(9).await.unwrap(), b"an answer");
        writer.close();
        writer.wait_closed().await.unwrap();
        poll_fn(|cx| writer.poll_shutdown(cx)).await.unwrap();
        poll_fn(|cx| writer.poll_flush(cx)).await.unwrap();
        let refused = poll_fn(|cx| writer.poll_write(cx, b"too late")).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_failed_send_comes_out_of_every_poll_that_writes() {
    run(async {
        let (_reader, writer, peer) = streams(1024).await;
        fill(&writer);
        let waits = Poller::new();
        assert!(waits.poll(|cx| writer.poll_flush(cx)).is_pending());
        reset(peer);
        until("the failure is told", || waits.woken() > 0).await;
        let failed = [
            poll_fn(|cx| writer.poll_flush(cx)).await,
            poll_fn(|cx| writer.poll_drain(cx)).await,
            poll_fn(|cx| writer.poll_write(cx, b"more").map_ok(drop)).await,
            poll_fn(|cx| writer.poll_shutdown(cx)).await,
            poll_fn(|cx| writer.poll_closed(cx)).await,
        ];
        let kinds = failed.map(|outcome| outcome.unwrap_err().kind());
        assert!(matches!(kinds[0], ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kinds:?}");
        assert!(kinds.iter().all(|kind| *kind == kinds[0]), "{kinds:?}");
    });
}
