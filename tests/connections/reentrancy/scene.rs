//! The scene of one cell of the re-entrancy matrix: the actions, their triggers, and the protocol that acts.
use std::cell::{Cell, OnceCell, RefCell};
use std::io::IoSlice;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{
    AfterEof, BufferedProtocol, ConnectionError, Protocol, ReceiveBuffer, Server, Transport, try_get_running_loop,
};

use crate::common::story::{Story, Teller};

/// When the action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Made,
    Data,
    Eof,
    Lost,
    PauseWriting,
    ResumeWriting,
    Closing,
    GetBuffer,
    BufferUpdated,
    /// In the drop of the protocol, after the connection was lost.
    Drop,
    /// In the drop of the protocol while the connection is open, since another protocol took its place.
    DropWhileOpen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Own,
    Other,
}

/// A name, and what to do with a transport in the scene.
pub(crate) type Action = (&'static str, fn(&Rc<dyn Transport>, &Scene));

pub(crate) const TRANSPORT_ACTIONS: [Action; 21] = [
    ("write", |t, _| t.write(b"abc")),
    ("write of a large piece", |t, _| t.write(&vec![7; 200_000])),
    ("writelines", |t, _| t.writelines(&[IoSlice::new(b"a"), IoSlice::new(b"b")])),
    ("can_write_eof", |t, scene| assert_eq!(t.can_write_eof(), scene.has_halves)),
    ("write_eof, where there is one", |t, _| {
        if t.can_write_eof() {
            t.write_eof();
        }
    }),
    ("write, then write_eof, where there is one", |t, _| {
        t.write(b"abc");
        if t.can_write_eof() {
            t.write_eof();
        }
    }),
    ("close", |t, _| t.close()),
    ("abort", |t, _| t.abort()),
    ("close, then abort", |t, _| {
        t.close();
        t.abort();
    }),
    ("is_closing", |t, _| _ = t.is_closing()),
    ("pause_reading", |t, _| t.pause_reading()),
    ("resume_reading", |t, _| t.resume_reading()),
    ("pause_reading, then resume_reading", |t, _| {
        t.pause_reading();
        t.resume_reading();
    }),
    ("is_reading", |t, _| _ = t.is_reading()),
    ("set_write_buffer_limits to none", |t, _| t.set_write_buffer_limits(Some(0), None)),
    ("set_write_buffer_limits to much", |t, _| t.set_write_buffer_limits(Some(1 << 30), Some(1 << 29))),
    ("get_write_buffer_limits", |t, _| assert!(t.get_write_buffer_limits().0 <= t.get_write_buffer_limits().1)),
    ("get_write_buffer_size", |t, _| _ = t.get_write_buffer_size()),
    ("set_protocol", |t, scene| t.set_protocol(scene.successor(t))),
    ("get_protocol", |t, _| drop(t.get_protocol())),
    ("extra_info", |t, _| drop((t.extra_info(), format!("{t:?}")))),
];

fn with_loop(act: impl FnOnce(waterwheel::LoopHandle)) {
    act(try_get_running_loop().expect("callbacks and drops come from a running loop"));
}

pub(crate) const LOOP_ACTIONS: [Action; 8] = [
    ("call_soon", |_, _| with_loop(|l| drop(l.call_soon(|| {})))),
    ("call_soon, cancelled", |_, _| with_loop(|l| l.call_soon(|| {}).cancel())),
    ("call_later", |_, _| with_loop(|l| drop(l.call_later(Duration::ZERO, || {})))),
    ("call_later, cancelled", |_, _| with_loop(|l| l.call_later(Duration::ZERO, || {}).cancel())),
    ("remote call_soon", |_, _| with_loop(|l| assert!(l.remote().call_soon(|| {})))),
    ("create_task", |_, _| with_loop(|l| drop(l.create_task(waterwheel::yield_now())))),
    ("create_task, cancelled", |_, _| with_loop(|l| l.create_task(waterwheel::yield_now()).cancel())),
    ("create_connection in a task", |_, scene| {
        let address = scene.server().local_addrs().first().copied();
        with_loop(|l| {
            let connecting = l.create_connection(|| Rc::new(Quiet), address.unwrap_or(([127, 0, 0, 1], 1).into()));
            drop(l.create_task(async move {
                if let Ok((transport, _)) = connecting.await {
                    transport.abort();
                }
            }));
        });
    }),
];

pub(crate) const SERVER_ACTIONS: [Action; 6] = [
    ("Server::close", |_, scene| scene.server().close()),
    ("Server::close_clients", |_, scene| scene.server().close_clients()),
    ("Server::abort_clients", |_, scene| scene.server().abort_clients()),
    ("Server::close and abort_clients", |_, scene| {
        scene.server().close();
        scene.server().abort_clients();
    }),
    ("Server::local_addrs", |_, scene| drop((scene.server().local_addrs(), scene.server().is_serving()))),
    ("drop of the server", |_, scene| drop(scene.server.take())),
];

struct Quiet;
impl Protocol for Quiet {}

pub(crate) struct Scene {
    trigger: Trigger,
    action: Action,
    target: Target,
    /// Whether one side of a connection may end alone.
    has_halves: bool,
    pub(crate) own: Story,
    pub(crate) other: Story,
    pub(crate) server: RefCell<Option<Rc<Server>>>,
    own_transport: RefCell<Option<Rc<dyn Transport>>>,
    other_transport: RefCell<Option<Rc<dyn Transport>>>,
    pub(crate) acted: Cell<usize>,
}

impl Scene {
    pub(crate) fn new(trigger: Trigger, action: Action, target: Target, has_halves: bool) -> Self {
        Scene {
            trigger,
            action,
            target,
            has_halves,
            own: Story::default(),
            other: Story::default(),
            server: RefCell::default(),
            own_transport: RefCell::default(),
            other_transport: RefCell::default(),
            acted: Cell::new(0),
        }
    }

    pub(crate) fn remember(&self, own: &Rc<dyn Transport>) {
        *self.own_transport.borrow_mut() = Some(Rc::clone(own));
    }

    pub(crate) fn remember_other(&self, other: &Rc<dyn Transport>) {
        *self.other_transport.borrow_mut() = Some(Rc::clone(other));
    }

    fn server(&self) -> Rc<Server> {
        self.server.borrow().clone().expect("nobody took the server")
    }

    /// A protocol that continues the story of the transport that it will be set on.
    fn successor(&self, transport: &Rc<dyn Transport>) -> Rc<dyn Protocol> {
        let is_own = self.own_transport.borrow().as_ref().is_some_and(|own| Rc::ptr_eq(own, transport));
        Teller::new(if is_own { &self.own } else { &self.other })
    }

    pub(crate) fn replace_the_actor(&self) {
        let own = self.own_transport.borrow().clone().expect("it was made");
        own.set_protocol(Teller::new(&self.own));
    }

    /// Ends what is still open.
    pub(crate) fn end(&self) {
        for transport in [&self.own_transport, &self.other_transport] {
            let transport = transport.borrow().clone();
            transport.expect("it was made").abort();
        }
    }

    /// Drops everything that the scene holds, so that only references from the loop and the protocols are left.
    pub(crate) fn forget(&self) {
        drop((self.own_transport.take(), self.other_transport.take(), self.server.take()));
    }

    fn reached(&self, trigger: Trigger) {
        if self.trigger != trigger || self.acted.get() > 0 {
            return;
        }
        self.acted.set(1);
        let transport = match self.target {
            Target::Own => self.own_transport.borrow().clone(),
            Target::Other => self.other_transport.borrow().clone(),
        };
        let stories = [&self.own, &self.other];
        let before = stories.map(|story| story.words().len());
        (self.action.1)(&transport.expect("both were made"), self);
        for (story, before) in stories.into_iter().zip(before) {
            let inside = &story.words()[before..];
            let is_legal = inside.iter().all(|word| ["pause", "resume"].contains(&word.as_str()));
            assert!(is_legal, "from inside a call: {inside:?}");
        }
    }
}

/// The protocol that does the action, and then continues as usual.
pub(crate) struct Actor {
    scene: Rc<Scene>,
    transport: OnceCell<Rc<dyn Transport>>,
}

impl Actor {
    pub(crate) fn new(scene: &Rc<Scene>) -> Self {
        Actor { scene: Rc::clone(scene), transport: OnceCell::new() }
    }
}

impl Protocol for Actor {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let scene = &self.scene;
        scene.own.tell("made");
        scene.remember(&transport);
        if let Some(socket) = transport.extra_info().socket() {
            let _ = socket.set_send_buffer_size(128 * 1024);
        }
        let _ = self.transport.set(Rc::clone(&transport));
        transport.write(&vec![7; 2 << 20]);
        scene.reached(Trigger::Made);
    }

    fn data_received(&self, data: &[u8]) {
        self.scene.own.tell_data(data);
        self.scene.reached(Trigger::Data);
    }

    fn eof_received(&self) -> AfterEof {
        self.scene.own.tell("eof");
        self.scene.reached(Trigger::Eof);
        AfterEof::Close
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.scene.own.tell(if error.is_some() { "lost:error" } else { "lost" });
        self.scene.reached(Trigger::Lost);
    }

    fn pause_writing(&self) {
        self.scene.own.tell("pause");
        self.scene.reached(Trigger::PauseWriting);
    }

    fn resume_writing(&self) {
        self.scene.own.tell("resume");
        self.scene.reached(Trigger::ResumeWriting);
    }

    fn connection_closing(&self, _error: Option<ConnectionError>) {
        self.scene.reached(Trigger::Closing);
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        let wanted = matches!(self.scene.trigger, Trigger::GetBuffer | Trigger::BufferUpdated);
        wanted.then_some(self as &dyn BufferedProtocol)
    }
}

impl BufferedProtocol for Actor {
    fn get_buffer(&self) -> ReceiveBuffer {
        self.scene.reached(Trigger::GetBuffer);
        ReceiveBuffer::new(64)
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        if received > 0 {
            self.scene.own.tell_data(buffer.filled());
        }
        self.scene.reached(Trigger::BufferUpdated);
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.scene.reached(Trigger::Drop);
        self.scene.reached(Trigger::DropWhileOpen);
    }
}
