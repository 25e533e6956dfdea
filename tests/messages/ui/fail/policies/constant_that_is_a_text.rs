const STAFF: &str = "staff";

#[mcp_auth::mcp_tool(policy = STAFF)]
async fn tool() {}

fn main() {}
