//! What the targets of the fuzzer check. Each takes an input, of which the fuzzer chooses every byte, and panics if the
//! crate does something else than the target's own, plain idea of it.

mod checked;
pub mod parsers;
mod pattern;
pub mod reader;
mod size;
pub mod tls;
pub mod transport;
mod world;
