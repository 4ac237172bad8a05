//! The laws of ARCHITECTURE.md, each with a test that fails if the law is broken, and the shape of `src/`.

#[path = "../common"]
mod common {
    pub(crate) mod alone;
    pub(crate) mod arrived;
    pub(crate) mod bytes;
    #[cfg(feature = "tls")]
    pub(crate) mod certificates;
    pub(crate) mod descriptors;
    pub(crate) mod give_up;
    pub(crate) mod links;
    pub(crate) mod polled;
    pub(crate) mod story;
    pub(crate) mod temp_dir;
    pub(crate) mod unix_name;
    pub(crate) mod until;
    pub(crate) mod watchdog;
}

mod architecture;
mod circles;
mod coverage;
mod imports;
mod law_01;
mod law_02;
mod law_03;
mod law_04;
mod law_04_wakers;
mod law_05;
mod law_05_handover;
mod law_06;
mod law_06_remains;
mod law_07;
mod law_07_storm;
mod law_08;
mod law_09;
mod law_10;
mod law_11;
mod law_12_13;
mod law_14;
mod law_15;
mod named_functions;
mod names_of_asyncio;
mod paths;
mod resources;
mod scripted;
mod seams;
mod shown;
mod source_tree;
mod tools;
