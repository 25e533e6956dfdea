//! Runs the corpora of the fuzzers. Their inputs once revealed a mistake of a parser, or reach deep
//! into one. The fuzzers themselves run on request: `.ci/run fuzz`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mcp_auth::__fuzz::{TARGETS, Target};

#[test]
fn every_input_of_the_corpora_passes_the_checks_of_its_fuzzer() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let targets = || TARGETS.into_iter().chain(clerk_emulator::__fuzz::TARGETS);
    let named: BTreeSet<_> = targets().map(|(name, _)| name.to_owned()).collect();
    let in_folder = |folder: &str| -> BTreeSet<_> {
        let entries = fs::read_dir(fuzz.join(folder)).unwrap();
        let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
        entries.map(|entry| stem(&entry.unwrap().path())).collect()
    };
    assert_eq!(in_folder("fuzz_targets"), named);
    assert_eq!(in_folder("corpus"), named);
    for (name, target) in targets() {
        let inputs = run(&fuzz.join("corpus").join(name), target);
        assert!(inputs >= 5, "{name} has a corpus of {inputs}");
    }
}

/// Runs every file of a folder and returns the number of files. A failure names the file.
fn run(folder: &Path, target: Target) -> usize {
    let mut inputs = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let result = std::panic::catch_unwind(|| target(&bytes));
        assert!(result.is_ok(), "{} breaks a rule", path.display());
        inputs += 1;
    }
    inputs
}
