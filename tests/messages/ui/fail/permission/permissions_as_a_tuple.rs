use mcp_auth::mcp_tool;

#[mcp_tool(permission = ("org:documents:read", "org:documents:delete"))]
async fn hello() {}

fn main() {}
