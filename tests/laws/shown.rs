//! Every public function appears in an example of the documentation.

use std::collections::BTreeSet;

use crate::source_tree::{SourceFile, leading_name, sources};

/// The words of all examples in a file's documentation.
fn words_of_examples(file: &SourceFile) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    // Whether the lines between two fences are code. `None` outside of fences.
    let mut fence = None;
    for line in file.text.lines().map(str::trim_start) {
        let Some(said) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            fence = None;
            continue;
        };
        if said.trim_start().starts_with("```") {
            fence = if fence.is_none() { Some(!said.contains("text")) } else { None };
        } else if fence == Some(true) {
            // A comment in an example does not count as a use.
            let code = said.split("// ").next().unwrap_or(said);
            words.extend(code.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
        }
    }
    words
}

/// The public functions of a file, once each.
fn functions(file: &SourceFile) -> BTreeSet<String> {
    let code = file.code();
    let items = code.lines().filter_map(|line| line.trim_start().strip_prefix("pub "));
    let functions = items.filter_map(|item| {
        let item = item.trim_start_matches("const ").trim_start_matches("async ");
        item.strip_prefix("fn ").map(leading_name)
    });
    functions.collect()
}

#[test]
fn every_public_function_is_shown_by_an_example() {
    let sources = sources();
    let shown: BTreeSet<String> = sources.iter().flat_map(words_of_examples).collect();
    let not_shown: Vec<String> = sources
        .iter()
        .flat_map(|file| functions(file).into_iter().map(move |name| (file, name)))
        .filter(|(_, name)| !shown.contains(name))
        .map(|(file, name)| format!("{} {name}", file.path))
        .collect();
    assert!(not_shown.is_empty(), "no example shows {not_shown:#?}");
}

#[test]
fn what_counts_is_the_code_of_an_example() {
    let file = SourceFile::new(
        "a.rs",
        "/// said\n/// ```\n/// used(1); // noted\n/// ```\n/// told\n/// ```text\n/// drawn\n/// ```\n/// explained\npub async fn one() {}\nfn two() {}",
    );
    let words = words_of_examples(&file);
    assert!(words.contains("used"));
    for word in ["said", "noted", "told", "drawn", "explained"] {
        assert!(!words.contains(word), "{word}");
    }
    assert_eq!(functions(&file).into_iter().collect::<Vec<_>>(), ["one"]);
}
