//! The finding about questions that older clients cannot answer without a session.

use crate::primitive::Registry;

use super::super::codes;
use super::super::finding::Finding;

/// If clients of MCP 2025-11-25 and older get no sessions, returns a note about the tools whose `confirm` asks a person.
/// The declaration does not show whether the body of a function asks.
pub(in super::super) fn questions(registry: &Registry) -> Option<Finding> {
    let asking = registry.tools();
    let asking = asking.filter(|tool| tool.confirms() && !tool.takes_code());
    let names: Vec<_> = asking.map(|tool| format!("`{}`", tool.name())).collect();
    if names.is_empty() {
        return None;
    }
    let asks = match names.len() {
        1 => "asks",
        _ => "ask",
    };
    let what = format!(
        "{} {asks} a person; clients of MCP 2025-11-25 and older can answer only in a session, and the server opens none",
        names.join(", ")
    );
    let remedy = "set `MCP_AUTH_LEGACY=sessions`, or call `ServerBuilder::legacy_sessions`";
    Some(Finding::new(&codes::QUESTIONS_WITHOUT_SESSIONS, what).remedy_is(remedy))
}
