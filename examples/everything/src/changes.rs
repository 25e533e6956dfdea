//! Tools that tell subscribed clients that something changed.

use mcp_auth::{Notifier, mcp_tool};

/// Tell clients that the list of tools changed. The list itself stays the same.
#[mcp_tool(read_only, closed_world)]
async fn test_trigger_tool_change(notifier: &Notifier) -> &'static str {
    notifier.tools_changed();
    "Told the subscribers of the list of tools"
}

/// Tell clients that the list of prompts changed. The list itself stays the same.
#[mcp_tool(read_only, closed_world)]
async fn test_trigger_prompt_change(notifier: &Notifier) -> &'static str {
    notifier.prompts_changed();
    "Told the subscribers of the list of prompts"
}
