//! Has waterwheel's sources take the primitives of `sync.rs` beside this file. A flag of the compiler would reach the
//! dependencies, too.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(waterwheel_loom)");
    println!("cargo::rustc-cfg=waterwheel_loom");
    println!("cargo::rerun-if-changed=build.rs");
}
