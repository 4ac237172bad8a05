//! The checks of the fuzz targets. Each takes an input, all of which the fuzzer chooses, and panics if the crate
//! behaves differently from the target's own simple model.

mod checked;
pub mod parsers;
mod pattern;
pub mod reader;
mod size;
pub mod tls;
pub mod transport;
mod world;
