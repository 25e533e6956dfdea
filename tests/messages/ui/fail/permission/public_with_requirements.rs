use mcp_auth::mcp_tool;

#[mcp_tool(public, require_org, permission = "org:documents:read", role = "admin", scope = "a")]
async fn hello() {}

fn main() {}
