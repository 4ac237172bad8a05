//! Watermarks, and pauses in both directions.

use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::common::bytes::pattern;
use crate::common::connected::connect;
use crate::common::plain_peer::{read_exactly, reset};
use crate::common::recorder::Recorder;
use crate::common::running::{run, turns};
use crate::common::settle::settle;
use crate::common::until::until;
use waterwheel::{AfterEof, Transport, get_running_loop, yield_now};

/// Writes until the kernel takes nothing more.
fn fill(transport: &Rc<dyn Transport>) -> usize {
    let chunk = vec![7; 64 * 1024];
    let mut written = 0;
    while transport.get_write_buffer_size() == 0 {
        transport.write(&chunk);
        written += chunk.len();
    }
    written
}

#[test]
fn the_marks_are_checked_and_the_missing_one_follows() {
    run(async {
        let (transport, _peer) = connect(Recorder::new()).await;
        assert_eq!(transport.get_write_buffer_limits(), (16 * 1024, 64 * 1024));
        for (high, low, expected) in [
            (Some(7), None, (1, 7)),
            (None, Some(100), (100, 400)),
            (Some(0), None, (0, 0)),
            (Some(5), Some(5), (5, 5)),
            (None, None, (16 * 1024, 64 * 1024)),
        ] {
            transport.set_write_buffer_limits(high, low);
            assert_eq!(transport.get_write_buffer_limits(), expected);
        }
        assert!(catch_unwind(AssertUnwindSafe(|| transport.set_write_buffer_limits(Some(1), Some(2)))).is_err());
        assert_eq!(transport.get_write_buffer_limits(), (16 * 1024, 64 * 1024));
    });
}

#[test]
fn a_pause_comes_strictly_over_the_high_mark_once_and_a_resume_at_the_low_one() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        transport.set_write_buffer_limits(Some(usize::MAX), Some(0));
        let mut written = fill(&transport);
        let full = transport.get_write_buffer_size();
        transport.set_write_buffer_limits(Some(full + 10), Some(5));
        transport.write(&[1; 10]);
        assert_eq!(transport.get_write_buffer_size(), full + 10);
        assert_eq!(recorder.words(), ["made"]);
        transport.write(&[1]);
        assert_eq!(recorder.words(), ["made", "pause"]);
        transport.write(&[1; 1000]);
        written += 1011;
        assert_eq!(recorder.words(), ["made", "pause"]);
        // The buffer size in `resume_writing` shows whether it was called at the low-water mark.
        let size = Rc::new(Cell::new(None));
        let seen = Rc::clone(&size);
        recorder.react(move |word, this| {
            if word == "resume" {
                seen.set(Some(this.transport().get_write_buffer_size()));
            }
        });
        read_exactly(&peer, written).await;
        assert_eq!(recorder.words(), ["made", "pause", "resume"]);
        assert!(size.get().unwrap() <= 5);
    });
}

#[test]
fn lowering_the_high_mark_pauses_and_raising_it_does_not_resume() {
    run(async {
        let recorder = Recorder::new();
        let (transport, _peer) = connect(Rc::clone(&recorder)).await;
        transport.set_write_buffer_limits(Some(usize::MAX), None);
        fill(&transport);
        assert_eq!(recorder.words(), ["made"]);
        transport.set_write_buffer_limits(Some(1), None);
        assert_eq!(recorder.words(), ["made", "pause"]);
        transport.set_write_buffer_limits(Some(usize::MAX), None);
        turns(3).await;
        assert_eq!(recorder.words(), ["made", "pause"]);
        transport.abort();
    });
}

#[test]
fn a_protocol_can_write_until_it_is_paused() {
    run(async {
        let paused = Rc::new(Cell::new(false));
        let flag = Rc::clone(&paused);
        let recorder = Recorder::reacting(move |word, _| match word {
            "pause" => flag.set(true),
            "resume" => flag.set(false),
            _ => {}
        });
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        let mut written = 0;
        for round in 0..3 {
            let mut writes = 0;
            while !paused.get() {
                transport.write(&[round; 1000]);
                written += 1000;
                writes += 1;
                assert!(writes < 1_000_000, "the pause comes inside the write");
            }
            assert!(transport.get_write_buffer_size() > 64 * 1024);
            read_exactly(&peer, written).await;
            written = 0;
            until("the resume", || !paused.get()).await;
        }
        assert_eq!(recorder.words(), ["made", "pause", "resume", "pause", "resume", "pause", "resume"]);
    });
}

