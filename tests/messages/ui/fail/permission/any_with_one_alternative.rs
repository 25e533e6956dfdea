use mcp_auth::mcp_tool;

#[mcp_tool(any(permission = all("org:a:read", "org:a:write")))]
async fn hello() {}

fn main() {}
