//! Widely used programs as clients and servers of the examples. Not every machine has what these tests need, so they
//! run only on request: `cargo test --all-features --test programs -- --ignored at_home`.

mod browser;
#[cfg(all(feature = "hyper", feature = "signals", feature = "tls"))]
mod http;
mod postgres;
#[cfg(feature = "tls")]
mod proxy;
mod redis;
#[cfg(feature = "tls")]
mod smtp;
mod trace_page;
