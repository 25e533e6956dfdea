//! `SECURITY.md` names tests for each threat. Each of these tests exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_threats_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tests = BTreeSet::new();
    for folder in [
        "mcp-auth/src",
        "mcp-auth-macros/src",
        "clerk-emulator",
        "tests/tests",
        "examples",
    ] {
        tests_below(&root.join(folder), &mut tests);
    }
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let named: Vec<&str> = text.lines().flat_map(named_tests).collect();
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !tests.contains(**name))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
    assert!(named.len() > 40, "the tables are not read: {named:?}");
}

/// Returns the tests in the last cell of a table row; none for other lines.
fn named_tests(line: &str) -> Vec<&str> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
    match cells.as_slice() {
        [_, _, tests] if line.starts_with('|') => {
            let names = tests.split(',').filter_map(|name| {
                let name = name.trim().strip_prefix('`')?.strip_suffix('`')?;
                (!name.contains(' ')).then_some(name)
            });
            names.collect()
        }
        _ => Vec::new(),
    }
}

/// Adds the names of the functions that follow a `#[test]` of any kind.
fn tests_below(folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            tests.extend(functions_after(&source, "test]\n").map(str::to_owned));
        }
    }
}

fn functions_after<'a>(source: &'a str, attribute: &'a str) -> impl Iterator<Item = &'a str> {
    source.split(attribute).skip(1).filter_map(|rest| {
        let (_, named) = rest.split_once("fn ")?;
        Some(named.split_once('(')?.0)
    })
}