#[test]
fn a_protocol_that_writes_more_when_it_resumes_loses_nothing() {
    run(async {
        let (rounds, written) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (counted, total) = (Rc::clone(&rounds), Rc::clone(&written));
        let recorder = Recorder::reacting(move |word, this| {
            if word != "resume" || counted.get() == 5 {
                return;
            }
            counted.set(counted.get() + 1);
            // Enough to be paused again, so that another resume follows.
            while this.transport().get_write_buffer_size() <= 64 * 1024 {
                this.transport().write(&[counted.get(); 50_000]);
                total.set(total.get() + 50_000);
            }
            if counted.get() == 5 {
                this.transport().close();
            }
        });
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        transport.write(&vec![0; 8 << 20]);
        let got = crate::common::plain_peer::read_to_end(&peer).await.unwrap();
        assert_eq!(recorder.lost.wait().await, None);
        assert_eq!((rounds.get(), got.len()), (5, (8 << 20) + written.get()));
        assert!(got.is_sorted());
        assert_eq!(recorder.words().iter().filter(|word| *word == "lost").count(), 1);
    });
}

#[test]
fn closing_or_aborting_from_inside_a_pause_is_legal() {
    run(async {
        for abort in [false, true] {
            let recorder = Recorder::reacting(move |word, this| match (word, abort) {
                ("pause", true) => this.transport().abort(),
                ("pause", false) => this.transport().close(),
                _ => {}
            });
            let (transport, peer) = connect(Rc::clone(&recorder)).await;
            let data = pattern(8 << 20);
            transport.write(&data);
            assert!(transport.is_closing());
            match crate::common::plain_peer::read_to_end(&peer).await {
                Ok(got) => assert!(!abort && got == data),
                Err(error) => assert!(abort && error.kind() == ErrorKind::ConnectionReset, "{error}"),
            }
            assert_eq!(recorder.lost.wait().await, None);
            assert_eq!(recorder.words().iter().filter(|word| word.starts_with("lost")).count(), 1);
        }
    });
}

#[test]
fn no_resume_comes_when_the_connection_is_lost_while_paused() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        transport.write(&pattern(8 << 20));
        assert_eq!(recorder.words(), ["made", "pause"]);
        reset(peer);
        let kind = recorder.lost.wait().await.expect("an error");
        assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&kind), "{kind:?}");
        assert_eq!(recorder.words().len(), 3);
    });
}

#[test]
fn the_size_counts_what_one_step_gathered_and_is_empty_when_it_was_sent() {
    run(async {
        let (transport, peer) = connect(Recorder::new()).await;
        transport.write(b"abc");
        transport.write(b"");
        transport.writelines(&[IoSlice::new(b"de"), IoSlice::new(b""), IoSlice::new(b"f")]);
        transport.writelines(&[]);
        assert_eq!(transport.get_write_buffer_size(), 6);
        turns(1).await;
        assert_eq!(transport.get_write_buffer_size(), 0);
        assert_eq!(read_exactly(&peer, 6).await, b"abcdef");
    });
}

#[test]
fn writes_and_lists_of_writes_of_all_sizes_keep_their_order() {
    run(async {
        let (transport, peer) = connect(Recorder::new()).await;
        let data = pattern(3 << 20);
        let mut rest = &data[..];
        for (round, size) in [0, 1, 100, 15_000, 16 * 1024, 70_000, 200_000, 3].iter().cycle().enumerate() {
            let (now, later) = rest.split_at((*size).min(rest.len()));
            rest = later;
            if round % 2 == 0 {
                transport.write(now);
            } else {
                let parts: Vec<_> = now.chunks(now.len() / 7 + 1).map(IoSlice::new).collect();
                transport.writelines(&parts);
            }
            if round % 5 == 0 {
                turns(1).await;
            }
            if rest.is_empty() {
                break;
            }
        }
        assert!(read_exactly(&peer, data.len()).await == data);
        // More pieces than the kernel takes in one call.
        let parts: Vec<_> = data[..150_000].chunks(50).map(IoSlice::new).collect();
        assert_eq!(parts.len(), 3000);
        transport.writelines(&parts);
        assert!(read_exactly(&peer, 150_000).await == data[..150_000]);
    });
}

#[test]
fn reading_pauses_at_once_and_twice_is_once() {
    run(async {
        let recorder = Recorder::reacting(|word, this| {
            if word == "data" {
                this.transport().pause_reading();
            }
        });
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        assert!(transport.is_reading());
        let data = pattern(100_000);
        (&peer).write_all(&data).unwrap();
        until("data", || !transport.is_reading()).await;
        let first = recorder.received.borrow().len();
        settle().await;
        transport.pause_reading();
        assert_eq!(recorder.received.borrow().len(), first);
        recorder.react(|_, _| {});
        transport.resume_reading();
        transport.resume_reading();
        assert!(transport.is_reading());
        until("the rest", || recorder.received.borrow().len() == data.len()).await;
        assert!(*recorder.received.borrow() == data);
    });
}

