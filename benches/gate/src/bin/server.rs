//! One of waterwheel's servers, in its own process so that its costs can be counted: `server KIND CONNECTIONS`.
//!
//! It prints its address, and exits when `CONNECTIONS` connections have ended.

use std::env::args;

fn main() {
    let arguments: Vec<String> = args().skip(1).collect();
    let [kind, connections] = arguments.as_slice() else { panic!("usage: server KIND CONNECTIONS") };
    gate::server::serve(kind, connections.parse().expect("a number of connections"));
}
