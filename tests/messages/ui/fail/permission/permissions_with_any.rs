use mcp_auth::mcp_tool;

#[mcp_tool(permission = any("org:documents:read", "org:documents:delete"))]
async fn hello() {}

fn main() {}
