use mcp_auth::mcp_tool;

#[mcp_tool(any(permission("org:a:read", "org:a:write"), scope = "all", permission("org:a:write", "org:a:read")))]
async fn hello() {}

fn main() {}
