//! Real sockets and pipes, disturbed in every way that a machine can disturb them. `README.md` in this folder says
//! how, and how to run more of it. Not every machine has what these tests need, so they run only on request:
//! `cargo test --release --all-features --test programs -- --ignored faults`.

mod driven;
mod errno_matrix;
mod held;
mod namespaces;
mod peers;
mod proxy;
mod scale;
mod shim;
mod soak;
