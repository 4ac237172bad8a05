//! The re-entrancy matrix: every method of a transport, of a server and of the loop, called from inside every callback
//! of a protocol and from its drop, on its own transport and on another one. No cell may panic, leave anything behind,
//! or break the order `made data* eof? lost`, and the loop must go on afterwards. All cells run over each kind of
//! wire.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{AfterEof, BufferedProtocol, Protocol, Transport, get_running_loop, sleep, spawn, yield_now};

use self::scene::{Action, Actor, LOOP_ACTIONS, SERVER_ACTIONS, Scene, TRANSPORT_ACTIONS, Target, Trigger};
use crate::common::story::{Story, Teller};
use crate::common::trace::Trace;
use crate::common::watchdog::watchdog;
use crate::common::wires::Wire;

mod scene;

const TRIGGERS: [Trigger; 11] = [
    Trigger::Made,
    Trigger::Data,
    Trigger::Eof,
    Trigger::Lost,
    Trigger::PauseWriting,
    Trigger::ResumeWriting,
    Trigger::Closing,
    Trigger::GetBuffer,
    Trigger::BufferUpdated,
    Trigger::Drop,
    Trigger::DropWhileOpen,
];

/// The triggers that are callbacks of a protocol.
fn callbacks() -> impl Iterator<Item = Trigger> {
    TRIGGERS.into_iter().filter(|trigger| !matches!(trigger, Trigger::Drop | Trigger::DropWhileOpen))
}

/// Lets turns pass until `is_so`, up to a limit: an action may have made it impossible.
async fn until(turns: usize, mut is_so: impl FnMut() -> bool) {
    for turn in 0..turns {
        if is_so() {
            return;
        }
        // The kernel may need a moment to deliver.
        if turn < 20 { yield_now().await } else { sleep(Duration::from_millis(1)).await }
    }
}

/// One cell: a server with two connections, one of which does `action` at `trigger`.
async fn play(wire: &dyn Wire, trigger: Trigger, action: Action, target: Target) -> Rc<Scene> {
    let handle = get_running_loop();
    let scene = Rc::new(Scene::new(trigger, action, target, wire.has_halves()));
    let factory = {
        let (scene, made) = (Rc::clone(&scene), Cell::new(0));
        move || -> Rc<Either> {
            made.set(made.get() + 1);
            Rc::new(match made.get() {
                1 => Either::Other(Teller::new(&scene.other), Rc::clone(&scene)),
                2 => Either::Actor(Actor::new(&scene)),
                _ => Either::Further(Teller::new(&Story::default())),
            })
        }
    };
    let server = wire.serve(handle.create_server(factory, "127.0.0.1:0")).await.unwrap();
    let address = server.local_addrs()[0];
    *scene.server.borrow_mut() = Some(Rc::new(server));

    let mut other_peer = wire.connect(address);
    until(1000, || {
        other_peer.read_all();
        scene.other.has("made")
    })
    .await;
    let mut peer = wire.connect(address);
    until(1000, || {
        // After the handshake only the actor writes, and that must stay unread.
        if !scene.own.has("made") {
            peer.read_all();
        }
        scene.own.has("made")
    })
    .await;
    // The actor has written more than the kernel takes, so its writing was paused. Now it gets some data, then its
    // bytes are read so that it can resume, then the peer ends its side.
    peer.say(b"hello");
    other_peer.say(b"hello");
    until(30, || scene.own.words().iter().any(|word| word.starts_with("data"))).await;
    if trigger == Trigger::DropWhileOpen {
        scene.replace_the_actor();
    }
    until(300, || {
        peer.read_all();
        scene.own.has("resume") || scene.own.is_lost()
    })
    .await;
    peer.end();
    until(30, || scene.own.is_lost()).await;
    // Ends what an action left open or paused.
    scene.end();
    other_peer.cut();
    for _ in 0..500 {
        peer.read_all();
        if scene.own.is_lost() && scene.other.is_lost() {
            break;
        }
        sleep(Duration::from_millis(1)).await;
    }
    scene.forget();
    yield_now().await;
    scene
}

/// The protocols of the server, which has one factory for several kinds of connections.
enum Either {
    Other(Rc<Teller>, Rc<Scene>),
    Actor(Actor),
    /// For connections that an action made.
    Further(Rc<Teller>),
}

impl Either {
    fn protocol(&self) -> &dyn Protocol {
        match self {
            Either::Other(teller, _) | Either::Further(teller) => &**teller,
            Either::Actor(actor) => actor,
        }
    }
}

impl Protocol for Either {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        if let Either::Other(_, scene) = self {
            scene.remember_other(&transport);
        }
        self.protocol().connection_made(transport);
    }
    fn data_received(&self, data: &[u8]) {
        self.protocol().data_received(data);
    }
    fn eof_received(&self) -> AfterEof {
        self.protocol().eof_received()
    }
    fn connection_lost(&self, error: Option<waterwheel::ConnectionError>) {
        self.protocol().connection_lost(error);
    }
    fn pause_writing(&self) {
        self.protocol().pause_writing();
    }
    fn resume_writing(&self) {
        self.protocol().resume_writing();
    }
    fn connection_closing(&self, error: Option<waterwheel::ConnectionError>) {
        self.protocol().connection_closing(error);
    }
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.protocol().buffered()
    }
}

