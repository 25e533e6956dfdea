use mcp_auth::{CallerFacts, mcp_tool};

async fn is_staff(facts: &CallerFacts<'_>) -> bool {
    facts.has_role("staff")
}

#[mcp_tool(policy = is_staff)]
async fn tool() {}

fn main() {}
