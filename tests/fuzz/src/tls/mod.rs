//! TLS over a connection for which the input chooses how the peer's bytes are cut up, and how an attacker changes them
//! on their way. The peer is rustls itself.
//!
//! The checks: the received bytes are a prefix of what the peer wrote, and the other way round; a clean end comes only
//! after all of it; without an attacker there is no error.

mod input;
mod peer;
mod settings;
mod story;

use std::cell::OnceCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

pub use self::input::Input;
use self::input::{Call, Step};
use self::peer::Peer;
use self::settings::SETTINGS;
use self::story::{MOST, Story};
use crate::checked::Checked;
use crate::pattern::pattern;
use crate::world::{HERE, IncomingEnd, World};

/// Lets everything arrive, both ways, until neither side has anything left to send.
fn exchange(world: &mut World, story: &Story) {
    for _ in 0..1000 {
        let mut peer = story.peer.borrow_mut();
        peer.pump();
        let n = peer.on_the_way.len();
        peer.arrives(&world.wire, n);
        drop(peer);
        world.settle();
        if !world.wire.is_unheard() {
            return;
        }
        story.peer.borrow_mut().hear(&world.wire, story.written.get());
    }
    panic!("the two parties never have enough");
}

fn step(world: &mut World, story: &Story, step: &Step) {
    let wire = world.wire.clone();
    let mut peer = story.peer.borrow_mut();
    match step {
        Step::PeerWrites(size) if peer.may_send() && peer.wrote < MOST => {
            let bytes = pattern(peer.wrote, size.get());
            peer.engine.writer().write_all(&bytes).expect("there is no limit");
            peer.wrote += bytes.len();
            peer.pump();
        }
        Step::PeerNotifies if peer.may_send() && !peer.engine.is_handshaking() => {
            peer.engine.send_close_notify();
            peer.has_notified = true;
            peer.pump();
        }
        Step::PeerEnds => peer.ends(&wire, IncomingEnd::Ended),
        Step::PeerResets => peer.ends(&wire, IncomingEnd::Reset),
        Step::Arrives(n) => {
            peer.hear(&wire, story.written.get());
            peer.arrives(&wire, usize::from(*n).pow(2));
        }
        Step::Room(size) => wire.make_room(size.get()),
        Step::Chop(most) => wire.chop(usize::from(*most).pow(2)),
        Step::Tamper(tampering) => peer.tamper(tampering),
        Step::Turn | Step::Call(_) | Step::Exchange => {
            drop(peer);
            match step {
                Step::Call(call) => story.call(*call),
                Step::Exchange => exchange(world, story),
                _ => world.turn(),
            }
        }
        _ => {}
    }
}

/// Runs the steps of the input on a connection.
pub fn check(input: Input) {
    let mut world = World::new();
    let wire = world.wire.clone();
    let story = Rc::new(Story::new(&input));
    let (told, handle) = (Rc::clone(&story), world.event_loop.handle());
    let connected = Rc::new(OnceCell::new());
    let answer = Rc::clone(&connected);
    let task = if input.we_serve {
        wire.calls();
        handle.clone().create_task(async move {
            let server = handle.create_server(move || Rc::new(Checked(Rc::clone(&told))), HERE).tls(&SETTINGS.server);
            let server = server.await.expect("this network refuses nobody");
            // The server stays until the end.
            std::future::pending::<()>().await;
            drop(server);
        })
    } else {
        handle.clone().create_task(async move {
            let connection = handle.create_connection(move || Rc::new(Checked(told)), HERE).tls(&SETTINGS.client);
            let made = connection.server_hostname("localhost").await.map(drop);
            let _ = answer.set(made);
        })
    };
    world.turn();
    if !input.is_narrow {
        wire.make_room(usize::MAX);
    }
    for one in &input.steps {
        step(&mut world, &story, one);
    }
    finish(&mut world, &story);
    if let Some(made) = connected.get() {
        assert_eq!(
            made.is_ok(),
            story.course.transport().is_some(),
            "who is told {made:?} knows the same as the protocol"
        );
    } else {
        assert!(input.we_serve, "connecting does not end");
    }
    drop(task);
    drop(world);
    let weak = Rc::downgrade(&story);
    drop(story);
    assert_eq!(weak.strong_count(), 0, "what is lost is held by nobody");
}

/// From here on nothing is held back: everything on its way arrives, and the connection ends.
fn finish(world: &mut World, story: &Story) {
    let wire = world.wire.clone();
    story.reactions.replace(Vec::new().into_iter());
    wire.make_room(usize::MAX);
    story.call(Call::ResumeReading);
    exchange(world, story);
    let is_blameless = |peer: &Peer| peer.is_blameless() && !story.course.aborted();
    if is_blameless(&story.peer.borrow()) {
        assert!(story.course.transport().is_some(), "nobody has done anything, and there is no connection");
        let peer = story.peer.borrow();
        assert!(
            story.course.ended_by_us() || story.course.received() == peer.wrote,
            "all that the peer wrote has come"
        );
        assert!(peer.has_ended || peer.read == story.written.get(), "all that we wrote has gone");
    }
    let mut peer = story.peer.borrow_mut();
    if peer.may_send() {
        peer.engine.send_close_notify();
        peer.has_notified = true;
    }
    drop(peer);
    exchange(world, story);
    let mut peer = story.peer.borrow_mut();
    if is_blameless(&peer) {
        assert!(story.course.got_lost(), "both have ended the session, and the connection goes on");
        assert!(story.course.got_eof() || story.course.ended_by_us());
    }
    peer.ends(&wire, IncomingEnd::Ended);
    drop(peer);
    world.settle();
    // More than the longest of the timeouts.
    world.clock.advance(Duration::from_secs(61));
    world.settle();
    assert!(story.course.got_lost() || story.course.transport().is_none(), "the connection does not end");
    assert!(wire.is_gone(), "the connection is not closed");
}
