//! The laws of ARCHITECTURE.md, each with a test that fails where the law is broken.

#[path = "../common/imports.rs"]
mod imports;
#[path = "../common/law_tools.rs"]
mod law_tools;
#[path = "../common/links.rs"]
mod links;
#[path = "../common/source_tree.rs"]
mod source_tree;
#[path = "../common/story.rs"]
mod story;

mod scripted;

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
mod law_08;
mod law_09;
mod law_10;
mod law_11;
mod law_11_others;
mod law_12_13;
mod law_14;
mod law_15;
