#[mcp_auth::mcp_tool(policy = |facts| facts.has_role("staff"))]
async fn tool() {}

fn main() {}
