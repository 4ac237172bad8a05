//! Law 15: each direction ends alone. Every way in which a peer may end its side is combined with every way in which
//! our sends may fail. Each time everything that arrived is delivered before the loss, a clean end stays one, and the
//! loss comes last.

use std::io::{Read, Write};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use waterwheel::{AfterEof, Protocol, Transport, get_running_loop, sleep};

use crate::common::arrived::until_arrived;
use crate::common::links::Link;
use crate::common::story::{PanicIn, Story, Teller};
use crate::tools::{guarded, run_clean};

/// How the peer ends its side, after everything that it sent has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PeerEnds {
    /// It closes with nothing unread: the end of the stream.
    Well,
    /// It closes with our question unread: a reset.
    ByReset,
}

/// When our side notices that its bytes are no longer taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendFails {
    Never,
    /// Before any of the answer was received.
    First,
    /// After some of it was received.
    InBetween,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    link: Link,
    peer: PeerEnds,
    send: SendFails,
    /// The protocol pauses until the peer is gone and our send, if there is one, has failed.
    paused: bool,
    buffered: bool,
}

fn all_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for link in Link::BOTH {
        for peer in [PeerEnds::Well, PeerEnds::ByReset] {
            for send in [SendFails::Never, SendFails::First, SendFails::InBetween] {
                for (paused, buffered) in [(false, false), (false, true), (true, false), (true, true)] {
                    cases.push(Case { link, peer, send, paused, buffered });
                }
            }
        }
    }
    cases
}

/// Writes, while the loop is held up, until the kernel refuses: over TCP the first write is answered by a reset, which
/// makes the next one fail.
fn write_in_vain(transport: &dyn Transport, case: Case) {
    for _ in 0..1_000 {
        transport.write(&[b'w'; 20_000]);
        if transport.is_closing() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("{case:?}: everything is taken");
}

async fn until(case: Case, what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..5_000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("{case:?}: it never came: {what}");
}

async fn check(case: Case) {
    let mut linked = case.link.pair();
    let (story, len) = (Story::default(), linked.holds.min(300_000));
    let answer: String = (0..len).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
    let teller = Rc::new(Teller::with(&story, PanicIn::Nothing, case.buffered));
    teller.after_eof.set(AfterEof::KeepOpen);
    let protocol = Rc::clone(&teller);
    let (transport, _) = get_running_loop().create_connection(move || protocol, linked.ours).await.unwrap();

    transport.write(b"question");
    sleep(Duration::from_millis(1)).await;
    let in_between = case.send == SendFails::InBetween;
    if case.paused && !in_between {
        transport.pause_reading();
    }
    if case.peer == PeerEnds::Well {
        linked.peer.read_exact(&mut [0; 8]).unwrap();
    }
    if in_between {
        linked.peer.write_all(&answer.as_bytes()[..1000]).unwrap();
        until(case, "the first of the answer", || story.words().len() > 1).await;
        if case.paused {
            transport.pause_reading();
        }
        linked.peer.write_all(&answer.as_bytes()[1000..]).unwrap();
    } else {
        linked.peer.write_all(answer.as_bytes()).unwrap();
    }
    until_arrived(&linked.peer);
    drop(linked.peer);

    if case.send != SendFails::Never {
        write_in_vain(&*transport, case);
    }
    if case.paused {
        let before = story.words();
        sleep(Duration::from_millis(3)).await;
        assert!(!story.is_lost(), "{case:?}: lost with input to come, and paused");
        assert_eq!(story.words().len(), before.len(), "{case:?}: something came while it was paused");
        transport.resume_reading();
    }
    if (case.peer, case.send) == (PeerEnds::Well, SendFails::Never) {
        until(case, "the end", || story.has("eof")).await;
        assert!(!transport.is_closing(), "{case:?}: its own side goes on");
        transport.close();
    }
    until(case, "the loss", || story.is_lost()).await;

    story.check_grammar().unwrap_or_else(|fault| panic!("{case:?}: {}", &fault[..fault.len().min(200)]));
    let words = story.words();
    let received: usize = words.iter().filter_map(|word| Some(word.strip_prefix("data:")?.len())).sum();
    assert_eq!(received, len, "{case:?}: what had arrived was delivered");
    assert!(words.contains(&format!("data:{answer}")), "{case:?}: in order and in one");
    let has_end = words.iter().any(|word| word == "eof");
    let lost = words.last().map(String::as_str);
    match (case.peer, case.send) {
        (PeerEnds::Well, SendFails::Never) => assert_eq!((has_end, lost), (true, Some("lost")), "{case:?}"),
        (PeerEnds::Well, _) => assert_eq!((has_end, lost), (true, Some("lost:error")), "{case:?}"),
        // The kernel decides whether the end is seen after a reset: it reports the reset once, to the send or to the
        // receive.
        (PeerEnds::ByReset, _) => assert_eq!(lost, Some("lost:error"), "{case:?}"),
    }
}

#[test]
fn law_15_each_direction_ends_alone() {
    guarded(|| {
        run_clean(async {
            for case in all_cases() {
                check(case).await;
            }
        });
    });
}

/// A protocol that writes more than the kernel takes.
struct Talker;

impl Protocol for Talker {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.write(&vec![b't'; 32 << 20]);
    }
}

#[test]
fn law_15_bytes_that_were_given_up_are_a_reset_for_the_peer() {
    guarded(|| {
        run_clean(async {
            let linked = Link::Tcp.pair();
            let (transport, _) = get_running_loop().create_connection(|| Rc::new(Talker), linked.ours).await.unwrap();
            assert!(transport.get_write_buffer_size() > 0);
            transport.abort();
            sleep(Duration::from_millis(1)).await;
            let mut peer = linked.peer;
            let end = peer.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
            assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset));
        });
    });
}
