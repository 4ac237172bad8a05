//! Connecting: from an endpoint to a transport and its protocol.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::constants::HAPPY_EYEBALLS_DELAY;
use crate::event_loop::{LoopHandle, Unawaited};
use crate::executor::{Awaited, because, costly_operation};
use crate::interface::{Protocol, Transport};
use crate::net::address::{Endpoint, Hints, Purpose, Target};
use crate::net::client::dial::{dial_first, dial_unix};
use crate::net::client::race::interleave;
use crate::net::connection::{Connected, LayerOptions, until_made};
use crate::net::port::Network;

impl LoopHandle {
    /// Connects, and returns the transport and the protocol. `factory` makes the protocol once there is a connection.
    /// When this returns, the protocol has been told `connection_made`, and has received no data yet.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it completes closes whatever it had opened.
    ///
    /// # Errors
    ///
    /// If no address could be connected to, the error names them all and has a [`ConnectError`](crate::ConnectError)
    /// inside. If the name was not found, it has a [`LookUpError`](crate::LookUpError) inside. It also fails if the
    /// endpoint is invalid, if a ready socket is not a stream socket, or if the loop is closed.
    ///
    /// # Examples
    ///
    /// A client and its server, each a protocol:
    ///
    /// ```
    /// use std::cell::OnceCell;
    /// use std::rc::Rc;
    /// use waterwheel::{Promise, Protocol, Transport, get_running_loop};
    ///
    /// #[derive(Default)]
    /// struct Echo(OnceCell<Rc<dyn Transport>>);
    ///
    /// impl Protocol for Echo {
    ///     fn connection_made(&self, transport: Rc<dyn Transport>) {
    ///         let _ = self.0.set(transport); // it comes once
    ///     }
    ///     fn data_received(&self, data: &[u8]) {
    ///         self.0.get().expect("connection_made comes first").write(data);
    ///     }
    /// }
    ///
    /// #[derive(Default)]
    /// struct Ask(Promise<Vec<u8>>);
    ///
    /// impl Protocol for Ask {
    ///     fn data_received(&self, data: &[u8]) {
    ///         let _ = self.0.set(data.to_owned());
    ///     }
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// waterwheel::run(async {
    ///     let event_loop = get_running_loop();
    ///     let server = event_loop.create_server(Rc::<Echo>::default, "127.0.0.1:0").await?;
    ///     let to = server.local_addrs()[0];
    ///     let (transport, ask) = event_loop.create_connection(Rc::<Ask>::default, to).await?;
    ///     transport.write(b"hello");
    ///     assert_eq!(ask.0.wait().await, b"hello");
    ///     transport.close();
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    pub fn create_connection<'f, P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P> + 'f,
        to: impl Into<Endpoint>,
    ) -> CreateConnection<'f, P> {
        self.connect_to(factory, to.into())
    }

    /// Connects to a Unix socket, as [`create_connection`](LoopHandle::create_connection) does to an internet
    /// address. A path that begins with a zero byte is a name of Linux's abstract namespace.
    ///
    /// # Cancel safety
    ///
    /// As for [`create_connection`](LoopHandle::create_connection).
    ///
    /// # Errors
    ///
    /// The system's error, with the path; `InvalidInput` if the path is too long. If the server's queue is full, the
    /// future waits instead of failing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use waterwheel::{Promise, Protocol, Transport, get_running_loop};
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
    /// #[derive(Default)]
    /// struct Listener(Promise<Vec<u8>>);
    ///
    /// impl Protocol for Listener {
    ///     fn data_received(&self, data: &[u8]) {
    ///         let _ = self.0.set(data.to_owned());
    ///     }
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// waterwheel::run(async {
    ///     let event_loop = get_running_loop();
    ///     let path = std::env::temp_dir().join(format!("greeter-{}.sock", std::process::id()));
    ///     let server = event_loop.create_unix_server(|| Rc::new(Greeter), &path).await?;
    ///     let (_transport, listener) = event_loop.create_unix_connection(Rc::<Listener>::default, &path).await?;
    ///     assert_eq!(listener.0.wait().await, b"hello");
    ///     drop(server);
    ///     assert!(!path.exists());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    pub fn create_unix_connection<'f, P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P> + 'f,
        path: impl AsRef<Path>,
    ) -> CreateConnection<'f, P> {
        self.connect_to(factory, Endpoint::unix(path))
    }

    #[track_caller]
    fn connect_to<'f, P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P> + 'f,
        to: Endpoint,
    ) -> CreateConnection<'f, P> {
        let options = ConnectOptions::new(to);
        CreateConnection {
            event_loop: self.clone(),
            factory: Box::new(factory),
            options,
            unawaited: Unawaited::new("create_connection"),
        }
    }
}

