//! What a flush and a shutdown wait for, over each kind of wire.

use std::future::poll_fn;

use futures::FutureExt;
use waterwheel::spawn;

use crate::common::settle::settle;
use crate::ends::over_each;

const MUCH: usize = 16 << 20;

#[test]
fn a_flush_waits_for_the_last_byte_where_a_drain_need_not_wait() {
    over_each(async |over, ours, mut theirs| {
        ours.writer.transport().set_write_buffer_limits(Some(4 * MUCH), None);
        ours.writer.write(&vec![7; MUCH]);
        settle().await;
        assert!(ours.writer.drain().now_or_never().is_some(), "over {over:?}");
        assert!(ours.writer.flush().now_or_never().is_none(), "over {over:?}");
        let reads = spawn(async move { theirs.reader.readexactly(MUCH).await.map(|_| theirs) });
        ours.writer.flush().await.unwrap();
        assert_eq!(ours.writer.transport().get_write_buffer_size(), 0, "over {over:?}");
        reads.await.unwrap().unwrap();
        assert!(ours.writer.flush().now_or_never().is_some());
    });
}

#[test]
fn a_shutdown_waits_for_the_last_byte_and_the_peer_gets_it_and_then_the_end() {
    over_each(async |over, ours, mut theirs| {
        ours.writer.write(&vec![7; MUCH]);
        let mut shutdown = Box::pin(poll_fn(|cx| ours.writer.poll_shutdown(cx)));
        assert!(shutdown.as_mut().now_or_never().is_none(), "over {over:?}");
        settle().await;
        assert!(shutdown.as_mut().now_or_never().is_none(), "over {over:?}");
        let reads = spawn(async move { theirs.reader.read_to_end().await });
        shutdown.await.unwrap();
        assert_eq!(ours.writer.transport().get_write_buffer_size(), 0, "over {over:?}");
        assert_eq!(reads.await.unwrap().unwrap().len(), MUCH);
    });
}
