//! The check that a panic does not end the program.

use super::super::codes;
use super::super::finding::Finding;

/// Finds a program that was built to abort on a panic. In this program, a panic in one tool ends
/// the whole server.
pub(in super::super) fn panics() -> Option<Finding> {
    cfg!(panic = "abort").then(|| {
        let finding = Finding::new(&codes::PANIC_ABORTS, "built with `panic = \"abort\"`");
        finding.remedy_is("drop that line of the profile in Cargo.toml")
    })
}
