//! Listening: from an endpoint to a server.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;

use crate::constants::DEFAULT_BACKLOG;
use crate::errors::loop_is_closed;
use crate::event_loop::{LoopHandle, Unawaited};
use crate::executor::{Awaited, because, costly_operation};
use crate::interface::Protocol;
use crate::net::address::{Endpoint, Hints, Purpose, Target};
use crate::net::connection::LayerOptions;
use crate::net::port::{BindOptions, Network};
use crate::net::server::bind::{bind_all, bind_unix};
use crate::net::server::face::Server;
use crate::net::server::state::{Assembly, Factory};

impl LoopHandle {
    /// Listens, and makes a protocol with `factory` for each connection that is accepted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it completes closes whatever it had opened.
    ///
    /// # Errors
    ///
    /// The system's error for binding or listening, with the address. If a name was not found, the error has a
    /// [`LookUpError`](crate::LookUpError) inside. It also fails if the endpoint is invalid, if a ready socket is not a
    /// stream socket, or if the loop is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use waterwheel::{Protocol, Transport, get_running_loop, open_connection};
    ///
    /// struct Greeter;
    ///
    /// impl Protocol for Greeter {
    ///     fn connection_made(&self, transport: Rc<dyn Transport>) {
    ///         transport.write(b"hello");
    ///         transport.close();
    ///     }
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// waterwheel::run(async {
    ///     let server = get_running_loop().create_server(|| Rc::new(Greeter), "127.0.0.1:0").await?;
    ///     let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
    ///     assert_eq!(reader.read_to_end().await?, b"hello");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    pub fn create_server<P: Protocol + 'static>(
        &self,
        factory: impl Fn() -> Rc<P> + 'static,
        at: impl Into<Endpoint>,
    ) -> CreateServer {
        self.serve_at(factory, at.into())
    }

    /// Listens at a Unix path, as [`create_server`](LoopHandle::create_server) does at an internet address. A path
    /// that begins with a zero byte is a name of Linux's abstract namespace.
    ///
    /// # Cancel safety
    ///
    /// As for [`create_server`](LoopHandle::create_server).
    ///
    /// # Errors
    ///
    /// The system's error, with the path; `InvalidInput` if the path is too long. `AddrInUse` if a socket at the path
    /// is still open, whether it listens or not, or if the path is a file that is not a socket. The socket of a server
    /// that has ended is replaced. If several servers start at one path at the same time, one of them gets the path
    /// and all others get `AddrInUse`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use waterwheel::{Protocol, get_running_loop};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    ///
    /// # fn main() -> std::io::Result<()> {
    /// waterwheel::run(async {
    ///     let event_loop = get_running_loop();
    ///     let path = std::env::temp_dir().join(format!("quiet-{}.sock", std::process::id()));
    ///     let serving = || event_loop.create_unix_server(|| Rc::new(Quiet), &path);
    ///     // The path stays, for example for a successor that watches for it.
    ///     let server = serving().cleanup_socket(false).await?;
    ///     assert_eq!(serving().await.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    ///     drop(server);
    ///     assert!(path.exists());
    ///     // The next server takes the path over, and removes it at its end.
    ///     drop(serving().await?);
    ///     assert!(!path.exists());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    pub fn create_unix_server<P: Protocol + 'static>(
        &self,
        factory: impl Fn() -> Rc<P> + 'static,
        path: impl AsRef<Path>,
    ) -> CreateServer {
        self.serve_at(factory, Endpoint::unix(path))
    }

    #[track_caller]
    fn serve_at<P: Protocol + 'static>(&self, factory: impl Fn() -> Rc<P> + 'static, at: Endpoint) -> CreateServer {
        let options = ServeOptions::new(at);
        let unawaited = Unawaited::new("create_server");
        CreateServer { event_loop: self.clone(), factory: Rc::new(move || factory()), options, unawaited }
    }
}

/// The builder that [`LoopHandle::create_server`] returns: await it.
///
/// # Examples
///
/// Several processes, or several loops of one process, that serve at one port; the kernel distributes the connections:
///
/// ```
/// use std::rc::Rc;
/// use waterwheel::{CreateServer, Protocol, get_running_loop};
///
/// struct Quiet;
/// impl Protocol for Quiet {}
///
/// fn serve_at(port: u16) -> CreateServer {
///     let server = get_running_loop().create_server(|| Rc::new(Quiet), ("127.0.0.1", port));
///     server.reuse_port(true).backlog(1024).keep_alive(true)
/// }
///
/// # fn main() -> std::io::Result<()> {
/// waterwheel::run(async {
///     let first = serve_at(0).await?;
///     let port = first.local_addrs()[0].port();
///     let second = serve_at(port).await?;
///     assert_eq!(first.local_addrs(), second.local_addrs());
///     // A server that does not share the port does not get it.
///     let alone = serve_at(port).reuse_port(false).reuse_address(false);
///     assert_eq!(alone.await.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "nothing is served unless this is awaited"]
pub struct CreateServer {
    event_loop: LoopHandle,
    factory: Factory,
    pub(crate) options: ServeOptions,
    unawaited: Unawaited,
}