/// Checks that the loop still runs callbacks, timers, tasks, servers and connections.
async fn the_loop_goes_on() {
    let handle = get_running_loop();
    let story = Story::default();
    let served = Teller::new(&story);
    let protocol = Rc::clone(&served);
    let server = handle.create_server(move || Rc::clone(&protocol), "127.0.0.1:0").await.unwrap();
    let connecting = handle.create_connection(|| Teller::new(&Story::default()), server.local_addrs()[0]);
    let (client, _) = connecting.await.unwrap();
    client.write(b"x");
    let ran = Rc::new(RefCell::new(0));
    let count = Rc::clone(&ran);
    handle.call_later(Duration::ZERO, move || *count.borrow_mut() += 1);
    spawn(yield_now()).await.unwrap();
    until(50, || story.text() == "made data:x").await;
    served.transport.get().expect("it was made").abort();
    until(50, || story.is_lost()).await;
    assert_eq!((story.text().as_str(), *ran.borrow()), ("made data:x lost", 1));
}

/// Plays a cell, and returns the scene and the reported incidents.
fn run_cell(wire: &dyn Wire, trigger: Trigger, action: Action, target: Target) -> (Rc<Scene>, Vec<String>) {
    let name = format!("{} on {target:?} in {trigger:?}", action.0);
    // The loop polls in every turn, so a few turns are enough for bytes on their way.
    let mut event_loop = wire.builder().handles_per_poll(1).build().unwrap();
    let incidents = event_loop.run(async { Trace::of_incidents() });
    let scene = event_loop.run(play(wire, trigger, action, target));
    event_loop.run(the_loop_goes_on());
    drop(event_loop);
    assert_eq!(scene.acted.get(), 1, "{name}: the action was done once ({})", scene.own.text());
    scene.own.check_grammar().unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    scene.other.check_grammar().unwrap_or_else(|wrong| panic!("{name}, the other: {wrong}"));
    assert_eq!(Rc::strong_count(&scene), 1, "{name}: a protocol is left");
    (scene, incidents.take())
}

fn run_all(wire: &dyn Wire, targets: &[Target], actions: &'static [Action]) -> usize {
    let mut cells = 0;
    for trigger in TRIGGERS {
        for action in actions {
            for target in targets {
                let (_, incidents) = run_cell(wire, trigger, *action, *target);
                assert_eq!(incidents, Vec::<String>::new(), "{} on {target:?} in {trigger:?}", action.0);
                cells += 1;
            }
        }
    }
    cells
}

/// Checks that a panic stays in the callback and ends the connection. `words` are part of its report.
fn check_panic(wire: &dyn Wire, trigger: Trigger, action: Action, words: &str) {
    let (scene, incidents) = run_cell(wire, trigger, action, Target::Own);
    assert_eq!(incidents.len(), 1, "{trigger:?}: {incidents:?}");
    assert!(incidents[0].contains(words), "{trigger:?}: {incidents:?}");
    // A panic in `connection_lost` comes after the error was passed, and a connection that panics in
    // `connection_closing` may already be lost.
    let is_error = scene.own.has("lost:error");
    match trigger {
        Trigger::Lost => assert!(!is_error, "{trigger:?}: {}", scene.own.text()),
        Trigger::Closing => assert!(scene.own.is_lost(), "{trigger:?}: {}", scene.own.text()),
        _ => assert!(is_error, "{trigger:?}: {}", scene.own.text()),
    }
}

/// The matrix over one kind of wire.
macro_rules! matrix_over {
    ($name:ident, $wire:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn a_transport_may_be_called_from_every_callback_of_its_own_protocol() {
                let _watchdog = watchdog();
                assert_eq!(run_all(&$wire, &[Target::Own], &TRANSPORT_ACTIONS), 11 * 21);
            }

            #[test]
            fn a_transport_may_be_called_from_every_callback_of_another_protocol() {
                let _watchdog = watchdog();
                assert_eq!(run_all(&$wire, &[Target::Other], &TRANSPORT_ACTIONS), 11 * 21);
            }

            #[test]
            fn the_loop_and_the_server_may_be_called_from_every_callback_of_a_protocol() {
                let _watchdog = watchdog();
                let wire = $wire;
                assert_eq!(run_all(&wire, &[Target::Own], &LOOP_ACTIONS), 11 * 8);
                assert_eq!(run_all(&wire, &[Target::Own], &SERVER_ACTIONS), 11 * 6);
            }

            #[test]
            fn a_panic_in_any_callback_is_reported_and_loses_the_connection() {
                let _watchdog = watchdog();
                let wire = $wire;
                for trigger in callbacks() {
                    check_panic(&wire, trigger, ("panic", |_, _| panic!("as the test asked for")), "as the test");
                }
            }

            /// The one documented panic of a transport.
            #[test]
            fn an_end_of_our_side_that_cannot_be_panics_and_loses_the_connection() {
                let _watchdog = watchdog();
                let late: Action = ("write after write_eof", |transport, _| {
                    transport.write_eof();
                    transport.write(b"late");
                });
                let wire = $wire;
                let words = match wire.has_halves() {
                    true => "nothing can be written after write_eof()",
                    false => "one half of a TLS stream cannot end alone",
                };
                check_panic(&wire, Trigger::Data, late, words);
            }
        }
    };
}

matrix_over!(over_a_socket, crate::common::wires::Plain);
matrix_over!(in_memory, crate::common::memory::Memory::default());
#[cfg(feature = "tls")]
matrix_over!(over_tls, crate::common::wires::Tls::new());
