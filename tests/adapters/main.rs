//! Traits of other crates on our streams: what is written for those traits runs on ours, and ends as ours do.

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
