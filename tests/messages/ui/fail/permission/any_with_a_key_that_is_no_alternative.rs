use mcp_auth::mcp_tool;

#[mcp_tool(any(role = "admin", require_org))]
async fn hello() {}

fn main() {}
