//! Law 11: every wait is cancel-safe. Every future of the public interface is dropped at each moment at which it can
//! be dropped, and afterwards its object works and nothing is left behind.
//!
//! Each future has a row in a table, in `connections`, `processes`, `servers`, `streams`, `system`, `tasks`, `time` or
//! `tls`. `public_futures` compares the tables with the sources and so finds a new future without a row. In
//! `schedules`, many waits are dropped one after another while bytes go both ways.

mod connections;
mod lasting_waits;
mod moments;
#[cfg(feature = "process")]
mod processes;
mod public_futures;
mod remains;
mod schedules;
mod servers;
mod streams;
mod system;
mod tasks;
mod time;
#[cfg(feature = "tls")]
mod tls;
mod wires;

use std::future::Future;
use std::pin::Pin;

use crate::common::alone::alone;
use crate::tools::run_clean;
use moments::Moment;
use remains::{live_bytes, remains, until_nothing_is_left};

/// A public future and its trial: the trial sets up what the future needs, drops it at a moment, and checks the object
/// that it was about. The trial returns whether the future was done before that moment.
struct Row {
    /// The name that `public_futures` finds: a type that is a future, or a function that returns one, prefixed by its
    /// type.
    of: &'static str,
    trial: fn(Moment) -> Pin<Box<dyn Future<Output = bool>>>,
}

/// A table of rows: `"name" => a function from a moment to a future`.
macro_rules! rows {
    ($($of:literal => $trial:expr,)*) => {
        &[$($crate::law_11::Row { of: $of, trial: |moment| Box::pin($trial(moment)) }),*]
    };
}
use rows;

/// All rows, including those of the enabled features.
fn table() -> Vec<&'static Row> {
    let tables: &[&[Row]] = &[
        connections::ROWS,
        servers::ROWS,
        streams::ROWS,
        system::ROWS,
        tasks::ROWS,
        time::ROWS,
        #[cfg(feature = "signals")]
        system::SIGNALS,
        #[cfg(feature = "tls")]
        tls::ROWS,
        #[cfg(feature = "process")]
        processes::ROWS,
    ];
    tables.iter().flat_map(|rows| rows.iter()).collect()
}

/// More polls than any future needs.
const MOST_POLLS: usize = 200;

/// How often a trial is repeated until it keeps no memory. A leak keeps some every time; a list that only grew to its
/// final size does not.
const ROUNDS: usize = 12;

/// Repeats a row's trial at a moment until it keeps no memory.
async fn try_at(row: &Row, number: usize, moment: Moment) -> bool {
    let mut grown = Vec::new();
    for _ in 0..ROUNDS {
        let (before, bytes) = (remains(), live_bytes());
        let is_done = (row.trial)(moment).await;
        until_nothing_is_left(&format!("{} (row {number}), {moment:?}", row.of), before).await;
        match live_bytes().saturating_sub(bytes) {
            0 => return is_done,
            more => grown.push(more),
        }
    }
    panic!("{} (row {number}) leaves memory when it is dropped {moment:?}, in bytes each time: {grown:?}", row.of);
}

#[test]
fn law_11_every_wait_is_cancel_safe() {
    alone(|| {
        run_clean(async {
            for (number, row) in table().into_iter().enumerate() {
                let mut polls = 0;
                while !try_at(row, number, Moment::Waiting(polls)).await {
                    if polls > 0 {
                        try_at(row, number, Moment::Woken(polls)).await;
                    }
                    polls += 1;
                    assert!(polls < MOST_POLLS, "{} (row {number}) is never done", row.of);
                }
                assert!(polls > 0, "{} (row {number}) was done without a poll", row.of);
            }
        });
    });
    lasting_waits::given_up_and_taken_up_again();
}
