//! Bare epoll: the best that a runtime can approach.

use std::net::TcpStream;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::readiness::{Connection, Scratch};
use super::{announce, listener};
use crate::wire::App;

const LISTENER: u64 = u64::MAX;

pub(super) fn serve(app: App) {
    let listener = listener();
    listener.set_nonblocking(true).expect("non-blocking");
    announce(listener.local_addr());
    let epoll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    let watch = |socket: &dyn AsFd, place: u64, flags: EventFlags| {
        epoll::add(&epoll, socket.as_fd(), EventData::new_u64(place), flags).expect("epoll takes it");
    };
    watch(&listener, LISTENER, EventFlags::IN);
    let mut connections: Vec<Option<Connection<TcpStream>>> = Vec::new();
    let mut free = Vec::new();
    let mut scratch = Scratch::new();
    let mut events: Vec<Event> = Vec::with_capacity(1024);
    loop {
        epoll::wait(&epoll, spare_capacity(&mut events), None).expect("waiting");
        for event in events.drain(..) {
            let (place, flags) = (event.data.u64(), event.flags);
            if place == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).expect("non-blocking");
                    stream.set_nodelay(true).expect("TCP_NODELAY");
                    let place = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    watch(&stream, place as u64, EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET);
                    connections[place] = Some(Connection::new(stream, app));
                }
                continue;
            }
            let readable = flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
            let slot = &mut connections[place as usize];
            let connection = slot.as_mut().expect("a closed socket has no events");
            if !connection.ready(readable, &mut scratch) {
                *slot = None;
                free.push(place as usize);
            }
        }
    }
}
