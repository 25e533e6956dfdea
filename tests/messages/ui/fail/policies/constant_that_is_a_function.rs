use mcp_auth::{CallerFacts, mcp_tool};

const STAFF: fn(&CallerFacts<'_>) -> bool = |facts| facts.has_role("staff");

#[mcp_tool(policy = STAFF)]
async fn tool() {}

fn main() {}
