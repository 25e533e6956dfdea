#[mcp_auth::mcp_tool(policy = is_staff)]
async fn tool() {}

fn main() {}
