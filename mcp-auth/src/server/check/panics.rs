//! The check that a panic does not end the program.

use super::super::codes;
use super::super::finding::Finding;

/// A program that aborts on a panic does not contain the panics of tools.
pub(in super::super) fn panics() -> Option<Finding> {
    cfg!(panic = "abort").then(|| {
        let finding = Finding::new(&codes::PANIC_ABORTS, "built with `panic = \"abort\"`");
        finding.remedy_is("drop that line of the profile in Cargo.toml")
    })
}
