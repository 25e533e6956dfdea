//! The check that a panic does not end the program.

use super::super::codes;
use super::super::finding::Finding;

/// Reports it if this program was built with `panic = "abort"`: a panic in one tool then ends the whole server.
pub(in super::super) fn panics() -> Option<Finding> {
    cfg!(panic = "abort").then(|| {
        let finding = Finding::new(&codes::PANIC_ABORTS, "built with `panic = \"abort\"`");
        finding.remedy_is("drop that line of the profile in Cargo.toml")
    })
}
