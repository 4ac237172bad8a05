//! Looking up names and addresses, for users who want the result itself.

use std::future::{Future, IntoFuture};
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;

use crate::event_loop::{LoopHandle, Unawaited};
use crate::executor::{Awaited, because, costly_operation};
use crate::net::address::family::{Family, Hints};
use crate::net::address::resolve::{Purpose, resolve};
use crate::net::port::Network;

impl LoopHandle {
    /// Looks up the addresses of a host, each once, in the order in which to try them. A numeric address and
    /// `localhost` need no look-up; an empty host is this machine. Other names are looked up by the system, which
    /// blocks, so that is done on a thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future discards the result.
    ///
    /// # Errors
    ///
    /// If the name was not found, the error has a [`LookUpError`](crate::LookUpError) inside. `AddrNotAvailable` if
    /// the host has no address of the family.
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::{Family, get_running_loop};
    ///
    /// waterwheel::run(async {
    ///     let found = get_running_loop().getaddrinfo("localhost", 80).family(Family::V4).await.unwrap();
    ///     assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
    /// });
    /// ```
    #[doc(alias = "loop.getaddrinfo")]
    #[track_caller]
    pub fn getaddrinfo(&self, host: impl Into<String>, port: u16) -> GetAddrInfo {
        let unawaited = Unawaited::new("getaddrinfo");
        GetAddrInfo { event_loop: self.clone(), host: host.into(), port, hints: Hints::default(), unawaited }
    }

    /// Looks up the names of an address: the host's and the service's. `flags` are those of the system (`NI_…`). With
    /// 0, a host or service that has no name is returned as its number.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future discards the result.
    ///
    /// # Errors
    ///
    /// If the look-up fails, the error has a [`LookUpError`](crate::LookUpError) inside. `Unsupported` on a network
    /// that does not know names.
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::get_running_loop;
    ///
    /// const AS_NUMBERS: i32 = libc::NI_NUMERICHOST | libc::NI_NUMERICSERV;
    ///
    /// waterwheel::run(async {
    ///     let address = "127.0.0.1:80".parse().unwrap();
    ///     let (host, service) = get_running_loop().getnameinfo(address, AS_NUMBERS).await?;
    ///     assert_eq!((host.as_str(), service.as_str()), ("127.0.0.1", "80"));
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap()
    /// ```
    #[doc(alias = "loop.getnameinfo")]
    #[track_caller]
    pub fn getnameinfo(&self, address: SocketAddr, flags: i32) -> impl Future<Output = io::Result<(String, String)>> {
        because(Awaited::GetNameInfo, Location::caller(), async move {
            costly_operation().await;
            self.network().look_up_name(self, address, flags).await
        })
    }
}

/// The builder that [`LoopHandle::getaddrinfo`] returns: await it.
///
/// # Examples
///
/// ```
/// use waterwheel::{Family, get_running_loop};
///
/// waterwheel::run(async {
///     // No name server is asked, and only addresses for TCP count.
///     let looking = get_running_loop().getaddrinfo("::1", 80).flags(libc::AI_NUMERICHOST).proto(libc::IPPROTO_TCP);
///     assert_eq!(looking.await?, ["[::1]:80".parse().unwrap()]);
///
///     let looking = get_running_loop().getaddrinfo("::1", 80).family(Family::V4);
///     assert_eq!(looking.await.unwrap_err().kind(), std::io::ErrorKind::AddrNotAvailable);
///     std::io::Result::Ok(())
/// })
/// # .unwrap()
/// ```
#[derive(Debug)]
#[must_use = "nothing is looked up unless this is awaited"]
pub struct GetAddrInfo {
    event_loop: LoopHandle,
    host: String,
    port: u16,
    hints: Hints,
    unawaited: Unawaited,
}

impl GetAddrInfo {
    /// Returns addresses of one family only.
    pub fn family(mut self, family: Family) -> Self {
        self.hints.family = family;
        self
    }

    /// The number of the protocol that the addresses are for; the default, 0, is any.
    pub fn proto(mut self, number: i32) -> Self {
        self.hints.proto = number;
        self
    }

    /// The flags (`AI_…`) that the name is looked up with.
    pub fn flags(mut self, flags: i32) -> Self {
        self.hints.flags = flags;
        self
    }
}

impl IntoFuture for GetAddrInfo {
    type Output = io::Result<Vec<SocketAddr>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::GetAddrInfo, Location::caller(), async move {
            costly_operation().await;
            resolve(&self.event_loop, &self.host, self.port, self.hints, Purpose::Connect).await
        }))
    }
}
