//! The traits of other crates on waterwheel's streams: code that is written for those traits runs on these streams,
//! and ends as they do.

#[path = "../common"]
mod common {
    pub(crate) mod bytes;
    pub(crate) mod certificates;
    #[expect(dead_code, reason = "not all that peers can do is needed here")]
    pub(crate) mod memory;
    pub(crate) mod running;
    pub(crate) mod settle;
    pub(crate) mod watchdog;
}

mod dribble;
mod dribbling;
mod ends;
mod flush;
mod futures_core;
mod futures_io;
mod hyper_bodies;
mod hyper_ends;
mod hyper_http;
mod hyper_limits;
mod hyper_parts;
mod hyper_streams;
mod hyper_timer;
mod hyper_upgrade;
mod one_send_a_step;
mod stress;
mod tokio_io;
