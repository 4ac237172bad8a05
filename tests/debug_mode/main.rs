//! Debug mode: what it reports about a program with a fault, and that it reports nothing once the fault is fixed.

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
