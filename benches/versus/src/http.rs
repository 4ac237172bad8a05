//! hyper on waterwheel compared with hyper on other runtimes: one service for all, and a load that checks every
//! answer.

pub(crate) mod load;
mod streams;
#[cfg(feature = "monoio")]
mod with_monoio;
#[cfg(feature = "smol")]
mod with_smol;
mod with_tokio;
mod with_waterwheel;

use std::convert::Infallible;
use std::sync::LazyLock;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};

use crate::wire::{MEBIBYTE, text};

/// The version of HTTP that a server speaks. A client must know in advance that it is version 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Serves until this process ends. It prints its address.
pub(crate) fn serve(peer: &str, version: &str) {
    let version = if version == "2" { Version::Two } else { Version::One };
    match peer {
        "tokio" => with_tokio::spawned(version),
        "tokio-local" => with_tokio::spawned_locally(version),
        "waterwheel" => with_waterwheel::serve(version),
        #[cfg(feature = "monoio")]
        "monoio-epoll" => with_monoio::epoll(version),
        #[cfg(feature = "monoio")]
        "monoio-uring" => with_monoio::uring(version),
        #[cfg(feature = "smol")]
        "smol" => with_smol::serve(version),
        _ => panic!("{peer} has no server by hyper"),
    }
}

/// A resource that clients can request, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Small,
    Middle,
    Large,
}

static SMALL: &[u8] = b"Hello, world!";
static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| text(10 * MEBIBYTE, 64));

impl Page {
    fn path(self) -> &'static str {
        match self {
            Page::Small => "/small",
            Page::Middle => "/middle",
            Page::Large => "/large",
        }
    }

    fn body(self) -> &'static [u8] {
        match self {
            Page::Small => SMALL,
            Page::Middle => &LARGE[..64 * 1024],
            Page::Large => &LARGE,
        }
    }
}

/// How every server answers a request.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let page = match request.uri().path() {
        "/middle" => Page::Middle,
        "/large" => Page::Large,
        _ => Page::Small,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(page.body())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}
