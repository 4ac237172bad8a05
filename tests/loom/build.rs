//! Makes waterwheel's sources use the primitives of `sync.rs` in this folder. A compiler flag would also reach the
//! dependencies.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(waterwheel_loom)");
    println!("cargo::rustc-cfg=waterwheel_loom");
    println!("cargo::rerun-if-changed=build.rs");
}
