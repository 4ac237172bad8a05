//! A transport and its protocol, on a network that behaves as the input says.
//!
//! The checks after each step: the grammar of the protocol's callbacks; that bytes come out as they went in, in both
//! directions; that pauses and resumes alternate; that written bytes are sent; how a connection ends, and that it
//! does.

mod input;
mod story;

use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{LoopHandle, Readiness};

pub use self::input::Input;
use self::input::{Call, SendFailure, Step};
use self::story::{MOST, Story};
use crate::checked::Checked;
use crate::pattern::pattern;
use crate::world::{HERE, IncomingEnd, Wire, World};

/// Performs a step of the peer or the system.
fn peer_does(wire: &Wire, came: &mut usize, step: &Step) {
    let is_open = wire.incoming_end() == IncomingEnd::NotYet;
    match *step {
        Step::PeerSends(size) if is_open && *came < MOST => {
            wire.comes(&pattern(*came, size.get()));
            *came += size.get();
        }
        Step::PeerEnds if is_open => wire.ends(IncomingEnd::Ended),
        Step::PeerResets if is_open => wire.ends(IncomingEnd::Reset),
        Step::Room(size) => wire.make_room(size.get()),
        // After a reset, a send fails with the reset instead.
        Step::SendsFail(_) if !matches!(wire.incoming_end(), IncomingEnd::NotYet | IncomingEnd::Ended) => {}
        Step::SendsFail(SendFailure::BrokenPipe) => wire.fails(ErrorKind::BrokenPipe),
        Step::SendsFail(SendFailure::Other) => wire.fails(ErrorKind::HostUnreachable),
        Step::Interrupts(calls) => wire.interrupt(calls % 8),
        Step::Chop(most) => wire.chop(most.into()),
        Step::Spurious { readable, writable, hang_up } => {
            let bits =
                [(readable, Readiness::READABLE), (writable, Readiness::WRITABLE), (hang_up, Readiness::HANG_UP)];
            bits.iter().filter(|(is_set, _)| *is_set).for_each(|&(_, bit)| wire.event(bit));
        }
        _ => {}
    }
}

fn call_soon(event_loop: &LoopHandle, story: &Rc<Story>, call: &Call) {
    let (story, call) = (Rc::clone(story), call.clone());
    event_loop.call_soon(move || story.call(&call));
}

/// Runs the steps of the input on a connection.
pub fn check(mut input: Input) {
    let mut world = World::new();
    let wire = world.wire.clone();
    let story = Rc::new(Story::new(&mut input, wire.clone()));
    let handle = world.event_loop.handle();
    let (for_protocol, connecting) = (Rc::clone(&story), handle.clone());
    let task = handle.create_task(async move {
        let connection = connecting.create_connection(move || Rc::new(Checked(for_protocol)), HERE);
        drop(connection.await.expect("this network refuses nobody"));
    });
    while story.course.transport().is_none() {
        world.turn();
    }
    let mut came = 0;
    for step in &input.steps {
        match step {
            Step::Turn => world.turn(),
            Step::Turns(turns) => (0..turns % 16).for_each(|_| world.turn()),
            Step::Call(call) => story.call(call),
            Step::CallSoon(call) => call_soon(&handle, &story, call),
            other => peer_does(&wire, &mut came, other),
        }
        story.check_between_steps();
    }
    finish(&mut world, &story, came);
    drop(task);
    let weak = Rc::downgrade(&story);
    drop(story);
    assert_eq!(weak.strong_count(), 0, "what is lost is held by nobody");
}

/// From here on nothing is held back: everything on its way arrives, and the connection ends.
fn finish(world: &mut World, story: &Story, came: usize) {
    let (wire, course) = (world.wire.clone(), &story.course);
    story.reactions.take();
    world.settle();
    wire.interrupt(0);
    wire.make_room(usize::MAX);
    if wire.incoming_end() == IncomingEnd::NotYet {
        wire.ends(IncomingEnd::Ended);
    }
    story.call(&Call::ResumeReading);
    world.settle();
    story.check_between_steps();
    if !course.ended_by_us() && !story.gave_up() {
        assert_eq!(course.received(), came, "all that the peer sent has come");
        assert!(course.got_eof(), "and its end");
    }
    if !course.got_lost() {
        assert!(course.keeps_open() || course.ended_by_us(), "the connection does not end");
        story.call(&Call::Close);
        world.settle();
    }
    assert!(course.got_lost(), "the connection does not end: {:?}", story.transport());
    assert!(course.got_closing(), "who writes was told that it ends");
    // A lingering connection is closed when nothing has arrived for a while.
    world.clock.advance(Duration::from_secs(60));
    world.settle();
    assert!(wire.is_gone(), "the connection is not closed");
    let gave_up = wire.sent() < story.written.get();
    assert!(!gave_up || wire.is_reset(), "a part is not taken for the whole");
    assert!(gave_up || !wire.is_reset() || wire.send_failed(), "all that was written was sent, and then a reset");
}