#[test]
fn a_pause_in_connection_made_is_honoured_and_the_end_waits_behind_it() {
    run(async {
        let recorder = Recorder::reacting(|word, this| {
            if word == "made" {
                this.transport().pause_reading();
            }
        });
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        (&peer).write_all(b"data").unwrap();
        drop(peer);
        settle().await;
        assert_eq!(recorder.words(), ["made"]);
        assert!(!transport.is_closing());
        transport.resume_reading();
        recorder.lost.wait().await;
        assert_eq!(recorder.words(), ["made", "data", "eof", "lost"]);
    });
}

#[test]
fn a_reset_while_paused_is_noticed_when_reading_resumes() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        transport.pause_reading();
        reset(peer);
        settle().await;
        assert!(!transport.is_closing());
        transport.resume_reading();
        assert_eq!(recorder.lost.wait().await, Some(ErrorKind::ConnectionReset));
    });
}

#[test]
fn pausing_and_resuming_between_any_two_turns_loses_no_readiness() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        let data = pattern(200_000);
        let mut sent = 0;
        for round in 0_usize.. {
            if sent < data.len() {
                sent += (&peer).write(&data[sent..data.len().min(sent + 1 + round % 3000)]).unwrap_or(0);
            } else if recorder.received.borrow().len() == data.len() {
                break;
            }
            if round % 3 == 0 {
                transport.pause_reading()
            } else {
                transport.resume_reading()
            }
            turns(round % 4).await;
            assert!(round < 100_000, "{} of {sent} bytes came", recorder.received.borrow().len());
        }
        assert!(*recorder.received.borrow() == data);
        assert!(!get_running_loop().is_closed());
    });
}

#[test]
fn whether_reading_is_paused_is_said_after_the_peers_end_too() {
    run(async {
        let recorder = Recorder::new();
        recorder.after_eof.set(AfterEof::KeepOpen);
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        peer.shutdown(Shutdown::Write).unwrap();
        until("the end", || recorder.words() == ["made", "eof"]).await;
        assert!(transport.is_reading());
        transport.pause_reading();
        transport.pause_reading();
        assert!(!transport.is_reading());
        transport.resume_reading();
        assert!(transport.is_reading());
        settle().await;
        assert_eq!(recorder.words(), ["made", "eof"], "the end is told once");
    });
}

#[test]
fn who_fills_the_kernel_when_told_to_resume_is_sent_what_it_writes_later() {
    run(async {
        let filled = Rc::new(Cell::new(0));
        let fills = Rc::clone(&filled);
        let recorder = Recorder::reacting(move |word, recorder| {
            if word == "resume" {
                // `write_some` buffers nothing, as an adapter uses it.
                let parts = vec![8; 8 * 1024 * 1024];
                while let Some(sent) = recorder.transport().write_some(&[IoSlice::new(&parts)]) {
                    fills.set(fills.get() + sent);
                }
            }
        });
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        transport.set_write_buffer_limits(Some(0), Some(0));
        let written = fill(&transport);
        assert!(read_exactly(&peer, written).await.iter().all(|&byte| byte == 7));
        until("it is told to resume, and fills the kernel", || filled.get() > 0).await;
        transport.write(b"the tail");
        assert!(read_exactly(&peer, filled.get()).await.iter().all(|&byte| byte == 8));
        assert_eq!(read_exactly(&peer, 8).await, b"the tail");
    });
}

#[test]
fn an_attempt_that_fills_the_kernel_again_tells_nobody_to_resume() {
    run(async {
        let recorder = Recorder::new();
        let (transport, mut peer) = connect(Rc::clone(&recorder)).await;
        let much = vec![8; 8 * 1024 * 1024];
        let offer = || transport.write_some(&[IoSlice::new(&much)]);
        let is_paused = || recorder.words().last().is_some_and(|word| word == "pause");
        let (mut taken_while_paused, mut into) = (0, vec![0; 64 * 1024]);
        for _ in 0..20 {
            let was_paused = is_paused();
            while offer().is_some() {
                // If it was paused, the loop knows of the event, and the transport has not handled it yet. The kernel is
                // full again now.
                assert_eq!(is_paused(), was_paused, "it was told to resume from inside of the call");
                taken_while_paused += usize::from(was_paused);
            }
            while peer.read(&mut into).is_ok() {}
            yield_now().await;
        }
        assert!(taken_while_paused > 0);
        until("it is told to resume", || peer.read(&mut into).is_err() && !is_paused()).await;
    });
}
