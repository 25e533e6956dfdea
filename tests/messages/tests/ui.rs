//! Compile-time messages: correct tools compile without a warning, and each mistake gets one
//! message of ours at the wrong token.
//!
//! Right tools (`ui/pass`) are modules of this test, so that clippy sees them as well; wrong ones
//! (`ui/fail`) are compiled one by one. After a change of a message: `TRYBUILD=overwrite`, and read
//! the difference as a user would.

#![allow(clippy::unwrap_used, reason = "a test's own files and processes")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The texts of rustc change from release to release; ours are compared on this one.
const PINNED: &str = "rustc 1.95.";

#[path = "../ui/pass/mod.rs"]
mod pass;

#[test]
fn wrong_tools_are_explained() {
    let version = Command::new("rustc")
        .arg("--version")
        .output()
        .unwrap()
        .stdout;
    if String::from_utf8(version).unwrap().starts_with(PINNED) {
        trybuild::TestCases::new().compile_fail("ui/fail/*/*.rs");
    } else {
        wrong_tools_do_not_compile();
    }
}

/// Without a text to compare with, trybuild writes one down and says so by a panic; a case that
/// compiles is another.
fn wrong_tools_do_not_compile() {
    let copies = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    // A case of an earlier run may have been renamed since.
    fs::remove_dir_all(&copies).unwrap_or_default();
    fs::create_dir_all(&copies).unwrap();
    for case in files(Path::new("ui/fail"), "rs") {
        let name = case.to_str().unwrap().replace(['/', '\\'], "_");
        fs::copy(&case, copies.join(name)).unwrap();
    }
    let run = AssertUnwindSafe(|| {
        trybuild::TestCases::new().compile_fail(copies.join("*.rs"));
    });
    let panic = catch_unwind(run).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.starts_with("successfully created new stderr files"),
        "{message}"
    );
    fs::remove_dir_all("wip").unwrap();
}

#[test]
fn every_right_tool_is_compiled() {
    let list = fs::read_to_string("ui/pass/mod.rs").unwrap();
    for file in files(Path::new("ui/pass"), "rs") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(
            name == "mod" || list.contains(&format!("mod {name};")),
            "{}",
            file.display()
        );
    }
}

/// Every sentence that the macro can say is shown to be said, in the text of some case.
#[test]
fn every_message_of_the_macro_has_a_case() {
    let said: String = files(Path::new("ui/fail"), "stderr")
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let sources = files(Path::new("../../mcp-auth-macros/src"), "rs");
    let mut count = 0;
    for source in sources
        .iter()
        .filter(|source| !source.ends_with("tests.rs"))
    {
        let code = fs::read_to_string(source).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap();
        for message in literals(code).iter().filter(|text| is_message(text)) {
            for part in parts(message) {
                count += 1;
                assert!(
                    said.contains(&part),
                    "no case shows `{part}` of {}",
                    source.display()
                );
            }
        }
    }
    assert!(
        count > 60,
        "only {count} messages found: are they still string literals?"
    );
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The string literals of a source, but for comments and the reasons of lint levels.
fn literals(code: &str) -> Vec<String> {
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("'\"'", "")
        .replace("\\\"", "\u{0}");
    let mut pieces = code.split("reason = \"");
    let mut code = pieces.next().unwrap().to_owned();
    code.extend(pieces.filter_map(|piece| piece.split_once('"').map(|(_, rest)| rest)));
    let strings = code.split('"').skip(1).step_by(2);
    strings.map(|text| text.replace('\u{0}', "\"")).collect()
}

/// A sentence, and not what only a broken macro says.
fn is_message(text: &str) -> bool {
    let words = text.split_ascii_whitespace().count();
    words > 2 && !NO_CASE.iter().any(|other| text.contains(other))
}

/// Texts that are no messages, and messages that these cases cannot show: the cases all depend on
/// garde, so the test of a package without garde is in `mcp-auth-macros`.
const NO_CASE: [&str; 4] = [
    "an object of arguments",
    "cargo add garde",
    "every type may be an argument",
    "please report",
];

/// Returns the texts between the placeholders and line ends of a format string.
fn parts(message: &str) -> Vec<String> {
    let unbraced = message.replace('{', "}");
    let texts = unbraced
        .split('}')
        .step_by(2)
        .flat_map(|text| text.split("\\n"));
    texts
        .map(|text| text.trim().replace("\\\\", "\\"))
        .filter(|text| text.len() > 3)
        .collect()
}
