//! What is known of a connection besides its bytes.

use std::any::Any;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use socket2::SockRef;

use crate::interface::Address;

/// The names of both ends of a connection, and its socket or pipe. The names were taken when the connection was made and
/// stay readable after it is closed.
#[derive(Clone)]
#[doc(alias = "get_extra_info")]
pub struct ExtraInfo {
    pub(crate) peername: Option<Address>,
    pub(crate) sockname: Option<Address>,
    pub(crate) socket: Option<Rc<dyn AsFd>>,
    pub(crate) pipe: Option<Rc<dyn AsFd>>,
    /// What a layer between the transport and the protocol, as TLS, adds. Only that layer knows its type.
    pub(crate) layer: Option<Rc<dyn Any>>,
}

impl ExtraInfo {
    /// The other end's name; `None` where there is none, as for a peer that was gone before it could be asked.
    pub fn peername(&self) -> Option<&Address> {
        self.peername.as_ref()
    }

    /// Our end's name.
    pub fn sockname(&self) -> Option<&Address> {
        self.sockname.as_ref()
    }

    /// The socket, to read and set its options; `None` for a pipe, and once the connection is lost. Do not keep the `ExtraInfo`
    /// for long: the socket is only closed when the last one is gone.
    pub fn socket(&self) -> Option<SockRef<'_>> {
        self.socket.as_ref().map(SockRef::from)
    }

    /// The pipe, terminal, device or one-way socket that was opened as a pipe; `None` for a connection, and once it is
    /// lost. Do not keep the `ExtraInfo` for long: the pipe is only closed when the last one is gone.
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
