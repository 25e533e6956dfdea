//! Finds schemas that some clients refuse.

use crate::primitive::Registry;

use super::super::codes;
use super::super::finding::Finding;

/// A finding for each tool whose schema some clients refuse.
pub(in super::super) fn schemas(registry: &Registry) -> Vec<Finding> {
    let tools = registry.tools();
    tools
        .flat_map(|tool| {
            tool.unsupported().iter().map(|unsupported| {
                let (name, location) = (tool.name(), tool.location());
                let what = format!("tool `{name}` ({location}): {unsupported}");
                Finding::new(&codes::SCHEMA_UNSUPPORTED, what)
                    .because(unsupported.why())
                    .remedy_is(unsupported.remedy())
            })
        })
        .collect()
}
