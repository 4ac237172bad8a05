//! What is known about a connection apart from its bytes.

use std::any::Any;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use socket2::SockRef;

use crate::interface::Address;

/// The names of both ends of a connection, and its socket or pipe. The names were taken when the connection was made
/// and stay readable after it is closed.
///
/// # Examples
///
/// ```
/// use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};
///
/// # fn main() -> std::io::Result<()> {
/// waterwheel::run(async {
///     let server = start_server(async |_: StreamReader, _: StreamWriter| {}, "127.0.0.1:0").await?;
///     let (_reader, writer) = open_connection(server.local_addrs()[0]).await?;
///     let info = writer.extra_info();
///     assert_eq!(info.peername().and_then(|peer| peer.as_inet()), Some(server.local_addrs()[0]));
///     assert!(info.sockname().is_some_and(|ours| ours.as_inet() != Some(server.local_addrs()[0])));
///     // The crate `socket2` reads and sets the socket's options.
///     let socket = info.socket().expect("it is one of the system's");
///     socket.set_keepalive(true)?;
///     assert!(socket.keepalive()?);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone)]
#[doc(alias = "get_extra_info")]
pub struct ExtraInfo {
    pub(crate) peername: Option<Address>,
    pub(crate) sockname: Option<Address>,
    pub(crate) socket: Option<Rc<dyn AsFd>>,
    pub(crate) pipe: Option<Rc<dyn AsFd>>,
    /// Added by a layer between the transport and the protocol, such as TLS. Only that layer knows its type.
    pub(crate) layer: Option<Rc<dyn Any>>,
}

impl ExtraInfo {
    /// The other end's name; `None` if there is none, for example because the peer was gone before its name could be
    /// read.
    pub fn peername(&self) -> Option<&Address> {
        self.peername.as_ref()
    }

    /// Our end's name.
    pub fn sockname(&self) -> Option<&Address> {
        self.sockname.as_ref()
    }

    /// The socket, to read and set its options; `None` for a pipe, and once the connection is lost. Do not keep the
    /// `ExtraInfo` for long: the socket is closed only when the last one is dropped.
    pub fn socket(&self) -> Option<SockRef<'_>> {
        self.socket.as_ref().map(SockRef::from)
    }

    /// The pipe, terminal, device or one-way socket that was opened as a pipe; `None` for a connection, and once it is
    /// lost. Do not keep the `ExtraInfo` for long: the pipe is closed only when the last one is dropped.
    ///
    /// # Examples
    ///
    /// Uses colours only if the output is a terminal:
    ///
    /// ```
    /// use std::io::IsTerminal;
    /// use waterwheel::{StreamWriter, open_write_pipe};
    ///
    /// fn heading(output: &StreamWriter) -> &'static [u8] {
    ///     let is_terminal = output.extra_info().pipe().is_some_and(|pipe| pipe.is_terminal());
    ///     if is_terminal { b"\x1b[1mTides\x1b[0m\n" } else { b"Tides\n" }
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// waterwheel::run(async {
    ///     let output = open_write_pipe(std::fs::File::options().write(true).open("/dev/null")?).await?;
    ///     assert!(output.extra_info().pipe().is_some());
    ///     assert_eq!(heading(&output), b"Tides\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias = "get_extra_info")]
    pub fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_deref().map(AsFd::as_fd)
    }
}

impl fmt::Debug for ExtraInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtraInfo")
            .field("peername", &self.peername)
            .field("sockname", &self.sockname)
            .field("socket", &self.socket.as_ref().map(|socket| socket.as_fd()))
            .field("pipe", &self.pipe())
            .field("layered", &self.layer.is_some())
            .finish()
    }
}