/// The methods of a builder whose field `options` is a [`ServeOptions`].
macro_rules! serve_options {
    () => {
        /// How many connections may wait in the kernel to be accepted. One turn accepts at most one more than that.
        /// The default is 100.
        pub fn backlog(mut self, connections: u32) -> Self {
            self.options.backlog = connections;
            self
        }

        /// Listens at addresses of one family only.
        pub fn family(mut self, family: $crate::net::Family) -> Self {
            self.options.hints.family = family;
            self
        }

        /// The flags (`AI_…`) that names are looked up with.
        pub fn flags(mut self, flags: i32) -> Self {
            self.options.hints.flags = flags;
            self
        }

        /// Whether the address may be taken while connections of an earlier server there are still closing. The
        /// default is true.
        pub fn reuse_address(mut self, reuse: bool) -> Self {
            self.options.bind.reuse_address = reuse;
            self
        }

        /// Whether several sockets may listen on the address, each connection going to one of them. The default is
        /// false.
        pub fn reuse_port(mut self, reuse: bool) -> Self {
            self.options.bind.reuse_port = reuse;
            self
        }

        /// Whether the kernel probes idle connections and ends those whose peers are gone. The default is false.
        pub fn keep_alive(mut self, keep: bool) -> Self {
            self.options.bind.keep_alive = keep;
            self
        }

        /// Whether to accept connections at once, which is the default. Otherwise the address is taken, but connecting
        /// to it is refused until [`Server::start_serving`](crate::Server::start_serving) is called.
        pub fn start_serving(mut self, at_once: bool) -> Self {
            self.options.start_serving = at_once;
            self
        }

        /// Whether a Unix server removes its path when it closes, if its own socket is still there. The default is
        /// true. The path of a ready socket is never removed: it belongs to the code that bound it.
        pub fn cleanup_socket(mut self, remove: bool) -> Self {
            self.options.bind.cleanup_socket = remove;
            self
        }
    };
}
pub(crate) use serve_options;

impl CreateServer {
    serve_options!();
}

impl IntoFuture for CreateServer {
    type Output = io::Result<Server>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<Server>>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::CreateServer, Location::caller(), async move {
            self.options.serve(&self.event_loop, self.factory).await
        }))
    }
}

impl fmt::Debug for CreateServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateServer").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How to listen, for streams and protocols alike.
#[derive(Debug)]
pub(crate) struct ServeOptions {
    at: Endpoint,
    pub(crate) hints: Hints,
    pub(crate) bind: BindOptions,
    pub(crate) backlog: u32,
    pub(crate) start_serving: bool,
    pub(crate) layer: LayerOptions,
}

impl ServeOptions {
    pub(crate) fn new(at: Endpoint) -> Self {
        ServeOptions {
            at,
            hints: Hints::default(),
            bind: BindOptions::default(),
            backlog: DEFAULT_BACKLOG,
            start_serving: true,
            layer: LayerOptions::default(),
        }
    }

    pub(crate) async fn serve(self, event_loop: &LoopHandle, factory: Factory) -> io::Result<Server> {
        if event_loop.is_closed() {
            return Err(loop_is_closed());
        }
        // Listening may fail at once, and a task that tries again in a loop must not hog the thread.
        costly_operation().await;
        let layer = self.layer.prepare(None)?;
        let bound = match self.at.0 {
            Target::Socket(socket) => vec![event_loop.network().adopt_listener(event_loop, socket)?],
            Target::Unix(path) => vec![bind_unix(event_loop, &path, self.bind).await?],
            inet => {
                let addresses = inet.addresses(event_loop, self.hints, Purpose::Listen).await?;
                bind_all(event_loop, &addresses, self.bind).await?
            }
        };
        let server = Server::new(event_loop, Assembly { factory, layer }, bound, self.backlog);
        if self.start_serving {
            server.start_serving().await?;
        }
        Ok(server)
    }
}
