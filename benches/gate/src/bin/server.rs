//! One of waterwheel's servers, in a process of its own to be counted: `server KIND CONNECTIONS`.
//!
//! It prints its address, and ends when so many connections have ended.

use std::env::args;

fn main() {
    let arguments: Vec<String> = args().skip(1).collect();
    let [kind, connections] = arguments.as_slice() else { panic!("usage: server KIND CONNECTIONS") };
    gate::server::serve(kind, connections.parse().expect("a number of connections"));
}
