//! Writers over their high-water mark that are never drained.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::testing::connected_pair;
use waterwheel::{
    Connection, EventLoop, StreamReader, StreamWriter, TimedOut, get_running_loop, open_connection, race, spawn,
    start_server, timeout, yield_now,
};

use crate::common::running::{run, turns};
use crate::told::{told_of, without_lines};

const MUCH: usize = 1_000_000;

/// Both ends of a connection in memory. The second reads nothing unless the test reads.
async fn pair() -> (Connection, Connection) {
    connected_pair()
}

#[test]
fn a_writer_that_stays_over_its_high_mark_is_reported_with_the_line_that_wrote() {
    let line = line!() + 3;
    let told = told_of(async |_| {
        let (ours, theirs) = pair().await;
        ours.writer.write(&vec![0; MUCH]);
        turns(150).await;
        ours.writer.abort();
        drop(theirs);
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("A writer stays above its high-water mark and is never drained\ndetail: for 100 turns; ")
    );
    assert!(told[0].contains(" bytes buffered, high mark 65536"), "{told:?}");
    assert!(told[0].contains(&format!("\nwritten at: {}:{line}:", file!())), "{told:?}");
    assert!(without_lines(&told[0], file!()).ends_with("written at: here"));
}

#[test]
fn a_writer_that_is_drained_is_not_reported_however_long_that_takes() {
    let told = told_of(async |_| {
        let (ours, mut theirs) = pair().await;
        let writes = spawn(async move {
            ours.writer.write(&vec![0; MUCH]);
            ours.writer.drain().await
        });
        turns(150).await;
        assert!(!writes.is_finished());
        theirs.reader.readexactly(MUCH).await.unwrap();
        writes.await.unwrap().unwrap();
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_peer_that_catches_up_in_time_is_no_fault_and_a_close_says_that_nobody_will_drain() {
    let told = told_of(async |_| {
        let (ours, mut theirs) = pair().await;
        ours.writer.write(&vec![0; MUCH]);
        turns(50).await;
        theirs.reader.readexactly(MUCH).await.unwrap();
        turns(150).await;
        ours.writer.write(&vec![0; MUCH]);
        ours.writer.close();
        turns(150).await;
        theirs.reader.readexactly(MUCH).await.unwrap();
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn who_writes_by_poll_methods_waits_before_the_next_write_and_need_not_drain() {
    let told = told_of(async |_| {
        let (ours, mut theirs) = pair().await;
        let data = vec![0; MUCH];
        let mut written = 0;
        // The peer takes some of it, until its buffer is full.
        for _ in 0..10 {
            while !ours.writer.transport().is_writing_paused() {
                written += poll_fn(|cx| ours.writer.poll_write(cx, &data[..20_000])).await.unwrap();
            }
            turns(3).await;
        }
        turns(150).await;
        assert!(ours.writer.get_write_buffer_size() > 65536);
        theirs.reader.readexactly(written).await.unwrap();
    });
    assert_eq!(told, [""; 0]);
}

/// The reports about a server with this handler, whose client begins to read a few turns after it was accepted.
fn told_of_handler<F: Future<Output = ()> + 'static>(
    handler: impl Fn(StreamReader, StreamWriter) -> F + 'static,
) -> Vec<String> {
    let mut event_loop = EventLoop::builder().debug(true).slow_callback_duration(Duration::MAX).build().unwrap();
    let told: Rc<RefCell<Vec<String>>> = Rc::default();
    let tell = Rc::clone(&told);
    event_loop.handle().set_exception_handler(move |incident| tell.borrow_mut().push(incident.to_string()));
    event_loop.run(async {
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        while get_running_loop().metrics().connections_accepted == 0 {
            waterwheel::sleep(Duration::from_millis(1)).await;
        }
        turns(5).await;
        while !reader.read(1 << 20).await.unwrap_or_default().is_empty() {}
    });
    drop(event_loop);
    told.take()
}

/// More than the kernel takes at once.
const TOO_MUCH: usize = 64 << 20;

#[test]
fn a_handler_that_ends_with_its_writer_over_the_high_mark_is_reported_and_one_that_drains_is_not() {
    let line = line!() + 2;
    let told = told_of_handler(|_reader, writer| async move {
        writer.write(&vec![0; TOO_MUCH]);
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("A writer was dropped over its high mark, and nobody had drained it\ndetail: "),
        "{told:?}"
    );
    assert!(told[0].contains(&format!("\nwritten at: {}:{line}:", file!())), "{told:?}");
    let told = told_of_handler(|_reader, writer| async move {
        writer.write(&vec![0; TOO_MUCH]);
        drop(writer.drain().await);
    });
    assert_eq!(told, [""; 0]);
    let told = told_of_handler(|_reader, writer| async move {
        writer.write(&vec![0; TOO_MUCH]);
        writer.close();
        drop(writer.wait_closed().await);
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn who_has_drained_and_given_up_or_was_cancelled_could_do_no_more() {
    let told = told_of(async |_| {
        let (ours, theirs) = pair().await;
        let gives_up = spawn(async move {
            ours.writer.write(&vec![0; MUCH]);
            assert!(matches!(timeout(Duration::from_secs(9), ours.writer.drain()).await, Err(TimedOut { .. })));
        });
        gives_up.await.unwrap();
        let (ours, theirs_too) = pair().await;
        spawn(async move {
            ours.writer.write(&vec![0; MUCH]);
            // Gives up in the same step.
            race((async { drop(ours.writer.drain().await) }, async {})).await;
        })
        .await
        .unwrap();
        drop(theirs_too);
        let (ours, _theirs) = pair().await;
        let cancelled = spawn(async move {
            ours.writer.write(&vec![0; MUCH]);
            yield_now().await;
        });
        yield_now().await;
        cancelled.cancel();
        drop(cancelled.await);
        drop(theirs);
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn outside_of_debug_mode_nobody_looks() {
    run(async {
        get_running_loop().set_debug(false);
        get_running_loop().set_exception_handler(|incident| panic!("{incident}"));
        let (ours, _theirs) = pair().await;
        ours.writer.write(&vec![0; MUCH]);
        turns(150).await;
    });
}