/// The builder that [`LoopHandle::create_connection`] returns: await it. The factory may borrow for `'f`.
///
/// # Examples
///
/// The order in which a host's addresses are tried, here with no server at any of them:
///
/// ```
/// use std::rc::Rc;
/// use waterwheel::{ConnectError, Protocol, get_running_loop};
///
/// struct Quiet;
/// impl Protocol for Quiet {}
///
/// # fn main() -> std::io::Result<()> {
/// # let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(); // nobody listens there any more
/// # waterwheel::run(async {
/// let connecting = get_running_loop()
///     .create_connection(|| Rc::new(Quiet), (["127.0.0.1", "127.0.0.2", "::1"], port))
///     .proto(libc::IPPROTO_TCP)
///     .happy_eyeballs_delay(None) // The next address only when one has failed,
///     .interleave(1); // and after the first one the other family is tried.
/// let error = connecting.await.map(drop).unwrap_err();
/// let attempts = ConnectError::of(&error).expect("nobody listens").attempts();
/// let tried: Vec<String> = attempts.iter().map(|(address, _)| address.ip().to_string()).collect();
/// assert_eq!(tried, ["127.0.0.1", "::1", "127.0.0.2"]);
/// # Ok(())
/// # })
/// # }
/// ```
#[must_use = "nothing is connected unless this is awaited"]
pub struct CreateConnection<'f, P> {
    event_loop: LoopHandle,
    factory: Box<dyn FnOnce() -> Rc<P> + 'f>,
    pub(crate) options: ConnectOptions,
    unawaited: Unawaited,
}

/// The methods of a builder whose field `options` is a [`ConnectOptions`].
macro_rules! connect_options {
    () => {
        /// Connects to addresses of one family only.
        pub fn family(mut self, family: $crate::net::Family) -> Self {
            self.options.hints.family = family;
            self
        }

        /// The protocol number that names are looked up for; the default, 0, is any.
        pub fn proto(mut self, number: i32) -> Self {
            self.options.hints.proto = number;
            self
        }

        /// The flags (`AI_…`) that names are looked up with.
        pub fn flags(mut self, flags: i32) -> Self {
            self.options.hints.flags = flags;
            self
        }

        /// Where to connect from: a host and port, or an address. Port 0 takes a free port.
        pub fn local_addr(mut self, address: impl Into<$crate::net::Endpoint>) -> Self {
            self.options.local = Some(address.into());
            self
        }

        /// How long one attempt may take before the next address is tried in parallel, when a host has several; 250
        /// milliseconds by default. With `None`, the next address is tried only when an attempt has failed.
        pub fn happy_eyeballs_delay(mut self, delay: Option<std::time::Duration>) -> Self {
            self.options.happy_eyeballs_delay = delay;
            self
        }

        /// How many addresses of the first family are tried before the families take turns. The default is 1; without a
        /// happy eyeballs delay it is 0, which leaves the order as it is.
        pub fn interleave(mut self, first: usize) -> Self {
            self.options.interleave = Some(first);
            self
        }
    };
}
pub(crate) use connect_options;

impl<P: Protocol + 'static> CreateConnection<'_, P> {
    connect_options!();
}

impl<'f, P: Protocol + 'static> IntoFuture for CreateConnection<'f, P> {
    type Output = io::Result<(Rc<dyn Transport>, Rc<P>)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + 'f>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::CreateConnection, Location::caller(), async move {
            self.options.connect(&self.event_loop, self.factory).await
        }))
    }
}

impl<P> fmt::Debug for CreateConnection<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateConnection").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How to connect, for streams and protocols alike.
#[derive(Debug)]
pub(crate) struct ConnectOptions {
    to: Endpoint,
    pub(crate) hints: Hints,
    pub(crate) local: Option<Endpoint>,
    pub(crate) happy_eyeballs_delay: Option<Duration>,
    pub(crate) interleave: Option<usize>,
    pub(crate) layer: LayerOptions,
}

impl ConnectOptions {
    pub(crate) fn new(to: Endpoint) -> Self {
        ConnectOptions {
            to,
            hints: Hints::default(),
            local: None,
            happy_eyeballs_delay: Some(HAPPY_EYEBALLS_DELAY),
            interleave: None,
            layer: LayerOptions::default(),
        }
    }

    pub(crate) async fn connect<P: Protocol + 'static>(
        mut self,
        event_loop: &LoopHandle,
        factory: impl FnOnce() -> Rc<P>,
    ) -> io::Result<(Rc<dyn Transport>, Rc<P>)> {
        // Connecting may fail at once, and a task that tries again in a loop must not hog the thread.
        costly_operation().await;
        let layer = std::mem::take(&mut self.layer).prepare(self.to.0.host()?.as_deref())?;
        let connection = self.dial(event_loop).await?;
        let protocol = factory();
        let (facing_wire, layered) = match layer {
            None => (protocol.clone() as Rc<dyn Protocol>, None),
            Some(make_layer) => {
                let layered = make_layer(event_loop, protocol.clone())?;
                (layered.below, Some((layered.above, layered.made)))
            }
        };
        let transport = connection.open(event_loop, facing_wire, None)?.until_made().await?;
        let Some((above, made)) = layered else { return Ok((transport, protocol)) };
        until_made(&made, || above.abort()).await?;
        Ok((above, protocol))
    }

    async fn dial(self, event_loop: &LoopHandle) -> io::Result<Connected> {
        let local = match self.local {
            None => Vec::new(),
            Some(local) => local.0.addresses(event_loop, self.hints, Purpose::Listen).await?,
        };
        let addresses = match self.to.0 {
            Target::Socket(socket) => return event_loop.network().adopt_connection(event_loop, socket),
            Target::Unix(path) => return dial_unix(event_loop, &path).await,
            inet => inet.addresses(event_loop, self.hints, Purpose::Connect).await?,
        };
        let first = self.interleave.unwrap_or(usize::from(self.happy_eyeballs_delay.is_some()));
        dial_first(event_loop, &interleave(addresses, first), &local, self.happy_eyeballs_delay).await
    }
}
