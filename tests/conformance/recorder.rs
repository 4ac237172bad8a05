//! A protocol that records its callbacks, and answers them with steps of the scenario.

use std::cell::Cell;
use std::rc::{Rc, Weak};

use serde_json::Value;
use waterwheel::{AfterEof, BufferedProtocol, ConnectionError, Protocol, ReceiveBuffer, Transport};

use crate::trace::io_error;
use crate::world::World;

pub(crate) struct Recorder {
    world: Weak<World>,
    /// The number of its connection; 0 until a server's connection is made.
    at: Cell<usize>,
    /// Tells the protocols of one connection apart.
    prefix: &'static str,
    /// The size of the buffers that it lends, if it lends any.
    room: Option<usize>,
}

impl Recorder {
    pub(crate) fn new(world: &Rc<World>, kind: &str, at: usize, prefix: &'static str) -> Rc<Recorder> {
        let room = (kind == "buffered").then(|| world.scenario.number("room", 1024));
        Rc::new(Recorder { world: Rc::downgrade(world), at: Cell::new(at), prefix, room })
    }

    fn name(&self, world: &World, call: &str) -> String {
        format!("{}{call}{}", self.prefix, world.suffix(self.at.get()))
    }

    fn called(&self, call: &str, values: Vec<Value>) {
        let Some(world) = self.world.upgrade() else { return };
        world.trace.add(self.name(&world, call), values);
        self.react(&world, call);
    }

    fn react(&self, world: &Rc<World>, call: &str) {
        for step in world.scenario.reactions(call) {
            drop(world.act(&step, Some(self.at.get())));
        }
    }

    fn received(&self, data: &[u8]) {
        let Some(world) = self.world.upgrade() else { return };
        world.trace.data(self.name(&world, "data"), data);
        self.react(&world, "data");
    }
}

impl Protocol for Recorder {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let Some(world) = self.world.upgrade() else { return };
        if self.at.get() == 0 {
            self.at.set(world.accepted());
        }
        world.end(self.at.get()).transport.replace(Some(transport));
        self.called("made", Vec::new());
    }

    fn data_received(&self, data: &[u8]) {
        self.received(data);
    }

    fn eof_received(&self) -> AfterEof {
        self.called("eof", Vec::new());
        match self.world.upgrade().is_some_and(|world| world.scenario.flag("keep_open", false)) {
            true => AfterEof::KeepOpen,
            false => AfterEof::Close,
        }
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.called("lost", vec![error.map_or(Value::Null, |error| io_error(&error.to_io_error()))]);
    }

    fn pause_writing(&self) {
        self.called("pause", Vec::new());
    }

    fn resume_writing(&self) {
        self.called("resume", Vec::new());
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.room.map(|_| self as &dyn BufferedProtocol)
    }
}

impl BufferedProtocol for Recorder {
    fn get_buffer(&self) -> ReceiveBuffer {
        ReceiveBuffer::new(self.room.unwrap_or_default())
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        if received > 0 {
            self.received(buffer.filled());
        }
    }
}
