//! The futures of the public interface, found in the sources: types that implement `Future` or `IntoFuture`, and
//! functions that are `async` or return an `impl Future`.

use std::collections::BTreeSet;

use super::table;
use crate::paths::paths_of;
use crate::source_tree::{SourceFile, leading_name, sources, subject_of};

/// The names that the crate exports.
fn exported(sources: &[SourceFile]) -> BTreeSet<String> {
    let root = sources.iter().find(|file| file.path == "lib.rs").expect("every crate has one");
    paths_of(root).into_iter().filter(|path| path.is_reexport).filter_map(|path| path.known_as).collect()
}

/// The exported futures of one file.
fn futures_of(file: &SourceFile, exported: &BTreeSet<String>) -> BTreeSet<String> {
    let code = file.code();
    let mut found = BTreeSet::new();
    let mut owner = None;
    let lines: Vec<&str> = code.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("impl") {
            let subject = subject_of(line.trim_end_matches('{'));
            if exported.contains(&subject) && [" Future for ", " IntoFuture for "].iter().any(|of| line.contains(of)) {
                found.insert(subject.clone());
            }
            owner = Some(subject);
        } else if *line == "}" {
            owner = None;
        }
        let Some(rest) = line.trim_start().strip_prefix("pub ") else { continue };
        let is_async = rest.starts_with("async fn ");
        let Some(after) = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ") else { continue };
        // The signature of a function may span several lines.
        let head: String = lines[at..].iter().take(12).map(|line| format!("{line} ")).collect();
        let head = head.split(" { ").next().unwrap_or_default();
        let is_future = is_async || head.contains("-> impl Future") || head.contains("-> Pin<Box<dyn Future");
        let name = leading_name(after);
        match &owner {
            _ if !is_future => {}
            Some(owner) if exported.contains(owner) => drop(found.insert(format!("{owner}::{name}"))),
            None if exported.contains(&name) => drop(found.insert(name)),
            _ => {}
        }
    }
    found
}

/// Whether a file is built with the features of this test. Each feature has its own files and folders.
fn is_built(file: &SourceFile) -> bool {
    let is_in = |places: &[&str]| places.iter().any(|place| file.path.starts_with(place));
    (cfg!(feature = "tls") || !is_in(&["tls/"]))
        && (cfg!(feature = "signals") || !is_in(&["signals/"]))
        && (cfg!(feature = "process") || !is_in(&["net/process/", "streams/process.rs"]))
}

#[test]
fn every_public_future_has_a_row() {
    let sources = sources();
    let exported = exported(&sources);
    let built = sources.iter().filter(|file| is_built(file));
    let futures: BTreeSet<String> = built.flat_map(|file| futures_of(file, &exported)).collect();
    let rows: BTreeSet<String> = table().into_iter().map(|row| row.of.to_owned()).collect();
    let missing: Vec<_> = futures.difference(&rows).collect();
    assert!(missing.is_empty(), "these have no row in any table, which drops them at every moment: {missing:?}");
    let unknown: Vec<_> = rows.difference(&futures).collect();
    assert!(unknown.is_empty(), "these are no public futures: {unknown:?}");
}

#[test]
fn a_future_in_any_form_is_found() {
    let exported = ["Told", "Waits", "Asks", "free"].map(str::to_owned).into();
    let file = SourceFile::new(
        "told.rs",
        "impl Told {\n    pub async fn one(&self) {\n    }\n    pub fn two(\n        &self,\n    ) -> impl Future<Output = ()> {\n    \
         }\n    pub fn three(&self) -> u8 {\n    }\n    pub(crate) async fn four(&self) {\n    }\n}\n\
         impl<T> Future for Waits<'_, T> {\n}\nimpl IntoFuture for Asks {\n}\nimpl Future for Hidden {\n}\n\
         pub async fn free() {\n}\npub async fn hidden() {\n}\n",
    );
    let found: Vec<_> = futures_of(&file, &exported).into_iter().collect();
    assert_eq!(found, ["Asks", "Told::one", "Told::two", "Waits", "free"]);
}
