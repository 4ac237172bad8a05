//! The connections of a server as a stream.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ::futures_core::Stream;

use crate::executor::{Awaited, Reason, Waiter, leave, poll_operation, return_operation};
use crate::streams::{Connection, StreamReader, StreamWriter};

/// Returns a handler for [`start_server`](crate::start_server), and a stream of the connections that the handler is
/// given.
///
/// This is for code that wants a stream, or takes one connection after the other. To serve many connections at once, a
/// handler of your own is simpler.
///
/// The stream ends when the server is dropped. Connections that arrive after the stream was dropped are closed. The
/// number of connections that wait in the stream is not limited: to keep it small, take them as they arrive.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use waterwheel::{incoming, open_connection, start_server};
///
/// # fn main() -> std::io::Result<()> {
/// waterwheel::run(async {
///     let (accept, mut connections) = incoming();
///     let server = start_server(accept, "127.0.0.1:0").await?;
///     let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
///
///     let connection = connections.next().await.expect("the server is there");
///     connection.writer.write(b"welcome\n");
///     assert_eq!(reader.readline().await?, b"welcome\n");
///
///     drop(server);
///     assert!(connections.next().await.is_none());
///     Ok(())
/// })
/// # }
/// ```
pub fn incoming() -> (impl Fn(StreamReader, StreamWriter) + 'static, Incoming) {
    let queue = Rc::new(Queue::default());
    let entrance = Entrance(Rc::clone(&queue));
    (move |reader, writer| entrance.0.put((reader, writer).into()), Incoming { queue })
}

/// The connections of a server, made by [`incoming`].
#[must_use = "dropping it closes the connections that come"]
pub struct Incoming {
    queue: Rc<Queue>,
}

/// The server's end. Dropping it ends the stream.
struct Entrance(Rc<Queue>);

#[derive(Default)]
struct Queue {
    came: RefCell<VecDeque<Connection>>,
    ends: Cell<Ends>,
    /// The task that polled last. No other can be waiting, since polling needs exclusive access to the stream.
    waiter: Cell<Waiter>,
}

/// Which end is gone.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ends {
    #[default]
    Neither,
    /// The server's: no more connections arrive.
    Entrance,
    /// The stream's: connections that arrive are closed.
    Stream,
}

impl Queue {
    fn put(&self, connection: Connection) {
        if self.ends.get() == Ends::Stream {
            return;
        }
        self.came.borrow_mut().push_back(connection);
        self.waiter.take().wake();
    }

    fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Connection>> {
        ready!(poll_operation(cx));
        let first = self.came.borrow_mut().pop_front();
        if first.is_some() || self.ends.get() == Ends::Entrance {
            return Poll::Ready(first);
        }
        return_operation();
        leave(Reason::polled(Awaited::Incoming));
        drop(self.waiter.replace(Waiter::of(cx)));
        Poll::Pending
    }
}

impl Stream for Incoming {
    type Item = Connection;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Connection>> {
        self.queue.poll_take(cx)
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.ends.set(Ends::Entrance);
        self.0.waiter.take().wake();
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.queue.ends.set(Ends::Stream);
        let left = self.queue.came.take();
        drop(left);
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.queue.came.borrow().len();
        f.debug_struct("Incoming").field("waiting", &waiting).field("gone", &self.queue.ends.get()).finish()
    }
}
