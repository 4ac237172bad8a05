//! Debug mode: what it reports of a program with a fault, and that it reports nothing of the same program mended.

#[path = "../common"]
mod common {
    pub(crate) mod running;
    pub(crate) mod watchdog;
}

mod builders;
mod faults;
mod steps;
mod tasks;
mod told;
mod writers;
