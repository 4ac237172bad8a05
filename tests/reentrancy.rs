//! The re-entrancy matrix: every method of a transport, of a server and of the loop, called from inside every callback
//! of a protocol and from its drop, on its own transport and on another. No cell may panic or break
//! `made data* eof? lost`, and the loop goes on after each.

#[path = "common/law_tools.rs"]
mod law_tools;
#[path = "common/reentrant.rs"]
mod reentrant;
#[path = "common/story.rs"]
mod story;

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{
    AfterEof, BufferedProtocol, EventLoop, Protocol, Transport, get_running_loop, sleep, spawn, yield_now,
};

use law_tools::{Incidents, guarded};
use reentrant::{Action, Actor, LOOP_ACTIONS, SERVER_ACTIONS, Scene, TRANSPORT_ACTIONS, Target, Trigger};
use story::{Story, Teller};

const TRIGGERS: [Trigger; 10] = [
    Trigger::Made,
    Trigger::Data,
    Trigger::Eof,
    Trigger::Lost,
    Trigger::PauseWriting,
    Trigger::ResumeWriting,
    Trigger::GetBuffer,
    Trigger::BufferUpdated,
    Trigger::Drop,
    Trigger::DropWhileOpen,
];

/// The peers of both connections. They read and write without waiting.
struct Peer(TcpStream);

impl Peer {
    fn connect(address: std::net::SocketAddr) -> Peer {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer(stream)
    }

    fn say(&mut self, text: &[u8]) {
        // A connection that an action has ended refuses it.
        let _ = self.0.write(text);
    }

    fn read_all(&mut self) {
        let mut piece = vec![0; 1 << 18];
        loop {
            match self.0.read(&mut piece) {
                Ok(n) if n > 0 => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

/// Lets turns pass until `is_so`, within bounds: an action may have made it impossible.
async fn until(turns: usize, mut is_so: impl FnMut() -> bool) {
    for turn in 0..turns {
        if is_so() {
            return;
        }
        // The kernel may take a moment for what passes through it.
        if turn < 20 { yield_now().await } else { sleep(Duration::from_millis(1)).await }
    }
}

/// One cell: a server with two connections, one of which does `action` when it comes to `trigger`.
async fn play(trigger: Trigger, action: Action, target: Target) -> Rc<Scene> {
    let handle = get_running_loop();
    let scene = Rc::new(Scene::new(trigger, action, target));
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
    let server = handle.create_server(factory, "127.0.0.1:0").await.unwrap();
    let address = server.local_addrs()[0];
    *scene.server.borrow_mut() = Some(Rc::new(server));

    let mut other_peer = Peer::connect(address);
    until(1000, || scene.other.has("made")).await;
    let mut peer = Peer::connect(address);
    until(1000, || scene.own.has("made")).await;
    // The actor has written more than the kernel takes, so it was told to pause. Now it gets something to read, then
    // its bytes are read, which lets it resume, then the peer ends its side.
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
    drop(peer.0.shutdown(Shutdown::Write));
    until(30, || scene.own.is_lost()).await;
    // What an action left open or paused ends here.
    scene.end();
    drop(other_peer.0.shutdown(Shutdown::Both));
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

/// A server has one factory, and its connections are of several kinds.
enum Either {
    Other(Rc<Teller>, Rc<Scene>),
    Actor(Actor),
    /// Of a connection that an action made.
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
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.protocol().buffered()
    }
}

/// The loop still runs callbacks, timers, tasks and connections.
async fn the_loop_goes_on() {
    let handle = get_running_loop();
    let story = Story::default();
    let told = story.clone();
    let (near, mut far) = UnixStream::pair().unwrap();
    let (transport, _) = handle.create_connection(move || Teller::new(&told), near).await.unwrap();
    far.write_all(b"x").unwrap();
    let ran = Rc::new(RefCell::new(0));
    let count = Rc::clone(&ran);
    handle.call_later(Duration::ZERO, move || *count.borrow_mut() += 1);
    spawn(yield_now()).await.unwrap();
    until(50, || story.text() == "made data:x").await;
    transport.abort();
    until(50, || story.is_lost()).await;
    assert_eq!((story.text().as_str(), *ran.borrow()), ("made data:x lost", 1));
}

/// It looks at the sockets in every turn, so that a few turns are enough for what is on its way.
fn looking_loop() -> EventLoop {
    EventLoop::builder().handles_per_poll(1).build().unwrap()
}

fn run_cell(trigger: Trigger, action: Action, target: Target) {
    let name = format!("{} on {target:?} in {trigger:?}", action.0);
    let mut event_loop = looking_loop();
    let incidents = Incidents::of(&event_loop.handle());
    let scene = event_loop.run(play(trigger, action, target));
    event_loop.run(the_loop_goes_on());
    drop(event_loop);
    assert_eq!(incidents.take(), Vec::<String>::new(), "{name}");
    assert_eq!(scene.acted.get(), 1, "{name}: the action was done once ({})", scene.own.text());
    scene.own.check_grammar().unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    scene.other.check_grammar().unwrap_or_else(|wrong| panic!("{name}, the other: {wrong}"));
}

fn run_all(targets: &[Target], actions: &'static [Action]) -> usize {
    let mut cells = 0;
    for trigger in TRIGGERS {
        for action in actions {
            for target in targets {
                run_cell(trigger, *action, *target);
                cells += 1;
            }
        }
    }
    cells
}

#[test]
fn a_transport_may_be_called_from_every_callback_of_its_own_protocol() {
    guarded(|| assert_eq!(run_all(&[Target::Own], &TRANSPORT_ACTIONS), 10 * 21));
}

#[test]
fn a_transport_may_be_called_from_every_callback_of_another_protocol() {
    guarded(|| assert_eq!(run_all(&[Target::Other], &TRANSPORT_ACTIONS), 10 * 21));
}

#[test]
fn the_loop_and_the_server_may_be_called_from_every_callback_of_a_protocol() {
    guarded(|| {
        assert_eq!(run_all(&[Target::Own], &LOOP_ACTIONS), 10 * 8);
        assert_eq!(run_all(&[Target::Own], &SERVER_ACTIONS), 10 * 6);
    });
}

/// The one documented panic: it stays in the callback, and costs the connection.
#[test]
fn a_write_after_write_eof_in_a_callback_panics_and_loses_the_connection() {
    guarded(|| {
        let write_twice: Action = ("write after write_eof", |transport, _| {
            transport.write_eof();
            transport.write(b"late");
        });
        let mut event_loop = looking_loop();
        let incidents = Incidents::of(&event_loop.handle());
        let scene = event_loop.run(play(Trigger::Data, write_twice, Target::Own));
        event_loop.run(the_loop_goes_on());
        let told = incidents.take();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("nothing can be written after write_eof()"), "{told:?}");
        scene.own.check_grammar().unwrap();
        assert!(scene.own.has("lost:error"), "{}", scene.own.text());
    });
}
