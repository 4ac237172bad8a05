//! Bare mio, on which waterwheel and tokio are built.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::readiness::{Connection, Scratch};
use super::{announce, listener};
use crate::wire::App;

const LISTENER: Token = Token(usize::MAX);

pub(super) fn serve(app: App) {
    let listener = listener();
    listener.set_nonblocking(true).expect("non-blocking");
    let mut listener = TcpListener::from_std(listener);
    announce(listener.local_addr());
    let mut poll = Poll::new().expect("a poll");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("the poll takes it");
    let mut connections: Vec<Option<Connection<TcpStream>>> = Vec::new();
    let mut free = Vec::new();
    let mut scratch = Scratch::new();
    let mut events = Events::with_capacity(1024);
    loop {
        poll.poll(&mut events, None).expect("waiting");
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true).expect("TCP_NODELAY");
                    let place = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(place), interest).expect("the poll takes it");
                    connections[place] = Some(Connection::new(stream, app));
                }
                continue;
            }
            let place = event.token().0;
            let slot = &mut connections[place];
            let connection = slot.as_mut().expect("a closed socket has no events");
            if !connection.ready(event.is_readable() || event.is_error(), &mut scratch) {
                *slot = None;
                free.push(place);
            }
        }
    }
}
