//! Serving connections as pairs of streams.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::constants::DEFAULT_LIMIT;
use crate::event_loop::{Incident, LoopHandle, Unawaited, get_running_loop};
use crate::executor::{Awaited, because};
use crate::interface::{Protocol, Transport};
use crate::net::{Endpoint, ServeOptions, Server, serve_options, topmost};
use crate::streams::open::check_limit;
use crate::streams::protocol::{Connected, StreamProtocol};
use crate::streams::{StreamReader, StreamWriter};

/// Listens, and calls `client_connected` with a reader and a writer for each connection.
///
/// `client_connected` is a plain function, called when the connection is made, or an async one, which becomes a task.
/// It may return nothing or a `Result`; see [`ClientConnected`].
///
/// # Cancel safety
///
/// Dropping the future before it is done closes everything it has opened.
///
/// # Errors
///
/// The system's error from binding or listening, with the address. If a name is not found, the error contains a
/// [`LookUpError`](crate::LookUpError). Starting also fails if the endpoint is invalid, if a socket passed as the
/// endpoint is not a stream socket, or if the limit is 0.
///
/// # Panics
///
/// When awaited where no loop runs.
///
/// # Examples
///
/// ```
/// use std::io;
/// use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
///
/// async fn shout(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
///     let line = reader.readline().await?;
///     writer.write_all(&line.to_ascii_uppercase()).await
/// }
///
/// # fn main() -> io::Result<()> {
/// waterwheel::run(async {
///     let server = start_server(shout, "127.0.0.1:0").await?;
///     let (mut reader, writer) = open_connection(server.local_addrs()[0]).await?;
///     writer.write(b"hello\n");
///     assert_eq!(reader.readline().await?, b"HELLO\n");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "asyncio.start_server")]
#[track_caller]
pub fn start_server<M>(client_connected: impl ClientConnected<M>, at: impl Into<Endpoint>) -> StartServer {
    // The handlers' tasks are spawned inside this crate, and that location would not tell which server they belong to.
    // The caller's location does.
    let started_at = Location::caller();
    let client_connected = move |event_loop: &LoopHandle, reader, writer: StreamWriter| {
        let transport = writer.transport();
        let call = AssertUnwindSafe(|| client_connected.call_at(event_loop, started_at, reader, writer));
        // A plain function does all its work in this call, and an async one may panic before it returns its future.
        if let Err(payload) = catch_unwind(call) {
            failed(&transport, Incident::new(HANDLER_PANICKED).with_panic(&payload));
        }
    };
    StartServer {
        options: ServeOptions::new(at.into()),
        limit: DEFAULT_LIMIT,
        client_connected: Box::new(client_connected),
        unawaited: Unawaited::new("start_server"),
    }
}

/// Listens at a Unix path, and calls `client_connected` as [`start_server`] does. A path that begins with a zero byte
/// is a name in Linux's abstract namespace.
///
/// # Errors
///
/// The system's error, with the path; `InvalidInput` if the path is too long or the limit is 0. `AddrInUse` if there is
/// a socket at the path that a process has open, whether it listens or not, or a file that is not a socket. The socket
/// of a server that has ended is replaced. If several servers start at the same path at the same time, one of them gets
/// it and all others get `AddrInUse`.
///
/// # Cancel safety, panics
///
/// The same as [`start_server`].
///
/// # Examples
///
/// ```
/// use waterwheel::{StreamReader, StreamWriter, open_unix_connection, start_unix_server};
///
/// async fn shout(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
///     let line = reader.readline().await?;
///     writer.write_all(&line.to_ascii_uppercase()).await
/// }
///
/// # fn main() -> std::io::Result<()> {
/// waterwheel::run(async {
///     let path = std::env::temp_dir().join(format!("shout-{}.sock", std::process::id()));
///     let server = start_unix_server(shout, &path).await?;
///     let (mut reader, writer) = open_unix_connection(&path).await?;
///     writer.write(b"hello\n");
///     assert_eq!(reader.readline().await?, b"HELLO\n");
///     drop(server);
///     assert!(!path.exists());
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "asyncio.start_unix_server")]
#[track_caller]
pub fn start_unix_server<M>(client_connected: impl ClientConnected<M>, path: impl AsRef<Path>) -> StartServer {
    start_server(client_connected, Endpoint::unix(path))
}

/// The line that started a server.
type Line = &'static Location<'static>;

const HANDLER_PANICKED: &str = "The handler of a connection panicked";

type Call = Box<dyn Fn(&LoopHandle, StreamReader, StreamWriter)>;

/// The server to start, returned by [`start_server`]. Await it to listen.
#[must_use = "nothing is served unless this is awaited"]
pub struct StartServer {
    pub(crate) options: ServeOptions,
    limit: usize,
    client_connected: Call,
    unawaited: Unawaited,
}

impl StartServer {
    /// The limit of each connection's reader, in bytes; the default is 64 KiB.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    serve_options!();
}

impl IntoFuture for StartServer {
    type Output = io::Result<Server>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<Server>>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::StartServer, Location::caller(), async move {
            check_limit(self.limit)?;
            let event_loop = get_running_loop();
            let (limit, call) = (self.limit, self.client_connected);
            let handle = event_loop.clone();
            let connected: Connected = Rc::new(move |reader, writer| call(&handle, reader, writer));
            let handle = event_loop.clone();
            let factory = move || -> Rc<dyn Protocol> {
                StreamProtocol::new(Some(handle.clone()), limit, Some(Rc::clone(&connected)))
            };
            self.options.serve(&event_loop, Rc::new(factory)).await
        }))
    }
}

