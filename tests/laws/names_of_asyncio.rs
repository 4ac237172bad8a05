//! Every public name of asyncio has a row in the chapter for asyncio users, and a search for it finds something.

use std::collections::BTreeSet;
use std::fs;

use crate::source_tree::{SourceFile, crate_root, leading_name, sources};

/// The exports of CPython 3.13's `asyncio`, and the public members of its loop, streams, servers, tasks, transports,
/// protocols, processes and primitives.
fn names_of_asyncio() -> BTreeSet<String> {
    include_str!("asyncio_names.txt").lines().map(str::to_owned).collect()
}

/// The names in the left column of the tables of a chapter.
fn left_column(chapter: &str) -> BTreeSet<String> {
    let cells = chapter.lines().filter_map(|line| line.strip_prefix("//! | ")?.split(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

/// The names that a search of the documentation finds: public items, methods of traits, and aliases.
fn found_by_search(file: &SourceFile) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for attribute in file.text.split("[doc(alias").skip(1) {
        let aliases = attribute.split(")]").next().into_iter().flat_map(|list| list.split('"').skip(1).step_by(2));
        found.extend(aliases.map(|alias| alias.rsplit('.').next().unwrap_or(alias).to_owned()));
    }
    for line in file.text.lines().map(str::trim_start) {
        let of_trait = line.strip_prefix("fn ").filter(|_| file.path.starts_with("interface/"));
        let item = line.strip_prefix("pub ").map(|item| item.trim_start_matches("async ")).and_then(|item| {
            let kinds = ["fn ", "struct ", "enum ", "trait ", "type ", "mod "];
            kinds.iter().find_map(|kind| item.strip_prefix(kind))
        });
        found.extend(of_trait.or(item).map(leading_name));
    }
    found
}

#[test]
fn every_public_name_of_asyncio_has_a_row() {
    let chapter = fs::read_to_string(crate_root().join("src/coming_from/asyncio.rs")).unwrap();
    let rows = left_column(&chapter);
    let without: Vec<_> = names_of_asyncio().difference(&rows).cloned().collect();
    assert!(without.is_empty(), "{without:?}");
    let unknown: Vec<_> = rows.difference(&names_of_asyncio()).filter(|name| *name != "sleep(0)").cloned().collect();
    assert!(unknown.is_empty(), "asyncio has no {unknown:?}");
}

#[test]
fn a_search_finds_every_public_name_of_asyncio() {
    let found: BTreeSet<String> = sources().iter().flat_map(found_by_search).collect();
    let hidden: Vec<_> = names_of_asyncio().difference(&found).cloned().collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn a_name_is_found_where_it_stands_and_only_there() {
    let file = |path, text| found_by_search(&SourceFile::new(path, text)).into_iter().collect::<Vec<_>>();
    assert_eq!(
        file("a.rs", "#[doc(alias = \"loop.one\")]\n    pub async fn two() {}\npub struct Three<T>;"),
        ["Three", "one", "two"]
    );
    assert_eq!(file("a.rs", "fn private() {}\n// pub fn said() {}\npub(crate) fn inside() {}"), [""; 0]);
    assert_eq!(file("interface/a.rs", "    fn of_a_trait(&self);"), ["of_a_trait"]);
    assert_eq!(
        left_column("//! | `a`, `b` of c | [`d`] |\n//! | e | `f` |").into_iter().collect::<Vec<_>>(),
        ["a", "b"]
    );
}
