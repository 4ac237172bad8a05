//! Programs that people already have, on both sides of ours. What these tests need is not on every machine, so they run
//! when they are asked for: `cargo test --all-features --test programs -- --ignored at_home`.

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
