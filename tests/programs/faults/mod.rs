//! Real sockets and pipes, disturbed in every way that a machine has: `README.md` beside this says how, and how to ask for
//! more of it. What these tests need is not on every machine, so they run when they are asked for:
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
