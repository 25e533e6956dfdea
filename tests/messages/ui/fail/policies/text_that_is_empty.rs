use mcp_auth::Policy;

const STAFF: Policy = Policy::new("staff", "", |facts| facts.has_role("staff"));

#[mcp_auth::mcp_tool(policy = STAFF)]
async fn tool() {}

fn main() {}
