use mcp_auth::mcp_tool;

#[mcp_tool(permission("org:documents:read"))]
async fn hello() {}

fn main() {}
