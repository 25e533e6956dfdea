use mcp_auth::mcp_tool;

#[mcp_tool(any(permission = all("org:a:read", "org:a:write"), scope = "all", permission = all("org:a:write", "org:a:read")))]
async fn hello() {}

fn main() {}
