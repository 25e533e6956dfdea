//! Schemas that some clients refuse, whatever words they are written in.

use crate::tool::Registry;

use super::{Finding, Found};

/// Names each tool whose schema some clients refuse.
pub(in super::super) fn schemas(registry: &Registry) -> Vec<Found> {
    let tools = registry.iter();
    tools
        .flat_map(|tool| {
            tool.unsupported().iter().map(|unsupported| {
                let what = format!(
                    "tool `{}` ({}): {unsupported}",
                    tool.name(),
                    tool.location()
                );
                Finding::warning(what, unsupported.why(), unsupported.remedy()).into()
            })
        })
        .collect()
}