impl fmt::Debug for StartServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartServer")
            .field("options", &self.options)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The handler that [`start_server`] calls for each connection: any `Fn(StreamReader, StreamWriter)` that returns
/// nothing, or a future of `()` or of a `Result<(), E>` whose error can be displayed. `M` tells these kinds apart. It
/// is inferred, so no program has to name it.
///
/// A handler that fails or panics is reported as an [`Incident`] with the peer's address, and its connection is closed:
/// the bytes it wrote before are still sent.
#[doc(alias = "client_connected_cb")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called for each connection of a server",
    label = "not a handler of connections",
    note = "a handler is a function or closure that takes `(StreamReader, StreamWriter)`, in this order",
    note = "it returns `()`, or is async and returns `()` or `Result<(), E>`, where `E` implements `Display`",
    note = "it is an `Fn` that owns what it uses: use `move`, and `Rc<Cell<..>>` for what it changes"
)]
pub trait ClientConnected<M>: 'static {
    /// Handles a new connection.
    fn call(&self, event_loop: &LoopHandle, reader: StreamReader, writer: StreamWriter);

    /// Like `call`, but a task spawned by this counts as spawned on the line `at`, which started the server.
    #[doc(hidden)]
    fn call_at(&self, event_loop: &LoopHandle, _at: Line, reader: StreamReader, writer: StreamWriter) {
        self.call(event_loop, reader, writer);
    }
}

/// A plain function; see [`ClientConnected`].
#[derive(Debug)]
pub enum Plain {}

/// An async function that returns nothing; see [`ClientConnected`].
#[derive(Debug)]
pub enum Coroutine {}

/// An async function that returns a `Result`; see [`ClientConnected`].
#[derive(Debug)]
pub enum FallibleCoroutine {}

impl<F> ClientConnected<Plain> for F
where
    F: Fn(StreamReader, StreamWriter) + 'static,
{
    fn call(&self, _event_loop: &LoopHandle, reader: StreamReader, writer: StreamWriter) {
        self(reader, writer);
    }
}

impl<F, C> ClientConnected<Coroutine> for F
where
    F: Fn(StreamReader, StreamWriter) -> C + 'static,
    C: Future<Output = ()> + 'static,
{
    #[track_caller]
    fn call(&self, event_loop: &LoopHandle, reader: StreamReader, writer: StreamWriter) {
        self.call_at(event_loop, Location::caller(), reader, writer);
    }

    fn call_at(&self, event_loop: &LoopHandle, at: Line, reader: StreamReader, writer: StreamWriter) {
        let transport = writer.transport();
        spawn_handler(event_loop, at, transport, self(reader, writer));
    }
}

impl<F, C, E> ClientConnected<FallibleCoroutine> for F
where
    F: Fn(StreamReader, StreamWriter) -> C + 'static,
    C: Future<Output = Result<(), E>> + 'static,
    E: fmt::Display + 'static,
{
    #[track_caller]
    fn call(&self, event_loop: &LoopHandle, reader: StreamReader, writer: StreamWriter) {
        self.call_at(event_loop, Location::caller(), reader, writer);
    }

    fn call_at(&self, event_loop: &LoopHandle, at: Line, reader: StreamReader, writer: StreamWriter) {
        let transport = writer.transport();
        spawn_handler(event_loop, at, transport, self(reader, writer));
    }
}

/// What a handler's coroutine may return.
trait Outcome {
    fn failure(self) -> Option<Incident>;
}

impl Outcome for () {
    fn failure(self) -> Option<Incident> {
        None
    }
}

impl<E: fmt::Display> Outcome for Result<(), E> {
    fn failure(self) -> Option<Incident> {
        let error = self.err()?;
        // Displaying the error and dropping it both run the user's code. The error is dropped while the text is still a
        // local variable: if that drop panics, a text that had already been returned would be leaked.
        let show = move || {
            let text = error.to_string();
            drop(error);
            text
        };
        let incident = match catch_unwind(AssertUnwindSafe(show)) {
            Ok(text) => Incident::new("The handler of a connection failed").with_error(io::Error::other(text)),
            Err(payload) => {
                Incident::new("The handler of a connection failed, and its error panicked").with_panic(&payload)
            }
        };
        Some(incident)
    }
}

fn spawn_handler<C>(event_loop: &LoopHandle, at: Line, transport: Rc<dyn Transport>, coroutine: C)
where
    C: Future<Output: Outcome> + 'static,
{
    event_loop.create_task_at(Handler { coroutine, transport }, at);
}

pin_project! {
    /// The task of one connection.
    struct Handler<C> {
        #[pin]
        coroutine: C,
        transport: Rc<dyn Transport>,
    }
}

/// Reports the failure to the loop that runs the handler, and closes the connection.
#[cold]
fn failed(transport: &Rc<dyn Transport>, incident: Incident) {
    let peer = transport.extra_info().peername().cloned();
    get_running_loop().core().report(&incident.with_peer(peer));
    // The handler may have started TLS over the transport.
    topmost(Rc::clone(transport)).close();
}

impl<C: Future<Output: Outcome>> Future for Handler<C> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        // The panic is caught here and not by the task, since the task does not know the peer.
        match catch_unwind(AssertUnwindSafe(|| this.coroutine.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => {
                if let Some(incident) = output.failure() {
                    failed(this.transport, incident);
                }
                Poll::Ready(())
            }
            Err(payload) => {
                failed(this.transport, Incident::new(HANDLER_PANICKED).with_panic(&payload));
                Poll::Ready(())
            }
        }
    }
}
